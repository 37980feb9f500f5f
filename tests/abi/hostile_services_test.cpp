// NULL and numbers out of range where snapshots, caches and schedulers are asked for: refused, and
// nothing is written.
#include <cmath>

#include "hostile_fixture.hpp"
#include "services.hpp"

namespace sipo_tests {
namespace {

class HostileServices : public HostileArguments {
protected:
    SnapshotOptions snapshot_options = made<SnapshotOptions>(sipo_snapshot_options_create);
    CacheOptions cache_options = made<CacheOptions>(sipo_cache_options_create);
    Cache cache = cache_for(model, 1 << 20);
    SchedulerOptions scheduler_options = made<SchedulerOptions>([&](sipo_scheduler_options** out) {
        return sipo_scheduler_options_create(model.get(), out);
    });
    double value = -7.0;
    std::size_t count = poison;
};

TEST_F(HostileServices, NullIsFreedLikeAnObject) {
    sipo_workers_free(nullptr);
    sipo_snapshot_free(nullptr);
    sipo_snapshot_options_free(nullptr);
    sipo_cache_free(nullptr);
    sipo_cache_options_free(nullptr);
    sipo_scheduler_free(nullptr);
    sipo_scheduler_options_free(nullptr);
    sipo_request_free(nullptr);
}

TEST_F(HostileServices, NullIsRefusedBySnapshots) {
    read_prompt();
    auto* const s = session.get();
    REFUSED(sipo_snapshot_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_snapshot_options_set_store(nullptr, SIPO_STORE_RAW), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_snapshot_options_set_flush(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_save(nullptr, "x", nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_save(s, nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_save(s, "", nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_load(nullptr, "x"), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_load(s, nullptr), SIPO_INVALID_ARGUMENT);
    auto* snapshot = poisoned<sipo_snapshot>();
    REFUSED(sipo_session_save_memory(nullptr, nullptr, &snapshot), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_save_memory(s, nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(snapshot, poisoned<sipo_snapshot>());
    REFUSED(sipo_session_load_memory(s, nullptr, 5), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_load_memory(nullptr, "x", 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_load_memory(s, "x", huge), SIPO_OUT_OF_RANGE);
    const void* bytes = nullptr;
    REFUSED(sipo_snapshot_bytes(nullptr, &bytes, &count), SIPO_INVALID_ARGUMENT);
    const Snapshot real = made<Snapshot>(
        [&](sipo_snapshot** out) { return sipo_session_save_memory(s, nullptr, out); });
    REFUSED(sipo_snapshot_bytes(real.get(), nullptr, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_snapshot_bytes(real.get(), &bytes, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(count, poison);
    EXPECT_EQ(bytes, nullptr);
}

TEST_F(HostileServices, NullIsRefusedByCopiesAndCheckpoints) {
    auto* copy = poisoned<sipo_session>();
    REFUSED(sipo_session_fork(nullptr, &copy), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_fork(session.get(), nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(copy, poisoned<sipo_session>());
    for (const auto call :
         {sipo_session_checkpoint, sipo_session_rewind, sipo_session_drop_checkpoint}) {
        REFUSED(call(nullptr, "a"), SIPO_INVALID_ARGUMENT);
        REFUSED(call(session.get(), nullptr), SIPO_INVALID_ARGUMENT);
        REFUSED(call(session.get(), ""), SIPO_INVALID_ARGUMENT);
        REFUSED(call(session.get(), std::string(256, 'a').c_str()), SIPO_INVALID_ARGUMENT);
    }
    std::uint64_t hash = poison;
    REFUSED(sipo_session_token_hash(nullptr, &hash), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_token_hash(session.get(), nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_token_hash(nullptr, 1, &hash), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_token_hash(ids.data(), 1, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(hash, poison);
}

TEST_F(HostileServices, NullIsRefusedByMemoryAndWorkers) {
    std::int64_t bytes = -7;
    REFUSED(sipo_model_memory(nullptr, &bytes), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_memory(mamba1_path().c_str(), nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_memory(nullptr, 1, &bytes), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_memory(options.get(), 1, nullptr), SIPO_INVALID_ARGUMENT);
    for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{-1}, longest + 1}) {
        REFUSED(sipo_session_memory(options.get(), tokens, &bytes), SIPO_OUT_OF_RANGE);
    }
    EXPECT_EQ(bytes, -7);
    REFUSED(sipo_model_options_set_memory_limit(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_memory_limit(model_options.get(), -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_model_options_set_device_memory_limit(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_model_options_set_device_memory_limit(model_options.get(), -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_options_set_memory_limit(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_options_set_memory_limit(options.get(), -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_options_set_workers(nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    auto* workers = poisoned<sipo_workers>();
    REFUSED(sipo_workers_create(nullptr, 1, &workers), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_workers_create(model.get(), 257, &workers), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_workers_create(model.get(), 1, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(workers, poisoned<sipo_workers>());
}

TEST_F(HostileServices, NullAndNumbersAreRefusedBySampling) {
    auto* const o = sampling.get();
    const std::int32_t id = 1;
    const float bias = 1.0F;
    REFUSED(sipo_sampling_options_set_resume(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_add_stop(nullptr, "a", 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_add_stop(o, nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_add_stop(o, "a", 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_add_stop(o, "a", 65537), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_add_stop(o, "\xe2\x82", 2), SIPO_INVALID_ARGUMENT);
    for (int i = 0; i < 256; ++i) OK(sipo_sampling_options_add_stop(o, "a", 1));
    REFUSED(sipo_sampling_options_add_stop(o, "a", 1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_sampling_options_set_logit_bias(nullptr, &id, &bias, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_logit_bias(o, nullptr, &bias, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_logit_bias(o, &id, nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_sampling_options_set_logit_bias(o, &id, &bias, huge), SIPO_OUT_OF_RANGE);
    for (const float wrong : {std::nanf(""), INFINITY}) {
        REFUSED(sipo_sampling_options_set_logit_bias(o, &id, &wrong, 1), SIPO_OUT_OF_RANGE);
    }
    for (const std::int32_t wrong : {-1, most, least}) {
        REFUSED(sipo_sampling_options_set_logit_bias(o, &wrong, &bias, 1), SIPO_OUT_OF_RANGE);
    }
    REFUSED(sipo_sampling_options_set_log_probabilities(nullptr, 1, nullptr, nullptr),
            SIPO_INVALID_ARGUMENT);
    for (const std::int32_t wrong : {-1, 1025, most}) {
        REFUSED(sipo_sampling_options_set_log_probabilities(o, wrong, nullptr, nullptr),
                SIPO_OUT_OF_RANGE);
    }
}

TEST_F(HostileServices, NullAndNumbersAreRefusedByChoices) {
    auto* const s = session.get();
    const char* const texts[] = {"a", nullptr};
    const std::size_t lengths[] = {1, 1};
    const std::size_t none[] = {0, 0};
    REFUSED(sipo_session_choose(s, texts, lengths, 1, nullptr, &count), SIPO_INVALID_STATE);
    read_prompt();
    REFUSED(sipo_session_choose(nullptr, texts, lengths, 1, nullptr, &count),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_choose(s, nullptr, lengths, 1, nullptr, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_choose(s, texts, nullptr, 1, nullptr, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_choose(s, texts, lengths, 2, nullptr, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_choose(s, texts, lengths, 1, nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_choose(s, texts, lengths, 0, nullptr, &count), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_choose(s, texts, lengths, 4097, nullptr, &count), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_choose(s, texts, none, 2, nullptr, &count), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(count, poison);
    EXPECT_EQ(position_of(session), 8);
}

TEST_F(HostileServices, NullAndNumbersAreRefusedByCaches) {
    auto* const o = cache_options.get();
    REFUSED(sipo_cache_options_create(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_options_set_memory(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_options_set_memory(o, -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_cache_options_set_directory(nullptr, "x", 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_options_set_directory(o, nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_options_set_directory(o, "", 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_options_set_directory(o, "x", 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_cache_options_set_interval(nullptr, 64), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_options_set_interval(o, 63), SIPO_OUT_OF_RANGE);
    auto* made_cache = poisoned<sipo_cache>();
    REFUSED(sipo_cache_create(nullptr, o, &made_cache), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_create(model.get(), o, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(made_cache, poisoned<sipo_cache>());
    std::int64_t number = -7;
    REFUSED(sipo_cache_get_statistic(nullptr, SIPO_CACHE_BYTES, &number), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_get_statistic(cache.get(), SIPO_CACHE_BYTES, nullptr),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_cache_get_statistic(cache.get(), 1, &number), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(number, -7);
    REFUSED(sipo_cache_clear(nullptr), SIPO_INVALID_ARGUMENT);
    auto* const s = session.get();
    REFUSED(sipo_session_prefill_cached(nullptr, cache.get(), ids.data(), 8),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_cached(s, nullptr, ids.data(), 8), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_cached(s, cache.get(), nullptr, 8), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_prefill_cached(s, cache.get(), ids.data(), 0), SIPO_OUT_OF_RANGE);
    const Model stranger = open_model();
    const Cache strange = cache_for(stranger, 1 << 20);
    REFUSED(sipo_session_prefill_cached(s, strange.get(), ids.data(), 8), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_cache(scheduler_options.get(), strange.get()),
            SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(position_of(session), 0);
}

TEST_F(HostileServices, NullAndNumbersAreRefusedBySchedulers) {
    auto* const o = scheduler_options.get();
    REFUSED(sipo_scheduler_options_create(nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_threads(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_threads(o, 257), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_options_set_sessions(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_sessions(o, 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_options_set_queue(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_queue(o, 0), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_options_set_chunk_tokens(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_chunk_tokens(o, 65537), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_options_set_memory_limit(nullptr, 1), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_options_set_memory_limit(o, -1), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_options_set_cache(nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_scheduler_options_set_cache(o, nullptr), SIPO_OK);
    REFUSED(sipo_scheduler_create(nullptr, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_create(o, nullptr), SIPO_INVALID_ARGUMENT);
    OK(sipo_scheduler_options_set_threads(o, 1));
    const Scheduler scheduler =
        made<Scheduler>([&](sipo_scheduler** out) { return sipo_scheduler_create(o, out); });
    auto* const s = scheduler.get();
    auto* request = poisoned<sipo_request>();
    const std::int32_t* const in = ids.data();
    REFUSED(sipo_scheduler_submit(nullptr, nullptr, nullptr, in, 8, 1, &request),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_submit(s, nullptr, nullptr, nullptr, 8, 1, &request),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_submit(s, nullptr, nullptr, in, 0, 1, &request), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_submit(s, nullptr, nullptr, in, 8, 0, &request), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_submit(s, nullptr, nullptr, in, 8, huge, &request), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_submit(s, nullptr, nullptr, in, 8, 1, nullptr), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(request, poisoned<sipo_request>());
    REFUSED(sipo_scheduler_get_statistic(nullptr, SIPO_SCHEDULER_WAITING, &value),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_scheduler_get_statistic(s, 1, &value), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_scheduler_get_statistic(s, SIPO_SCHEDULER_WAITING, nullptr),
            SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(value, -7.0);
}

TEST_F(HostileServices, NullAndNumbersAreRefusedByRequests) {
    const Scheduler scheduler = made<Scheduler>(
        [&](sipo_scheduler** out) { return sipo_scheduler_create(scheduler_options.get(), out); });
    const Request request = made<Request>([&](sipo_request** out) {
        return sipo_scheduler_submit(scheduler.get(), nullptr, nullptr, ids.data(), 8, 1, out);
    });
    auto* const r = request.get();
    std::int32_t token = -7;
    char text[64] = "untouched";
    REFUSED(sipo_request_next(nullptr, 0, &token, text, 64, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_request_next(r, -2, &token, text, 64, &count), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_request_next(r, 0, nullptr, text, 64, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_request_next(r, 0, &token, nullptr, 64, &count), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_request_next(r, 0, &token, text, 64, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_request_cancel(nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_request_get_statistic(nullptr, SIPO_REQUEST_FINISH, &value),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_request_get_statistic(r, 1, &value), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_request_get_statistic(r, SIPO_REQUEST_FINISH, nullptr), SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_get_statistic(session.get(), 1, &value), SIPO_OUT_OF_RANGE);
    REFUSED(sipo_session_get_statistic(nullptr, SIPO_SESSION_FINISH, &value),
            SIPO_INVALID_ARGUMENT);
    REFUSED(sipo_session_get_statistic(session.get(), SIPO_SESSION_FINISH, nullptr),
            SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(token, -7);
    EXPECT_EQ(value, -7.0);
    EXPECT_EQ(count, poison);
    EXPECT_STREQ(text, "untouched");
}

TEST_F(HostileServices, EveryStatisticHasItsNumber) {
    for (std::int32_t id = SIPO_SESSION_PROMPT_TOKENS; id <= SIPO_SESSION_FINISH; id += 10) {
        EXPECT_EQ(sipo_session_get_statistic(session.get(), id, &value), SIPO_OK) << id;
    }
    std::int64_t number = 0;
    for (std::int32_t id = SIPO_CACHE_PROMPTS; id <= SIPO_CACHE_WRITE_FAILURES; id += 10) {
        EXPECT_EQ(sipo_cache_get_statistic(cache.get(), id, &number), SIPO_OK) << id;
    }
    const Scheduler scheduler = made<Scheduler>(
        [&](sipo_scheduler** out) { return sipo_scheduler_create(scheduler_options.get(), out); });
    for (std::int32_t id = SIPO_SCHEDULER_WAITING; id <= SIPO_SCHEDULER_BUSY_SECONDS; id += 10) {
        EXPECT_EQ(sipo_scheduler_get_statistic(scheduler.get(), id, &value), SIPO_OK) << id;
    }
    const Request request = made<Request>([&](sipo_request** out) {
        return sipo_scheduler_submit(scheduler.get(), nullptr, nullptr, ids.data(), 8, 1, out);
    });
    for (std::int32_t id = SIPO_REQUEST_PROMPT_TOKENS; id <= SIPO_REQUEST_FINISH; id += 10) {
        EXPECT_EQ(sipo_request_get_statistic(request.get(), id, &value), SIPO_OK) << id;
    }
}

}  // namespace
}  // namespace sipo_tests
