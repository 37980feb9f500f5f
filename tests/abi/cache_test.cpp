// The prefix cache: the same bits with it and without, what is reused for which method, its bounds,
// and its use by many threads and processes.
#include <fcntl.h>
#include <sys/file.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "services.hpp"

namespace sipo_tests {
namespace {

constexpr std::int64_t plenty = std::int64_t{1} << 30;

class PrefixCache : public testing::Test {
protected:
    Model model = open_model();
    Calibration calibration = calibrated(model);
    SessionOptions plain = options_with(model, calibration, SIPO_CONTEXT_NONE);
    Ids document = some_ids(500, 1);

    // Reads a prompt with the cache and without: equal logits; how many tokens were reused.
    std::int64_t reused(const SessionOptions& options, const Cache& cache, const Ids& ids) const {
        const Session with = session_for(options);
        read_cached(with, cache, ids);
        const Session without = session_for(options);
        read(without, ids);
        EXPECT_EQ(logits_of(with), logits_of(without));
        EXPECT_EQ(position_of(with), position_of(without));
        EXPECT_TRUE(generate(with, lively(), 4) == generate(without, lively(), 4));
        return static_cast<std::int64_t>(statistic(with, SIPO_SESSION_REUSED_TOKENS));
    }
};

TEST_F(PrefixCache, ReadsTheTailOfAPromptOnly) {
    const Cache cache = cache_for(model, plenty);
    EXPECT_EQ(reused(plain, cache, joined(document, some_ids(20, 2))), 0);
    // The nearest mark before the question: 32 tokens before the end of the first prompt.
    EXPECT_EQ(reused(plain, cache, joined(document, some_ids(30, 3))), 488);
    // The second prompt parted from the first at the end of the document.
    EXPECT_EQ(reused(plain, cache, joined(document, some_ids(25, 4))), 500);
    EXPECT_EQ(reused(plain, cache, joined(document, some_ids(20, 2))), 520);
    EXPECT_EQ(reused(plain, cache, some_ids(200, 8)), 0);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_PROMPTS), 5);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_PROMPTS_REUSING), 3);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_TOKENS_REUSED), 488 + 500 + 520);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_TOKENS_COMPUTED), 520 + 42 + 25 + 200);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_TOKENS_INEXACT), 0);
    OK(sipo_cache_clear(cache.get()));
    EXPECT_EQ(statistic(cache, SIPO_CACHE_BYTES), 0);
    EXPECT_EQ(reused(plain, cache, joined(document, some_ids(20, 2))), 0);
}

TEST_F(PrefixCache, ReusesAPromptThatIsAPrefixOfAnother) {
    const Cache cache = cache_for(model, plenty);
    EXPECT_EQ(reused(plain, cache, document), 0);
    const Ids shorter(document.begin(), document.begin() + 384);
    EXPECT_EQ(reused(plain, cache, shorter), 384);
}

TEST_F(PrefixCache, ReusesWithLongMambaWhatHasTheSameThresholds) {
    const Cache cache = cache_for(model, plenty);
    const SessionOptions by_length = options_with(model, calibration, SIPO_CONTEXT_LONGMAMBA);
    const SessionOptions fixed = options_with(model, calibration, SIPO_CONTEXT_LONGMAMBA, 4000);
    const Ids longer = joined(some_ids(1500, 5), some_ids(60, 2));
    const Ids other = joined(some_ids(1500, 5), some_ids(600, 3));
    EXPECT_EQ(reused(by_length, cache, longer), 0);
    EXPECT_EQ(reused(by_length, cache, longer), 1560);
    EXPECT_EQ(reused(by_length, cache, other), 0);  // another S, other thresholds
    EXPECT_EQ(statistic(cache, SIPO_CACHE_TOKENS_INEXACT), 1500);
    EXPECT_EQ(reused(fixed, cache, longer), 0);
    EXPECT_GE(reused(fixed, cache, other), 1408);
}

