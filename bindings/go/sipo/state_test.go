package sipo

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
)

// Snapshots, forks, checkpoints, prefix caches, shared threads, memory.

func stateOptions(method Context, threads int) *SessionOptions {
	return &SessionOptions{Context: method, DecimationCapacity: 100, Threads: threads, ChunkTokens: 64}
}

func logits(t *testing.T, session *Session) []float32 {
	t.Helper()
	values, err := session.Logits(nil)
	ok(t, err)
	return values
}

func generated(t *testing.T, session *Session, tokens int, options *SamplingOptions) string {
	t.Helper()
	text, err := session.Text(background, tokens, options)
	ok(t, err)
	return text
}

func hash(t *testing.T, session *Session) int64 {
	t.Helper()
	value, err := session.TokenHash()
	ok(t, err)
	return value
}

func TestGoesOnFromSnapshots(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t)[:4000])[:300]
	lively := &SamplingOptions{Temperature: 1, Seed: 3, IgnoreEndOfText: true, Resume: true}
	file := output("go.sipo-state")
	for _, method := range []Context{NoMethod, DeciMamba, LongMamba} {
		session := create(t, model, stateOptions(method, 1))
		other := create(t, model, stateOptions(method, 2))
		ok(t, session.Prefill(background, ids))
		generated(t, session, 5, lively)
		ok(t, session.Save(file, nil))
		ok(t, session.Save(file, &SnapshotOptions{Store: Zstd, NoFlush: true}))
		raw, err := session.SaveMemory(nil)
		ok(t, err)
		packed, err := session.SaveMemory(&SnapshotOptions{Store: Zstd})
		ok(t, err)
		equal(t, len(packed) < len(raw), true)
		expected := generated(t, session, 20, lively)
		for _, load := range []func() error{
			func() error { return other.Load(file) },
			func() error { return other.LoadMemory(raw) },
			func() error { return other.LoadMemory(packed) },
		} {
			ok(t, other.Reset())
			ok(t, load())
			equal(t, position(t, other), 305)
			equal(t, generated(t, other, 20, lively), expected)
			equal(t, hash(t, other), hash(t, session))
		}
	}
	ok(t, os.Remove(file))
}

func TestRefusesOtherSnapshots(t *testing.T) {
	model := open(t)
	session := started(t, model)
	other := create(t, model, stateOptions(DeciMamba, 1))
	snapshot, err := session.SaveMemory(nil)
	ok(t, err)
	fails(t, other.LoadMemory(snapshot), InvalidArgument)
	snapshot[len(snapshot)/2] ^= 1
	before := position(t, session)
	fails(t, session.LoadMemory(snapshot), CorruptFile)
	fails(t, session.LoadMemory(make([]byte, 100)), CorruptFile)
	if session.LoadMemory(nil) == nil {
		t.Fatal("nothing was loaded without an error")
	}
	fails(t, session.Load("no-such-state"), NotFound)
	fails(t, session.Rewind("a\x00b"), InvalidArgument)
	fails(t, session.Save("no-such-folder/state", nil), NotFound)
	equal(t, position(t, session), before)
}

func TestForksAndRewinds(t *testing.T) {
	session := started(t, open(t))
	ok(t, session.Checkpoint("start"))
	expected := generated(t, session, 12, endless)
	ok(t, session.Rewind("start"))
	fork, err := session.Fork()
	ok(t, err)
	defer fork.Close()
	ok(t, fork.Decode(9))
	equal(t, hash(t, fork) == hash(t, session), false)
	equal(t, generated(t, session, 12, endless), expected)
	ok(t, session.Close())
	generated(t, fork, 4, endless)
	fails(t, fork.Rewind("start"), NotFound)
	ok(t, fork.Checkpoint("end"))
	ok(t, fork.DropCheckpoint("end"))
	fails(t, fork.DropCheckpoint("end"), NotFound)
	equal(t, second(session.Fork()), ErrClosed)
	equal(t, second(session.SaveMemory(nil)), ErrClosed)
}

// Cancelling what one does leaves the other alone, though they share a callback.
func TestForksAreCancelledAlone(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t))
	session := create(t, model, &SessionOptions{Progress: func(done, total int64) bool { return true }})
	fork, err := session.Fork()
	ok(t, err)
	defer fork.Close()
	ctx, cancel := context.WithCancel(background)
	left := make(chan error)
	go func() { left <- fork.Prefill(ctx, ids) }()
	cancel()
	ok(t, session.Prefill(background, ids[:2000]))
	equal(t, <-left, context.Canceled)
}

