// Faults: a full disk, a directory that cannot be written, and a process that is killed while it
// saves and fills a cache. Nothing is lost but the write in flight, nothing wrong is accepted.
//
// SIPO_TEST_KILLS sets how often a process is killed (20).
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "services.hpp"
#include "writers/disk.hpp"

namespace sipo_tests {
namespace {

// Files of this process cannot grow beyond `bytes` while it lives, as on a full disk.
class FullDisk {
public:
    explicit FullDisk(rlim_t bytes) {
        before_handler_ = signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before_);
        rlimit limit = before_;
        limit.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FullDisk() {
        setrlimit(RLIMIT_FSIZE, &before_);
        signal(SIGXFSZ, before_handler_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

private:
    rlimit before_{};
    void (*before_handler_)(int) = nullptr;
};

// Once there are some.
std::int64_t write_failures(const Cache& cache) {
    for (int wait = 0; wait < 2000 && statistic(cache, SIPO_CACHE_WRITE_FAILURES) == 0; ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return statistic(cache, SIPO_CACHE_WRITE_FAILURES);
}

// A process that saves the session over what was saved before, and gets the signal just before it puts
// its file in place. One thread lives here, so the child may do as it likes.
pid_t save_again_in_child(const Session& session, const std::string& path, int signal) {
    EXPECT_EQ(sipo_session_save(session.get(), path.c_str(), nullptr), SIPO_OK);
    const pid_t child = fork();
    if (child != 0) return child;
    sipo::writers::signal_at_rename = signal;
    _exit(sipo_session_save(session.get(), path.c_str(), nullptr) == SIPO_OK ? 0 : 1);
}

class Faults : public testing::Test {
protected:
    Model model = open_model();
    SessionOptions options = options_for(model, 1);
    TemporaryDirectory directory{"faults"};
    Ids document = some_ids(400, 1);
};

TEST_F(Faults, AFullDiskLeavesTheOldSnapshot) {
    const std::string path = directory.file("state");
    const Session session = session_for(options);
    read(session, document);
    OK(sipo_session_save(session.get(), path.c_str(), nullptr));
    const std::vector<float> saved = logits_of(session);
    OK(sipo_session_decode(session.get(), 5));
    for (const rlim_t room : {0, 100, 20000, 200000}) {
        const FullDisk full(room);
        REFUSED(sipo_session_save(session.get(), path.c_str(), nullptr), SIPO_IO_ERROR);
    }
    EXPECT_EQ(directory.count(""), 1U);
    OK(sipo_session_load(session.get(), path.c_str()));
    EXPECT_EQ(logits_of(session), saved);
}

TEST_F(Faults, AFullDiskDoesNotStopPrompts) {
    Cache cache = cache_for(model, 0, directory.path());
    const Session with = session_for(options);
    {
        const FullDisk full(20000);
        read_cached(with, cache, document);
        EXPECT_GT(write_failures(cache), 0);
        cache.reset();  // has written all, or has failed to
    }
    const Session without = session_for(options);
    read(without, document);
    EXPECT_EQ(logits_of(with), logits_of(without));
    EXPECT_EQ(directory.count(""), 0U);
}

TEST_F(Faults, ADirectoryThatCannotBeWrittenIsAnError) {
    // Not even root can write there.
    const Session session = session_for(options);
    read(session, document);
    EXPECT_NE(sipo_session_save(session.get(), "/proc/sipo-state", nullptr), SIPO_OK);
    const CacheOptions wanted = made<CacheOptions>(sipo_cache_options_create);
    OK(sipo_cache_options_set_directory(wanted.get(), "/proc/sipo-cache", 1 << 20));
    sipo_cache* none = nullptr;
    REFUSED(sipo_cache_create(model.get(), wanted.get(), &none), SIPO_IO_ERROR);
    OK(sipo_cache_options_set_directory(wanted.get(), "/proc", 1 << 20));
    const Cache cache = made<Cache>(
        [&](sipo_cache** out) { return sipo_cache_create(model.get(), wanted.get(), out); });
    OK(sipo_session_reset(session.get()));
    read_cached(session, cache, document);
    EXPECT_GT(write_failures(cache), 0);
}

// What prompts leave in the cache's directory is written by a thread of the cache: a stream's tokens
// come, and prompts are read, while the disk takes nothing.
TEST_F(Faults, ADiskThatHangsHoldsUpNoStream) {
    Cache cache = cache_for(model, 0, directory.path());
    SchedulerOptions wanted = scheduler_options(model);
    OK(sipo_scheduler_options_set_cache(wanted.get(), cache.get()));
    Scheduler scheduler = scheduler_for(wanted);
    wanted.reset();
    const SamplingOptions sampling = lively();
    Generated long_one;
    Generated short_one;
    {
        const sipo::writers::HungDisk hung;
        const Request filling = submitted(scheduler, options, sampling, document, 20);
        const Request stream = submitted(scheduler, options, sampling, some_ids(20), 40);
        EXPECT_EQ(drain(stream, short_one), SIPO_OK);
        EXPECT_EQ(drain(filling, long_one), SIPO_OK);
        EXPECT_EQ(directory.count(""), 0U);  // no entry is seen before it is whole
    }
    EXPECT_EQ(long_one.tokens.size(), 20U);
    EXPECT_EQ(short_one.tokens.size(), 40U);
    scheduler.reset();
    cache.reset();
    EXPECT_GT(directory.count(".sipo-state"), 2U);
    const Cache again = cache_for(model, 0, directory.path());
    const Session session = session_for(options);
    read_cached(session, again, document);
    EXPECT_EQ(statistic(session, SIPO_SESSION_REUSED_TOKENS), 400.0);
}

// A save over an older one gives its file a name for an instant, and may be killed just then.
TEST_F(Faults, WhatAKilledSaveLeftIsRemovedByTheNext) {
    const std::string path = directory.file("state");
    const Session session = session_for(options);
    read(session, document);
    const pid_t child = save_again_in_child(session, path, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(directory.count(".tmp"), 1U);
    OK(sipo_session_save(session.get(), path.c_str(), nullptr));
    EXPECT_EQ(directory.count(""), 1U);
}

TEST_F(Faults, ASaveThatIsStillRunningKeepsItsFile) {
    const std::string path = directory.file("state");
    const Session session = session_for(options);
    read(session, document);
    const pid_t child = save_again_in_child(session, path, SIGSTOP);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
    EXPECT_TRUE(WIFSTOPPED(status));
    OK(sipo_session_save(session.get(), path.c_str(), nullptr));
    EXPECT_EQ(directory.count(".tmp"), 1U);
    kill(child, SIGCONT);
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_EQ(directory.count(""), 1U);
}

// What the child does until it is killed: saves one of two states over and over, and fills a cache
// that evicts.
[[noreturn]] void write_for_ever(const std::string& state, const std::string& cache_path,
                                 const std::vector<Session>& sessions, const Model& model,
                                 const SessionOptions& options, const Ids& document) {
    const std::int64_t limit = 8 * integer(model, SIPO_MODEL_STATE_BYTES);
    const SnapshotOptions how = made<SnapshotOptions>(sipo_snapshot_options_create);
    (void)sipo_snapshot_options_set_flush(how.get(), 0);
    const Cache cache = cache_for(model, 0, cache_path, 64, limit);
    for (std::uint32_t round = 0;; ++round) {
        (void)sipo_session_save(sessions[round % 2].get(), state.c_str(), how.get());
        const Session session = session_for(options);
        const Ids ids =
            joined(Ids(document.begin(), document.begin() + 100), some_ids(30, round % 7));
        (void)sipo_session_prefill_cached(session.get(), cache.get(), ids.data(), ids.size());
    }
}

TEST_F(Faults, AKilledProcessLosesOnlyTheWriteInFlight) {
    const int kills = number_from_environment("SIPO_TEST_KILLS", 20);
    const std::string state = directory.file("state");
    const std::string cache_path = directory.file("cache");
    std::vector<Session> sessions;
    std::vector<std::vector<float>> logits;
    for (std::size_t i = 0; i < 2; ++i) {
        sessions.push_back(session_for(options));
        read(sessions.back(), some_ids(50 + i));
        logits.push_back(logits_of(sessions.back()));
    }
    OK(sipo_session_save(sessions[0].get(), state.c_str(), nullptr));
    const Ids question = joined(Ids(document.begin(), document.begin() + 100), some_ids(30, 3));
    const Session without = session_for(options);
    read(without, question);
    const std::vector<float> expected = logits_of(without);
    std::int64_t reused = 0;
    for (int kill_number = 0; kill_number < kills; ++kill_number) {
        // One thread lives here, so the child may do as it likes.
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) write_for_ever(state, cache_path, sessions, model, options, document);
        std::this_thread::sleep_for(std::chrono::microseconds(20000 + 1777 * kill_number % 60000));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        const Session restored = session_for(options);
        OK(sipo_session_load(restored.get(), state.c_str()));
        const std::vector<float> found = logits_of(restored);
        EXPECT_TRUE(found == logits[0] || found == logits[1]);
        const Cache cache = cache_for(model, 0, cache_path, 64);
        const Session with = session_for(options);
        read_cached(with, cache, question);
        EXPECT_EQ(logits_of(with), expected);
        EXPECT_EQ(statistic(cache, SIPO_CACHE_DAMAGED), 0);
        reused += statistic(cache, SIPO_CACHE_TOKENS_REUSED);
    }
    EXPECT_GT(reused, 0);
    // A name is given to a file that replaces another for an instant only; the next save looks for it.
    EXPECT_LE(directory.count(".tmp"), 1U);
    OK(sipo_session_save(sessions[0].get(), state.c_str(), nullptr));
    EXPECT_EQ(directory.count(""), 2U);
}

}  // namespace
}  // namespace sipo_tests
