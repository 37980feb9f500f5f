package sipo

import "sipo/internal/native"

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
	Backend  string       // "auto" (the default) or "cpu"
	Threads  int          // that load the file: 1 to 256, or all processors
	Progress ProgressFunc // of loading, in bytes of weights
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

	Threads     int          // of the computation: 1 to 256, or all processors; no effect on results
	ChunkTokens int64        // of the prompt at a time: 1 to 65536, default 1024; no effect on results
	Progress    ProgressFunc // of prefill and score, in tokens of the prompt
}

// SamplingOptions are options of [Session.Generate].
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
}

// ImportOptions are options of [ImportCheckpoint], [Quantize] and [WritePreset].
type ImportOptions struct {
	Weights        Weights
	Store          Store
	Threads        int          // 1 to 256, or all processors
	TrainingLength int64        // where config.json does not say it: 1 to 2^31-1
	Progress       ProgressFunc // in bytes of weights
}

// CalibrationOptions are options of [Model.Calibrate].
type CalibrationOptions struct {
	Clamp    float64      // share of the largest delta that are clamped to the smallest of them: [0, 1)
	Threads  int          // 1 to 256, or all processors
	Progress ProgressFunc // in layers times sequences
}

// set calls a setter of the library unless the value is the field's zero.
func set[Value comparable, Options any](setter func(Value) Options, value Value) {
	var zero Value
	if value != zero {
		setter(value)
	}
}

func (o *ModelOptions) apply(to native.ModelOptions) {
	set(to.Backend, o.Backend)
	set(to.Threads, o.Threads)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
	if log := o.Log; log != nil {
		to.Log(native.Log(func(level int, line string) { log(LogLevel(level), line) }))
	}
}

// apply needs the calibration, if there is one, to be in use.
func (o *SessionOptions) apply(to native.SessionOptions) {
	to.Context(native.SipoContext(o.Context))
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
		to.Calibration(o.Calibration.native)
	}
	set(to.Expected_tokens, o.ExpectedTokens)
	set(to.Threads, o.Threads)
	set(to.Chunk_tokens, o.ChunkTokens)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
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
}

func (o *ImportOptions) apply(to native.ImportOptions) {
	set(to.Weights, native.SipoWeights(o.Weights))
	set(to.Store, native.SipoStore(o.Store))
	set(to.Threads, o.Threads)
	set(to.Training_length, o.TrainingLength)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
}

func (o *CalibrationOptions) apply(to native.CalibrationOptions) {
	set(to.Clamp, o.Clamp)
	set(to.Threads, o.Threads)
	to.Progress(native.Progress(native.ProgressFunc(o.Progress)))
}
