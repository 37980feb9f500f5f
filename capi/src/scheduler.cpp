// The scheduler and its requests.
#include <chrono>

#include "arguments.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

SchedulerOptions& target_of(sipo_scheduler_options* options) {
    return require(options, "options").options;
}

double statistic(const SchedulerStatistics& values, std::int32_t id) {
    switch (id) {
        case SIPO_SCHEDULER_WAITING: return static_cast<double>(values.waiting);
        case SIPO_SCHEDULER_READING: return static_cast<double>(values.reading);
        case SIPO_SCHEDULER_DECODING: return static_cast<double>(values.decoding);
        case SIPO_SCHEDULER_SUBMITTED: return static_cast<double>(values.submitted);
        case SIPO_SCHEDULER_REFUSED: return static_cast<double>(values.refused);
        case SIPO_SCHEDULER_FINISHED: return static_cast<double>(values.finished);
        case SIPO_SCHEDULER_CANCELLED: return static_cast<double>(values.cancelled);
        case SIPO_SCHEDULER_FAILED: return static_cast<double>(values.failed);
        case SIPO_SCHEDULER_PROMPT_TOKENS: return static_cast<double>(values.prompt_tokens);
        case SIPO_SCHEDULER_REUSED_TOKENS: return static_cast<double>(values.reused_tokens);
        case SIPO_SCHEDULER_GENERATED_TOKENS: return static_cast<double>(values.generated_tokens);
        case SIPO_SCHEDULER_BUSY_SECONDS: return values.busy_seconds;
        default: fail(Code::out_of_range, "no statistic ", id, " of a scheduler");
    }
}

double statistic(const RequestStatistics& values, std::int32_t id) {
    switch (id) {
        case SIPO_REQUEST_PROMPT_TOKENS: return static_cast<double>(values.prompt_tokens);
        case SIPO_REQUEST_PROMPT_DONE: return static_cast<double>(values.prompt_done);
        case SIPO_REQUEST_REUSED_TOKENS: return static_cast<double>(values.reused_tokens);
        case SIPO_REQUEST_QUEUED_SECONDS: return values.queued_seconds;
        case SIPO_REQUEST_FIRST_TOKEN_SECONDS: return values.first_token_seconds;
        case SIPO_REQUEST_GENERATED_TOKENS: return static_cast<double>(values.generated_tokens);
        case SIPO_REQUEST_GENERATION_SECONDS: return values.generation_seconds;
        case SIPO_REQUEST_LONGEST_WAIT_SECONDS: return values.longest_wait_seconds;
        case SIPO_REQUEST_FINISH: return static_cast<double>(values.finish);
        default: fail(Code::out_of_range, "no statistic ", id, " of a request");
    }
}

}  // namespace

