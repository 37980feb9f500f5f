package sipo

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"sipo/internal/native"
)

// Files, facts, text and calibration.

func TestTellsWhatAModelIs(t *testing.T) {
	info, err := open(t).Info()
	ok(t, err)
	equal(t, info.Family, "mamba1")
	equal(t, info.WeightsType, "bf16")
	equal(t, info.Source, "passkey-mamba1")
	equal(t, strings.HasPrefix(info.Backend, "cpu"), true)
	equal(t, [6]int{info.Layers, info.DModel, info.DInner, info.DState, info.VocabSize, info.DeltaChannels},
		[6]int{8, 256, 512, 16, 4096, 512})
	equal(t, info.TrainingLength, 2048)
	equal(t, info.EndOfText, 0)
	equal(t, info.Parameters, 4552960)
	equal(t, info.WeightBytes > info.Parameters && info.StateBytes > 0, true)
	equal(t, strings.Join(info.Profiles, ","), "default")
	equal(t, Version(), "0.1.0")
}

func TestHasTheNumbersOfTheInterface(t *testing.T) {
	equal(t, int(DeciMamba), int(native.Context_decimamba))
	equal(t, int(LongMamba), int(native.Context_longmamba))
	equal(t, int(LocalChannels), int(native.Channels_local))
	equal(t, int(RandomChannels), int(native.Channels_random))
	equal(t, int(F32), int(native.Weights_f32))
	equal(t, int(BF16), int(native.Weights_bf16))
	equal(t, int(Q8), int(native.Weights_q8))
	equal(t, int(Q4), int(native.Weights_q4))
	equal(t, int(Zstd), int(native.Store_zstd))
	equal(t, int(Raw), int(native.Store_raw))
}

func TestTakesTextWithEverything(t *testing.T) {
	model := open(t)
	for _, text := range []string{"", "a\x00b", "café 😀 中🐍", "\x00"} {
		back, err := model.Detokenize(tokenize(t, model, text))
		ok(t, err)
		equal(t, back, text)
	}
	fails(t, second(model.Detokenize([]int32{-1})), OutOfRange)
	fails(t, second(model.Detokenize([]int32{4096})), OutOfRange)
}

func TestImportsAndQuantizes(t *testing.T) {
	imported, quantized := output("go.sipo"), output("go-q8.sipo")
	checkpoint := setting("SIPO_TEST_CHECKPOINT")
	calls := 0
	ok(t, ImportCheckpoint(checkpoint, imported, &ImportOptions{
		Weights: F32, Store: Raw, Threads: 2, TrainingLength: 1024,
		Progress: func(done, total int64) bool { calls++; return done <= total },
	}))
	equal(t, calls > 0, true)
	ok(t, Quantize(imported, quantized, &ImportOptions{Weights: Q8}))
	model, err := Open(quantized, nil)
	ok(t, err)
	defer model.Close()
	info, err := model.Info()
	ok(t, err)
	equal(t, info.WeightsType, "q8")
	ok(t, os.Remove(imported))
	stop := func(done, total int64) bool { return false }
	fails(t, ImportCheckpoint(checkpoint, imported, &ImportOptions{Progress: stop}), Cancelled)
	_, err = os.Stat(imported)
	equal(t, os.IsNotExist(err), true)
	fails(t, Quantize(quantized, imported, nil), Unsupported)
	fails(t, WritePreset("no-such-preset", imported, nil), NotFound)
}

// What an imported model exports is imported again, with another tokenizer if that is wanted.
func TestExports(t *testing.T) {
	model, directory, again := setting("SIPO_TEST_MODEL"), output("go-exported"), output("go-again.sipo")
	ok(t, os.RemoveAll(directory))
	ok(t, ExportCheckpoint(model, directory, &ImportOptions{Threads: 1}))
	fails(t, ExportCheckpoint(model, directory, nil), InvalidArgument)
	tokenizer := filepath.Join(directory, "tokenizer.json")
	ok(t, ImportCheckpoint(directory, again, &ImportOptions{Tokenizer: tokenizer}))
	imported, err := Open(again, nil)
	ok(t, err)
	defer imported.Close()
	equal(t, fmt.Sprint(tokenize(t, imported, text(t)[:9999])), fmt.Sprint(tokenize(t, open(t), text(t)[:9999])))
	fails(t, ImportCheckpoint(directory, again, &ImportOptions{Tokenizer: "no-such-file"}), NotFound)
	fails(t, ImportCheckpoint(directory, again, &ImportOptions{Tokenizer: "a\x00b"}), InvalidArgument)
	fails(t, ExportCheckpoint("no-such-file", again+".d", nil), NotFound)
}

