// Snapshots, forks and checkpoints: a session goes on from them with the same bits, in this process
// or another, and what does not fit is refused.
#include <spawn.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <tuple>

#include "services.hpp"

extern char** environ;

namespace sipo_tests {
namespace {

constexpr std::size_t prompt_tokens = 300;
constexpr std::size_t more_tokens = 40;

Ids the_prompt() { return some_ids(prompt_tokens, 3); }

// What a session does after the point where it is saved: a second prompt, then tokens.
struct Rest {
    std::vector<float> before;
    Generated generated;
    std::vector<float> after;
    bool operator==(const Rest& other) const {
        return before == other.before && generated == other.generated && after == other.after;
    }
};

Rest go_on(const Session& session) {
    Rest rest;
    rest.before = logits_of(session);
    rest.generated = generate(session, lively(true), 10);
    read(session, some_ids(more_tokens, 9));
    rest.after = logits_of(session);
    return rest;
}

Session prepared(const SessionOptions& options) {
    Session session = session_for(options);
    read(session, the_prompt());
    (void)generate(session, lively(), 5);
    return session;
}

std::string path_of(bool second) { return second ? mamba2_path() : mamba1_path(); }

class EachMethod : public testing::TestWithParam<std::tuple<bool, std::int32_t>> {
protected:
    bool second = std::get<0>(GetParam());
    std::int32_t method = std::get<1>(GetParam());
    Model model = open_model(path_of(second));
    Calibration calibration = calibrated(model);
    SessionOptions options = options_with(model, calibration, method);
};

using Snapshots = EachMethod;

TEST_P(Snapshots, GoOnBitForBitFromAFile) {
    const TemporaryDirectory directory("snapshots");
    const Session session = prepared(options);
    const std::string path = directory.file("state");
    const SnapshotOptions how = made<SnapshotOptions>(sipo_snapshot_options_create);
    for (const std::int32_t store : {SIPO_STORE_RAW, SIPO_STORE_ZSTD}) {
        OK(sipo_snapshot_options_set_store(how.get(), store));
        OK(sipo_session_save(session.get(), (path + std::to_string(store)).c_str(), how.get()));
    }
    const Rest expected = go_on(session);
    for (const std::int32_t store : {SIPO_STORE_RAW, SIPO_STORE_ZSTD}) {
        OK(sipo_session_options_set_threads(options.get(), store == SIPO_STORE_RAW ? 1 : 2));
        OK(sipo_session_options_set_chunk_tokens(options.get(), 17));
        const Session other = session_for(options);
        OK(sipo_session_load(other.get(), (path + std::to_string(store)).c_str()));
        EXPECT_EQ(position_of(other), static_cast<std::int64_t>(prompt_tokens + 5));
        EXPECT_TRUE(go_on(other) == expected);
    }
}

TEST_P(Snapshots, GoOnBitForBitFromMemoryAtAnyAddress) {
    const Session session = prepared(options);
    const SnapshotOptions how = made<SnapshotOptions>(sipo_snapshot_options_create);
    std::vector<std::vector<char>> copies;
    for (const std::int32_t store : {SIPO_STORE_RAW, SIPO_STORE_ZSTD}) {
        OK(sipo_snapshot_options_set_store(how.get(), store));
        const Snapshot snapshot = made<Snapshot>([&](sipo_snapshot** out) {
            return sipo_session_save_memory(session.get(), how.get(), out);
        });
        const void* bytes = nullptr;
        std::size_t length = 0;
        OK(sipo_snapshot_bytes(snapshot.get(), &bytes, &length));
        std::vector<char> copy(length + 1);
        std::memcpy(copy.data() + 1, bytes, length);
        copies.push_back(std::move(copy));
    }
    EXPECT_LT(copies[1].size(), copies[0].size());
    std::vector<std::int64_t> kept(prompt_tokens);
    std::size_t kept_count = 0;
    OK(sipo_session_kept_tokens(session.get(), kept.data(), kept.size(), &kept_count));
    const Rest expected = go_on(session);
    for (const std::vector<char>& copy : copies) {
        const Session other = session_for(options);
        OK(sipo_session_load_memory(other.get(), copy.data() + 1, copy.size() - 1));
        std::vector<std::int64_t> same(prompt_tokens);
        std::size_t count = 0;
        OK(sipo_session_kept_tokens(other.get(), same.data(), same.size(), &count));
        EXPECT_EQ(count, kept_count);
        EXPECT_EQ(same, kept);
        EXPECT_TRUE(go_on(other) == expected);
    }
}

TEST_P(Snapshots, ForksGoTheirOwnWays) {
    const Session session = prepared(options);
    const Session copy =
        made<Session>([&](sipo_session** out) { return sipo_session_fork(session.get(), out); });
    read(copy, some_ids(20, 5));
    EXPECT_EQ(position_of(session), static_cast<std::int64_t>(prompt_tokens + 5));
    const Session twin =
        made<Session>([&](sipo_session** out) { return sipo_session_fork(session.get(), out); });
    const Rest expected = go_on(session);
    EXPECT_TRUE(go_on(twin) == expected);
}

TEST_P(Snapshots, CheckpointsTakeASessionBack) {
    const Session session = prepared(options);
    OK(sipo_session_checkpoint(session.get(), "here"));
    const Rest first = go_on(session);
    OK(sipo_session_checkpoint(session.get(), "there"));
    OK(sipo_session_rewind(session.get(), "here"));
    EXPECT_TRUE(go_on(session) == first);
    OK(sipo_session_rewind(session.get(), "here"));
    EXPECT_TRUE(go_on(session) == first);
    REFUSED_SAYING(sipo_session_rewind(session.get(), "nowhere"), SIPO_NOT_FOUND, "nowhere", "here",
                   "there");
    OK(sipo_session_drop_checkpoint(session.get(), "here"));
    REFUSED_SAYING(sipo_session_rewind(session.get(), "here"), SIPO_NOT_FOUND, "there");
    OK(sipo_session_reset(session.get()));
    REFUSED_SAYING(sipo_session_rewind(session.get(), "there"), SIPO_NOT_FOUND, "none");
}

// Runs the test below in a process of its own, with `path` in its environment.
int run_elsewhere(const std::string& path, const std::string& parameter) {
    EXPECT_EQ(setenv("SIPO_TEST_SNAPSHOT", path.c_str(), 1), 0);
    std::string filter = "--gtest_filter=*GoOnInThisProcess/" + parameter;
    std::string disabled = "--gtest_also_run_disabled_tests";
    std::string name = "snapshot_test";
    char* const arguments[] = {name.data(), filter.data(), disabled.data(), nullptr};
    pid_t child = 0;
    if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ) != 0) return -1;
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

TEST_P(Snapshots, GoOnBitForBitInAnotherProcess) {
    const TemporaryDirectory directory("process");
    const Session session = prepared(options);
    const std::string path = directory.file("state");
    OK(sipo_session_save(session.get(), path.c_str(), nullptr));
    const Rest expected = go_on(session);
    const std::string full = testing::UnitTest::GetInstance()->current_test_info()->name();
    ASSERT_EQ(run_elsewhere(path, full.substr(full.find('/') + 1)), 0);
    std::ifstream in(path + ".rest", std::ios::binary);
    std::vector<float> after(expected.after.size());
    Ids tokens(expected.generated.tokens.size());
    in.read(reinterpret_cast<char*>(after.data()),
            static_cast<std::streamsize>(after.size() * sizeof(float)));
    in.read(reinterpret_cast<char*>(tokens.data()),
            static_cast<std::streamsize>(tokens.size() * sizeof(std::int32_t)));
    ASSERT_TRUE(in.good());
    EXPECT_EQ(after, expected.after);
    EXPECT_EQ(tokens, expected.generated.tokens);
}

TEST_P(Snapshots, DISABLED_GoOnInThisProcess) {
    const char* const path = std::getenv("SIPO_TEST_SNAPSHOT");
    if (path == nullptr) GTEST_SKIP() << "run by the test above";
    const Session session = session_for(options);
    OK(sipo_session_load(session.get(), path));
    const Rest rest = go_on(session);
    std::ofstream out(std::string(path) + ".rest", std::ios::binary);
    out.write(reinterpret_cast<const char*>(rest.after.data()),
              static_cast<std::streamsize>(rest.after.size() * sizeof(float)));
    out.write(reinterpret_cast<const char*>(rest.generated.tokens.data()),
              static_cast<std::streamsize>(rest.generated.tokens.size() * sizeof(std::int32_t)));
    ASSERT_TRUE(out.good());
}

INSTANTIATE_TEST_SUITE_P(Methods, Snapshots,
                         testing::Combine(testing::Bool(),
                                          testing::Values(SIPO_CONTEXT_NONE, SIPO_CONTEXT_DECIMAMBA,
                                                          SIPO_CONTEXT_LONGMAMBA)));

class SnapshotRefusals : public testing::Test {
protected:
    Model model = open_model();
    Calibration calibration = calibrated(model);
    SessionOptions options = options_with(model, calibration, SIPO_CONTEXT_LONGMAMBA);
    Session session = prepared(options);
    TemporaryDirectory directory{"refusals"};
    std::string path = directory.file("state");
};

TEST_F(SnapshotRefusals, SayWhatDoesNotFit) {
    OK(sipo_session_save(session.get(), path.c_str(), nullptr));
    const Model other_model = open_model(mamba2_path());
    const SessionOptions other_options = options_for(other_model);
    const Session stranger = session_for(other_options);
    REFUSED_SAYING(sipo_session_load(stranger.get(), path.c_str()), SIPO_INVALID_ARGUMENT, "model");
    const SessionOptions plain = options_for(model);
    const Session plain_session = session_for(plain);
    REFUSED_SAYING(sipo_session_load(plain_session.get(), path.c_str()), SIPO_INVALID_ARGUMENT,
                   "longmamba", "none");
    OK(sipo_session_options_set_global_channel_threshold(options.get(), 0.25));
    const Session sibling = session_for(options);
    read(sibling, some_ids(5));
    const std::vector<float> before = logits_of(sibling);
    REFUSED_SAYING(sipo_session_load(sibling.get(), path.c_str()), SIPO_INVALID_ARGUMENT,
                   "threshold 0.25");
    EXPECT_EQ(logits_of(sibling), before);
    EXPECT_EQ(position_of(sibling), 5);
    REFUSED(sipo_session_load(session.get(), directory.file("none").c_str()), SIPO_NOT_FOUND);
    REFUSED(sipo_session_load(session.get(), mamba1_path().c_str()), SIPO_CORRUPT_FILE);
    REFUSED(sipo_session_load_memory(session.get(), "x", 1), SIPO_CORRUPT_FILE);
    REFUSED(sipo_session_load_memory(session.get(), nullptr, 0), SIPO_CORRUPT_FILE);
}

TEST_F(SnapshotRefusals, OfBytesThatBelongToNoSnapshot) {
    OK(sipo_session_save(session.get(), path.c_str(), nullptr));
    std::ofstream(path, std::ios::app | std::ios::binary) << "tail";
    const auto size = std::to_string(std::filesystem::file_size(path));
    REFUSED_SAYING(sipo_session_load(session.get(), path.c_str()), SIPO_CORRUPT_FILE, size);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
    OK(sipo_session_load(session.get(), path.c_str()));
}

TEST_F(SnapshotRefusals, OfANewSessionAreNone) {
    const Session fresh = session_for(options);
    OK(sipo_session_save(fresh.get(), path.c_str(), nullptr));
    OK(sipo_session_load(session.get(), path.c_str()));
    EXPECT_EQ(position_of(session), 0);
    std::size_t count = 0;
    REFUSED(sipo_session_logits(session.get(), nullptr, 0, &count), SIPO_INVALID_STATE);
}

TEST_F(SnapshotRefusals, AHashTellsWhichTokensWereRead) {
    const Session fresh = session_for(options);
    std::uint64_t hash = 1;
    OK(sipo_session_token_hash(fresh.get(), &hash));
    EXPECT_EQ(hash, 0U);
    const Ids ids = some_ids(30);
    OK(sipo_session_prefill(fresh.get(), ids.data(), 20));
    for (std::size_t i = 20; i < ids.size(); ++i) OK(sipo_session_decode(fresh.get(), ids[i]));
    OK(sipo_session_token_hash(fresh.get(), &hash));
    std::uint64_t expected = 0;
    OK(sipo_token_hash(ids.data(), ids.size(), &expected));
    EXPECT_EQ(hash, expected);
    OK(sipo_token_hash(ids.data(), ids.size() - 1, &expected));
    EXPECT_NE(hash, expected);
}

TEST_F(SnapshotRefusals, SessionsShareWorkers) {
    const Workers workers =
        made<Workers>([&](sipo_workers** out) { return sipo_workers_create(model.get(), 2, out); });
    OK(sipo_session_options_set_workers(options.get(), workers.get()));
    const Session shared = prepared(options);
    const Session other = prepared(options);
    const Rest expected = go_on(session);
    EXPECT_TRUE(go_on(shared) == expected);
    EXPECT_TRUE(go_on(other) == expected);
    const Model stranger = open_model();
    const SessionOptions strange = options_for(stranger);
    REFUSED(sipo_session_options_set_workers(strange.get(), workers.get()), SIPO_INVALID_ARGUMENT);
    EXPECT_EQ(sipo_session_options_set_workers(options.get(), nullptr), SIPO_OK);
}

// A progress callback that uses another session of the same workers would wait for itself.
int use_other(void* user, std::uint64_t, std::uint64_t) {
    return sipo_session_decode(static_cast<sipo_session*>(user), 1) == SIPO_INVALID_STATE ? 0 : 1;
}

TEST_F(SnapshotRefusals, ACallbackCannotWaitForItself) {
    const Workers workers =
        made<Workers>([&](sipo_workers** out) { return sipo_workers_create(model.get(), 1, out); });
    OK(sipo_session_options_set_workers(options.get(), workers.get()));
    const Session other = session_for(options);
    OK(sipo_session_options_set_progress(options.get(), use_other, other.get()));
    const Session shared = session_for(options);
    read(shared, the_prompt());
}

TEST(Memory, IsToldBeforeItIsTaken) {
    std::int64_t told = 0;
    OK(sipo_model_memory(mamba1_path().c_str(), &told));
    const Model model = open_model();
    const std::int64_t taken = integer(model, SIPO_MODEL_WEIGHT_BYTES);
    EXPECT_GE(told, taken);
    EXPECT_LE(told, taken + taken / 10 + (std::int64_t{2} << 20));  // whole pages
    const ModelOptions limits = made<ModelOptions>(sipo_model_options_create);
    OK(sipo_model_options_set_memory_limit(limits.get(), told - 1));
    sipo_model* refused = nullptr;
    REFUSED_SAYING(sipo_model_open(mamba1_path().c_str(), limits.get(), &refused),
                   SIPO_OUT_OF_MEMORY, std::to_string(told));
    OK(sipo_model_options_set_memory_limit(limits.get(), told));
    const Model opened = made<Model>([&](sipo_model** out) {
        return sipo_model_open(mamba1_path().c_str(), limits.get(), out);
    });

    const SessionOptions options = options_for(model);
    std::int64_t small = 0;
    std::int64_t large = 0;
    OK(sipo_session_memory(options.get(), 100, &small));
    OK(sipo_session_memory(options.get(), 100000, &large));
    EXPECT_GE(small, 2 * integer(model, SIPO_MODEL_STATE_BYTES));
    OK(sipo_session_options_set_memory_limit(options.get(), small));
    const Session session = session_for(options);
    read(session, some_ids(100));
    const Ids longer = some_ids(500);
    REFUSED(sipo_session_prefill(session.get(), longer.data(), longer.size()), SIPO_OUT_OF_MEMORY);
    EXPECT_EQ(position_of(session), 100);
    OK(sipo_session_memory(options.get(), 1, &small));
    OK(sipo_session_options_set_memory_limit(options.get(), small));
    const Session tight = session_for(options);
    OK(sipo_session_decode(tight.get(), 1));
    REFUSED(sipo_session_checkpoint(tight.get(), "one"), SIPO_OUT_OF_MEMORY);
    OK(sipo_session_options_set_memory_limit(options.get(), small - 1));
    sipo_session* none = nullptr;
    REFUSED(sipo_session_create(options.get(), &none), SIPO_OUT_OF_MEMORY);
}

TEST(Memory, OfLogitsOfManyTokensCountsWhenTheyAreAskedFor) {
    const Model model = open_model();
    const SessionOptions options = options_for(model);
    const Ids ids = some_ids(100);
    std::int64_t told = 0;
    OK(sipo_session_memory(options.get(), 100, &told));
    OK(sipo_session_options_set_memory_limit(options.get(), told));
    const Session session = session_for(options);
    const auto vocabulary = static_cast<std::size_t>(integer(model, SIPO_MODEL_VOCAB_SIZE));
    std::vector<float> values(64 * vocabulary, -1.0F);
    const std::vector<float> before = values;
    REFUSED(sipo_session_score(session.get(), ids.data(), 100, 64, values.data()),
            SIPO_OUT_OF_MEMORY);
    REFUSED(sipo_session_prefill_logits(session.get(), ids.data(), 100, 64, values.data(),
                                        values.size()),
            SIPO_OUT_OF_MEMORY);
    EXPECT_EQ(values, before);
    EXPECT_EQ(position_of(session), 0);
    // 64 rows, and those that are handed over, each rounded up to 2 MiB.
    OK(sipo_session_options_set_memory_limit(options.get(), told + (std::int64_t{4} << 20)));
    const Session roomy = session_for(options);
    OK(sipo_session_prefill_logits(roomy.get(), ids.data(), 100, 64, values.data(), values.size()));
    EXPECT_NE(values, before);
}

TEST(Memory, OfABatchIsThatOfTheSessionThatLeadsIt) {
    const Model model = open_model();
    const SessionOptions options = options_for(model);
    std::int64_t told = 0;
    OK(sipo_session_memory(options.get(), 1, &told));
    std::vector<Session> sessions;
    std::vector<sipo_session*> batch;
    for (int i = 0; i < 64; ++i) {
        OK(sipo_session_options_set_memory_limit(options.get(), i == 0 ? told : 0));
        sessions.push_back(session_for(options));
        batch.push_back(sessions.back().get());
    }
    const Ids tokens(64, 1);
    REFUSED(sipo_batch_decode(batch.data(), tokens.data(), 64), SIPO_OUT_OF_MEMORY);
    for (const Session& session : sessions) EXPECT_EQ(position_of(session), 0);
    std::swap(batch.front(), batch.back());
    OK(sipo_batch_decode(batch.data(), tokens.data(), 64));
    EXPECT_EQ(position_of(sessions.front()), 1);
}

}  // namespace
}  // namespace sipo_tests
