package sipo

import (
	"runtime"
	"strings"

	"sipo/internal/native"
)

// Model is the weights and the tokenizer of one .sipo file. It is immutable; any number of goroutines and
// sessions may share it.
type Model struct {
	handle
	native native.Model
}

// Open opens a .sipo file, which may be replaced or removed afterwards. Errors: [NotFound], [IOError],
// [CorruptFile], [Unsupported] (a newer format), [BackendError], [Cancelled].
func Open(path string, options *ModelOptions) (*Model, error) {
	var opened native.Model
	err := options.use(func(chosen native.ModelOptions) error {
		return try(func() { opened = native.ModelOpen(path, chosen) })
	})
	if err != nil {
		return nil, err
	}
	return keep(&Model{
		handle: handle{open: true, free: func() { native.DeleteModel(opened) }},
		native: opened,
	}), nil
}

// Close frees the model, now or when its last call has returned. Its sessions keep what they need. The
// error is always nil.
func (m *Model) Close() error {
	runtime.SetFinalizer(m, nil)
	m.close()
	return nil
}

// with runs a call with native options for sessions of the model.
func (m *Model) with(options *SessionOptions, call func(native.SessionOptions) error) error {
	if err := m.acquire(); err != nil {
		return err
	}
	defer m.release()
	return options.use(m.native, call)
}

// Info is what a model is.
type Info struct {
	Family         string // "mamba1", "mamba2" or "falcon_mamba"
	WeightsType    string // "f32", "bf16", "q8" or "q4"
	Backend        string // where it runs, such as "cpu (avx512)"
	Source         string // the checkpoint it was imported from
	Layers         int
	DModel         int // width of the residual stream
	DInner         int // channels inside a block
	DState         int // states a channel
	VocabSize      int // length of the logits; may exceed the tokenizer's
	DeltaChannels  int // per layer: DInner in Mamba-1, heads in Mamba-2
	TrainingLength int // in tokens
	EndOfText      int32
	Parameters     int64    // numbers in the weights
	WeightBytes    int64    // held in memory by the model
	StateBytes     int64    // recurrent state of one session
	Profiles       []string // names of the calibration profiles in the file
}

// Info tells what the model is.
func (m *Model) Info() (Info, error) {
	var info Info
	err := m.use(func() {
		n := m.native
		info = Info{
			Family:         n.Family(),
			WeightsType:    n.Weights_type(),
			Backend:        n.Backend(),
			Source:         n.Source(),
			Layers:         int(n.Layers()),
			DModel:         int(n.D_model()),
			DInner:         int(n.D_inner()),
			DState:         int(n.D_state()),
			VocabSize:      int(n.Vocab_size()),
			DeltaChannels:  int(n.Delta_channels()),
			TrainingLength: int(n.Training_length()),
			EndOfText:      int32(n.End_of_text()),
			Parameters:     n.Parameters(),
			WeightBytes:    n.Weight_bytes(),
			StateBytes:     n.State_bytes(),
			Profiles:       strings.Fields(n.Profile_lines()),
		}
	})
	return info, err
}

// Tokenize turns text, which may hold NUL, into token ids. Special tokens in the text are recognised;
// nothing is added. Bytes that are not UTF-8 count as U+FFFD.
func (m *Model) Tokenize(text string) ([]int32, error) {
	var ids []int32
	err := m.use(func() { ids = m.native.Tokenize(text) })
	return ids, err
}

// Detokenize turns token ids into text, special tokens included. Errors: [OutOfRange] for an id outside
// 0 to VocabSize-1.
func (m *Model) Detokenize(ids []int32) (string, error) {
	var text string
	err := m.use(func() { text = m.native.Detokenize(ids) })
	return text, err
}

// SessionMemory is the most bytes that a session of these options takes for prompts of up to promptTokens, 1 to 2^40.
func (m *Model) SessionMemory(options *SessionOptions, promptTokens int64) (int64, error) {
	var bytes int64
	err := m.with(options, func(chosen native.SessionOptions) error {
		return try(func() { bytes = chosen.Session_memory(promptTokens) })
	})
	return bytes, err
}

// ModelMemory is the most bytes that the weights of the .sipo file at path take on the CPU, from its header.
func ModelMemory(path string) (int64, error) {
	var bytes int64
	err := try(func() { bytes = native.Model_memory(path) })
	return bytes, err
}

// ImportCheckpoint converts a checkpoint of Mamba-1, Mamba-2 or FalconMamba (a directory of Hugging Face's or
// mamba_ssm's layout, or a GGUF file) into a .sipo file, which appears only when it is complete. Errors:
// [NotFound], [IOError], [CorruptFile], [Unsupported] (which tensor or field), [Cancelled].
func ImportCheckpoint(path, output string, options *ImportOptions) error {
	return convert(options, func(chosen native.ImportOptions) {
		native.Import_checkpoint(path, output, chosen)
	})
}

// ExportCheckpoint writes the model at path, with f32 or bf16 weights, as a Hugging Face directory, which is made
// or must be empty. Calibration profiles have no place there; of the options, Threads and Progress have an
// effect. Errors: as ImportCheckpoint; [InvalidArgument] when the directory holds something, [Unsupported]
// when the weights are quantised.
func ExportCheckpoint(path, directory string, options *ImportOptions) error {
	return convert(options, func(chosen native.ImportOptions) {
		native.Export_checkpoint(path, directory, chosen)
	})
}

// Quantize writes a model with f32 or bf16 weights again with Q8 (the default) or Q4 ones. Errors: as
// ImportCheckpoint; [Unsupported] when they are quantised already.
func Quantize(path, output string, options *ImportOptions) error {
	return convert(options, func(chosen native.ImportOptions) {
		native.Quantize(path, output, chosen)
	})
}

// WritePreset writes a model of random weights in the shape of a public one, such as "mamba-130m", for
// measuring speed. Errors: [NotFound] names the presets.
func WritePreset(preset, output string, options *ImportOptions) error {
	return convert(options, func(chosen native.ImportOptions) {
		native.Write_preset(preset, output, chosen)
	})
}

func convert(options *ImportOptions, run func(native.ImportOptions)) error {
	return options.use(func(chosen native.ImportOptions) error {
		return try(func() { run(chosen) })
	})
}