func TestReadsThroughACache(t *testing.T) {
	model := open(t)
	prompt := tokenize(t, model, text(t))[:1500]
	other := append([]int32(nil), prompt...)
	other[1499] = prompt[3]
	kept := &CacheOptions{Memory: 1 << 26, Interval: 256, Directory: output("go-cache"), DirectoryBytes: 1 << 28}
	cache, err := model.NewCache(kept)
	ok(t, err)
	ok(t, cache.Clear())
	reused := func(session *Session) int64 {
		statistics, err := session.Statistics()
		ok(t, err)
		return statistics.ReusedTokens
	}
	read := func(cache *Cache, ids []int32) *Session {
		session := create(t, model, stateOptions(NoMethod, 1))
		ok(t, session.PrefillCached(background, cache, ids))
		return session
	}
	equal(t, reused(read(cache, prompt)), 0)
	second := read(cache, other)
	without := create(t, model, stateOptions(NoMethod, 1))
	ok(t, without.Prefill(background, other))
	for i, value := range logits(t, without) {
		equal(t, logits(t, second)[i], value)
		if i == 3 {
			break
		}
	}
	equal(t, reused(second) >= 1400, true)
	statistics, err := cache.Statistics()
	ok(t, err)
	equal(t, statistics.Prompts, 2)
	equal(t, statistics.PromptsReusing, 1)
	equal(t, statistics.TokensReused, reused(second))
	equal(t, statistics.Bytes > 0 && statistics.DirectoryBytes > 0, true)
	ok(t, cache.Close())

	again, err := model.NewCache(kept)
	ok(t, err)
	equal(t, reused(read(again, prompt)), 1500)
	ok(t, again.Clear())
	ok(t, again.Close())
	ok(t, again.Close())
	_, err = again.Statistics()
	equal(t, err, ErrClosed)
	equal(t, without.PrefillCached(background, again, prompt), ErrClosed)
	_, err = model.NewCache(&CacheOptions{Interval: 1})
	fails(t, err, OutOfRange)
	_, err = model.NewCache(&CacheOptions{Directory: setting("SIPO_TEST_MODEL") + "/folder"})
	fails(t, err, IOError)
}

func TestSharesThreads(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t)[:4000])[:500]
	workers, err := model.NewWorkers(2)
	ok(t, err)
	options := stateOptions(NoMethod, 0)
	options.Workers = workers
	answer := func() (string, error) {
		session, err := model.NewSession(options)
		if err != nil {
			return "", err
		}
		defer session.Close()
		if err := session.Prefill(background, ids); err != nil {
			return "", err
		}
		return session.Text(background, 8, endless)
	}
	expected, err := answer()
	ok(t, err)
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if found, err := answer(); err != nil || found != expected {
				t.Errorf("got %q, %v", found, err)
			}
		}()
	}
	group.Wait()
	ok(t, workers.Close())
	equal(t, second(answer()), ErrClosed)
	fails(t, second(model.NewWorkers(-1)), OutOfRange)
}

func TestTellsMemoryAndKeepsLimits(t *testing.T) {
	model := open(t)
	info, err := model.Info()
	ok(t, err)
	plain, err := model.SessionMemory(stateOptions(NoMethod, 1), 1000)
	ok(t, err)
	dropping, err := model.SessionMemory(stateOptions(DeciMamba, 1), 100000)
	ok(t, err)
	weights, err := ModelMemory(setting("SIPO_TEST_MODEL"))
	ok(t, err)
	equal(t, plain > info.StateBytes && dropping > plain && weights >= info.WeightBytes, true)
	fails(t, second(model.NewSession(&SessionOptions{MemoryLimit: 1000})), OutOfMemory)
	fails(t, second(Open(setting("SIPO_TEST_MODEL"), &ModelOptions{DeviceMemoryLimit: 1 << 40, MemoryLimit: 1000})), OutOfMemory)
	fails(t, second(ModelMemory("no-such-model")), NotFound)
	fails(t, second(model.SessionMemory(nil, 0)), OutOfRange)
	session := started(t, model)
	equal(t, hash(t, session), TokenHash(tokenize(t, model, "The old man looked at the sea and")))
}

// Stop sequences, biases, log probabilities, choices.

func with(set func(*SamplingOptions)) *SamplingOptions {
	options := &SamplingOptions{IgnoreEndOfText: true}
	set(options)
	return options
}

func TestStopsAtTexts(t *testing.T) {
	session := started(t, open(t))
	ok(t, session.Checkpoint("start"))
	all := generated(t, session, 30, endless)
	stop := all[10:14]
	ok(t, session.Rewind("start"))
	found := generated(t, session, 30, with(func(o *SamplingOptions) { o.Stop = []string{"\u2603", stop} }))
	equal(t, found, all[:strings.Index(all, stop)])
	statistics, err := session.Statistics()
	ok(t, err)
	equal(t, statistics.Finish, StopSequence)
	equal(t, statistics.GenerationSeconds > 0 && statistics.FirstTokenSeconds > 0, true)
	fails(t, second(session.Text(background, 1, with(func(o *SamplingOptions) { o.Stop = []string{""} }))), OutOfRange)
}

