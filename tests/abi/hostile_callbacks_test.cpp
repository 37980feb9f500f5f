// Callbacks that cancel, throw, or use the session they are called from.
#include <algorithm>
#include <stdexcept>
#include <thread>

#include "support.hpp"

namespace {

using namespace sipo_tests;

// What a callback does when it is called the `at`-th time, and what it saw.
struct Script {
    int at = 1;
    int calls = 0;
    sipo_session* session = nullptr;
    sipo_status seen = SIPO_OK;
    std::uint64_t last_done = 0;
    std::uint64_t last_total = 0;
    bool ordered = true;
    bool same_thread = true;
    std::thread::id thread = std::this_thread::get_id();

    bool due() {
        same_thread = same_thread && std::this_thread::get_id() == thread;
        return ++calls == at;
    }
    void see(std::uint64_t done, std::uint64_t total) {
        ordered = ordered && done >= last_done && done <= total;
        last_done = done;
        last_total = total;
    }
};

Script& script_of(void* user) { return *static_cast<Script*>(user); }

int cancel_progress(void* user, std::uint64_t done, std::uint64_t total) {
    script_of(user).see(done, total);
    return script_of(user).due() ? -1 : 0;
}

int throw_progress(void* user, std::uint64_t done, std::uint64_t total) {
    script_of(user).see(done, total);
    if (script_of(user).due()) throw std::runtime_error("the callback's own words");
    return 0;
}

int throw_number(void* user, std::uint64_t, std::uint64_t) {
    if (script_of(user).due()) throw 42;
    return 0;
}

int cancel_token(void* user, std::int32_t, const char*, std::size_t) {
    return script_of(user).due() ? 1 : 0;
}

int throw_token(void* user, std::int32_t, const char*, std::size_t) {
    if (script_of(user).due()) throw std::runtime_error("the callback's own words");
    return 0;
}

int throw_log(void*, std::int32_t, const char*, std::size_t) { throw std::runtime_error("no log"); }

int stop_by_cancel(void* user, std::int32_t, const char*, std::size_t) {
    if (script_of(user).due()) script_of(user).seen = sipo_session_cancel(script_of(user).session);
    return 0;
}

// Every call on the session that a callback must not make.
int use_session(void* user, std::uint64_t, std::uint64_t) {
    Script& script = script_of(user);
    if (!script.due()) return 0;
    sipo_session* const s = script.session;
    const std::int32_t id = 1;
    std::int64_t number = -7;
    std::size_t count = 0;
    std::int32_t token = -7;
    std::vector<float> reals(4096);
    REFUSED(sipo_session_prefill(s, &id, 1), SIPO_INVALID_STATE);
    REFUSED(sipo_session_prefill_logits(s, &id, 1, 1, reals.data(), 4096), SIPO_INVALID_STATE);
    REFUSED(sipo_session_score(s, &id, 1, 1, reals.data()), SIPO_INVALID_STATE);
    REFUSED(sipo_session_decode(s, 1), SIPO_INVALID_STATE);
    REFUSED(sipo_session_logits(s, reals.data(), 4096, &count), SIPO_INVALID_STATE);
    REFUSED(sipo_session_likeliest(s, &token), SIPO_INVALID_STATE);
    REFUSED(sipo_session_position(s, &number), SIPO_INVALID_STATE);
    REFUSED(sipo_session_kept_tokens(s, nullptr, 0, &count), SIPO_INVALID_STATE);
    REFUSED(sipo_session_reset(s), SIPO_INVALID_STATE);
    REFUSED(sipo_session_backend_name(s, nullptr, 0, &count), SIPO_INVALID_STATE);
    REFUSED(sipo_session_generate(s, nullptr, 1, nullptr, nullptr, &count), SIPO_INVALID_STATE);
    EXPECT_EQ(number, -7);
    return 0;
}

int use_session_for_token(void* user, std::int32_t, const char*, std::size_t) {
    return use_session(user, 0, 0);
}

class HostileCallbacks : public testing::Test {
protected:
    Model model = open_model();
    SessionOptions options = options_for(model);
    std::vector<std::int32_t> ids = some_ids(64);
    Script script;

    // A session that has read something, and whose next prompt the callback meets in chunks.
    Session session_with(sipo_progress_fn fn) {
        EXPECT_EQ(sipo_session_options_set_chunk_tokens(options.get(), 16), SIPO_OK);
        EXPECT_EQ(sipo_session_options_set_progress(options.get(), nullptr, nullptr), SIPO_OK);
        const int at = script.at;
        EXPECT_EQ(sipo_session_options_set_progress(options.get(), fn, &script), SIPO_OK);
        script.at = -1;
        Session session = session_for(options);
        EXPECT_EQ(sipo_session_prefill(session.get(), ids.data(), 5), SIPO_OK);
        script.at = at;
        script.calls = 0;
        script.last_done = 0;
        script.session = session.get();
        return session;
    }

