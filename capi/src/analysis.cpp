// sipo_analyze(), its options and its arrays.
#include "arguments.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

constexpr std::int64_t most_points = 4096;
constexpr std::int64_t largest_map = 256;
constexpr std::size_t most_maps = 4096;

AnalyzeOptions chosen(const sipo_analysis_options* options) {
    return options != nullptr ? options->options : AnalyzeOptions{};
}

const std::vector<float>& reals_of(const Analysis& result, std::int32_t id) {
    switch (id) {
        case SIPO_ANALYSIS_LOG_DECAY: return result.log_decay;
        case SIPO_ANALYSIS_RECEPTIVE_FIELD: return result.receptive_field;
        case SIPO_ANALYSIS_DELTA_MEAN: return result.delta_mean;
        case SIPO_ANALYSIS_DELTA_SKIPPED: return result.delta_skipped;
        case SIPO_ANALYSIS_DELTA_NORM: return result.delta_norm;
        case SIPO_ANALYSIS_DELTA_EDGES: return result.delta_edges;
        case SIPO_ANALYSIS_MAPS: return result.maps;
        default: fail(Code::out_of_range, "no array ", id, " of real numbers of an analysis");
    }
}

const std::vector<std::int64_t>& integers_of(const Analysis& result, std::int32_t id) {
    switch (id) {
        case SIPO_ANALYSIS_PLACES: return result.places;
        case SIPO_ANALYSIS_MAP_PLACES: return result.map_places;
        case SIPO_ANALYSIS_CLASSES: return result.classes;
        case SIPO_ANALYSIS_DELTA_HISTOGRAM: return result.histogram;
        case SIPO_ANALYSIS_LAYER_TOKENS: return result.layer_tokens;
        case SIPO_ANALYSIS_KEPT_TOKENS: return result.kept;
        case SIPO_ANALYSIS_MAP_LAYERS: return result.map_layers;
        case SIPO_ANALYSIS_MAP_CHANNELS: return result.map_channels;
        default: fail(Code::out_of_range, "no array ", id, " of whole numbers of an analysis");
    }
}

}  // namespace

extern "C" {

sipo_status sipo_analysis_options_create(sipo_analysis_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_analysis_options{});
    });
}

void sipo_analysis_options_free(sipo_analysis_options* options) {
    const std::unique_ptr<sipo_analysis_options> owned(options);
}

sipo_status sipo_analysis_options_set_points(sipo_analysis_options* options, int64_t points) {
    return guarded([&] {
        require(options, "options").options.points =
            in_range<std::int64_t>(points, 1, most_points, "points");
    });
}

sipo_status sipo_analysis_options_set_map_size(sipo_analysis_options* options, int64_t size) {
    return guarded([&] {
        require(options, "options").options.map_size =
            in_range<std::int64_t>(size, 0, largest_map, "the size of a map");
    });
}

sipo_status sipo_analysis_options_set_map_channels(sipo_analysis_options* options,
                                                   const int32_t* layers, const int32_t* channels,
                                                   size_t count) {
    return guarded([&] {
        AnalyzeOptions& target = require(options, "options").options;
        in_range<std::size_t>(count, 0, most_maps, "the number of maps");
        const auto of_layers = require_array(layers, count, "layers");
        const auto of_channels = require_array(channels, count, "channels");
        std::vector<MapChannel> wanted(count);
        for (std::size_t i = 0; i < count; ++i) wanted[i] = {of_layers[i], of_channels[i]};
        target.map_channels = std::move(wanted);
    });
}

sipo_status sipo_analysis_options_set_memory_limit(sipo_analysis_options* options, int64_t bytes) {
    return guarded([&] {
        require(options, "options").options.memory_limit =
            in_range<std::int64_t>(bytes, 0, INT64_MAX, "the memory limit");
    });
}

sipo_status sipo_analysis_options_set_progress(sipo_analysis_options* options, sipo_progress_fn fn,
                                               void* user) {
    return guarded([&] { require(options, "options").options.progress = make_progress(fn, user); });
}

sipo_status sipo_analysis_memory(const sipo_session_options* session,
                                 const sipo_analysis_options* options, int64_t tokens,
                                 int64_t* bytes) {
    return guarded([&] {
        const sipo_session_options& how = require(session, "session");
        in_range<std::int64_t>(tokens, 2, SIPO_MAX_COUNT, "tokens");
        require(bytes, "bytes");
        *bytes = analysis_memory(*how.model, how.options, tokens, chosen(options));
    });
}

sipo_status sipo_analyze(const sipo_session_options* session, const int32_t* ids, size_t count,
                         const sipo_analysis_options* options, sipo_analysis** analysis) {
    return guarded([&] {
        const sipo_session_options& how = require(session, "session");
        const auto tokens = require_array(ids, count, "ids");
        require(analysis, "analysis");
        give(analysis, sipo_analysis{analyze(*how.model, how.options, tokens, chosen(options))});
    });
}

void sipo_analysis_free(sipo_analysis* analysis) {
    const std::unique_ptr<sipo_analysis> owned(analysis);
}

sipo_status sipo_analysis_get_reals(const sipo_analysis* analysis, int32_t id, float* values,
                                    size_t capacity, size_t* count) {
    return guarded([&] {
        const Analysis& result = require(analysis, "analysis").result;
        write_results(std::span(reals_of(result, id)), values, capacity, count, "values");
    });
}

sipo_status sipo_analysis_get_integers(const sipo_analysis* analysis, int32_t id, int64_t* values,
                                       size_t capacity, size_t* count) {
    return guarded([&] {
        const Analysis& result = require(analysis, "analysis").result;
        write_results(std::span(integers_of(result, id)), values, capacity, count, "values");
    });
}

}  // extern "C"
