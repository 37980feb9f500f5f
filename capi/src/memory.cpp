// Memory told before it is taken, the limits on it, and threads that sessions share.
#include "session/memory.hpp"

#include "arguments.hpp"
#include "backend/registry.hpp"
#include "base/cpu_count.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

std::int64_t limit_of(std::int64_t bytes) {
    return in_range<std::int64_t>(bytes, 0, INT64_MAX, "the memory limit");
}

}  // namespace

extern "C" {

sipo_status sipo_model_memory(const char* path, int64_t* bytes) {
    return guarded([&] {
        const std::string file = require_text(path, "path");
        require(bytes, "bytes");
        *bytes = model_memory(Container::open(file), *backend::make_backend("cpu"));
    });
}

sipo_status sipo_session_memory(const sipo_session_options* options, int64_t prompt_tokens,
                                int64_t* bytes) {
    return guarded([&] {
        const sipo_session_options& chosen = require(options, "options");
        in_range<std::int64_t>(prompt_tokens, 1, SIPO_MAX_COUNT, "prompt_tokens");
        require(bytes, "bytes");
        *bytes = session_memory(*chosen.model, chosen.options, {.tokens = prompt_tokens});
    });
}

sipo_status sipo_model_options_set_memory_limit(sipo_model_options* options, int64_t bytes) {
    return guarded([&] { require(options, "options").options.memory_limit = limit_of(bytes); });
}

sipo_status sipo_model_options_set_device_memory_limit(sipo_model_options* options, int64_t bytes) {
    return guarded(
        [&] { require(options, "options").options.device_memory_limit = limit_of(bytes); });
}

sipo_status sipo_session_options_set_memory_limit(sipo_session_options* options, int64_t bytes) {
    return guarded([&] { require(options, "options").options.memory_limit = limit_of(bytes); });
}

sipo_status sipo_workers_create(const sipo_model* model, int32_t threads, sipo_workers** workers) {
    return guarded([&] {
        const auto& source = require(model, "model").model;
        const int count = resolve_threads(thread_count(threads));
        require(workers, "workers");
        give(workers, sipo_workers{source, std::make_shared<Machinery>(source->model(), count)});
    });
}

void sipo_workers_free(sipo_workers* workers) {
    const std::unique_ptr<sipo_workers> owned(workers);
}

sipo_status sipo_session_options_set_workers(sipo_session_options* options,
                                             const sipo_workers* workers) {
    return guarded([&] {
        sipo_session_options& target = require(options, "options");
        if (workers == nullptr) {
            target.options.machinery.reset();
            return;
        }
        if (workers->model != target.model) {
            fail(Code::invalid_argument, "the workers are of another model than the options");
        }
        target.options.machinery = workers->machinery;
    });
}

}  // extern "C"
