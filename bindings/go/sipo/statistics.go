package sipo

// Finish is why a generation ended.
type Finish int

// Reasons. The numbers never change.
const (
	NotFinished     Finish = 0
	EndOfText       Finish = 100
	StopSequence    Finish = 110 // one of SamplingOptions.Stop
	TokenLimit      Finish = 120
	FinishCancelled Finish = 130
	FinishFailed    Finish = 140
)

// SessionStatistics are facts about the last prompt and the last generation of a session.
type SessionStatistics struct {
	PromptTokens      int64
	ReusedTokens      int64 // of the prompt, from a cache
	PrefillSeconds    float64
	FirstTokenSeconds float64 // from the start of the prompt
	GeneratedTokens   int64
	GenerationSeconds float64
	Finish            Finish
}

// CacheStatistics are facts about a cache since it was made.
type CacheStatistics struct {
	Prompts, PromptsReusing      int64
	TokensReused, TokensComputed int64
	TokensInexact                int64 // read before, but not exact for the prompt, so read again
	Entries, Bytes               int64 // in memory now
	DirectoryBytes               int64 // now, of all processes and models
	Evictions                    int64
	Damaged                      int64 // entries found damaged and removed
	WriteFailures                int64
}

// SchedulerStatistics are facts about a scheduler since it was made.
type SchedulerStatistics struct {
	Waiting, Reading, Decoding  int64 // requests now
	Submitted, Refused          int64 // refused for a full queue
	Finished, Cancelled, Failed int64
	PromptTokens                int64 // computed
	ReusedTokens                int64
	GeneratedTokens             int64
	BusySeconds                 float64
}

// RequestStatistics are facts about a request so far.
type RequestStatistics struct {
	PromptTokens       int64
	PromptDone         int64 // of them, reused ones included
	ReusedTokens       int64
	QueuedSeconds      float64
	FirstTokenSeconds  float64 // from submitting
	GeneratedTokens    int64
	GenerationSeconds  float64 // from the first token to the last
	LongestWaitSeconds float64 // between two tokens
	Finish             Finish
}

// The values come in the order of sipo.i; none of them after an error.

func sessionStatistics(v []float64) (s SessionStatistics) {
	if len(v) > 0 {
		s = SessionStatistics{int64(v[0]), int64(v[1]), v[2], v[3], int64(v[4]), v[5], Finish(v[6])}
	}
	return s
}

func cacheStatistics(v []float64) (s CacheStatistics) {
	if len(v) > 0 {
		s = CacheStatistics{int64(v[0]), int64(v[1]), int64(v[2]), int64(v[3]), int64(v[4]), int64(v[5]),
			int64(v[6]), int64(v[7]), int64(v[8]), int64(v[9]), int64(v[10])}
	}
	return s
}

func schedulerStatistics(v []float64) (s SchedulerStatistics) {
	if len(v) > 0 {
		s = SchedulerStatistics{int64(v[0]), int64(v[1]), int64(v[2]), int64(v[3]), int64(v[4]), int64(v[5]),
			int64(v[6]), int64(v[7]), int64(v[8]), int64(v[9]), int64(v[10]), v[11]}
	}
	return s
}

func requestStatistics(v []float64) (s RequestStatistics) {
	if len(v) > 0 {
		s = RequestStatistics{int64(v[0]), int64(v[1]), int64(v[2]), v[3], v[4], int64(v[5]), v[6], v[7],
			Finish(v[8])}
	}
	return s
}
