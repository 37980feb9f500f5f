package sipo

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// Callbacks that stop or panic, and cancelling from elsewhere.

// panics wants the call to panic with this value.
func panics(t *testing.T, value any, call func()) {
	t.Helper()
	defer func() {
		t.Helper()
		equal(t, recover(), value)
	}()
	call()
}

func TestLetsPanicsThrough(t *testing.T) {
	model := open(t)
	own := errors.New("own")
	throw := func(done, total int64) bool { panic(own) }
	session := create(t, model, &SessionOptions{Progress: throw})
	panics(t, own, func() { _ = session.Prefill(background, []int32{1, 2, 3}) })
	panics(t, own, func() { _, _ = session.Score(background, []int32{1, 2, 3}, 1) })
	equal(t, position(t, session), 0)
	ok(t, session.Decode(1))
	panics(t, own, func() {
		_, _ = session.Generate(background, 5, endless, func(Token) error { panic(own) })
	})
	equal(t, position(t, session), 2)
	fails(t, session.Decode(-1), OutOfRange)
	count, err := session.Generate(background, 2, endless, nil)
	ok(t, err)
	equal(t, count, 2)
	panics(t, own, func() { _, _ = Open(setting("SIPO_TEST_MODEL"), &ModelOptions{Progress: throw}) })
	panics(t, own, func() {
		_, _ = model.Calibrate(background, make([]int32, 128), 64, &CalibrationOptions{Progress: throw})
	})
	panics(t, own, func() {
		_, _ = Open(setting("SIPO_TEST_MODEL"), &ModelOptions{Log: func(LogLevel, string) { panic(own) }})
	})
}

func TestLogsAndReports(t *testing.T) {
	var mutex sync.Mutex
	var lines []string
	calls := 0
	model, err := Open(setting("SIPO_TEST_MODEL"), &ModelOptions{
		Backend: "cpu", Threads: 1,
		Progress: func(done, total int64) bool { calls++; return true },
		Log: func(level LogLevel, line string) {
			mutex.Lock()
			defer mutex.Unlock()
			if level == LogInformation {
				lines = append(lines, line)
			}
		},
	})
	ok(t, err)
	defer model.Close()
	equal(t, calls > 0 && len(lines) > 0 && !strings.HasSuffix(lines[0], "\n"), true)
}

func TestCancelsWhenProgressSaysSo(t *testing.T) {
	model := open(t)
	session := create(t, model, &SessionOptions{
		ChunkTokens: 64,
		Progress:    func(done, total int64) bool { return done < 200 },
	})
	err := session.Prefill(background, tokenize(t, model, text(t)))
	fails(t, err, Cancelled)
	equal(t, errors.Is(err, ErrCancelled), true)
	equal(t, position(t, session), 0)
}

func TestCancelsFromAnotherGoroutine(t *testing.T) {
	model := open(t)
	running := make(chan struct{})
	var once sync.Once
	session := create(t, model, &SessionOptions{
		ChunkTokens: 16,
		Progress:    func(done, total int64) bool { once.Do(func() { close(running) }); return true },
	})
	go func() { <-running; session.Cancel() }()
	fails(t, session.Prefill(background, tokenize(t, model, text(t))), Cancelled)
	equal(t, position(t, session), 0)
}

func TestCancelsWithTheContext(t *testing.T) {
	model := open(t)
	session := create(t, model, &SessionOptions{ChunkTokens: 64})
	ids := tokenize(t, model, text(t))
	for _, delay := range []time.Duration{0, time.Microsecond, 100 * time.Microsecond, 5 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(background, delay)
		equal(t, session.Prefill(ctx, ids), context.DeadlineExceeded)
		cancel()
		equal(t, position(t, session), 0)
	}
	ok(t, session.Prefill(background, ids[:100]))
	ctx, cancel := context.WithCancel(background)
	count, err := session.Generate(ctx, 1<<40, endless, func(Token) error { cancel(); return nil })
	equal(t, err, context.Canceled)
	equal(t, count > 0, true)
	_, err = session.Text(ctx, 3, endless)
	equal(t, err, context.Canceled)
	_, err = session.Text(background, 3, endless)
	ok(t, err)
}
