package sipo

import (
	"math"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Everything that must give an error, and never end the process.

func TestRefusesFiles(t *testing.T) {
	garbage := output("go-garbage.sipo")
	ok(t, os.WriteFile(garbage, []byte(strings.Repeat("no model at all", 50)), 0o644))
	fails(t, second(Open(garbage, nil)), CorruptFile)
	fails(t, second(Open("no-such-file 😀.sipo", nil)), NotFound)
	model := setting("SIPO_TEST_MODEL")
	fails(t, second(Open(model+"\x00.txt", nil)), InvalidArgument)
	fails(t, second(Open(model, &ModelOptions{Backend: "abacus"})), NotFound)
	fails(t, second(Open(model, &ModelOptions{Threads: -1})), OutOfRange)
}

func TestRefusesSessionOptions(t *testing.T) {
	model := open(t)
	for _, options := range []SessionOptions{
		{DecimationRate: -1},
		{DecimationRate: math.NaN()},
		{DecimationCapacity: -1},
		{DecimationMinTokens: -1},
		{ProtectedTail: -1},
		{Layers: []int32{8}},
		{Layers: []int32{-1}},
		{GlobalChannelThreshold: 1},
		{ExpectedTokens: -1},
		{Threads: 257},
		{ChunkTokens: -1},
	} {
		fails(t, second(model.NewSession(&options)), OutOfRange)
	}
	fails(t, second(model.NewSession(&SessionOptions{Layers: []int32{1, 1}})), InvalidArgument)
	fails(t, second(model.NewSession(&SessionOptions{Context: 7})), OutOfRange)
	fails(t, second(model.NewSession(&SessionOptions{Profile: "none"})), NotFound)
	create(t, model, &SessionOptions{
		Context: LongMamba, AllLayers: true, FilteredChannels: RandomChannels, ChannelSeed: -5,
		GlobalChannelThreshold: 0.5, ExpectedTokens: 9, DecimationRate: 1, DecimationMinTokens: 3,
		ProtectedTail: 2, Profile: "default",
	})
}

func TestRefusesSamplingOptions(t *testing.T) {
	session := started(t, open(t))
	for _, options := range []SamplingOptions{
		{Temperature: -1}, {TopK: -1}, {TopP: 2}, {MinP: 2}, {RepetitionPenalty: -1}, {RepetitionWindow: -1},
	} {
		fails(t, second(session.Generate(background, 1, &options, nil)), OutOfRange)
	}
}

func TestRefusesNilAndNegative(t *testing.T) {
	model := open(t)
	session := started(t, model)
	ids := []int32{1, 2, 3}
	if session.Prefill(background, nil) == nil || second(session.Score(background, nil, 1)) == nil ||
		second(session.PrefillLogits(background, nil, 1)) == nil || second(model.Calibrate(background, nil, 64, nil)) == nil ||
		BatchDecode(nil, nil) == nil {
		t.Fatal("nothing was read without an error")
	}
	fails(t, second(session.Score(background, ids, -1)), OutOfRange)
	fails(t, second(session.PrefillLogits(background, ids, -1)), OutOfRange)
	fails(t, second(session.PrefillLogits(background, ids, 4)), OutOfRange)
	fails(t, second(session.Generate(background, -1, nil, nil)), OutOfRange)
	fails(t, second(session.Generate(background, 0, nil, nil)), OutOfRange)
	fails(t, second(model.Calibrate(background, ids, -1, nil)), OutOfRange)
	fails(t, session.Decode(4096), OutOfRange)
	fails(t, session.Prefill(background, []int32{1, -2}), OutOfRange)
	fresh := create(t, model, nil)
	fails(t, second(fresh.Logits(nil)), InvalidState)
	fails(t, second(fresh.Generate(background, 1, nil, nil)), InvalidState)
}

func TestRefusesWhatIsClosed(t *testing.T) {
	model := open(t)
	other, err := Open(setting("SIPO_TEST_MODEL"), nil)
	ok(t, err)
	session := started(t, other)
	calibration, err := other.Calibrate(background, tokenize(t, other, text(t)[:999]), 64, nil)
	ok(t, err)
	ok(t, other.Close())
	ok(t, other.Close())
	equal(t, second(other.Info()), ErrClosed)
	equal(t, second(other.NewSession(nil)), ErrClosed)
	// A closed model leaves its sessions alone.
	count, err := session.Generate(background, 3, endless, nil)
	ok(t, err)
	equal(t, count, 3)
	ok(t, calibration.Close())
	ok(t, calibration.Close())
	equal(t, second(calibration.Lengths()), ErrClosed)
	equal(t, second(model.NewSession(&SessionOptions{Calibration: calibration})), ErrClosed)
	ok(t, session.Close())
	ok(t, session.Close())
	session.Cancel()
	equal(t, session.Prefill(background, []int32{1}), ErrClosed)
	equal(t, BatchDecode([]*Session{session}, []int32{1}), ErrClosed)
	var zero Session
	equal(t, zero.Decode(1), ErrClosed)
	ok(t, zero.Close())
}

func TestClosesUnderARunningCall(t *testing.T) {
	model := open(t)
	for round := 0; round < 20; round++ {
		session := started(t, model)
		closed := make(chan struct{})
		begun := false
		_, err := session.Generate(background, 1<<40, endless, func(Token) error {
			if !begun {
				begun = true
				go func() { session.Close(); close(closed) }()
			}
			return nil
		})
		fails(t, err, Cancelled)
		<-closed
		equal(t, second(session.Position()), ErrClosed)
	}
}

func TestRefusesTheSessionInsideItsCallback(t *testing.T) {
	session := started(t, open(t))
	count, err := session.Generate(background, 2, endless, func(Token) error {
		fails(t, second(session.Logits(nil)), InvalidState)
		return nil
	})
	ok(t, err)
	equal(t, count, 2)
}

func TestKeepsMemoryFlatOverErrors(t *testing.T) {
	model := open(t)
	session := started(t, model)
	failing := create(t, model, &SessionOptions{Threads: 1, Progress: func(int64, int64) bool { panic("own") }})
	wrong, bad := []int32{1, 2, -3}, &SessionOptions{DecimationRate: 2}
	staysFlat(t, "400,000 errors", 100000, func() {
		if session.Prefill(background, wrong) == nil || second(model.NewSession(bad)) == nil ||
			second(Open("no-such-file-with-a-name-of-some-length.sipo", nil)) == nil || session.Decode(9999) == nil {
			t.Fatal("no error")
		}
	})
	staysFlat(t, "2,000 panics of a callback", 2000, func() {
		panics(t, "own", func() { _ = failing.Prefill(background, wrong[:1]) })
	})
}

func TestKeepsMemoryFlatOverSessions(t *testing.T) {
	model := open(t)
	staysFlat(t, "10,000 sessions", 10000, func() {
		session, err := model.NewSession(&SessionOptions{Threads: 1})
		ok(t, err)
		ok(t, session.Decode(1))
		ok(t, session.Close())
	})
}

func TestFreesForgottenSessions(t *testing.T) {
	model := open(t)
	var freed atomic.Int64
	forget := func() {
		session, err := model.NewSession(&SessionOptions{Threads: 1})
		ok(t, err)
		free := session.free
		session.free = func() { free(); freed.Add(1) }
		ok(t, session.Decode(1))
	}
	for created := int64(1); created <= 4096; created++ {
		forget()
		// The last one may still be on the stack.
		for patience := 0; created%64 == 0 && freed.Load() < created-1; patience++ {
			if patience == 1000 {
				t.Fatalf("%d of %d forgotten sessions are freed", freed.Load(), created)
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
}
