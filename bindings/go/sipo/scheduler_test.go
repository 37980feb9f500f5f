package sipo

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// Many requests on one scheduler.

func schedule(t *testing.T, model *Model, options *SchedulerOptions) *Scheduler {
	t.Helper()
	scheduler, err := model.NewScheduler(options)
	ok(t, err)
	t.Cleanup(func() { scheduler.Close() })
	return scheduler
}

func submit(t *testing.T, scheduler *Scheduler, ids []int32, tokens int, options *SamplingOptions) *Request {
	t.Helper()
	request, err := scheduler.Submit(background, ids, tokens, nil, options)
	ok(t, err)
	t.Cleanup(func() { request.Close() })
	return request
}

func TestSchedulerServesEightGoroutines(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t)[:8000])
	scheduler := schedule(t, model, &SchedulerOptions{Threads: 2, ChunkTokens: 64})
	alone := func(prompt []int32, options *SessionOptions, sampling *SamplingOptions) (string, error) {
		session, err := model.NewSession(options)
		if err != nil {
			return "", err
		}
		defer session.Close()
		if err := session.Prefill(background, prompt); err != nil {
			return "", err
		}
		return session.Text(background, 10, sampling)
	}
	serve := func(i int) {
		prompt := ids[:20+7*i]
		options := &SessionOptions{Context: []Context{NoMethod, DeciMamba, LongMamba}[i%3], DecimationCapacity: 50}
		sampling := &SamplingOptions{Temperature: 0.8, Seed: int64(i), IgnoreEndOfText: true, Stop: []string{" the"}}
		expected, err := alone(prompt, options, sampling)
		request, failed := scheduler.Submit(background, prompt, 10, options, sampling)
		if err != nil || failed != nil {
			t.Error(err, failed)
			return
		}
		defer request.Close()
		found, err := request.Text()
		_, end := request.Next()
		if found != expected || err != nil || end != io.EOF {
			t.Errorf("request %d: got %q, %v, %v; want %q", i, found, err, end, expected)
		}
	}
	var group sync.WaitGroup
	for thread := 0; thread < 8; thread++ {
		group.Add(1)
		go func(first int) {
			defer group.Done()
			for i := first; i < 48; i += 8 {
				serve(i)
			}
		}(thread)
	}
	group.Wait()
	statistics, err := scheduler.Statistics()
	ok(t, err)
	equal(t, statistics.Submitted, 48)
	equal(t, statistics.Finished, 48)
}

func TestStreamsAndCancelsRequests(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t))
	scheduler := schedule(t, model, nil)
	little := []int32{1, 2, 3}

	request := submit(t, scheduler, little, 1<<40, endless)
	tokens, wait := request.Tokens()
	for i := 0; i < 7; i++ {
		<-tokens
	}
	request.Cancel()
	for range tokens {
	}
	fails(t, wait(), Cancelled)
	statistics, err := request.Statistics()
	ok(t, err)
	equal(t, statistics.Finish, FinishCancelled)

	for _, delay := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(background, delay)
		request, err := scheduler.Submit(ctx, ids, 1<<40, nil, endless)
		if err == nil {
			_, err = request.Text()
			ok(t, request.Close())
		}
		equal(t, err, context.DeadlineExceeded)
		cancel()
	}

	request = submit(t, scheduler, ids, 5, nil)
	go request.Close()
	_, err = request.Text()
	equal(t, errors.Is(err, ErrClosed) || errors.Is(err, ErrCancelled), true)
	ok(t, request.Close())
	equal(t, second(request.Next()), ErrClosed)
	request.Cancel()
}

func TestLetsPanicsOfRequestsThrough(t *testing.T) {
	model := open(t)
	scheduler := schedule(t, model, nil)
	own := errors.New("own")
	throw := &SessionOptions{Progress: func(done, total int64) bool { panic(own) }}
	request, err := scheduler.Submit(background, []int32{1, 2, 3}, 5, throw, nil)
	ok(t, err)
	panics(t, own, func() { _, _ = request.Text() })
	ok(t, request.Close())
	request = submit(t, scheduler, []int32{1}, 5, &SamplingOptions{
		LogProbabilities: func(TokenProbability, []TokenProbability) bool { panic(own) },
	})
	panics(t, own, func() { _, _ = request.Text() })
}

func TestSchedulerRefuses(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t))
	for _, wrong := range []*SchedulerOptions{{Sessions: -1}, {Queue: -1}, {Threads: -1}, {ChunkTokens: -1}} {
		fails(t, second(model.NewScheduler(wrong)), OutOfRange)
	}
	fails(t, second(model.NewScheduler(&SchedulerOptions{MemoryLimit: 1000})), OutOfMemory)
	scheduler := schedule(t, model, &SchedulerOptions{Sessions: 1, Queue: 1})
	refused := func(ids []int32, tokens int, options *SessionOptions) error {
		return second(scheduler.Submit(background, ids, tokens, options, nil))
	}
	fails(t, refused(ids, -1, nil), OutOfRange)
	fails(t, refused(nil, 1, nil), OutOfRange)
	fails(t, refused([]int32{-1}, 1, nil), OutOfRange)
	fails(t, refused(ids, 1, &SessionOptions{DecimationRate: 2}), OutOfRange)
	var requests []*Request
	var err error
	for i := 0; i < 5 && err == nil; i++ {
		var request *Request
		if request, err = scheduler.Submit(background, ids, 1, nil, nil); err == nil {
			requests = append(requests, request)
		}
	}
	fails(t, err, Busy)
	ok(t, scheduler.Close())
	ok(t, scheduler.Close())
	for _, request := range requests {
		fails(t, second(request.Text()), Cancelled)
		ok(t, request.Close())
	}
	equal(t, refused(ids, 1, nil), ErrClosed)
	equal(t, second(scheduler.Statistics()), ErrClosed)
}

func TestSchedulerOutlivesModelAndCache(t *testing.T) {
	model := open(t)
	prompt := tokenize(t, model, text(t)[:4000])[:400]
	cache, err := model.NewCache(nil)
	ok(t, err)
	scheduler := schedule(t, model, &SchedulerOptions{Cache: cache})
	ok(t, cache.Close())
	ok(t, model.Close())
	first, err := submit(t, scheduler, prompt, 5, nil).Text()
	ok(t, err)
	again := submit(t, scheduler, prompt, 5, nil)
	answer, err := again.Text()
	ok(t, err)
	equal(t, answer, first)
	statistics, err := again.Statistics()
	ok(t, err)
	equal(t, statistics.ReusedTokens, 400)
}

func TestKeepsMemoryFlatOverRequests(t *testing.T) {
	scheduler := schedule(t, open(t), nil)
	telling := &SessionOptions{Progress: func(done, total int64) bool { return true }}
	staysFlat(t, "4,000 requests", 1000, func() {
		var requests []*Request
		for i := 0; i < 4; i++ {
			request, err := scheduler.Submit(background, []int32{1, 2, 3}, 2, telling, endless)
			ok(t, err)
			requests = append(requests, request)
		}
		for _, request := range requests {
			_, err := request.Text()
			ok(t, err)
			ok(t, request.Close())
		}
		if second(scheduler.Submit(background, []int32{-1}, 1, nil, nil)) == nil {
			t.Fatal("no error")
		}
	})
}