    // Afterwards the session is as if the failed call had not been made.
    void expect_untouched(const Session& session) {
        EXPECT_EQ(position_of(session), 5);
        script.at = -1;
        const Session twin = session_for(options);
        ASSERT_EQ(sipo_session_prefill(twin.get(), ids.data(), 5), SIPO_OK);
        EXPECT_EQ(logits_of(session), logits_of(twin));
        ASSERT_EQ(sipo_session_prefill(session.get(), ids.data(), 40), SIPO_OK);
        ASSERT_EQ(sipo_session_prefill(twin.get(), ids.data(), 40), SIPO_OK);
        EXPECT_EQ(logits_of(session), logits_of(twin));
        EXPECT_EQ(position_of(session), 45);
    }
};

TEST_F(HostileCallbacks, CancellingAPromptLeavesTheSession) {
    for (const int at : {1, 7, 20, 32}) {
        script.at = at;
        const Session session = session_with(cancel_progress);
        REFUSED(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_CANCELLED);
        EXPECT_EQ(script.calls, at);
        expect_untouched(session);
    }
}

TEST_F(HostileCallbacks, CancellingAScoreLeavesTheSession) {
    std::vector<float> out(4096, -7.0F);
    script.at = 32;
    const Session session = session_with(cancel_progress);
    REFUSED(sipo_session_score(session.get(), ids.data(), ids.size(), 40, out.data()),
            SIPO_CANCELLED);
    script.calls = 0;
    REFUSED(sipo_session_prefill_logits(session.get(), ids.data(), ids.size(), 1, out.data(), 4096),
            SIPO_CANCELLED);
    EXPECT_EQ(std::count(out.begin(), out.end(), -7.0F), 4096);
    expect_untouched(session);
}

TEST_F(HostileCallbacks, CancellingDeciMambaLeavesTheSession) {
    ASSERT_EQ(sipo_session_options_set_context(options.get(), SIPO_CONTEXT_DECIMAMBA), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_decimation_capacity(options.get(), 48), SIPO_OK);
    ASSERT_EQ(sipo_session_options_set_all_layers(options.get()), SIPO_OK);
    script.at = 13;  // some layers have dropped tokens already
    const Session session = session_with(cancel_progress);
    REFUSED(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_CANCELLED);
    std::size_t kept = 0;
    EXPECT_EQ(sipo_session_kept_tokens(session.get(), nullptr, 0, &kept), SIPO_OK);
    EXPECT_EQ(kept, 5U);
    expect_untouched(session);
}

TEST_F(HostileCallbacks, AnExceptionInProgressIsAStatus) {
    script.at = 9;
    const Session session = session_with(throw_progress);
    REFUSED_SAYING(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_INTERNAL,
                   "the callback's own words");
    expect_untouched(session);
    script.at = 9;
    const Session other = session_with(throw_number);
    REFUSED(sipo_session_prefill(other.get(), ids.data(), ids.size()), SIPO_INTERNAL);
    expect_untouched(other);
}

TEST_F(HostileCallbacks, ProgressIsToldInOrderOnTheCallersThread) {
    ASSERT_EQ(sipo_session_options_set_threads(options.get(), 4), SIPO_OK);
    script.at = -1;
    const Session session = session_with(cancel_progress);
    ASSERT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    EXPECT_GT(script.calls, 0);
    EXPECT_TRUE(script.ordered);
    EXPECT_TRUE(script.same_thread);
    EXPECT_EQ(script.last_done, script.last_total);
    EXPECT_EQ(script.last_total, ids.size());
}

TEST_F(HostileCallbacks, AProgressCallbackCannotUseItsSession) {
    script.at = 3;
    const Session session = session_with(use_session);
    EXPECT_EQ(sipo_session_prefill(session.get(), ids.data(), 40), SIPO_OK);
    EXPECT_GE(script.calls, 3);
    EXPECT_EQ(position_of(session), 45);
}

TEST_F(HostileCallbacks, ATokenCallbackCannotUseItsSession) {
    const Session session = session_with(nullptr);
    script.at = 2;
    std::size_t generated = 0;
    const SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    ASSERT_EQ(sipo_sampling_options_set_ignore_end_of_text(sampling.get(), 1), SIPO_OK);
    EXPECT_EQ(sipo_session_generate(session.get(), sampling.get(), 4, use_session_for_token,
                                    &script, &generated),
              SIPO_OK);
    EXPECT_EQ(generated, 4U);
    EXPECT_EQ(position_of(session), 9);
}

class HostileGeneration : public HostileCallbacks {
protected:
    SamplingOptions sampling = made<SamplingOptions>(sipo_sampling_options_create);
    Session session = session_with(nullptr);
    std::size_t generated = 1234;

