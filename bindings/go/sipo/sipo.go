// Package sipo runs Mamba language models far beyond the length they were trained on.
//
// A program needs a [Model], the weights and the tokenizer of one .sipo file, and a [Session], one
// sequence with its recurrent state:
//
//	model, err := sipo.Open("model.sipo", nil)
//	defer model.Close()
//	session, err := model.NewSession(&sipo.SessionOptions{Context: sipo.LongMamba})
//	defer session.Close()
//	ids, err := model.Tokenize(text)
//	err = session.Prefill(ctx, ids)
//	n, err := session.Generate(ctx, 100, nil, func(token sipo.Token) error {
//		fmt.Print(token.Text)
//		return nil
//	})
//
// Rules that hold everywhere:
//
//   - Errors of the library are of type [*Error]; its Status says which kind. Numbers are checked when
//     they are used, and the message says the legal range.
//   - In options, the zero value of a field is its default, and nil options are all defaults.
//   - A Model may be used by any number of goroutines at once, a Session by one at a time: a second one
//     gets an error with [InvalidState]. Only Cancel and Close may come at any time.
//   - Close frees an object, once; it may be called twice. Calls that run finish first, and later ones
//     give [ErrClosed]. A Model that is closed before its sessions leaves them working. The garbage
//     collector closes what was forgotten.
//   - A call with a context ends soon after the context does, with the context's error.
//   - A panic of a callback ends the call and goes on in the caller.
package sipo

import (
	"context"
	"errors"
	"fmt"

	"sipo/internal/native"
)

// Status is the kind of an [Error]. The numbers never change.
type Status int

// Kinds of errors.
const (
	InvalidArgument Status = 100 // a malformed name, arguments that contradict each other
	OutOfRange      Status = 110 // a number outside its legal range, NaN included
	InvalidState    Status = 120 // not now: logits before a token, a session in use elsewhere
	Busy            Status = 140 // the queue of a scheduler is full: try again later
	NotFound        Status = 200 // no such file, calibration profile or token
	IOError         Status = 210
	CorruptFile     Status = 300
	Unsupported     Status = 310 // well-formed, but not something this version runs
	OutOfMemory     Status = 400
	BackendError    Status = 410 // the device or its driver failed
	Cancelled       Status = 500 // by a callback or by Session.Cancel
	Internal        Status = 900 // a defect of the library; please report it
)

// Error is a call that failed.
type Error struct {
	Status  Status
	Message string // one line: what was wrong with which value
}

func (e *Error) Error() string { return "sipo: " + e.Message }

// Is tells whether target is an *Error of the same status.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Status == e.Status
}

// ErrCancelled matches, with errors.Is, what a call gives that Session.Cancel or a callback has ended.
var ErrCancelled error = &Error{Cancelled, "cancelled"}

// ErrClosed is what a call gives on an object that Close has freed.
var ErrClosed = errors.New("sipo: the object is closed")

// Stop, returned by the callback of Session.Generate, ends the generation without an error.
var Stop = errors.New("sipo: stop")

// Version is the version of the library that runs, such as "0.1.0".
func Version() string { return native.Version() }

// try runs a call of the library.
func try(call func()) error {
	if failure := native.Try(call); failure != nil {
		return &Error{Status(failure.Status), failure.Message}
	}
	return nil
}

// either is the first error that is one.
func either(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// ended is what a call with a context gives: the context's error, if that ended it.
func ended(ctx context.Context, err error) error {
	if errors.Is(err, ErrCancelled) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// watch adds the end of a context to what hears of progress.
func watch(ctx context.Context, progress ProgressFunc) ProgressFunc {
	if ctx.Done() == nil {
		return progress
	}
	return func(done, total int64) bool {
		return ctx.Err() == nil && (progress == nil || progress(done, total))
	}
}

// notNegative checks a number that becomes a size.
func notNegative(name string, value int) error {
	if value < 0 {
		return &Error{OutOfRange, fmt.Sprintf("%s is %d and must not be negative", name, value)}
	}
	return nil
}
