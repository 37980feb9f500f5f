package sipo

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"sipo/internal/native"
)

// Session is one sequence: its recurrent state, a few megabytes whatever the length of the prompt, and the
// method that extends its context. One goroutine at a time; Cancel and Close from any.
type Session struct {
	handle
	native native.Session
}

// NewSession makes a session at position 0. Errors: [OutOfRange] for an option outside its range,
// [NotFound] when LongMamba has neither its profile nor a calibration, [BackendError].
func (m *Model) NewSession(options *SessionOptions) (*Session, error) {
	var created native.Session
	err := m.with(options, func(chosen native.SessionOptions) error {
		return try(func() { created = native.NewSession(chosen) })
	})
	if err != nil {
		return nil, err
	}
	return newSession(created), nil
}

func newSession(created native.Session) *Session {
	return keep(&Session{
		handle: handle{open: true, free: func() { native.DeleteSession(created) }},
		native: created,
	})
}

// Close cancels what runs in the session and frees it when that has returned. The error is always nil.
func (s *Session) Close() error {
	runtime.SetFinalizer(s, nil)
	s.Cancel()
	s.close()
	return nil
}

// Prefill reads a prompt: 1 to 2^40 tokens, each 0 to VocabSize-1, after what was read before. The context
// method acts here. If it fails or is cancelled, the session is as it was. Errors: [OutOfRange] (which
// token), [Cancelled].
func (s *Session) Prefill(ctx context.Context, ids []int32) error {
	return s.run(ctx, func() { s.native.Prefill(ids) })
}

// PrefillCached is a Prefill with the help of a cache of the same model; [SessionStatistics] tells what it had. A
// session that has read tokens before neither asks nor fills it.
func (s *Session) PrefillCached(ctx context.Context, cache *Cache, ids []int32) error {
	if err := cache.acquire(); err != nil {
		return err
	}
	defer cache.release()
	return s.run(ctx, func() { s.native.Prefill_cached(cache.native, ids) })
}

// PrefillLogits is a Prefill that also gives the logits at the last tokens, 1 to len(ids), as
// [last, VocabSize]. With DeciMamba the protected tail has to reach that far.
func (s *Session) PrefillLogits(ctx context.Context, ids []int32, last int) ([]float32, error) {
	if err := notNegative("last", last); err != nil {
		return nil, err
	}
	var logits []float32
	err := s.run(ctx, func() { logits = s.native.Prefill_logits(ids, int64(last)) })
	return logits, err
}

// Score is a Prefill that also gives the negative log-likelihood, in nats, of each of the last scored
// tokens: 1 to len(ids)-1, or to len(ids) if the session has read tokens before. With DeciMamba the
// protected tail has to be scored+1 or more.
func (s *Session) Score(ctx context.Context, ids []int32, scored int) ([]float32, error) {
	if err := notNegative("scored", scored); err != nil {
		return nil, err
	}
	var nll []float32
	err := s.run(ctx, func() { nll = s.native.Score(ids, int64(scored)) })
	return nll, err
}

// Decode reads one token by the plain recurrence, whatever the context method.
func (s *Session) Decode(token int32) error {
	return s.use(func() { s.native.Decode(int(token)) })
}

// BatchDecode reads one token in each of several different sessions of one model, in one pass over the
// weights. Errors: [InvalidArgument] when the lists differ in length or a session is of another model,
// [InvalidState] when a session stands twice or is in use; then none has read its token.
func BatchDecode(sessions []*Session, tokens []int32) error {
	if len(sessions) != len(tokens) {
		return &Error{InvalidArgument, "sessions and tokens differ in length"}
	}
	batch := native.NewBatch()
	defer native.DeleteBatch(batch)
	for i, session := range sessions {
		if err := session.acquire(); err != nil {
			return err
		}
		defer session.release()
		batch.Add(session.native, int(tokens[i]))
	}
	return try(batch.Decode)
}

