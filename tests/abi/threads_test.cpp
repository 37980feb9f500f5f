// Many threads: sessions of one model, messages of one's own, and two threads on one session.
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "support.hpp"

namespace {

using namespace sipo_tests;

#ifdef SIPO_SANITIZED
constexpr std::size_t prompt_tokens = 48;
constexpr std::size_t generated_tokens = 4;
#else
constexpr std::size_t prompt_tokens = 600;
constexpr std::size_t generated_tokens = 24;
#endif

// A door that one thread opens for others.
class Gate {
public:
    void open() {
        const std::lock_guard<std::mutex> lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return open_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

// What a session gives for prompt number `number` with a method of its own.
struct Outcome {
    std::vector<float> logits;
    std::vector<std::int32_t> tokens;
    std::string text;
    bool operator==(const Outcome& other) const {
        return logits == other.logits && tokens == other.tokens && text == other.text;
    }
};

int collect(void* user, std::int32_t token, const char* text, std::size_t length) {
    auto& outcome = *static_cast<Outcome*>(user);
    outcome.tokens.push_back(token);
    outcome.text.append(text, length);
    return 0;
}

Outcome run(const Model& model, const Calibration& calibration, std::uint32_t number,
            std::int32_t threads) {
    const SessionOptions options = options_for(model, threads);
    auto* const o = options.get();
    constexpr std::array methods{SIPO_CONTEXT_NONE, SIPO_CONTEXT_DECIMAMBA, SIPO_CONTEXT_LONGMAMBA};
    EXPECT_EQ(sipo_session_options_set_context(o, methods[number % 3]), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_decimation_capacity(o, 40), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_calibration(o, calibration.get()), SIPO_OK);
    EXPECT_EQ(sipo_session_options_set_chunk_tokens(o, 16 + number), SIPO_OK);
    const Session session = session_for(options);
    const std::vector<std::int32_t> ids = some_ids(prompt_tokens, number);
    EXPECT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    Outcome outcome;
    outcome.logits = logits_of(session);
    const SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    EXPECT_EQ(sipo_sampling_options_set_temperature(sampling.get(), 1.0), SIPO_OK);
    EXPECT_EQ(sipo_sampling_options_set_seed(sampling.get(), number), SIPO_OK);
    EXPECT_EQ(sipo_sampling_options_set_ignore_end_of_text(sampling.get(), 1), SIPO_OK);
    std::size_t generated = 0;
    EXPECT_EQ(sipo_session_generate(session.get(), sampling.get(), generated_tokens, collect,
                                    &outcome, &generated),
              SIPO_OK);
    EXPECT_EQ(generated, outcome.tokens.size());
    return outcome;
}

TEST(Threads, ShareAModelAndGetTheResultsOfOneThread) {
    const Model model = open_model();
    const Calibration calibration = calibrated(model);
    constexpr std::uint32_t count = 8;
    std::vector<Outcome> alone;
    for (std::uint32_t i = 0; i < count; ++i) alone.push_back(run(model, calibration, i, 1));
    std::vector<Outcome> together(count);
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < count; ++i) {
        threads.emplace_back([&, i] {
            together[i] = run(model, calibration, i, static_cast<std::int32_t>(1 + i % 3));
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::uint32_t i = 0; i < count; ++i) {
        EXPECT_FALSE(alone[i].tokens.empty());
        EXPECT_TRUE(together[i] == alone[i]) << "session " << i;
    }
}

TEST(Threads, ShareATokenizer) {
    const Model model = open_model();
    const std::string text = "It was a dark and stormy night; \xf0\x9f\x98\x80 the rain fell.";
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            std::vector<std::int32_t> ids(text.size());
            std::string back(2 * text.size(), '\0');
            for (int i = 0; i < 20; ++i) {
                std::size_t count = 0;
                std::size_t length = 0;
                ASSERT_EQ(sipo_model_tokenize(model.get(), text.data(), text.size(), ids.data(),
                                              ids.size(), &count),
                          SIPO_OK);
                ASSERT_EQ(sipo_model_detokenize(model.get(), ids.data(), count, back.data(),
                                                back.size(), &length),
                          SIPO_OK);
                ASSERT_EQ(back.substr(0, length), text);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST(Threads, HaveMessagesOfTheirOwn) {
    const Model model = open_model();
    std::vector<std::thread> threads;
    for (std::int32_t t = 0; t < 8; ++t) {
        threads.emplace_back([&model, t] {
            EXPECT_STREQ(sipo_last_error_message(), "");
            const SessionOptions options = options_for(model);
            const std::string mine = std::to_string(1000 + t);
            for (int i = 0; i < 200; ++i) {
                ASSERT_EQ(sipo_session_options_set_threads(options.get(), 1000 + t),
                          SIPO_OUT_OF_RANGE);
                ASSERT_NE(std::string(sipo_last_error_message()).find(mine), std::string::npos);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_STREQ(sipo_last_error_message(), "");
}

// ---- One session
// -----------------------------------------------------------------------------------

// Holds a call in its first callback until the other thread has done its part.
struct Meeting {
    Gate inside;
    Gate done;
    std::atomic<int> calls{0};

    int meet() {
        if (calls.fetch_add(1) == 0) {
            inside.open();
            done.wait();
        }
        return 0;
    }
};

int meet_in_progress(void* user, std::uint64_t, std::uint64_t) {
    return static_cast<Meeting*>(user)->meet();
}

int meet_in_token(void* user, std::int32_t, const char*, std::size_t) {
    return static_cast<Meeting*>(user)->meet();
}

class OneSession : public testing::Test {
protected:
    Model model = open_model();
    SessionOptions options = options_for(model, 2);
    SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    std::vector<std::int32_t> ids = some_ids(48);
    Meeting meeting;
    std::size_t generated = 1234;

    void SetUp() override {
        ASSERT_EQ(sipo_session_options_set_chunk_tokens(options.get(), 16), SIPO_OK);
        ASSERT_EQ(sipo_sampling_options_set_ignore_end_of_text(sampling.get(), 1), SIPO_OK);
    }
    Session session_that_meets() {
        EXPECT_EQ(sipo_session_options_set_progress(options.get(), meet_in_progress, &meeting),
                  SIPO_OK);
        return session_for(options);
    }
    sipo_status prefill(const Session& session) {
        return sipo_session_prefill(session.get(), ids.data(), ids.size());
    }
    // Runs `act` on another thread while the first one waits in the middle of a call.
    template <typename Act>
    std::thread when_inside(const Act& act) {
        return std::thread([this, act] {
            meeting.inside.wait();
            act();
            meeting.done.open();
        });
    }
};

TEST_F(OneSession, RefusesASecondThread) {
    const Session session = session_that_meets();
    std::thread other = when_inside([&] {
        std::int64_t position = 1234;
        EXPECT_EQ(sipo_session_position(session.get(), &position), SIPO_INVALID_STATE);
        EXPECT_STRNE(sipo_last_error_message(), "");
        EXPECT_EQ(position, 1234);
        EXPECT_EQ(sipo_session_decode(session.get(), 1), SIPO_INVALID_STATE);
        EXPECT_EQ(prefill(session), SIPO_INVALID_STATE);
        EXPECT_EQ(sipo_session_reset(session.get()), SIPO_INVALID_STATE);
    });
    EXPECT_EQ(prefill(session), SIPO_OK);
    other.join();
    EXPECT_EQ(position_of(session), 48);
    const SessionOptions plain = options_for(model);
    const Session twin = session_for(plain);
    ASSERT_EQ(prefill(twin), SIPO_OK);
    EXPECT_EQ(logits_of(session), logits_of(twin));
}

// Without an appointment: every call either does its work or is refused.
TEST_F(OneSession, SurvivesARaceForIt) {
    const Session session = session_for(options);
    std::atomic<std::int64_t> read{0};
    const auto race = [&] {
        for (int i = 0; i < 30; ++i) {
            const sipo_status status = sipo_session_decode(session.get(), 1 + i);
            EXPECT_TRUE(status == SIPO_OK || status == SIPO_INVALID_STATE);
            read += status == SIPO_OK ? 1 : 0;
        }
    };
    std::thread other(race);
    race();
    other.join();
    EXPECT_EQ(position_of(session), read.load());
    EXPECT_GT(read.load(), 0);
}

TEST_F(OneSession, IsCancelledByAnotherThreadInAPrompt) {
    const Session session = session_that_meets();
    std::thread other =
        when_inside([&] { EXPECT_EQ(sipo_session_cancel(session.get()), SIPO_OK); });
    EXPECT_EQ(prefill(session), SIPO_CANCELLED);
    EXPECT_STRNE(sipo_last_error_message(), "");
    other.join();
    EXPECT_EQ(position_of(session), 0);
    EXPECT_LE(meeting.calls.load(), 2);
    EXPECT_EQ(prefill(session), SIPO_OK);
    EXPECT_EQ(position_of(session), 48);
}

TEST_F(OneSession, IsCancelledByAnotherThreadInAGeneration) {
    const Session session = session_for(options);
    ASSERT_EQ(prefill(session), SIPO_OK);
    std::thread other =
        when_inside([&] { EXPECT_EQ(sipo_session_cancel(session.get()), SIPO_OK); });
    EXPECT_EQ(sipo_session_generate(session.get(), sampling.get(), 1000, meet_in_token, &meeting,
                                    &generated),
              SIPO_CANCELLED);
    other.join();
    EXPECT_EQ(generated, 1234U);
    EXPECT_LE(meeting.calls.load(), 2);
    EXPECT_EQ(position_of(session), 48 + meeting.calls.load());
}

// A cancel that comes at any time does its work or none, and breaks nothing.
TEST_F(OneSession, SurvivesCancelsAtAnyTime) {
    const Session session = session_for(options);
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop.load()) {
            EXPECT_EQ(sipo_session_cancel(session.get()), SIPO_OK);
            std::this_thread::yield();
        }
    });
    for (int i = 0; i < 20; ++i) {
        const std::int64_t before = position_of(session);
        const sipo_status status = prefill(session);
        EXPECT_TRUE(status == SIPO_OK || status == SIPO_CANCELLED);
        EXPECT_EQ(position_of(session), before + (status == SIPO_OK ? 48 : 0));
    }
    stop.store(true);
    other.join();
    EXPECT_EQ(prefill(session), SIPO_OK);
}

}  // namespace
