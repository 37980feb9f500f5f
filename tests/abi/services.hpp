// What the tests of snapshots, caches and schedulers share.
#pragma once

#include <unistd.h>

#include <filesystem>

#include "support.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo_tests {

using Workers = std::unique_ptr<sipo_workers, Freer<sipo_workers_free>>;
using Snapshot = std::unique_ptr<sipo_snapshot, Freer<sipo_snapshot_free>>;
using SnapshotOptions = std::unique_ptr<sipo_snapshot_options, Freer<sipo_snapshot_options_free>>;
using Cache = std::unique_ptr<sipo_cache, Freer<sipo_cache_free>>;
using CacheOptions = std::unique_ptr<sipo_cache_options, Freer<sipo_cache_options_free>>;
using Scheduler = std::unique_ptr<sipo_scheduler, Freer<sipo_scheduler_free>>;
using SchedulerOptions =
    std::unique_ptr<sipo_scheduler_options, Freer<sipo_scheduler_options_free>>;
using Request = std::unique_ptr<sipo_request, Freer<sipo_request_free>>;

#define OK(call) ASSERT_EQ(call, SIPO_OK) << sipo_last_error_message()

using Ids = std::vector<std::int32_t>;

inline Ids joined(Ids first, const Ids& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

// A directory of this process beside the models of the tests.
class TemporaryDirectory {
public:
    explicit TemporaryDirectory(const std::string& name) : directory_(name, scratch("")) {}
    std::string path() const { return directory_.path().string(); }
    std::string file(const std::string& name) const { return path() + "/" + name; }
    // Files in it whose name ends so.
    std::size_t count(const std::string& end) const {
        std::size_t files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
            const std::string name = entry.path().filename().string();
            files += name.size() >= end.size() &&
                     name.compare(name.size() - end.size(), end.size(), end) == 0;
        }
        return files;
    }

private:
    sipo::writers::TemporaryDirectory directory_;
};

// Options with a method that acts on the prompts of these tests.
inline SessionOptions options_with(const Model& model, const Calibration& calibration,
                                   std::int32_t method, std::int64_t expected_tokens = 0) {
    SessionOptions options = options_for(model, 2);
    auto* const o = options.get();
    EXPECT_EQ(sipo_session_options_set_context(o, method), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_decimation_capacity(o, 40), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_calibration(o, calibration.get()), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_expected_tokens(o, expected_tokens), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_chunk_tokens(o, 48), SIPO_OK);
    return options;
}

inline void read(const Session& session, const Ids& ids) {
    OK(sipo_session_prefill(session.get(), ids.data(), ids.size()));
}

struct Generated {
    Ids tokens;
    std::string text;
    bool operator==(const Generated& other) const {
        return tokens == other.tokens && text == other.text;
    }
};

inline int collect_token(void* user, std::int32_t token, const char* text, std::size_t length) {
    auto& generated = *static_cast<Generated*>(user);
    if (token >= 0) generated.tokens.push_back(token);
    generated.text.append(text, length);
    return 0;
}

// Sampling that shows in its tokens where the random numbers stand.
inline SamplingOptions lively(bool resume = false) {
    SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    auto* const s = sampling.get();
    EXPECT_EQ(sipo_sampling_options_set_temperature(s, 1.0), SIPO_OK);
    EXPECT_EQ(sipo_sampling_options_set_seed(s, 7), SIPO_OK);
    EXPECT_EQ(sipo_sampling_options_set_repetition_penalty(s, 1.2, 8), SIPO_OK);
    EXPECT_EQ(sipo_sampling_options_set_ignore_end_of_text(s, 1), SIPO_OK);
    EXPECT_EQ(sipo_sampling_options_set_resume(s, resume ? 1 : 0), SIPO_OK);
    return sampling;
}

inline Generated generate(const Session& session, const SamplingOptions& sampling,
                          std::size_t tokens) {
    Generated generated;
    std::size_t count = 0;
    EXPECT_EQ(sipo_session_generate(session.get(), sampling.get(), tokens, collect_token,
                                    &generated, &count),
              SIPO_OK)
        << sipo_last_error_message();
    EXPECT_EQ(count, generated.tokens.size());
    return generated;
}

inline double statistic(const Session& session, std::int32_t id) {
    double value = -1.0;
    EXPECT_EQ(sipo_session_get_statistic(session.get(), id, &value), SIPO_OK);
    return value;
}

inline std::int64_t statistic(const Cache& cache, std::int32_t id) {
    std::int64_t value = -1;
    EXPECT_EQ(sipo_cache_get_statistic(cache.get(), id, &value), SIPO_OK);
    return value;
}

inline Cache cache_for(const Model& model, std::int64_t memory, const std::string& directory = "",
                       std::int64_t interval = 128, std::int64_t directory_bytes = 1 << 28) {
    const CacheOptions options = made<CacheOptions>(sipo_cache_options_create);
    EXPECT_EQ(sipo_cache_options_set_memory(options.get(), memory), SIPO_OK);
    EXPECT_EQ(sipo_cache_options_set_interval(options.get(), interval), SIPO_OK);
    if (!directory.empty()) {
        EXPECT_EQ(
            sipo_cache_options_set_directory(options.get(), directory.c_str(), directory_bytes),
            SIPO_OK);
    }
    return made<Cache>(
        [&](sipo_cache** out) { return sipo_cache_create(model.get(), options.get(), out); });
}

inline void read_cached(const Session& session, const Cache& cache, const Ids& ids) {
    OK(sipo_session_prefill_cached(session.get(), cache.get(), ids.data(), ids.size()));
}

inline SchedulerOptions scheduler_options(const Model& model) {
    SchedulerOptions options = made<SchedulerOptions>([&](sipo_scheduler_options** out) {
        return sipo_scheduler_options_create(model.get(), out);
    });
    EXPECT_EQ(sipo_scheduler_options_set_threads(options.get(), 2), SIPO_OK);
    EXPECT_EQ(sipo_scheduler_options_set_chunk_tokens(options.get(), 32), SIPO_OK);
    return options;
}

inline Scheduler scheduler_for(const SchedulerOptions& options) {
    return made<Scheduler>(
        [&](sipo_scheduler** out) { return sipo_scheduler_create(options.get(), out); });
}

inline Request submitted(const Scheduler& scheduler, const SessionOptions& options,
                         const SamplingOptions& sampling, const Ids& ids, std::size_t tokens) {
    return made<Request>([&](sipo_request** out) {
        return sipo_scheduler_submit(scheduler.get(), options.get(), sampling.get(), ids.data(),
                                     ids.size(), tokens, out);
    });
}

// All tokens of a request; how it ended.
inline sipo_status drain(const Request& request, Generated& generated) {
    for (;;) {
        std::int32_t token = 0;
        char text[256];
        std::size_t length = 0;
        const sipo_status status =
            sipo_request_next(request.get(), 60000, &token, text, sizeof text, &length);
        if (status != SIPO_OK) return status;
        generated.text.append(text, length);
        if (token < 0) return SIPO_OK;
        generated.tokens.push_back(token);
    }
}

inline int number_from_environment(const char* name, int otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::atoi(text) : otherwise;
}

}  // namespace sipo_tests