TEST_F(PrefixCache, ReusesWithDeciMambaTheSameWholePromptOnly) {
    const Cache cache = cache_for(model, plenty);
    const SessionOptions deci = options_with(model, calibration, SIPO_CONTEXT_DECIMAMBA);
    EXPECT_EQ(reused(deci, cache, document), 0);
    EXPECT_EQ(reused(deci, cache, document), 500);
    const Ids longer = joined(document, some_ids(20, 2));
    EXPECT_EQ(reused(deci, cache, longer), 0);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_TOKENS_INEXACT), 500);
    EXPECT_EQ(reused(plain, cache, document), 0);  // what DeciMamba left is not what it leaves
}

int count_line(void* user, std::int32_t, const char* line, std::size_t length) {
    const std::string text(line, length);
    if (text.find("chooses among all tokens") != std::string::npos) ++*static_cast<int*>(user);
    return 0;
}

TEST_F(PrefixCache, SaysWhatItCannotReuse) {
    int lines = 0;
    const ModelOptions options = made<ModelOptions>(sipo_model_options_create);
    OK(sipo_model_options_set_log(options.get(), count_line, &lines));
    const Model logging = made<Model>([&](sipo_model** out) {
        return sipo_model_open(mamba1_path().c_str(), options.get(), out);
    });
    const Cache cache = cache_for(logging, plenty);
    const SessionOptions deci = options_with(logging, calibration, SIPO_CONTEXT_DECIMAMBA);
    for (const std::uint32_t seed : {2U, 3U}) {
        const Session session = session_for(deci);
        read_cached(session, cache, joined(document, some_ids(20, seed)));
    }
    EXPECT_EQ(lines, 1);
}

TEST_F(PrefixCache, KeepsItsBounds) {
    const std::int64_t state = integer(model, SIPO_MODEL_STATE_BYTES);
    const std::int64_t limit = 4 * state;
    const Cache cache = cache_for(model, limit);
    for (std::uint32_t seed = 1; seed <= 6; ++seed) {
        const Session session = session_for(plain);
        read_cached(session, cache, some_ids(200, seed));
        EXPECT_LE(statistic(cache, SIPO_CACHE_BYTES), limit);
    }
    EXPECT_GT(statistic(cache, SIPO_CACHE_EVICTIONS), 0);
    EXPECT_EQ(reused(plain, cache, some_ids(200, 6)), 200);  // the latest is there
    EXPECT_EQ(reused(plain, cache, some_ids(200, 1)), 0);    // the oldest has gone
}

TEST_F(PrefixCache, LivesInADirectoryForOtherProcesses) {
    const TemporaryDirectory directory("cache");
    {
        const Cache cache = cache_for(model, 0, directory.path());
        EXPECT_EQ(reused(plain, cache, document), 0);
    }
    EXPECT_GT(directory.count(".sipo-state"), 2U);
    const Model again = open_model();
    const Cache cache = cache_for(again, plenty, directory.path());
    const SessionOptions options = options_with(again, calibration, SIPO_CONTEXT_NONE);
    EXPECT_EQ(reused(options, cache, joined(document, some_ids(9))), 500);
    EXPECT_GT(statistic(cache, SIPO_CACHE_DIRECTORY_BYTES), 0);
    const Model other = open_model(mamba2_path());
    const Cache strange = cache_for(other, plenty, directory.path());
    const SessionOptions strange_options = options_for(other);
    EXPECT_EQ(reused(strange_options, strange, document), 0);
}

TEST_F(PrefixCache, KeepsTheBoundsOfItsDirectory) {
    const TemporaryDirectory directory("bounds");
    const std::int64_t limit = 4 * integer(model, SIPO_MODEL_STATE_BYTES);
    const Cache cache = cache_for(model, 0, directory.path(), 128, limit);
    for (std::uint32_t seed = 1; seed <= 6; ++seed) {
        const Session session = session_for(plain);
        read_cached(session, cache, some_ids(200, seed));
        EXPECT_LE(statistic(cache, SIPO_CACHE_DIRECTORY_BYTES), limit);
    }
    EXPECT_EQ(reused(plain, cache, some_ids(200, 6)), 200);
}

