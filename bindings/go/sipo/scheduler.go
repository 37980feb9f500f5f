package sipo

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"

	"sipo/internal/native"
)

// Scheduler works on many generations at once, for a server: any goroutine submits, and whoever holds a [Request]
// takes its tokens. One pass over the weights serves all requests, and a long prompt does not stall the others.
type Scheduler struct {
	handle
	native native.Scheduler
	model  native.Model // in use until the scheduler is freed
}

// NewScheduler makes a scheduler. nil options are the defaults. Errors: [OutOfMemory] when it would exceed its limit.
func (m *Model) NewScheduler(options *SchedulerOptions) (*Scheduler, error) {
	if err := m.acquire(); err != nil {
		return nil, err
	}
	var created native.Scheduler
	err := options.use(m.native, func(chosen native.SchedulerOptions) error {
		return try(func() { created = native.NewScheduler(chosen) })
	})
	if err != nil {
		m.release()
		return nil, err
	}
	return keep(&Scheduler{
		handle: handle{open: true, free: func() { native.DeleteScheduler(created); m.release() }},
		native: created,
		model:  m.native,
	}), nil
}

// Close ends all requests, which give [ErrCancelled] after the tokens that they have, and frees the scheduler. The
// error is always nil.
func (s *Scheduler) Close() error {
	runtime.SetFinalizer(s, nil)
	s.close()
	return nil
}

// Statistics are facts about the scheduler since it was made.
func (s *Scheduler) Statistics() (SchedulerStatistics, error) {
	var values []float64
	err := s.use(func() { values = s.native.Statistics() })
	return schedulerStatistics(values), err
}

// Submit reads a prompt of 1 token or more in a new session and generates up to maxTokens (1 to 2^40) after it. The
// end of the context ends the request. Callbacks of the options are called on the scheduler's thread and must be quick;
// if one panics, the request ends, and the panic goes on in [Request.Next]. Threads, workers and chunks of the session
// are the scheduler's; nil options are the defaults. Errors: [Busy] when the queue is full, [OutOfRange] (which token).
func (s *Scheduler) Submit(ctx context.Context, ids []int32, maxTokens int, session *SessionOptions,
	sampling *SamplingOptions) (*Request, error) {
	if err := either(ctx.Err(), notNegative("maxTokens", maxTokens)); err != nil {
		return nil, err
	}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	defer s.release()
	work := &work{closed: make(chan struct{})}
	reading, generating := work.guard(session, sampling)
	err := reading.use(s.model, func(reading native.SessionOptions) error {
		return generating.use(func(generating native.SamplingOptions) error {
			return try(func() { work.native = s.native.Submit(reading, generating, ids, int64(maxTokens)) })
		})
	})
	if err != nil {
		return nil, err
	}
	created := work.native
	work.handle = handle{open: true, free: func() { native.DeleteRequest(created) }}
	if ctx.Done() != nil {
		go work.endWith(ctx)
	}
	return keep(&Request{work, ctx}), nil
}

// Request is a generation that a scheduler works on. Any goroutine may use it; each token is given once.
type Request struct {
	work *work
	ctx  context.Context
}

// work is what outlives a request that was forgotten.
type work struct {
	handle
	native native.Request
	once   sync.Once
	closed chan struct{}
	mutex  sync.Mutex
	thrown any // by a callback
}

// endWith cancels when the context ends first.
func (w *work) endWith(ctx context.Context) {
	select {
	case <-ctx.Done():
		w.cancel()
	case <-w.closed:
	}
}

func (w *work) cancel() { _ = w.use(func() { w.native.Cancel() }) }

func (w *work) end() {
	w.once.Do(func() { close(w.closed) })
	w.cancel()
	w.close()
}

// guard returns the options with callbacks that keep a panic for those who ask for tokens.
func (w *work) guard(session *SessionOptions, sampling *SamplingOptions) (*SessionOptions, *SamplingOptions) {
	var reading SessionOptions
	if session != nil {
		reading = *session
	}
	if progress := reading.Progress; progress != nil {
		reading.Progress = func(done, total int64) bool {
			return w.call(func() bool { return progress(done, total) })
		}
	}
	var generating SamplingOptions
	if sampling != nil {
		generating = *sampling
	}
	if listener := generating.LogProbabilities; listener != nil {
		generating.LogProbabilities = func(token TokenProbability, likeliest []TokenProbability) bool {
			return w.call(func() bool { return listener(token, likeliest) })
		}
	}
	return &reading, &generating
}

func (w *work) call(callback func() bool) (goesOn bool) {
	defer func() {
		if value := recover(); value != nil {
			w.mutex.Lock()
			defer w.mutex.Unlock()
			w.thrown, goesOn = value, false
		}
	}()
	return callback()
}

func (w *work) rethrow() {
	w.mutex.Lock()
	value := w.thrown
	w.mutex.Unlock()
	if value != nil {
		panic(value)
	}
}

// Next waits for the next token. At the end it gives [io.EOF], just before it perhaps a token with the ID -1 and text
// that was held back. Errors: that of the context, [Cancelled], and what the request failed with, after its tokens.
func (r *Request) Next() (Token, error) {
	const forEver = -1
	var token Token
	err := r.work.use(func() {
		next := r.work.native.Next(forEver)
		if next == nil || next.Swigcptr() == 0 {
			return
		}
		defer native.DeleteRequestToken(next)
		token = Token{int32(next.Id_of()), next.Text_of()}
	})
	runtime.KeepAlive(r)
	if errors.Is(err, ErrCancelled) {
		r.work.rethrow()
		err = either(r.ctx.Err(), err)
	}
	if err == nil && token.ID < 0 && token.Text == "" {
		err = io.EOF
	}
	return token, err
}

// Text waits for the end and returns the text of all tokens that are left; on an error, of those before it.
func (r *Request) Text() (string, error) {
	var text strings.Builder
	for {
		token, err := r.Next()
		if err == io.EOF {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
		text.WriteString(token.Text)
	}
}

// Tokens sends every token that is left from a goroutine. The channel is closed at the end; then the function returns
// what ended it, nil for the end of the generation. Whoever stops receiving ends the context or closes the request.
func (r *Request) Tokens() (<-chan Token, func() error) {
	tokens := make(chan Token, 16)
	done := make(chan struct{})
	var failure error
	go func() {
		defer close(done)
		defer close(tokens)
		for {
			token, err := r.Next()
			if err != nil {
				if err != io.EOF {
					failure = err
				}
				return
			}
			select {
			case tokens <- token:
			case <-r.work.closed:
				failure = ErrClosed
				return
			case <-r.ctx.Done():
				failure = r.ctx.Err()
				return
			}
		}
	}()
	return tokens, func() error { <-done; return failure }
}

// Cancel ends the request within a chunk or a token.
func (r *Request) Cancel() { r.work.cancel() }

// Statistics are facts about the request so far.
func (r *Request) Statistics() (RequestStatistics, error) {
	var values []float64
	err := r.work.use(func() { values = r.work.native.Statistics() })
	return requestStatistics(values), err
}

// Close cancels the request, unless it has ended, and frees it. Not to be called from a callback of its options. The
// error is always nil.
func (r *Request) Close() error {
	runtime.SetFinalizer(r, nil)
	r.close()
	return nil
}

func (r *Request) close() { r.work.end() }