// Logits after the last token, [VocabSize]: into dst if that is as long or longer, else into a new slice.
// Errors: [InvalidState] before the first token.
func (s *Session) Logits(dst []float32) ([]float32, error) {
	var count int64
	err := s.use(func() {
		if count = s.native.Logits_into(nil); count > int64(len(dst)) {
			dst = make([]float32, count)
		}
		s.native.Logits_into(dst)
	})
	if err != nil {
		return nil, err
	}
	return dst[:count], nil
}

// Token is a generated token.
type Token struct {
	ID   int32  // -1 after the last token, for text that was held back because a stop sequence might have begun
	Text string // what the token completes: whole code points, possibly none
}

// Generate generates up to maxTokens (1 to 2^40) tokens from where the session stands, reads each, so that
// the session can go on, and calls fn, which may be nil, with it. The end of text stops it and is neither
// reported nor read. An error of fn stops it too and is returned, except [Stop]. nil options are greedy.
// It returns how many tokens fn was called with. Errors: [InvalidState] before the first token,
// [Cancelled]; what fn was called with has been read.
func (s *Session) Generate(ctx context.Context, maxTokens int, options *SamplingOptions, fn func(Token) error) (int, error) {
	if err := notNegative("maxTokens", maxTokens); err != nil {
		return 0, err
	}
	generated := 0
	var refused error
	listener := func(token int32, text string) bool {
		if token >= 0 {
			generated++
		}
		if fn != nil {
			refused = fn(Token{token, text})
		}
		return refused == nil
	}
	err := options.use(func(sampling native.SamplingOptions) error {
		return s.run(ctx, func() {
			s.native.Generate(int64(maxTokens), native.Tokens(listener), sampling)
		})
	})
	if refused != nil {
		err = refused
	}
	if errors.Is(err, Stop) {
		err = nil
	}
	return generated, err
}

// Text generates and returns the text of all tokens; on an error, of those before it. See Generate.
func (s *Session) Text(ctx context.Context, maxTokens int, options *SamplingOptions) (string, error) {
	var text strings.Builder
	_, err := s.Generate(ctx, maxTokens, options, func(token Token) error {
		text.WriteString(token.Text)
		return nil
	})
	return text.String(), err
}