extern "C" {

sipo_status sipo_scheduler_options_create(const sipo_model* model,
                                          sipo_scheduler_options** options) {
    return guarded([&] {
        const sipo_model& source = require(model, "model");
        require(options, "options");
        give(options, sipo_scheduler_options{source.model, {}});
    });
}

void sipo_scheduler_options_free(sipo_scheduler_options* options) {
    const std::unique_ptr<sipo_scheduler_options> owned(options);
}

sipo_status sipo_scheduler_options_set_threads(sipo_scheduler_options* options, int32_t threads) {
    return guarded([&] { target_of(options).threads = thread_count(threads); });
}

sipo_status sipo_scheduler_options_set_sessions(sipo_scheduler_options* options, int64_t sessions) {
    return guarded([&] {
        target_of(options).sessions = in_range<std::int64_t>(sessions, 1, 65536, "sessions");
    });
}

sipo_status sipo_scheduler_options_set_queue(sipo_scheduler_options* options, int64_t requests) {
    return guarded([&] {
        target_of(options).queue = in_range<std::int64_t>(requests, 1, 1 << 24, "the queue");
    });
}

sipo_status sipo_scheduler_options_set_chunk_tokens(sipo_scheduler_options* options,
                                                    int64_t tokens) {
    return guarded([&] {
        target_of(options).chunk_tokens = in_range<std::int64_t>(tokens, 1, 65536, "chunk_tokens");
    });
}

sipo_status sipo_scheduler_options_set_memory_limit(sipo_scheduler_options* options,
                                                    int64_t bytes) {
    return guarded([&] {
        target_of(options).memory_limit =
            in_range<std::int64_t>(bytes, 0, INT64_MAX, "the memory limit");
    });
}

sipo_status sipo_scheduler_options_set_cache(sipo_scheduler_options* options,
                                             const sipo_cache* cache) {
    return guarded([&] {
        sipo_scheduler_options& target = require(options, "options");
        if (cache != nullptr && &cache->cache->model() != target.model.get()) {
            fail(Code::invalid_argument, "the cache is of another model than the scheduler");
        }
        target.options.cache = cache != nullptr ? cache->cache : nullptr;
    });
}

sipo_status sipo_scheduler_create(const sipo_scheduler_options* options,
                                  sipo_scheduler** scheduler) {
    return guarded([&] {
        const sipo_scheduler_options& chosen = require(options, "options");
        require(scheduler, "scheduler");
        give(scheduler, sipo_scheduler{std::make_unique<Scheduler>(chosen.model, chosen.options)});
    });
}

void sipo_scheduler_free(sipo_scheduler* scheduler) {
    const std::unique_ptr<sipo_scheduler> owned(scheduler);
}

sipo_status sipo_scheduler_submit(sipo_scheduler* scheduler, const sipo_session_options* session,
                                  const sipo_sampling_options* sampling, const int32_t* ids,
                                  size_t count, size_t max_tokens, sipo_request** request) {
    return guarded([&] {
        Scheduler& target = *require(scheduler, "scheduler").scheduler;
        const auto tokens = require_array(ids, count, "ids");
        in_range<std::size_t>(max_tokens, 1, static_cast<std::size_t>(SIPO_MAX_COUNT),
                              "max_tokens");
        require(request, "request");
        if (session != nullptr && session->model.get() != &target.model()) {
            fail(Code::invalid_argument, "the options are of another model than the scheduler");
        }
        // Made first: once it is submitted, nothing may fail.
        auto handle = std::make_unique<sipo_request>();
        handle->request = target.submit(session != nullptr ? session->options : SessionOptions{},
                                        sampling != nullptr ? sampling->options : SamplingOptions{},
                                        tokens, max_tokens);
        *request = handle.release();
    });
}

sipo_status sipo_scheduler_get_statistic(const sipo_scheduler* scheduler, int32_t id,
                                         double* value) {
    return guarded([&] {
        const Scheduler& target = *require(scheduler, "scheduler").scheduler;
        require(value, "value") = statistic(target.statistics(), id);
    });
}

sipo_status sipo_request_next(sipo_request* request, int64_t timeout_milliseconds, int32_t* token,
                              char* text, size_t capacity, size_t* length) {
    return guarded([&] {
        Request& target = *require(request, "request").request;
        in_range<std::int64_t>(timeout_milliseconds, -1, 1000000000, "timeout_milliseconds");
        require(token, "token");
        const auto room = require_array(text, capacity, "text");
        require(length, "length");
        const Request::Event event =
            target.take(std::chrono::milliseconds(timeout_milliseconds), room.size());
        if (!event.text.empty()) std::memcpy(text, event.text.data(), event.text.size());
        *token = event.token;
        *length = event.text.size();
    });
}

sipo_status sipo_request_cancel(sipo_request* request) {
    return guarded([&] { require(request, "request").request->cancel(); });
}

sipo_status sipo_request_get_statistic(const sipo_request* request, int32_t id, double* value) {
    return guarded([&] {
        const Request& target = *require(request, "request").request;
        require(value, "value") = statistic(target.statistics(), id);
    });
}

void sipo_request_free(sipo_request* request) {
    const std::unique_ptr<sipo_request> owned(request);
    if (!owned) return;
    owned->request->cancel();
    owned->request->wait_for_callbacks();
}

}  // extern "C"
