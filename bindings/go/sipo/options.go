package sipo

import (
	"context"

	"sipo/internal/native"
)

// Context is how a session goes beyond the training length.
type Context int

// Methods that extend the context.
const (
	NoMethod  Context = 0
	DeciMamba Context = 100 // drop the tokens with the smallest delta (arXiv 2406.14528)
	LongMamba Context = 110 // global channels skip unimportant tokens (arXiv 2504.16053)
)

// Channels are those that LongMamba filters.
type Channels int

// Channels to filter; all but the first are the paper's ablations.
const (
	GlobalChannels Channels = 0
	LocalChannels  Channels = 100 // those that are not global
	RandomChannels Channels = 110 // as many of a layer as are global
)

// Weights is how matrices are stored and multiplied.
type Weights int

// Types of weights.
const (
	AutoWeights Weights = 0 // F32 from an f32 checkpoint, else BF16
	F32         Weights = 100
	BF16        Weights = 110
	Q8          Weights = 120
	Q4          Weights = 130
)

// Store is how tensors lie in a .sipo file.
type Store int

// Ways to store tensors.
const (
	Zstd Store = 100 // compressed: smaller; the default
	Raw  Store = 110 // as they are: larger, loads a little faster
)

// ProgressFunc hears of long work: done of total units. If it returns false, the call ends with
// [ErrCancelled].
type ProgressFunc func(done, total int64) bool

// LogLevel is the weight of a log line.
type LogLevel int

// Levels of log lines.
const (
	LogError LogLevel = 1 + iota
	LogWarning
	LogInformation
)

// ModelOptions are options of [Open].
type ModelOptions struct {
	Backend     string       // "auto" (the default), "cpu", "cuda" (the first device), "cuda:1"
	Threads     int          // that load the file: 1 to 256, or all processors
	Progress    ProgressFunc // of loading, in bytes of weights
	MemoryLimit int64        // the most bytes of weights, else [OutOfMemory]; 0 for no limit
	// The most bytes that the model and all its sessions take together of a GPU's memory, else [OutOfMemory];
	// 0 for no limit.
	DeviceMemoryLimit int64
	// Log gets the lines of the model and its sessions, possibly from several threads at once.
	Log func(level LogLevel, line string)
}

// SessionOptions are options of [Model.NewSession].
type SessionOptions struct {
	Context   Context
	Layers    []int32 // layer scope: different layers, each 0 to Layers-1; default as AllLayers says
	AllLayers bool    // scope of every layer; else DeciMamba takes the middle one, LongMamba all

	// DeciMamba. Layer number s of the scope keeps DecimationCapacity * DecimationRate^s tokens.
	DecimationRate      float64 // (0, 1], default 0.5
	DecimationCapacity  int64   // 1 to 2^40, default the training length
	DecimationMinTokens int64   // never keep fewer: 1 to 2^40, default 20
	ProtectedTail       int64   // tokens at the end that are always kept: 1 to 2^40, default 1

	// LongMamba. A channel is global when its cumulative decay at the training length exceeds the threshold.
	GlobalChannelThreshold float64      // (0, 1), default 1e-2
	FilteredChannels       Channels     // which channels are filtered
	ChannelSeed            int64        // chooses RandomChannels
	Profile                string       // calibration profile of the file, default "default"
	Calibration            *Calibration // instead of a profile of the file
	ExpectedTokens         int64        // the total length S, default what the session has seen; to 2^40

	// UseProfile is a profile of the file with the settings that it was saved with: context method, global-channel
	// threshold, layer scope, decimation rate and capacity. What is set here too goes before them. [NotFound] when it
	// holds none.
	UseProfile string

	Threads     int          // of the computation: 1 to 256, or all processors; no effect on results
	Workers     *Workers     // threads and working memory that are shared, instead of threads of its own
	MemoryLimit int64        // the most bytes, as [Model.SessionMemory] counts, else [OutOfMemory]; 0 for no limit
	ChunkTokens int64        // of the prompt at a time: 1 to 65536, default 1024; no effect on results
	Progress    ProgressFunc // of prefill and score, in tokens of the prompt
}