// copyOfModel is a file that a test may change.
func copyOfModel(t *testing.T, name string) string {
	t.Helper()
	file := output(name)
	bytes, err := os.ReadFile(setting("SIPO_TEST_MODEL"))
	ok(t, err)
	ok(t, os.WriteFile(file, bytes, 0o644))
	return file
}

func TestKeepsSettingsWithAProfile(t *testing.T) {
	file := copyOfModel(t, "go-settings.sipo")
	settings := &SessionOptions{
		Context: DeciMamba, Layers: []int32{2, 5}, DecimationCapacity: 20, DecimationRate: 0.9,
	}
	model, err := Open(file, nil)
	ok(t, err)
	ids := someTokens(t, model, 64)
	calibration, err := model.Calibrate(background, ids, 32, nil)
	ok(t, err)
	defer calibration.Close()
	ok(t, calibration.Save(file, "tuned", settings))
	ok(t, calibration.Save(file, "plain", nil))
	fails(t, calibration.Save(file, "bad", &SessionOptions{DecimationRate: 2}), OutOfRange)
	ok(t, model.Close())
	equal(t, calibration.Save(file, "late", settings), ErrClosed)

	again, err := Open(file, nil)
	ok(t, err)
	defer again.Close()
	kept := func(options *SessionOptions) string {
		session := create(t, again, options)
		ok(t, session.Prefill(background, ids))
		indices, err := session.KeptTokens()
		ok(t, err)
		return fmt.Sprint(len(indices) < len(ids), indices, logits(t, session))
	}
	equal(t, kept(&SessionOptions{UseProfile: "tuned"}), kept(settings))
	overriding := *settings
	overriding.DecimationCapacity = 30
	equal(t, kept(&SessionOptions{UseProfile: "tuned", DecimationCapacity: 30}), kept(&overriding))
	equal(t, strings.HasPrefix(kept(settings), "true"), true)
	for _, name := range []string{"plain", "none"} {
		fails(t, second(again.NewSession(&SessionOptions{UseProfile: name})), NotFound)
	}
}

func TestCalibrates(t *testing.T) {
	file := copyOfModel(t, "go-calibrated.sipo")
	model, err := Open(file, nil)
	ok(t, err)
	defer model.Close()
	ids := tokenize(t, model, text(t))[:2*256+5]
	last := int64(0)
	calibration, err := model.Calibrate(background, ids, 256, &CalibrationOptions{
		Clamp: 0.05, Threads: 1,
		Progress: func(done, total int64) bool { last = done; return true },
	})
	ok(t, err)
	defer calibration.Close()
	equal(t, last, 16)
	decay, err := calibration.LogDecay()
	ok(t, err)
	table, err := calibration.ThresholdTable()
	ok(t, err)
	lengths, err := calibration.Lengths()
	ok(t, err)
	equal(t, [3]int{len(decay), len(lengths), len(table)}, [3]int{8 * 512, 25, 8 * 512 * 25})
	equal(t, decay[0] < 0, true)
	equal(t, sort.SliceIsSorted(lengths, func(i, j int) bool { return lengths[i] < lengths[j] }), true)
	ok(t, calibration.Save(file, "story", nil))
	fails(t, calibration.Save(file, "a b", nil), InvalidArgument)
	fails(t, second(model.Calibrate(background, ids, 1, nil)), OutOfRange)
	session := create(t, model, &SessionOptions{Context: LongMamba, Calibration: calibration})
	ok(t, session.Prefill(background, ids))

	again, err := Open(file, nil)
	ok(t, err)
	defer again.Close()
	info, err := again.Info()
	ok(t, err)
	sort.Strings(info.Profiles)
	equal(t, strings.Join(info.Profiles, ","), "default,story")
	create(t, again, &SessionOptions{Context: LongMamba, Profile: "story"})
}
