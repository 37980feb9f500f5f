// The prefix cache.
#include "arguments.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

std::int64_t statistic(const PrefixCounters& counters, std::int32_t id) {
    switch (id) {
        case SIPO_CACHE_PROMPTS: return counters.prompts;
        case SIPO_CACHE_PROMPTS_REUSING: return counters.prompts_reusing;
        case SIPO_CACHE_TOKENS_REUSED: return counters.tokens_reused;
        case SIPO_CACHE_TOKENS_COMPUTED: return counters.tokens_computed;
        case SIPO_CACHE_TOKENS_INEXACT: return counters.tokens_inexact;
        case SIPO_CACHE_ENTRIES: return counters.entries;
        case SIPO_CACHE_BYTES: return counters.bytes;
        case SIPO_CACHE_DIRECTORY_BYTES: return counters.directory_bytes;
        case SIPO_CACHE_EVICTIONS: return counters.evictions;
        case SIPO_CACHE_DAMAGED: return counters.damaged;
        case SIPO_CACHE_WRITE_FAILURES: return counters.write_failures;
        default: fail(Code::out_of_range, "no statistic ", id, " of a cache");
    }
}

}  // namespace

extern "C" {

sipo_status sipo_cache_options_create(sipo_cache_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_cache_options{});
    });
}

void sipo_cache_options_free(sipo_cache_options* options) {
    const std::unique_ptr<sipo_cache_options> owned(options);
}

sipo_status sipo_cache_options_set_memory(sipo_cache_options* options, int64_t bytes) {
    return guarded([&] {
        require(options, "options").options.memory_bytes =
            in_range<std::int64_t>(bytes, 0, INT64_MAX, "the memory of the cache");
    });
}

sipo_status sipo_cache_options_set_directory(sipo_cache_options* options, const char* path,
                                             int64_t bytes) {
    return guarded([&] {
        PrefixCacheOptions& target = require(options, "options").options;
        std::string directory = require_text(path, "path");
        target.directory_bytes =
            in_range<std::int64_t>(bytes, 1, INT64_MAX, "the bytes of the directory");
        target.directory = std::move(directory);
    });
}

sipo_status sipo_cache_options_set_interval(sipo_cache_options* options, int64_t tokens) {
    return guarded([&] {
        require(options, "options").options.interval =
            in_range<std::int64_t>(tokens, 64, SIPO_MAX_COUNT, "the interval");
    });
}

sipo_status sipo_cache_create(const sipo_model* model, const sipo_cache_options* options,
                              sipo_cache** cache) {
    return guarded([&] {
        const auto& source = require(model, "model").model;
        require(cache, "cache");
        const PrefixCacheOptions chosen =
            options != nullptr ? options->options : PrefixCacheOptions{};
        give(cache, sipo_cache{std::make_shared<PrefixCache>(source, chosen)});
    });
}

void sipo_cache_free(sipo_cache* cache) { const std::unique_ptr<sipo_cache> owned(cache); }

sipo_status sipo_cache_get_statistic(const sipo_cache* cache, int32_t id, int64_t* value) {
    return guarded([&] {
        PrefixCache& target = *require(cache, "cache").cache;
        require(value, "value") = statistic(target.counters(), id);
    });
}

sipo_status sipo_cache_clear(sipo_cache* cache) {
    return guarded([&] { require(cache, "cache").cache->clear(); });
}

sipo_status sipo_session_prefill_cached(sipo_session* session, sipo_cache* cache,
                                        const int32_t* ids, size_t count) {
    return with_session(session, [&](Session& target) {
        PrefixCache& store = *require(cache, "cache").cache;
        if (&store.model() != &target.model()) {
            fail(Code::invalid_argument, "the cache is of another model than the session");
        }
        target.prefill(require_array(ids, count, "ids"), &store);
    });
}

}  // extern "C"