// SamplingOptions are options of [Session.Generate] and [Scheduler.Submit].
type SamplingOptions struct {
	Temperature float64 // 0 (greedy) to 100
	TopK        int     // sample among so many of the likeliest tokens: to 2^24; 0 is all
	TopP        float64 // among those that together reach this probability: (0, 1], default 1
	MinP        float64 // drop tokens less likely than this times the likeliest: [0, 1]
	// RepetitionPenalty makes the tokens of the last RepetitionWindow generated less likely: (0, 100],
	// default 1, which is off; the window is at most 2^24, default 64.
	RepetitionPenalty float64
	RepetitionWindow  int64
	Seed              int64 // the same seed gives the same tokens
	IgnoreEndOfText   bool  // go on past the end of text
	Resume            bool  // go on where the session's last generation stopped, not from the seed
	// Stop are texts that end a generation, wherever tokens begin and end: 1 to 65536 bytes of UTF-8 each, 256
	// of them at most. The text that stopped it is not reported.
	Stop []string
	// LogitBias is added to the logits of these tokens; minus infinity rules a token out.
	LogitBias map[int32]float32
	// LogProbabilities, if not nil, gets the log probability of each token and of the Likeliest (0 to 1024) of its
	// place, likeliest first, before the token itself is told. If it returns false, the generation ends with
	// [ErrCancelled].
	LogProbabilities func(token TokenProbability, likeliest []TokenProbability) bool
	Likeliest        int
}

// TokenProbability is a token and how likely it was at its place.
type TokenProbability struct {
	ID             int32
	LogProbability float32 // in nats
}

// SnapshotOptions are options of [Session.Save].
type SnapshotOptions struct {
	Store   Store // Raw, the default and fastest, or Zstd
	NoFlush bool  // do not wait until the file would survive a power cut
}

// CacheOptions are options of [Model.NewCache].
type CacheOptions struct {
	Memory         int64  // bytes of entries in memory, default 256 MiB; below 0 for none
	Directory      string // keeps entries in this directory too; any number of processes may share it
	DirectoryBytes int64  // of its files, default 1 GiB
	Interval       int64  // tokens from one kept state of a prompt to the next: 64 to 2^40, default 2048
}

// SchedulerOptions are options of [Model.NewScheduler].
type SchedulerOptions struct {
	Threads     int    // 1 to 256, or all processors
	Sessions    int64  // requests that are worked on at once: 1 to 65536, default 64
	Queue       int64  // requests that wait at most: 1 to 2^24, default 1024
	ChunkTokens int64  // of prompts, a round at most: 1 to 65536, default 128
	MemoryLimit int64  // the most bytes of the sessions, else [OutOfMemory]; 0 for no limit
	Cache       *Cache // reads prompts with the help of this cache
}

// ImportOptions are options of [ImportCheckpoint], [ExportCheckpoint], [Quantize] and [WritePreset].
type ImportOptions struct {
	Weights        Weights
	Store          Store
	Threads        int          // 1 to 256, or all processors
	TrainingLength int64        // where config.json does not say it: 1 to 2^31-1
	Tokenizer      string       // path of a tokenizer.json to take instead of the checkpoint's
	Progress       ProgressFunc // in bytes of weights
}

// CalibrationOptions are options of [Model.Calibrate].
type CalibrationOptions struct {
	Clamp    float64      // share of the largest delta that are clamped to the smallest of them: [0, 1)
	Threads  int          // 1 to 256, or all processors
	Progress ProgressFunc // in layers times sequences
}

// AnalysisOptions are options of [Model.Analyze].
type AnalysisOptions struct {
	Points  int64 // places of the prompt that curves are told for: 1 to 4096, and at most one a token; default 64
	MapSize int64 // rows and columns of an attention map: to 256, and at most one a token; default 64; below 0 for no maps
	// MapChannels are those whose attention is mapped, 4096 at most; by default of each layer the median global one, or
	// the most lasting where none is global.
	MapChannels []MapChannel
	MemoryLimit int64        // the most bytes, as [Model.AnalysisMemory] counts; default 4 GiB; below 0 for no limit
	Progress    ProgressFunc // in tokens times layers
}

// set calls a setter of the library unless the value is the field's zero.
func set[Value comparable, Options any](setter func(Value) Options, value Value) {
	var zero Value
	if value != zero {
		setter(value)
	}
}

