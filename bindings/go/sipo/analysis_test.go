package sipo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// What channels remember.

// sums has, by the name of an array, the sum that analysis.c prints of its values.
type sums struct {
	names []string
	sums  map[string]uint64
}

func (s *sums) add(name string, values ...int64) {
	sum, known := s.sums[name]
	if !known {
		s.names = append(s.names, name)
		sum = 0xcbf29ce484222325
	}
	for _, value := range values {
		sum = (sum ^ uint64(value)) * 0x100000001b3
	}
	s.sums[name] = sum
}

func (s *sums) addReals(name string, values []float32) {
	for _, value := range values {
		s.add(name, int64(math.Float32bits(value)))
	}
}

func (s *sums) String() string {
	var lines strings.Builder
	for _, name := range s.names {
		fmt.Fprintf(&lines, "%s %016x\n", name, s.sums[name])
	}
	return lines.String()
}

func sumsOf(analysis *Analysis) *sums {
	all := &sums{sums: map[string]uint64{}}
	all.add("places", analysis.Places...)
	all.addReals("delta_edges", analysis.DeltaEdges)
	for _, layer := range analysis.Layers {
		all.add("layer_tokens", layer.Tokens)
		for _, global := range layer.Global {
			class := map[bool]int64{true: 1}
			all.add("classes", class[global])
		}
		for _, curve := range layer.LogDecay {
			all.addReals("log_decay", curve)
		}
		all.addReals("receptive_field", layer.ReceptiveField)
		all.addReals("delta_mean", layer.DeltaMean)
		all.addReals("delta_skipped", layer.DeltaSkipped)
		all.addReals("delta_norm", layer.DeltaNorm)
		all.add("delta_histogram", layer.LocalSteps...)
		all.add("delta_histogram", layer.GlobalSteps...)
	}
	all.add("map_places", analysis.MapPlaces...)
	for _, drawn := range analysis.Maps {
		all.add("map_layers", int64(drawn.Layer))
		all.add("map_channels", int64(drawn.Channel))
		for _, row := range drawn.Attention {
			all.addReals("maps", row)
		}
	}
	all.add("kept_tokens", analysis.KeptTokens...)
	return all
}

func someTokens(t *testing.T, model *Model, count int) []int32 {
	t.Helper()
	return tokenize(t, model, text(t)[:8000])[:count]
}

func TestGivesTheAnalysisOfC(t *testing.T) {
	model := open(t)
	ids := someTokens(t, model, 500)
	analysis, err := model.Analyze(background, ids, &SessionOptions{Context: DeciMamba, DecimationCapacity: 100},
		&AnalysisOptions{Points: 10, MapSize: 6, MapChannels: []MapChannel{{1, 3}, {7, 511}}})
	ok(t, err)
	equal(t, sumsOf(analysis).String(), read(t, "SIPO_TEST_ANALYSIS"))
	last := analysis.Layers[7]
	equal(t, [4]int{len(analysis.Layers), len(last.LogDecay), len(last.LogDecay[511]), len(analysis.Maps[1].Attention[5])},
		[4]int{8, 512, 10, 6})
	equal(t, len(analysis.KeptTokens) < len(ids), true)
}

func TestAnalysesWithDefaultsAndWithoutMaps(t *testing.T) {
	model := open(t)
	ids := someTokens(t, model, 20)
	analysis, err := model.Analyze(background, ids, nil, nil)
	ok(t, err)
	equal(t, [3]int{len(analysis.Maps), len(analysis.MapPlaces), len(analysis.Places)}, [3]int{8, 20, 20})
	analysis, err = model.Analyze(background, ids, nil, &AnalysisOptions{MapSize: -1})
	ok(t, err)
	equal(t, len(analysis.Maps), 0)
}

func TestCancelsAnalyses(t *testing.T) {
	model := open(t)
	ids := someTokens(t, model, 500)
	last := int64(0)
	_, err := model.Analyze(background, ids, nil, &AnalysisOptions{
		MapSize: -1, Progress: func(done, total int64) bool { last = done; return done <= total },
	})
	ok(t, err)
	equal(t, last, int64(8*len(ids)))
	stop := &AnalysisOptions{Progress: func(done, total int64) bool { return false }}
	fails(t, second(model.Analyze(background, ids, nil, stop)), Cancelled)
	own := errors.New("own")
	throw := &AnalysisOptions{Progress: func(done, total int64) bool { panic(own) }}
	panics(t, own, func() { _, _ = model.Analyze(background, ids, nil, throw) })

	ctx, cancel := context.WithCancel(background)
	cancelling := &AnalysisOptions{Progress: func(done, total int64) bool { cancel(); return true }}
	equal(t, second(model.Analyze(ctx, ids, nil, cancelling)), context.Canceled)
	equal(t, second(model.Analyze(ctx, ids, nil, nil)), context.Canceled)
	equal(t, second(model.Calibrate(ctx, ids, 64, nil)), context.Canceled)
}

func TestTellsMemoryOfAnalysesAndKeepsLimits(t *testing.T) {
	model := open(t)
	ids := someTokens(t, model, 500)
	options := &AnalysisOptions{MapSize: -1}
	needed, err := model.AnalysisMemory(int64(len(ids)), nil, options)
	ok(t, err)
	more, err := model.AnalysisMemory(int64(2*len(ids)), nil, options)
	ok(t, err)
	equal(t, needed > int64(len(ids)*256*4) && more > needed, true)
	options.MemoryLimit = needed
	ok(t, second(model.Analyze(background, ids, nil, options)))
	options.MemoryLimit = needed - 1
	fails(t, second(model.Analyze(background, ids, nil, options)), OutOfMemory)
	fails(t, second(model.AnalysisMemory(1, nil, nil)), OutOfRange)
}

func TestRefusesAnalyses(t *testing.T) {
	model := open(t)
	ids := someTokens(t, model, 20)
	for _, options := range []*AnalysisOptions{
		{Points: -1}, {MapSize: 257}, {MapChannels: []MapChannel{{8, 0}}}, {MapChannels: []MapChannel{{0, -1}}},
	} {
		fails(t, second(model.Analyze(background, ids, nil, options)), OutOfRange)
	}
	fails(t, second(model.Analyze(background, ids[:1], nil, nil)), OutOfRange)
	fails(t, second(model.Analyze(background, []int32{1, 4096}, nil, nil)), OutOfRange)
	fails(t, second(model.Analyze(background, ids, &SessionOptions{DecimationRate: 2}, nil)), OutOfRange)
	if second(model.Analyze(background, nil, nil, nil)) == nil {
		t.Fatal("nothing was analysed without an error")
	}
	ok(t, model.Close())
	equal(t, second(model.Analyze(background, ids, nil, nil)), ErrClosed)
}

func TestKeepsMemoryFlatOverAnalyses(t *testing.T) {
	model := open(t)
	ids, wrong, quick := []int32{1, 2}, []int32{1, -1}, &AnalysisOptions{MapSize: -1}
	staysFlat(t, "200 analyses and as many refused", 200, func() {
		ok(t, second(model.Analyze(background, ids, nil, quick)))
		fails(t, second(model.Analyze(background, wrong, nil, nil)), OutOfRange)
	})
}