// Tokens generates in a goroutine and sends every token. The channel is closed at the end; then the
// function returns what Generate would have. Whoever stops receiving ends the context.
func (s *Session) Tokens(ctx context.Context, maxTokens int, options *SamplingOptions) (<-chan Token, func() error) {
	tokens := make(chan Token, 16)
	done := make(chan struct{})
	var failure error
	go func() {
		defer close(done)
		defer close(tokens)
		_, failure = s.Generate(ctx, maxTokens, options, func(token Token) error {
			select {
			case tokens <- token:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return tokens, func() error { <-done; return failure }
}

// Choose reads that of the texts (1 to 4096 of a token or more) that follows best, each taken as a whole, and returns
// its number and the log probability of each, in nats. Errors: [InvalidState] before the first token, [Cancelled].
func (s *Session) Choose(ctx context.Context, texts []string) (int, []float32, error) {
	choice := native.NewChoice()
	defer native.DeleteChoice(choice)
	for _, text := range texts {
		choice.Add(text)
	}
	var chosen int64
	if err := s.run(ctx, func() { chosen = choice.Make(s.native) }); err != nil {
		return 0, nil, err
	}
	return int(chosen), choice.Log_probabilities(), nil
}

// Fork returns a session that stands where this one stands and goes its own way. The two share threads.
func (s *Session) Fork() (*Session, error) {
	var created native.Session
	if err := s.use(func() { created = s.native.Fork() }); err != nil {
		return nil, err
	}
	return newSession(created), nil
}

// Checkpoint keeps where the session stands under a name of 1 to 255 bytes, in memory.
func (s *Session) Checkpoint(name string) error {
	return s.use(func() { s.native.Checkpoint(name) })
}

// Rewind goes back to that checkpoint, which stays. Errors: [NotFound] names the ones there are.
func (s *Session) Rewind(name string) error {
	return s.use(func() { s.native.Rewind(name) })
}

// DropCheckpoint forgets that checkpoint. Errors: [NotFound].
func (s *Session) DropCheckpoint(name string) error {
	return s.use(func() { s.native.Drop_checkpoint(name) })
}

// Save writes the session to a file, which appears complete or not at all. nil options are the defaults. Errors:
// [IOError].
func (s *Session) Save(path string, options *SnapshotOptions) error {
	return options.use(func(chosen native.SnapshotOptions) error {
		return s.use(func() { s.native.Save(path, chosen) })
	})
}

// Load goes on where the session of a snapshot stood: one of the same model, context method and options. If it is
// refused, the session is as it was. Errors: [InvalidArgument] for another model or other options, [CorruptFile],
// [Unsupported] (a newer format), [NotFound], [IOError].
func (s *Session) Load(path string) error {
	return s.use(func() { s.native.Load(path) })
}

// SaveMemory is Save to memory.
func (s *Session) SaveMemory(options *SnapshotOptions) ([]byte, error) {
	var bytes []byte
	err := options.use(func(chosen native.SnapshotOptions) error {
		return s.use(func() { bytes = s.native.Save_memory(chosen) })
	})
	return bytes, err
}

// LoadMemory is Load from memory.
func (s *Session) LoadMemory(snapshot []byte) error {
	return s.use(func() { s.native.Load_memory(snapshot) })
}

// Statistics are facts about the last prompt and the last generation.
func (s *Session) Statistics() (SessionStatistics, error) {
	var values []float64
	err := s.use(func() { values = s.native.Statistics() })
	return sessionStatistics(values), err
}

// TokenHash is a hash of all tokens read so far, as [TokenHash] gives.
func (s *Session) TokenHash() (int64, error) {
	var hash int64
	err := s.use(func() { hash = s.native.Token_hash() })
	return hash, err
}

// TokenHash is the hash that a session has which has read these tokens.
func TokenHash(ids []int32) int64 { return native.Token_hash(ids) }

// Likeliest is the token with the largest logit, known without fetching them: the greedy choice.
// Errors: [InvalidState] before the first token, [BackendError] when that logit is not finite.
func (s *Session) Likeliest() (int32, error) {
	var token int32
	err := s.use(func() { token = int32(s.native.Likeliest()) })
	return token, err
}

// Position is how many tokens the session has read.
func (s *Session) Position() (int64, error) {
	var position int64
	err := s.use(func() { position = s.native.Position() })
	return position, err
}

// KeptTokens are those of the last prefill that reached the last layer: indices into its ids, ascending.
func (s *Session) KeptTokens() ([]int64, error) {
	var kept []int64
	err := s.use(func() { kept = s.native.Kept_tokens() })
	return kept, err
}

// Reset goes back to position 0.
func (s *Session) Reset() error {
	return s.use(func() { s.native.Reset() })
}

// Cancel makes the call that runs in the session fail with [ErrCancelled] within a chunk or a token; without
// one it has no effect. Any goroutine may call it.
func (s *Session) Cancel() {
	_ = s.use(func() { s.native.Cancel() })
}

// BackendName is where the session computes, such as "cpu (avx512), 2 threads".
func (s *Session) BackendName() (string, error) {
	var name string
	err := s.use(func() { name = s.native.Backend_name() })
	return name, err
}

// run is use, ended early by the context.
func (s *Session) run(ctx context.Context, call func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.acquire(); err != nil {
		return err
	}
	defer s.release()
	defer s.cancelAfter(ctx)()
	return ended(ctx, try(call))
}

// cancelAfter cancels the session once the context ends, until the function it returns is called. A cancel
// that comes before the library's call has no effect, so it is repeated.
func (s *Session) cancelAfter(ctx context.Context) func() {
	if ctx.Done() == nil {
		return func() {}
	}
	finished, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-finished:
			return
		case <-ctx.Done():
		}
		for {
			_ = try(s.native.Cancel)
			select {
			case <-finished:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() { close(finished); <-stopped }
}