// setOrNone is set for a number that is 0 where it is below that.
func setOrNone[Options any](setter func(int64) Options, value int64) {
	if value < 0 {
		setter(0)
	} else {
		set(setter, value)
	}
}

// withNative runs a call with native options that fill has set.
func withNative[Options any](create func() Options, fill, free func(Options), call func(Options) error) error {
	var chosen Options
	if err := try(func() { chosen = create() }); err != nil {
		return err
	}
	defer free(chosen)
	if err := try(func() { fill(chosen) }); err != nil {
		return err
	}
	return call(chosen)
}

// given are the options, or the defaults where there are none.
func given[Options any](options *Options) *Options {
	if options == nil {
		return new(Options)
	}
	return options
}

func (o *ModelOptions) use(call func(native.ModelOptions) error) error {
	return withNative(native.NewModelOptions, given(o).apply, native.DeleteModelOptions, call)
}

func (o *ModelOptions) apply(to native.ModelOptions) {
	set(to.Backend, o.Backend)
	set(to.Threads, o.Threads)
	set(to.Memory_limit, o.MemoryLimit)
	set(to.Device_memory_limit, o.DeviceMemoryLimit)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
	if log := o.Log; log != nil {
		to.Log(native.Log(func(level int, line string) { log(LogLevel(level), line) }))
	}
}

// use runs a call with native options of a model, of which the caller holds a use.
func (o *SessionOptions) use(model native.Model, call func(native.SessionOptions) error) error {
	o = given(o)
	if calibration := o.Calibration; calibration != nil {
		if err := calibration.acquire(); err != nil {
			return err
		}
		defer calibration.release()
	}
	if workers := o.Workers; workers != nil {
		if err := workers.acquire(); err != nil {
			return err
		}
		defer workers.release()
	}
	create := func() native.SessionOptions { return native.NewSessionOptions(model) }
	return withNative(create, o.apply, native.DeleteSessionOptions, call)
}

func (o *SessionOptions) apply(to native.SessionOptions) {
	// The first, because it sets what the others may set again.
	set(to.Use_profile, o.UseProfile)
	set(to.Context, native.SipoContext(o.Context))
	if len(o.Layers) > 0 {
		to.Layers(o.Layers)
	}
	if o.AllLayers {
		to.All_layers()
	}
	set(to.Decimation_rate, o.DecimationRate)
	set(to.Decimation_capacity, o.DecimationCapacity)
	set(to.Decimation_min_tokens, o.DecimationMinTokens)
	set(to.Protected_tail, o.ProtectedTail)
	set(to.Global_channel_threshold, o.GlobalChannelThreshold)
	to.Filtered_channels(native.SipoChannels(o.FilteredChannels), o.ChannelSeed)
	set(to.Profile, o.Profile)
	if o.Calibration != nil {
		o.Calibration.lend(to)
	}
	set(to.Expected_tokens, o.ExpectedTokens)
	set(to.Threads, o.Threads)
	if o.Workers != nil {
		to.Workers(o.Workers.native)
	}
	set(to.Memory_limit, o.MemoryLimit)
	set(to.Chunk_tokens, o.ChunkTokens)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
}

func (o *SamplingOptions) use(call func(native.SamplingOptions) error) error {
	return withNative(native.NewSamplingOptions, given(o).apply, native.DeleteSamplingOptions, call)
}

func (o *SamplingOptions) apply(to native.SamplingOptions) {
	set(to.Temperature, o.Temperature)
	set(to.Top_k, o.TopK)
	set(to.Top_p, o.TopP)
	set(to.Min_p, o.MinP)
	if o.RepetitionPenalty != 0 || o.RepetitionWindow != 0 {
		penalty, window := o.RepetitionPenalty, o.RepetitionWindow
		if penalty == 0 {
			penalty = 1
		}
		if window == 0 {
			window = 64
		}
		to.Repetition_penalty(penalty, window)
	}
	set(to.Seed, o.Seed)
	to.Ignore_end_of_text(o.IgnoreEndOfText)
	to.Resume(o.Resume)
	for _, text := range o.Stop {
		to.Stop(text)
	}
	if len(o.LogitBias) > 0 {
		ids := make([]int32, 0, len(o.LogitBias))
		biases := make([]float32, 0, len(o.LogitBias))
		for id, bias := range o.LogitBias {
			ids, biases = append(ids, id), append(biases, bias)
		}
		to.Logit_biases(ids, biases)
	}
	if listener := o.LogProbabilities; listener != nil {
		to.Log_probabilities(o.Likeliest, native.LogProbabilities(
			func(token int32, logProbability float32, likeliest []int32, logProbabilities []float32) bool {
				list := make([]TokenProbability, len(likeliest))
				for i := range list {
					list[i] = TokenProbability{likeliest[i], logProbabilities[i]}
				}
				return listener(TokenProbability{token, logProbability}, list)
			}))
	}
}

