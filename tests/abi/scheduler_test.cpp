// The scheduler: the tokens that a session alone would give, from many threads, with cancelling, a
// bounded queue, and a long prompt beside streams.
#include <atomic>
#include <thread>

#include "services.hpp"

namespace sipo_tests {
namespace {

double statistic(const Request& request, std::int32_t id) {
    double value = -1.0;
    EXPECT_EQ(sipo_request_get_statistic(request.get(), id, &value), SIPO_OK);
    return value;
}

double statistic(const Scheduler& scheduler, std::int32_t id) {
    double value = -1.0;
    EXPECT_EQ(sipo_scheduler_get_statistic(scheduler.get(), id, &value), SIPO_OK);
    return value;
}

class Scheduling : public testing::Test {
protected:
    Model model = open_model();
    Calibration calibration = calibrated(model);
    SchedulerOptions options = scheduler_options(model);
    SamplingOptions sampling = lively();
    SessionOptions plain = options_with(model, calibration, SIPO_CONTEXT_NONE);
};

TEST_F(Scheduling, GivesTheTokensOfASessionAlone) {
    const Scheduler scheduler = scheduler_for(options);
    std::vector<SessionOptions> kinds;
    for (const std::int32_t method :
         {SIPO_CONTEXT_NONE, SIPO_CONTEXT_DECIMAMBA, SIPO_CONTEXT_LONGMAMBA}) {
        kinds.push_back(options_with(model, calibration, method));
    }
    std::vector<Request> requests;
    for (std::uint32_t i = 0; i < 12; ++i) {
        requests.push_back(
            submitted(scheduler, kinds[i % 3], sampling, some_ids(30 + 17 * i, i), 3 + i % 5));
    }
    for (std::uint32_t i = 0; i < 12; ++i) {
        Generated found;
        EXPECT_EQ(drain(requests[i], found), SIPO_OK);
        const Session alone = session_for(kinds[i % 3]);
        read(alone, some_ids(30 + 17 * i, i));
        EXPECT_TRUE(found == generate(alone, sampling, 3 + i % 5)) << i;
        EXPECT_EQ(statistic(requests[i], SIPO_REQUEST_FINISH), SIPO_FINISH_TOKEN_LIMIT);
        EXPECT_EQ(statistic(requests[i], SIPO_REQUEST_PROMPT_DONE), 30.0 + 17 * i);
        EXPECT_GT(statistic(requests[i], SIPO_REQUEST_FIRST_TOKEN_SECONDS), 0.0);
        EXPECT_EQ(drain(requests[i], found), SIPO_OK);  // the end comes again
    }
    EXPECT_EQ(statistic(scheduler, SIPO_SCHEDULER_FINISHED), 12.0);
    EXPECT_EQ(statistic(scheduler, SIPO_SCHEDULER_SUBMITTED), 12.0);
}

TEST_F(Scheduling, ReadsPromptsThroughACache) {
    const Cache cache = cache_for(model, 1 << 28);
    OK(sipo_scheduler_options_set_cache(options.get(), cache.get()));
    const Scheduler scheduler = scheduler_for(options);
    const Ids prompt = some_ids(300, 4);
    Generated first;
    Generated second;
    EXPECT_EQ(drain(submitted(scheduler, plain, sampling, prompt, 5), first), SIPO_OK);
    const Request again = submitted(scheduler, plain, sampling, prompt, 5);
    EXPECT_EQ(drain(again, second), SIPO_OK);
    EXPECT_TRUE(first == second);
    EXPECT_EQ(statistic(again, SIPO_REQUEST_REUSED_TOKENS), 300.0);
    EXPECT_EQ(statistic(scheduler, SIPO_SCHEDULER_REUSED_TOKENS), 300.0);
    EXPECT_EQ(statistic(scheduler, SIPO_SCHEDULER_PROMPT_TOKENS), 300.0);
}

// The directory is read by the thread that submits: nobody's tokens wait for its disk.
TEST_F(Scheduling, NeedsNoDirectoryOnceARequestIsSubmitted) {
    const TemporaryDirectory directory("ahead");
    const Cache cache = cache_for(model, 0, directory.path());
    const Ids prompt = some_ids(300, 4);
    const Session session = session_for(plain);
    read_cached(session, cache, prompt);
    OK(sipo_scheduler_options_set_cache(options.get(), cache.get()));
    OK(sipo_scheduler_options_set_sessions(options.get(), 1));
    const Scheduler scheduler = scheduler_for(options);
    const Request before = submitted(scheduler, plain, sampling, some_ids(2000), 1);
    const Request request = submitted(scheduler, plain, sampling, prompt, 5);
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        std::filesystem::remove(entry.path());
    }
    EXPECT_EQ(statistic(before, SIPO_REQUEST_GENERATED_TOKENS), 0.0);
    Generated found;
    EXPECT_EQ(drain(before, found), SIPO_OK);
    found = {};
    EXPECT_EQ(drain(request, found), SIPO_OK);
    EXPECT_EQ(statistic(request, SIPO_REQUEST_REUSED_TOKENS), 300.0);
    EXPECT_TRUE(found == generate(session, sampling, 5));
}

TEST_F(Scheduling, RefusesWhatTheQueueCannotHold) {
    OK(sipo_scheduler_options_set_queue(options.get(), 2));
    OK(sipo_scheduler_options_set_sessions(options.get(), 1));
    const Scheduler scheduler = scheduler_for(options);
    std::vector<Request> taken;
    const Ids prompt = some_ids(2000);
    sipo_request* refused = nullptr;
    sipo_status status = SIPO_OK;
    for (int i = 0; i < 8 && status == SIPO_OK; ++i) {
        status = sipo_scheduler_submit(scheduler.get(), plain.get(), sampling.get(), prompt.data(),
                                       prompt.size(), 5, &refused);
        if (status == SIPO_OK) taken.emplace_back(refused);
    }
    EXPECT_EQ(status, SIPO_BUSY);
    EXPECT_NE(std::string(sipo_last_error_message()).find("2 requests"), std::string::npos);
    EXPECT_EQ(statistic(scheduler, SIPO_SCHEDULER_REFUSED), 1.0);
    for (const Request& request : taken) OK(sipo_request_cancel(request.get()));
    for (const Request& request : taken) {
        Generated generated;
        EXPECT_EQ(drain(request, generated), SIPO_CANCELLED);
        EXPECT_EQ(statistic(request, SIPO_REQUEST_FINISH), SIPO_FINISH_CANCELLED);
    }
}

TEST_F(Scheduling, TellsWhatARequestFailedWith) {
    const Scheduler scheduler = scheduler_for(options);
    const SamplingOptions biased = lively();
    const std::int32_t token = 1 << 20;
    const float bias = 1.0F;
    OK(sipo_sampling_options_set_logit_bias(biased.get(), &token, &bias, 1));
    Generated generated;
    const Request failing = submitted(scheduler, plain, biased, some_ids(10), 5);
    EXPECT_EQ(drain(failing, generated), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(drain(submitted(scheduler, plain, sampling, some_ids(10), 5), generated), SIPO_OK);
    const Ids wrong = {4096};
    sipo_request* none = nullptr;
    REFUSED_SAYING(
        sipo_scheduler_submit(scheduler.get(), nullptr, nullptr, wrong.data(), 1, 1, &none),
        SIPO_OUT_OF_RANGE, "4096");
    const Model stranger = open_model();
    const SessionOptions strange = options_for(stranger);
    const Ids ids = some_ids(3);
    REFUSED(sipo_scheduler_submit(scheduler.get(), strange.get(), nullptr, ids.data(), 3, 1, &none),
            SIPO_INVALID_ARGUMENT);
    OK(sipo_scheduler_options_set_memory_limit(options.get(), 1000));
    sipo_scheduler* small = nullptr;
    REFUSED(sipo_scheduler_create(options.get(), &small), SIPO_OUT_OF_MEMORY);
}

TEST_F(Scheduling, KeepsATokenThatDoesNotFit) {
    const Scheduler scheduler = scheduler_for(options);
    const SamplingOptions one = lively();
    const std::int32_t token = 300;
    const float bias = 1000.0F;
    OK(sipo_sampling_options_set_logit_bias(one.get(), &token, &bias, 1));
    const Request request = submitted(scheduler, plain, one, some_ids(10), 1);
    std::int32_t found = -7;
    char text[256];
    std::size_t length = 0;
    sipo_status status = SIPO_OK;
    status = sipo_request_next(request.get(), 60000, &found, text, 0, &length);
    EXPECT_EQ(status, SIPO_BUFFER_TOO_SMALL);
    EXPECT_EQ(found, -7);
    OK(sipo_request_next(request.get(), 0, &found, text, sizeof text, &length));
    EXPECT_EQ(found, token);
}

TEST_F(Scheduling, TimesOut) {
    const Scheduler scheduler = scheduler_for(options);
    const Request request = submitted(scheduler, plain, sampling, some_ids(5000), 1);
    std::int32_t token = 0;
    char text[64];
    std::size_t length = 0;
    REFUSED(sipo_request_next(request.get(), 0, &token, text, sizeof text, &length),
            SIPO_TIMED_OUT);
}

TEST_F(Scheduling, FreeingItEndsItsRequests) {
    Scheduler scheduler = scheduler_for(options);
    std::vector<Request> requests;
    for (std::uint32_t i = 0; i < 4; ++i) {
        requests.push_back(submitted(scheduler, plain, sampling, some_ids(3000, i), 100));
    }
    scheduler.reset();
    for (const Request& request : requests) {
        Generated generated;
        EXPECT_EQ(drain(request, generated), SIPO_CANCELLED);
    }
}

// Streams go on while a long prompt is read: many tokens of theirs come before its first.
TEST_F(Scheduling, ALongPromptDoesNotStallStreams) {
    const Scheduler scheduler = scheduler_for(options);
    std::vector<Request> streams;
    for (std::uint32_t i = 0; i < 4; ++i) {
        streams.push_back(submitted(scheduler, plain, sampling, some_ids(10, i), 60));
    }
    const Request longer = submitted(scheduler, plain, sampling, some_ids(3200), 1);
    for (const Request& stream : streams) {
        Generated generated;
        EXPECT_EQ(drain(stream, generated), SIPO_OK);
        EXPECT_EQ(generated.tokens.size(), 60U);
    }
    // 60 rounds of 32 tokens are not 3200.
    EXPECT_EQ(statistic(longer, SIPO_REQUEST_GENERATED_TOKENS), 0.0);
    Generated generated;
    EXPECT_EQ(drain(longer, generated), SIPO_OK);
}

// Threads that submit, take and cancel, while others look at the figures.
TEST(SchedulingThreads, ManyFeedOne) {
    const Model model = open_model();
    const Cache cache = cache_for(model, 8 << 20, "", 64);
    const SchedulerOptions options = scheduler_options(model);
    OK(sipo_scheduler_options_set_sessions(options.get(), 6));
    OK(sipo_scheduler_options_set_queue(options.get(), 8));
    OK(sipo_scheduler_options_set_cache(options.get(), cache.get()));
    Scheduler scheduler = scheduler_for(options);
    const SessionOptions plain = options_for(model, 1);
    const SamplingOptions sampling = lively();
    std::atomic<int> ended{0};
    std::atomic<int> cancelled{0};
    std::vector<std::thread> threads;
    for (std::uint32_t thread = 0; thread < 6; ++thread) {
        threads.emplace_back([&, thread] {
            for (std::uint32_t round = 0; round < 5; ++round) {
                const Ids ids = joined(some_ids(80, round % 2), some_ids(5 + thread, thread));
                sipo_request* handle = nullptr;
                const sipo_status status =
                    sipo_scheduler_submit(scheduler.get(), plain.get(), sampling.get(), ids.data(),
                                          ids.size(), 6, &handle);
                if (status == SIPO_BUSY) {
                    std::this_thread::yield();
                    continue;
                }
                const Request request(handle);
                if (round % 3 == 2) (void)sipo_request_cancel(handle);
                Generated generated;
                const sipo_status end = drain(request, generated);
                ended += end == SIPO_OK ? 1 : 0;
                cancelled += end == SIPO_CANCELLED ? 1 : 0;
                (void)statistic(scheduler, SIPO_SCHEDULER_DECODING);
                (void)statistic(cache, SIPO_CACHE_BYTES);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(ended, 0);
    const double counted = statistic(scheduler, SIPO_SCHEDULER_FINISHED) +
                           statistic(scheduler, SIPO_SCHEDULER_CANCELLED);
    EXPECT_EQ(counted, static_cast<double>(ended + cancelled));
    EXPECT_EQ(statistic(scheduler, SIPO_SCHEDULER_FAILED), 0.0);
}

}  // namespace
}  // namespace sipo_tests
