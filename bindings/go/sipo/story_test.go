package sipo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
)

// What the tests share. The environment says where things are.

var (
	background = context.Background()
	// Never ends by itself.
	endless = &SamplingOptions{IgnoreEndOfText: true}
)

func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic(name + " is not set")
	}
	return value
}

func read(t *testing.T, name string) string {
	t.Helper()
	bytes, err := os.ReadFile(setting(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes)
}

func text(t *testing.T) string { return read(t, "SIPO_TEST_TEXT")[:120000] }

func output(name string) string { return filepath.Join(setting("SIPO_TEST_OUTPUT"), name) }

func open(t *testing.T) *Model {
	t.Helper()
	model, err := Open(setting("SIPO_TEST_MODEL"), nil)
	ok(t, err)
	t.Cleanup(func() { model.Close() })
	return model
}

func tokenize(t *testing.T, model *Model, text string) []int32 {
	t.Helper()
	ids, err := model.Tokenize(text)
	ok(t, err)
	return ids
}

func create(t *testing.T, model *Model, options *SessionOptions) *Session {
	t.Helper()
	session, err := model.NewSession(options)
	ok(t, err)
	t.Cleanup(func() { session.Close() })
	return session
}

// started is a session that has read something.
func started(t *testing.T, model *Model) *Session {
	t.Helper()
	session := create(t, model, &SessionOptions{Threads: 1})
	ok(t, session.Prefill(background, tokenize(t, model, "The old man looked at the sea and")))
	return session
}

func position(t *testing.T, session *Session) int64 {
	t.Helper()
	at, err := session.Position()
	ok(t, err)
	return at
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if any(got) != any(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// fails wants an error of this status, with a message.
func fails(t *testing.T, err error, status Status) {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) || failure.Status != status || failure.Message == "" {
		t.Fatalf("got %v, want an error of status %d", err, status)
	}
}

func second[T any](_ T, err error) error { return err }

var resident = regexp.MustCompile(`VmRSS:\s*([0-9]+) kB`)

func residentMiB(t *testing.T) float64 {
	t.Helper()
	runtime.GC()
	status, err := os.ReadFile("/proc/self/status")
	ok(t, err)
	kib, err := strconv.Atoi(string(resident.FindSubmatch(status)[1]))
	ok(t, err)
	return float64(kib) / 1024
}

// staysFlat wants memory after all times to be less than 10 MiB above that after a quarter of them; under the
// race detector, which has memory of its own, it only runs some of them.
func staysFlat(t *testing.T, what string, times int, work func()) {
	t.Helper()
	instrumented := os.Getenv("SIPO_TEST_INSTRUMENTED") != ""
	if instrumented {
		times /= 20
	}
	for i := 0; i < times/4; i++ {
		work()
	}
	before := residentMiB(t)
	for i := times / 4; i < times; i++ {
		work()
	}
	grown := residentMiB(t) - before
	fmt.Printf("%s: %d times, memory grew by %.1f MiB\n", what, times, grown)
	if grown >= 10 && !instrumented {
		t.Fatalf("%s grew by %.1f MiB", what, grown)
	}
}
