package sipo

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// Reading, scoring, generating.

func tokensOf(t *testing.T, model *Model, method Context, seeded bool, ids []int32) string {
	t.Helper()
	sampling := &SamplingOptions{IgnoreEndOfText: true}
	if seeded {
		sampling = &SamplingOptions{
			IgnoreEndOfText: true, Temperature: 0.8, TopK: 50, TopP: 0.95, MinP: 0.001,
			RepetitionPenalty: 1.1, RepetitionWindow: 32, Seed: 7,
		}
	}
	session := create(t, model, &SessionOptions{Context: method, DecimationCapacity: 500})
	ok(t, session.Prefill(background, ids))
	var line strings.Builder
	_, err := session.Generate(background, 48, sampling, func(token Token) error {
		_, err := fmt.Fprintf(&line, "%d ", token.ID)
		return err
	})
	ok(t, err)
	return line.String() + "\n"
}

func TestGivesTheTokensOfC(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t)[:8000])
	all := ""
	for _, method := range []Context{NoMethod, DeciMamba, LongMamba} {
		all += tokensOf(t, model, method, false, ids) + tokensOf(t, model, method, true, ids)
	}
	equal(t, all, read(t, "SIPO_TEST_TOKENS"))
}

func TestReadsAndScores(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t))[:48]
	session := create(t, model, &SessionOptions{ChunkTokens: 7})
	name, err := session.BackendName()
	ok(t, err)
	equal(t, strings.Contains(name, "cpu"), true)
	rows, err := session.PrefillLogits(background, ids, 3)
	ok(t, err)
	equal(t, len(rows), 3*4096)
	logits, err := session.Logits(nil)
	ok(t, err)
	equal(t, reflect.DeepEqual(logits, rows[2*4096:]), true)
	likeliest, err := session.Likeliest()
	ok(t, err)
	for _, logit := range logits {
		equal(t, logit <= logits[likeliest], true)
	}
	room := make([]float32, 5000)
	again, err := session.Logits(room)
	ok(t, err)
	equal(t, len(again) == 4096 && &again[0] == &room[0] && again[4095] == logits[4095], true)
	kept, err := session.KeptTokens()
	ok(t, err)
	equal(t, len(kept), 48)
	ok(t, session.Decode(5))
	nll, err := session.Score(background, ids, 48)
	ok(t, err)
	equal(t, len(nll), 48)
	equal(t, position(t, session), 97)
	ok(t, session.Reset())
	equal(t, position(t, session), 0)
	nll, err = session.Score(background, ids, 47)
	ok(t, err)
	equal(t, len(nll), 47)
}

func TestDecodesTogetherAsAlone(t *testing.T) {
	model := open(t)
	one, two, alone := started(t, model), started(t, model), started(t, model)
	ok(t, two.Decode(9))
	ok(t, BatchDecode([]*Session{one, two}, []int32{7, 8}))
	ok(t, alone.Decode(7))
	got, err := one.Logits(nil)
	ok(t, err)
	want, err := alone.Logits(nil)
	ok(t, err)
	equal(t, reflect.DeepEqual(got, want), true)
	equal(t, position(t, one)+1, position(t, two))
	fails(t, BatchDecode([]*Session{one, one}, []int32{1, 1}), InvalidState)
	fails(t, BatchDecode([]*Session{one}, nil), InvalidArgument)
}

func TestStreams(t *testing.T) {
	model := open(t)
	wild := &SamplingOptions{Temperature: 100, IgnoreEndOfText: true, Seed: 3}
	session, listened := started(t, model), started(t, model)
	tokens, wait := session.Tokens(background, 200, wild)
	var received []Token
	for token := range tokens {
		received = append(received, token)
	}
	ok(t, wait())
	var called []Token
	var text strings.Builder
	count, err := listened.Generate(background, 200, wild, func(token Token) error {
		called = append(called, token)
		text.WriteString(token.Text)
		return nil
	})
	ok(t, err)
	equal(t, count, 200)
	equal(t, reflect.DeepEqual(received, called), true)
	var ids []int32
	for _, token := range called {
		ids = append(ids, token.ID)
	}
	whole, err := model.Detokenize(ids)
	ok(t, err)
	equal(t, strings.TrimRight(text.String(), "\ufffd"), strings.TrimRight(whole, "\ufffd"))
}

func TestEndsAStreamThatIsLeft(t *testing.T) {
	session := started(t, open(t))
	before := position(t, session)
	ctx, cancel := context.WithCancel(background)
	tokens, wait := session.Tokens(ctx, 1<<40, endless)
	for i := 0; i < 5; i++ {
		<-tokens
	}
	cancel()
	equal(t, wait(), context.Canceled)
	ahead := position(t, session) - before
	equal(t, ahead >= 5 && ahead < 5+40, true)
}

func TestStopsWhenTheCallbackHasEnough(t *testing.T) {
	session := started(t, open(t))
	left := 3
	count, err := session.Generate(background, 100, endless, func(Token) error {
		if left--; left == 0 {
			return Stop
		}
		return nil
	})
	ok(t, err)
	equal(t, count, 3)
	own := fmt.Errorf("own")
	_, err = session.Generate(background, 100, endless, func(Token) error { return own })
	equal(t, err, own)
	written, err := session.Text(background, 4, endless)
	ok(t, err)
	equal(t, written != "", true)
}

func TestServesEightGoroutinesFromOneModel(t *testing.T) {
	model := open(t)
	ids := tokenize(t, model, text(t)[:2000])
	answers := make([]string, 9)
	answer := func(i int) {
		session, err := model.NewSession(&SessionOptions{Threads: 1})
		if err != nil {
			return
		}
		defer session.Close()
		if session.Prefill(background, ids) == nil {
			answers[i], _ = session.Text(background, 20, endless)
		}
	}
	answer(8)
	equal(t, answers[8] != "", true)
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func(i int) { defer all.Done(); answer(i) }(i)
	}
	all.Wait()
	for _, each := range answers {
		equal(t, each, answers[8])
	}
}