func TestTellsHeldTextAtTheEnd(t *testing.T) {
	model := open(t)
	session := started(t, model)
	info, err := model.Info()
	ok(t, err)
	held, err := model.Detokenize([]int32{17})
	ok(t, err)
	// Token 17 and the end of text follow, and token 17 might begin a stop sequence.
	ending := &SamplingOptions{
		RepetitionPenalty: 100,
		RepetitionWindow:  8,
		LogitBias:         map[int32]float32{17: 1000, info.EndOfText: 900},
		Stop:              []string{held + "\u2603"},
	}
	expected := []Token{{17, ""}, {-1, held}}
	var tokens []Token
	count, err := session.Generate(background, 9, ending, func(token Token) error {
		tokens = append(tokens, token)
		return nil
	})
	ok(t, err)
	equal(t, count, 1)
	equal(t, len(tokens) == 2 && tokens[0] == expected[0] && tokens[1] == expected[1], true)
	scheduler, err := model.NewScheduler(nil)
	ok(t, err)
	defer scheduler.Close()
	request, err := scheduler.Submit(background, []int32{1}, 9, nil, ending)
	ok(t, err)
	defer request.Close()
	channel, wait := request.Tokens()
	for _, token := range expected {
		equal(t, <-channel, token)
	}
	ok(t, wait())
	statistics, err := request.Statistics()
	ok(t, err)
	equal(t, statistics.Finish, EndOfText)
	equal(t, statistics.GeneratedTokens, 1)
}

func TestReportsLogProbabilities(t *testing.T) {
	session := started(t, open(t))
	var reported []int32
	reporting := with(func(o *SamplingOptions) {
		o.Likeliest = 3
		o.LogProbabilities = func(token TokenProbability, likeliest []TokenProbability) bool {
			reported = append(reported, token.ID)
			return len(likeliest) == 3 && likeliest[0] == token && token.LogProbability < 0 &&
				likeliest[0].LogProbability >= likeliest[1].LogProbability
		}
	})
	count, err := session.Generate(background, 6, reporting, func(token Token) error {
		equal(t, token.ID, reported[len(reported)-1])
		return nil
	})
	ok(t, err)
	equal(t, count, 6)
	own := errors.New("own")
	panics(t, own, func() {
		_, _ = session.Text(background, 3, with(func(o *SamplingOptions) {
			o.LogProbabilities = func(TokenProbability, []TokenProbability) bool { panic(own) }
		}))
	})
	reporting.Likeliest = 1025
	fails(t, second(session.Text(background, 1, reporting)), OutOfRange)
	only := with(func(o *SamplingOptions) { o.LogitBias = map[int32]float32{17: 1000} })
	_, err = session.Generate(background, 3, only, func(token Token) error {
		equal(t, token.ID, 17)
		return nil
	})
	ok(t, err)
	outside := with(func(o *SamplingOptions) { o.LogitBias = map[int32]float32{1 << 20: 1} })
	fails(t, second(session.Text(background, 1, outside)), OutOfRange)
}

func TestChoosesAmongTexts(t *testing.T) {
	model := open(t)
	session := started(t, model)
	ok(t, session.Checkpoint("start"))
	likely := generated(t, session, 2, endless)
	ok(t, session.Rewind("start"))
	before := position(t, session)
	chosen, values, err := session.Choose(background, []string{"\u2603\u2603 zebra", likely, "qqq \U0001F600"})
	ok(t, err)
	equal(t, chosen, 1)
	equal(t, len(values) == 3 && values[1] > values[0], true)
	equal(t, position(t, session), before+int64(len(tokenize(t, model, likely))))
	_, _, err = session.Choose(background, nil)
	fails(t, err, OutOfRange)
	_, _, err = create(t, model, nil).Choose(background, []string{"a", "b"})
	fails(t, err, InvalidState)
}

func TestKeepsMemoryFlatOverStates(t *testing.T) {
	session := started(t, open(t))
	ok(t, session.Checkpoint("start"))
	all := with(func(o *SamplingOptions) {
		o.Stop = []string{"no such text in the answer"}
		o.LogitBias = map[int32]float32{5: 1}
		o.Likeliest = 5
		o.LogProbabilities = func(TokenProbability, []TokenProbability) bool { return true }
	})
	staysFlat(t, "1,000 snapshots, forks, generations and choices", 1000, func() {
		snapshot, err := session.SaveMemory(nil)
		ok(t, err)
		ok(t, session.LoadMemory(snapshot))
		fork, err := session.Fork()
		ok(t, err)
		ok(t, fork.Close())
		generated(t, session, 1, all)
		_, _, err = session.Choose(background, []string{"one", "two"})
		ok(t, err)
		ok(t, session.Rewind("start"))
		if session.LoadMemory(snapshot[:1000]) == nil {
			t.Fatal("no error")
		}
	})
}