TEST_F(PrefixCache, RemovesDamagedFilesAndReadsThePrompt) {
    const TemporaryDirectory directory("damage");
    {
        const Cache cache = cache_for(model, 0, directory.path());
        EXPECT_EQ(reused(plain, cache, document), 0);
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
        std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(entry.path()) / 2));
        file.put('\x55').put('\x55').put('\x55').put('\x55');
    }
    const std::size_t files = directory.count(".sipo-state");
    const Cache cache = cache_for(model, 0, directory.path());
    EXPECT_EQ(reused(plain, cache, document), 0);
    EXPECT_EQ(statistic(cache, SIPO_CACHE_DAMAGED), static_cast<std::int64_t>(files));
    EXPECT_EQ(reused(plain, cache, document), 500);  // written anew
}

TEST_F(PrefixCache, RemovesWhatAKilledWriterLeft) {
    const TemporaryDirectory directory("stale");
    const std::string left = directory.file(".sipo-0123456789abcdef.tmp");
    const std::string held = directory.file(".sipo-fedcba9876543210.tmp");
    const std::string another = directory.file("report.tmp");
    for (const std::string& name : {left, held, another}) std::ofstream(name) << "half a state";
    const int writer = open(held.c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(flock(writer, LOCK_EX | LOCK_NB), 0);
    const Cache cache = cache_for(model, 0, directory.path());
    EXPECT_EQ(reused(plain, cache, document), 0);
    EXPECT_FALSE(std::filesystem::exists(left));
    EXPECT_TRUE(std::filesystem::exists(held));  // its writer lives
    EXPECT_TRUE(std::filesystem::exists(another));
    close(writer);
}

TEST_F(PrefixCache, DoesNotTouchASessionThatHasReadBefore) {
    const Cache cache = cache_for(model, plenty);
    EXPECT_EQ(reused(plain, cache, document), 0);
    const Session session = session_for(plain);
    OK(sipo_session_decode(session.get(), 3));
    read_cached(session, cache, document);
    EXPECT_EQ(statistic(session, SIPO_SESSION_REUSED_TOKENS), 0.0);
    const Session expected = session_for(plain);
    read(expected, joined({3}, document));
    EXPECT_EQ(logits_of(session), logits_of(expected));
}

int cancel_late(void*, std::uint64_t done, std::uint64_t) { return done > 400 ? 1 : 0; }

TEST_F(PrefixCache, ACancelledPromptLeavesANewSession) {
    const Cache cache = cache_for(model, plenty);
    OK(sipo_session_options_set_progress(plain.get(), cancel_late, nullptr));
    const Session session = session_for(plain);
    EXPECT_EQ(
        sipo_session_prefill_cached(session.get(), cache.get(), document.data(), document.size()),
        SIPO_CANCELLED);
    EXPECT_EQ(position_of(session), 0);
    std::size_t count = 0;
    REFUSED(sipo_session_logits(session.get(), nullptr, 0, &count), SIPO_INVALID_STATE);
    OK(sipo_session_options_set_progress(plain.get(), nullptr, nullptr));
    EXPECT_EQ(reused(plain, cache, document), 384);  // what was read before the cancel
}

TEST(PrefixCacheThreads, ManyUseOneDirectory) {
    const Model model = open_model();
    const TemporaryDirectory directory("threads");
    const std::int64_t limit = 12 * integer(model, SIPO_MODEL_STATE_BYTES);
    const Cache first = cache_for(model, limit / 2, directory.path(), 64, limit);
    const Cache second = cache_for(model, limit / 3, directory.path(), 64, limit);
    const SessionOptions options = options_for(model, 1);
    std::vector<std::vector<float>> expected;
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        const Session session = session_for(options);
        read(session, some_ids(150, seed));
        expected.push_back(logits_of(session));
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (std::uint32_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            const Cache& cache = thread % 2 == 0 ? first : second;
            for (std::uint32_t round = 0; round < 6; ++round) {
                const std::uint32_t seed = (thread + round) % 4;
                const Session session = session_for(options);
                const Ids ids = some_ids(150, seed);
                (void)sipo_session_prefill_cached(session.get(), cache.get(), ids.data(),
                                                  ids.size());
                wrong += logits_of(session) == expected[seed] ? 0 : 1;
                if (round == 3 && thread == 0) (void)sipo_cache_clear(cache.get());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(statistic(first, SIPO_CACHE_TOKENS_REUSED), 0);
}

}  // namespace
}  // namespace sipo_tests