    void SetUp() override {
        ASSERT_EQ(sipo_sampling_options_set_ignore_end_of_text(sampling.get(), 1), SIPO_OK);
        script.at = 3;
    }
    sipo_status generate(sipo_token_fn fn) {
        return sipo_session_generate(session.get(), sampling.get(), 10, fn, &script, &generated);
    }
};

// The tokens that were told have been read.
TEST_F(HostileGeneration, IsCancelledByItsCallback) {
    REFUSED_SAYING(generate(cancel_token), SIPO_CANCELLED, "3");
    EXPECT_EQ(script.calls, 3);
    EXPECT_EQ(generated, 1234U);
    EXPECT_EQ(position_of(session), 8);
    script.at = -1;
    EXPECT_EQ(generate(cancel_token), SIPO_OK);
    EXPECT_EQ(position_of(session), 18);
}

TEST_F(HostileGeneration, IsCancelledFromWithinItsCallback) {
    REFUSED(generate(stop_by_cancel), SIPO_CANCELLED);
    EXPECT_EQ(script.seen, SIPO_OK);
    EXPECT_EQ(generated, 1234U);
    EXPECT_EQ(position_of(session), 5 + script.calls);
    script.at = -1;
    EXPECT_EQ(generate(stop_by_cancel), SIPO_OK);
}

TEST_F(HostileGeneration, AnExceptionInItsCallbackIsAStatus) {
    REFUSED_SAYING(generate(throw_token), SIPO_INTERNAL, "the callback's own words");
    EXPECT_EQ(generated, 1234U);
    EXPECT_GE(position_of(session), 7);
    EXPECT_EQ(sipo_session_decode(session.get(), 1), SIPO_OK);
}

// There is nothing to cancel, and the next call is not cancelled either.
TEST_F(HostileGeneration, ACancelWithoutACallHasNoEffect) {
    ASSERT_EQ(sipo_session_cancel(session.get()), SIPO_OK);
    EXPECT_EQ(sipo_session_prefill(session.get(), ids.data(), ids.size()), SIPO_OK);
    ASSERT_EQ(sipo_session_cancel(session.get()), SIPO_OK);
    EXPECT_EQ(generate(nullptr), SIPO_OK);
    EXPECT_EQ(generated, 10U);
    ASSERT_EQ(sipo_session_cancel(session.get()), SIPO_OK);
    EXPECT_EQ(sipo_session_decode(session.get(), 1), SIPO_OK);
}

TEST_F(HostileCallbacks, OpeningIsCancelledOrFailsWithoutAModel) {
    const ModelOptions open_options = made<ModelOptions>(sipo_model_options_create);
    auto* const o = open_options.get();
    sipo_model* opened = nullptr;
    ASSERT_EQ(sipo_model_options_set_progress(o, cancel_progress, &script), SIPO_OK);
    REFUSED(sipo_model_open(mamba1_path().c_str(), o, &opened), SIPO_CANCELLED);
    EXPECT_TRUE(script.same_thread);
    script.calls = 0;
    ASSERT_EQ(sipo_model_options_set_progress(o, throw_progress, &script), SIPO_OK);
    REFUSED_SAYING(sipo_model_open(mamba1_path().c_str(), o, &opened), SIPO_INTERNAL, "own words");
    ASSERT_EQ(sipo_model_options_set_progress(o, nullptr, nullptr), SIPO_OK);
    ASSERT_EQ(sipo_model_options_set_log(o, throw_log, nullptr), SIPO_OK);
    const sipo_status status = sipo_model_open(mamba1_path().c_str(), o, &opened);
    EXPECT_TRUE(status == SIPO_OK || opened == nullptr);
    sipo_model_free(opened);
}

TEST_F(HostileCallbacks, ImportIsCancelledWithoutAFile) {
    const ImportOptions import_options = made<ImportOptions>(sipo_import_options_create);
    const std::string path = scratch("cancelled_import.sipo");
    std::remove(path.c_str());
    for (const sipo_progress_fn fn : {cancel_progress, throw_progress}) {
        script.at = 5;
        script.calls = 0;
        ASSERT_EQ(sipo_import_options_set_progress(import_options.get(), fn, &script), SIPO_OK);
        REFUSED(sipo_import(checkpoint_path().c_str(), path.c_str(), import_options.get()),
                fn == cancel_progress ? SIPO_CANCELLED : SIPO_INTERNAL);
        EXPECT_TRUE(script.same_thread);
        sipo_model* opened = nullptr;
        REFUSED(sipo_model_open(path.c_str(), nullptr, &opened), SIPO_NOT_FOUND);
    }
}

TEST_F(HostileCallbacks, CalibrationIsCancelledWithoutAResult) {
    const CalibrationOptions calibration =
        made<CalibrationOptions>(sipo_calibration_options_create);
    sipo_calibration* measured = nullptr;
    for (const sipo_progress_fn fn : {cancel_progress, throw_progress}) {
        script.at = 5;
        script.calls = 0;
        ASSERT_EQ(sipo_calibration_options_set_progress(calibration.get(), fn, &script), SIPO_OK);
        REFUSED(sipo_calibrate(model.get(), ids.data(), 2, 32, calibration.get(), &measured),
                fn == cancel_progress ? SIPO_CANCELLED : SIPO_INTERNAL);
        EXPECT_TRUE(script.same_thread);
        EXPECT_EQ(script.last_total, 16U);
    }
    EXPECT_EQ(measured, nullptr);
}

}  // namespace
