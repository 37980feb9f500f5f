package sipo

import (
	"context"

	"sipo/internal/native"
)

// Analysis is what the channels of a model remember of a prompt, in the measures of the papers: cumulative decay and
// classes of channels as in LongMamba (arXiv 2504.16053), effective receptive field as in DeciMamba (arXiv 2406.14528).
// It is plain data, with nothing to close.
type Analysis struct {
	Places     []int64         // [points], ascending: numbers of tokens of the prompt where curves are told
	DeltaEdges []float32       // [bins + 1], ascending: the borders of the histograms' bins
	Layers     []LayerAnalysis // of the model, in order
	MapPlaces  []int64         // [size], ascending: numbers of tokens where the stretches of a map end
	Maps       []AttentionMap  // of the channels that were asked for
	KeptTokens []int64         // as [Session.KeptTokens]
}

// LayerAnalysis is what the channels of one layer remember. Delta is after softplus.
type LayerAnalysis struct {
	Tokens int64 // that the layer's scan visits
	// Global, [channels], tells whether the cumulative decay over the training length exceeds the session's
	// global-channel threshold.
	Global []bool
	// LogDecay, [channels][points], is ln of the cumulative decay through the tokens before each place, with delta as
	// the method leaves it.
	LogDecay [][]float32
	// ReceptiveField, [channels], is the mean distance in tokens that the last token's hidden attention looks back,
	// with delta as the method leaves it.
	ReceptiveField []float32
	DeltaMean      []float32 // [channels], before the method
	DeltaSkipped   []float32 // [channels]: share of the tokens whose delta the method sets to 0
	// DeltaNorm, [points], is the norm of delta over the channels, DeciMamba's score, before the method: the mean over
	// the tokens from the place before to each place, 0 where none is left.
	DeltaNorm   []float32
	LocalSteps  []int64 // [bins]: histogram of the delta of local channels
	GlobalSteps []int64 // [bins]: of global channels
}

// MapChannel is a channel of a layer.
type MapChannel struct {
	Layer   int32 // 0 to Layers-1
	Channel int32 // 0 to DeltaChannels-1
}

// AttentionMap is the hidden attention of one channel (arXiv 2403.01590).
type AttentionMap struct {
	MapChannel
	// Attention is [size][size]: row r is that of the last token before MapPlaces[r], summed over the tokens from the
	// place before to each place.
	Attention [][]float32
}

// Analyze reads a prompt of 2 tokens or more as a new session of those options would, and measures what the channels
// remember of it. nil options are the defaults. Errors: [OutOfRange] (which token), [OutOfMemory] (the limit),
// [Cancelled].
func (m *Model) Analyze(ctx context.Context, ids []int32, session *SessionOptions, options *AnalysisOptions) (*Analysis, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var analysis *Analysis
	err := m.withAnalysis(ctx, session, options, func(reading native.SessionOptions, measuring native.AnalysisOptions) error {
		var measured native.Analysis
		if err := try(func() { measured = native.AnalysisMeasure(reading, ids, measuring) }); err != nil {
			return err
		}
		defer native.DeleteAnalysis(measured)
		return try(func() { analysis = copyAnalysis(measured) })
	})
	if err != nil {
		return nil, ended(ctx, err)
	}
	return analysis, nil
}

// AnalysisMemory is the most bytes that Analyze takes for so many tokens, 2 to 2^40.
func (m *Model) AnalysisMemory(tokens int64, session *SessionOptions, options *AnalysisOptions) (int64, error) {
	var bytes int64
	err := m.withAnalysis(context.Background(), session, options,
		func(reading native.SessionOptions, measuring native.AnalysisOptions) error {
			return try(func() { bytes = native.AnalysisMemory(reading, tokens, measuring) })
		})
	return bytes, err
}

func (m *Model) withAnalysis(ctx context.Context, session *SessionOptions, options *AnalysisOptions,
	call func(native.SessionOptions, native.AnalysisOptions) error) error {
	return m.with(session, func(reading native.SessionOptions) error {
		return options.use(ctx, func(measuring native.AnalysisOptions) error { return call(reading, measuring) })
	})
}

func copyAnalysis(from native.Analysis) *Analysis {
	analysis := &Analysis{
		Places:     from.Places(),
		DeltaEdges: from.Delta_edges(),
		Layers:     copyLayers(from),
		MapPlaces:  from.Map_places(),
		KeptTokens: from.Kept_tokens(),
	}
	channels, attention := from.Map_channels(), from.Maps()
	for i, layer := range from.Map_layers() {
		analysis.Maps = append(analysis.Maps, AttentionMap{
			MapChannel{int32(layer), int32(channels[i])},
			rows(part(attention, i, len(channels)), len(analysis.MapPlaces)),
		})
	}
	return analysis
}

func copyLayers(from native.Analysis) []LayerAnalysis {
	tokens, classes, logDecay := from.Layer_tokens(), from.Classes(), from.Log_decay()
	receptiveField, deltaMean, deltaSkipped := from.Receptive_field(), from.Delta_mean(), from.Delta_skipped()
	deltaNorm, steps := from.Delta_norm(), from.Delta_histogram()
	count := len(tokens)
	layers := make([]LayerAnalysis, count)
	for i := range layers {
		layers[i] = LayerAnalysis{
			Tokens:         tokens[i],
			Global:         make([]bool, len(classes)/count),
			LogDecay:       rows(part(logDecay, i, count), len(classes)/count),
			ReceptiveField: part(receptiveField, i, count),
			DeltaMean:      part(deltaMean, i, count),
			DeltaSkipped:   part(deltaSkipped, i, count),
			DeltaNorm:      part(deltaNorm, i, count),
			LocalSteps:     part(steps, 2*i, 2*count),
			GlobalSteps:    part(steps, 2*i+1, 2*count),
		}
		for channel, class := range part(classes, i, count) {
			layers[i].Global[channel] = class != 0
		}
	}
	return layers
}

// part is one of so many equal parts, where it is.
func part[Value any](all []Value, index, parts int) []Value {
	size := len(all) / parts
	return all[index*size : (index+1)*size : (index+1)*size]
}

func rows(all []float32, count int) [][]float32 {
	rows := make([][]float32, count)
	for i := range rows {
		rows[i] = part(all, i, count)
	}
	return rows
}
