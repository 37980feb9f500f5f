// Reads a prompt with a context method and measures, layer by layer, what its channels remember:
// cumulative decay, receptive field, hidden attention and Δ (methods.md section 4). One layer's Δ,
// B and C are held at a time, and the residual stream of the prompt.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.hpp"
#include "session/open_model.hpp"
#include "session/session.hpp"

namespace sipo {

struct MapChannel {
    std::int32_t layer = 0;
    std::int32_t channel = 0;
};

struct AnalyzeOptions {
    std::int64_t points = 64;    // places of the prompt that curves are told for
    std::int64_t map_size = 64;  // rows and columns of an attention map; 0: no maps
    // Empty: of each layer the median global channel, or the most lasting one where none is.
    std::vector<MapChannel> map_channels;
    std::int64_t memory_limit = std::int64_t{4} << 30;  // bytes; 0: none
    ProgressFn progress;                                // in tokens times layers
};

// Points and map_size are at most the number of tokens. A "place" is a number of tokens: those
// before it are counted in. A channel's class is 1 (global) or 0 (local), by the threshold of the
// session's options: from the calibration profile where there is one, else from this prompt.
struct Analysis {
    std::int64_t layers = 0;
    std::int64_t channels = 0;
    std::vector<std::int64_t> places;        // [points]
    std::vector<std::int64_t> map_places;    // [map_size]
    std::vector<std::int64_t> layer_tokens;  // [layers], that a layer's scan visits
    std::vector<std::int64_t> kept;          // indices of the tokens that reach the last layer
    std::vector<std::int64_t> classes;       // [layers, channels]
    std::vector<float> log_decay;            // [layers, channels, points]
    std::vector<float> receptive_field;      // [layers, channels], in tokens
    std::vector<float> delta_mean;           // [layers, channels], before the method
    std::vector<float> delta_skipped;        // [layers, channels], the share that is set to 0
    std::vector<float> delta_norm;         // [layers, points], mean of ‖Δ‖₂ up to the place
    std::vector<float> delta_edges;        // [bins + 1]
    std::vector<std::int64_t> histogram;   // [layers, 2 classes, bins], before the method
    std::vector<std::int64_t> map_layers;  // [maps]
    std::vector<std::int64_t> map_channels;  // [maps]
    std::vector<float> maps;                 // [maps, map_size, map_size]
};

// The most bytes that an analysis of `tokens` tokens allocates.
[[nodiscard]] std::int64_t analysis_memory(const OpenModel& model, const SessionOptions& session,
                                           std::int64_t tokens, const AnalyzeOptions& options);

// `ids` are all a new session of those options reads.
[[nodiscard]] Analysis analyze(const OpenModel& model, const SessionOptions& session,
                               std::span<const std::int32_t> ids, const AnalyzeOptions& options);

}  // namespace sipo