func (o *SnapshotOptions) use(call func(native.SnapshotOptions) error) error {
	return withNative(native.NewSnapshotOptions, given(o).apply, native.DeleteSnapshotOptions, call)
}

func (o *SnapshotOptions) apply(to native.SnapshotOptions) {
	set(to.Store, native.SipoStore(o.Store))
	to.Flush(!o.NoFlush)
}

func (o *CacheOptions) use(call func(native.CacheOptions) error) error {
	return withNative(native.NewCacheOptions, given(o).apply, native.DeleteCacheOptions, call)
}

func (o *CacheOptions) apply(to native.CacheOptions) {
	setOrNone(to.Memory, o.Memory)
	if o.Directory != "" {
		bytes := o.DirectoryBytes
		if bytes == 0 {
			bytes = 1 << 30
		}
		to.Directory(o.Directory, bytes)
	}
	set(to.Interval, o.Interval)
}

// use runs a call with native options of a model, of which the caller holds a use.
func (o *SchedulerOptions) use(model native.Model, call func(native.SchedulerOptions) error) error {
	o = given(o)
	if cache := o.Cache; cache != nil {
		if err := cache.acquire(); err != nil {
			return err
		}
		defer cache.release()
	}
	create := func() native.SchedulerOptions { return native.NewSchedulerOptions(model) }
	return withNative(create, o.apply, native.DeleteSchedulerOptions, call)
}

func (o *SchedulerOptions) apply(to native.SchedulerOptions) {
	set(to.Threads, o.Threads)
	set(to.Sessions, o.Sessions)
	set(to.Queue, o.Queue)
	set(to.Chunk_tokens, o.ChunkTokens)
	set(to.Memory_limit, o.MemoryLimit)
	if o.Cache != nil {
		to.Cache(o.Cache.native)
	}
}

func (o *ImportOptions) use(call func(native.ImportOptions) error) error {
	return withNative(native.NewImportOptions, given(o).apply, native.DeleteImportOptions, call)
}

func (o *ImportOptions) apply(to native.ImportOptions) {
	set(to.Weights, native.SipoWeights(o.Weights))
	set(to.Store, native.SipoStore(o.Store))
	set(to.Threads, o.Threads)
	set(to.Training_length, o.TrainingLength)
	set(to.Tokenizer, o.Tokenizer)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
}

// use runs a call that the context ends too.
func (o *CalibrationOptions) use(ctx context.Context, call func(native.CalibrationOptions) error) error {
	chosen := *given(o)
	chosen.Progress = watch(ctx, chosen.Progress)
	return withNative(native.NewCalibrationOptions, chosen.apply, native.DeleteCalibrationOptions, call)
}

func (o *CalibrationOptions) apply(to native.CalibrationOptions) {
	set(to.Clamp, o.Clamp)
	set(to.Threads, o.Threads)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
}

// use runs a call that the context ends too.
func (o *AnalysisOptions) use(ctx context.Context, call func(native.AnalysisOptions) error) error {
	chosen := *given(o)
	chosen.Progress = watch(ctx, chosen.Progress)
	return withNative(native.NewAnalysisOptions, chosen.apply, native.DeleteAnalysisOptions, call)
}

func (o *AnalysisOptions) apply(to native.AnalysisOptions) {
	set(to.Points, o.Points)
	setOrNone(to.Map_size, o.MapSize)
	if len(o.MapChannels) > 0 {
		pairs := make([]int32, 0, 2*len(o.MapChannels))
		for _, channel := range o.MapChannels {
			pairs = append(pairs, channel.Layer, channel.Channel)
		}
		to.Map_pairs(pairs)
	}
	setOrNone(to.Memory_limit, o.MemoryLimit)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
}
