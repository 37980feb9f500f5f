// sipo.hpp: owners that move, exceptions instead of statuses, and callbacks that may throw.
#include "sipo/sipo.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <limits>
#include <thread>

namespace {

const char* const model_path = SIPO_ABI_MODELS_DIR "/mamba1.sipo";
const char* const checkpoint_path = SIPO_TESTS_DIR "/models/passkey-mamba1";

std::vector<std::int32_t> some_ids(std::size_t count) {
    std::vector<std::int32_t> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int32_t>(1 + i * 37 % 4095);
    return ids;
}

// The status of the sipo::Error that `call` throws; SIPO_OK when it throws none.
template <typename Call>
sipo_status status_of(const Call& call) {
    try {
        call();
    } catch (const sipo::Error& error) {
        EXPECT_STRNE(error.what(), "");
        return error.status();
    }
    return SIPO_OK;
}

struct OwnException : std::exception {
    const char* what() const noexcept override { return "the callback's own"; }
};

class Wrapper : public testing::Test {
protected:
    sipo::Model model = sipo::Model::open(model_path);
    std::vector<std::int32_t> ids = some_ids(48);
};

TEST_F(Wrapper, TellsWhatAModelIs) {
    EXPECT_EQ(sipo::version_number(), SIPO_VERSION_NUMBER);
    EXPECT_FALSE(sipo::version().empty());
    EXPECT_EQ(model.family(), "mamba1");
    EXPECT_EQ(model.source(), "passkey-mamba1");
    EXPECT_EQ(model.weights_type(), "bf16");
    EXPECT_FALSE(model.backend().empty());
    EXPECT_EQ(model.layers(), 8);
    EXPECT_EQ(model.d_model(), 256);
    EXPECT_EQ(model.d_inner(), 512);
    EXPECT_EQ(model.d_state(), 16);
    EXPECT_EQ(model.vocab_size(), 4096);
    EXPECT_EQ(model.delta_channels(), 512);
    EXPECT_EQ(model.training_length(), 2048);
    EXPECT_EQ(model.end_of_text(), 0);
    EXPECT_GT(model.parameters(), 0);
    EXPECT_GT(model.weight_bytes(), model.parameters());
    EXPECT_GT(model.state_bytes(), 0);
    EXPECT_TRUE(model.profiles().empty());
}

TEST_F(Wrapper, TakesTextWithEverything) {
    const std::string text("a\0b \xf0\x9f\x98\x80 caf\xc3\xa9", 14);
    EXPECT_EQ(model.detokenize(model.tokenize(text)), text);
    EXPECT_TRUE(model.tokenize("").empty());
    EXPECT_EQ(model.detokenize(std::vector<std::int32_t>()), "");
    // Bytes that are not UTF-8 become longer.
    std::string replaced;
    for (int i = 0; i < 50; ++i) replaced += "\xef\xbf\xbd";
    EXPECT_EQ(model.detokenize(model.tokenize(std::string(50, '\xff'))), replaced);
}

TEST_F(Wrapper, TurnsStatusesIntoExceptions) {
    EXPECT_EQ(status_of([] { sipo::Model::open("no-such-file.sipo"); }), SIPO_NOT_FOUND);
    EXPECT_EQ(status_of([&] { model.detokenize(std::vector<std::int32_t>(1, -1)); }),
              SIPO_OUT_OF_RANGE);
    EXPECT_EQ(status_of([] { sipo::ModelOptions().backend("none"); }), SIPO_NOT_FOUND);
    EXPECT_EQ(status_of([] { sipo::ImportOptions().training_length(0); }), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(status_of([&] { sipo::SessionOptions(model).decimation_rate(2.0); }),
              SIPO_OUT_OF_RANGE);
    EXPECT_EQ(status_of([&] { sipo::SessionOptions(model).layers({8}); }), SIPO_OUT_OF_RANGE);
    sipo::Session session((sipo::SessionOptions(model)));
    EXPECT_EQ(status_of([&] { session.logits(); }), SIPO_INVALID_STATE);
    EXPECT_EQ(status_of([&] { session.likeliest(); }), SIPO_INVALID_STATE);
    EXPECT_EQ(status_of([&] { session.prefill(std::vector<std::int32_t>()); }), SIPO_OUT_OF_RANGE);
    const std::size_t huge = std::numeric_limits<std::size_t>::max();
    EXPECT_NE(status_of([&] { session.prefill_logits(ids, 0); }), SIPO_OK);
    EXPECT_NE(status_of([&] { session.prefill_logits(ids, 49); }), SIPO_OK);
    EXPECT_NE(status_of([&] { session.prefill_logits(ids, huge); }), SIPO_OK);
    EXPECT_EQ(status_of([&] { session.score(ids, huge); }), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(status_of([&] { session.score(ids, 48); }), SIPO_OUT_OF_RANGE);
    EXPECT_EQ(session.position(), 0);
}

TEST_F(Wrapper, AnswersForObjectsThatWereMovedAway) {
    sipo::Session session((sipo::SessionOptions(model)));
    sipo::Session owner(std::move(session));
    owner.prefill(ids);
    EXPECT_EQ(status_of([&] { session.prefill(ids); }), SIPO_INVALID_ARGUMENT);  // NOLINT
    session = std::move(owner);
    EXPECT_EQ(session.position(), 48);
    sipo::Model kept = std::move(model);
    EXPECT_EQ(status_of([&] { model.layers(); }), SIPO_INVALID_ARGUMENT);  // NOLINT
    EXPECT_EQ(kept.layers(), 8);
}

TEST_F(Wrapper, ReadsScoresAndGenerates) {
    sipo::SessionOptions options(model);
    options.threads(2).chunk_tokens(7);
    sipo::Session session(options);
    EXPECT_NE(session.backend_name().find("cpu"), std::string::npos);
    const std::vector<float> rows = session.prefill_logits(ids, 3);
    ASSERT_EQ(rows.size(), 3U * 4096U);
    const std::vector<float> last(rows.end() - 4096, rows.end());
    EXPECT_EQ(session.likeliest(), std::max_element(last.begin(), last.end()) - last.begin());
    EXPECT_EQ(session.logits(), last);
    EXPECT_EQ(session.kept_tokens().size(), 48U);
    session.decode(5);
    EXPECT_EQ(session.score(ids, 48).size(), 48U);
    EXPECT_EQ(session.position(), 97);
    session.reset();
    EXPECT_EQ(session.position(), 0);
    EXPECT_EQ(session.score(ids, 47).size(), 47U);

    std::vector<std::int32_t> tokens;
    std::string text;
    sipo::SamplingOptions sampling;
    sampling.temperature(0.9).top_k(100).top_p(0.9).min_p(0.01).repetition_penalty(1.1).seed(-3);
    sampling.ignore_end_of_text(true);
    const std::size_t generated = session.generate(
        20,
        [&](std::int32_t token, const std::string& piece) {
            tokens.push_back(token);
            text += piece;
            return true;
        },
        sampling);
    EXPECT_EQ(generated, 20U);
    EXPECT_EQ(tokens.size(), 20U);
    EXPECT_EQ(model.detokenize(tokens), text);
    EXPECT_LE(session.generate(3), 3U);
}

TEST_F(Wrapper, CancelsWhenACallbackSaysFalse) {
    int calls = 0;
    sipo::Session session(sipo::SessionOptions(model).progress(
        [&](long long done, long long total) { return done <= total && ++calls < 3; }));
    EXPECT_EQ(status_of([&] { session.prefill(ids); }), SIPO_CANCELLED);
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(session.position(), 0);
    session.decode(1);
    const auto stop = [](std::int32_t, const std::string&) { return false; };
    EXPECT_EQ(status_of([&] { session.generate(5, stop); }), SIPO_CANCELLED);
    EXPECT_EQ(session.position(), 2);
    const auto cancel = [&](std::int32_t, const std::string&) {
        session.cancel();
        return true;
    };
    EXPECT_EQ(status_of([&] { session.generate(5, cancel); }), SIPO_CANCELLED);
}

TEST_F(Wrapper, LetsExceptionsOfCallbacksThrough) {
    const auto fail_progress = [](long long, long long) -> bool { throw OwnException(); };
    const auto fail_token = [](std::int32_t, const std::string&) -> bool { throw OwnException(); };
    sipo::Session session(sipo::SessionOptions(model).progress(fail_progress));
    EXPECT_THROW(session.prefill(ids), OwnException);
    EXPECT_THROW(session.score(ids, 3), OwnException);
    EXPECT_THROW(session.prefill_logits(ids, 3), OwnException);
    EXPECT_EQ(session.position(), 0);
    session.decode(1);
    EXPECT_THROW(session.generate(5, fail_token), OwnException);
    EXPECT_EQ(session.position(), 2);
    // What one call remembered is gone with it.
    EXPECT_EQ(status_of([&] { session.prefill({-1}); }), SIPO_OUT_OF_RANGE);
    EXPECT_LE(session.generate(2), 2U);

    EXPECT_THROW(sipo::Model::open(model_path, sipo::ModelOptions().progress(fail_progress)),
                 OwnException);
    const auto fail_log = [](int, const std::string&) { throw OwnException(); };
    EXPECT_THROW(sipo::Model::open(model_path, sipo::ModelOptions().log(fail_log)), OwnException);
    EXPECT_THROW(sipo::Calibration::measure(model, ids, 24,
                                            sipo::CalibrationOptions().progress(fail_progress)),
                 OwnException);
    const char* const output = SIPO_ABI_MODELS_DIR "/wrapper_failed.sipo";
    EXPECT_THROW(sipo::import_checkpoint(checkpoint_path, output,
                                         sipo::ImportOptions().progress(fail_progress)),
                 OwnException);
    EXPECT_FALSE(std::ifstream(output).good());
}

// A callback may use the library, and its own calls may fail, without harm to the call it serves.
TEST_F(Wrapper, KeepsCallsInsideCallbacksApart) {
    bool inner_failed = false;
    const auto nested = [&](long long, long long) {
        if (inner_failed) return true;
        sipo::Session inner(sipo::SessionOptions(model).progress(
            [](long long, long long) -> bool { throw OwnException(); }));
        try {
            inner.prefill(ids);
        } catch (const OwnException&) {
            inner_failed = true;
        }
        return true;
    };
    sipo::Session session(sipo::SessionOptions(model).progress(nested));
    session.prefill(ids);
    EXPECT_TRUE(inner_failed);
    EXPECT_EQ(session.position(), 48);
}

TEST_F(Wrapper, KeepsAliveWhatASessionWasMadeFrom) {
    int calls = 0;
    int lines = 0;
    std::unique_ptr<sipo::Session> session;
    {
        const std::vector<int> captured(1000, 1);
        sipo::Model other = sipo::Model::open(
            model_path, sipo::ModelOptions().log([&lines, captured](int, const std::string& line) {
                lines += line.empty() ? 0 : captured[7];
            }));
        sipo::SessionOptions options(other);
        options.progress([&calls, captured](long long, long long) {
            calls += captured[8];
            return true;
        });
        session.reset(new sipo::Session(options));
        options.progress(nullptr);
    }
    session->prefill(ids);
    EXPECT_GT(calls, 0);
    EXPECT_GT(lines, 0);
}

TEST_F(Wrapper, ServesThreadsThatShareAModel) {
    sipo::Session alone((sipo::SessionOptions(model)));
    alone.prefill(ids);
    const auto expected = alone.logits();  // once: a session serves one thread at a time
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            sipo::Session session(sipo::SessionOptions(model).threads(1));
            session.prefill(ids);
            EXPECT_EQ(session.logits(), expected);
            EXPECT_EQ(status_of([&] { session.decode(-1); }), SIPO_OUT_OF_RANGE);
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Wrapper, ImportsAndCalibrates) {
    const char* const path = SIPO_ABI_MODELS_DIR "/wrapper.sipo";
    sipo::ImportOptions import_options;
    import_options.weights(sipo::Weights::f32).store(sipo::Store::raw).threads(2);
    import_options.training_length(100);
    sipo::import_checkpoint(checkpoint_path, path, import_options);
    EXPECT_EQ(status_of([&] { sipo::export_checkpoint(path, SIPO_ABI_MODELS_DIR); }),
              SIPO_INVALID_ARGUMENT);
    import_options.tokenizer("/nowhere/tokenizer.json");
    EXPECT_EQ(status_of([&] { sipo::import_checkpoint(checkpoint_path, path, import_options); }),
              SIPO_NOT_FOUND);
    const sipo::Calibration calibration = sipo::Calibration::measure(
        model, ids, 24, sipo::CalibrationOptions().clamp(0.1).threads(2));
    EXPECT_EQ(calibration.log_decay().size(), 8U * 512U);
    EXPECT_EQ(calibration.threshold_table().size(), 8U * 512U * calibration.lengths().size());
    calibration.save(path, "first");
    calibration.save(path, "second");
    EXPECT_EQ(status_of([&] { calibration.save(path, "not a name"); }), SIPO_INVALID_ARGUMENT);

    const sipo::Model opened =
        sipo::Model::open(path, sipo::ModelOptions().backend("cpu").threads(1));
    std::remove(path);
    EXPECT_EQ(opened.training_length(), 100);
    EXPECT_EQ(opened.weights_type(), "f32");
    EXPECT_EQ(opened.profiles(), (std::vector<std::string>{"first", "second"}));
    sipo::SessionOptions options(opened);
    options.context(sipo::Context::longmamba).profile("second").global_channel_threshold(1e-5);
    options.filtered_channels(sipo::Channels::random, 3).expected_tokens(500).all_layers();
    sipo::Session(options).prefill(ids);
    options.calibration(calibration).filtered_channels(sipo::Channels::local);
    sipo::Session(options).prefill(ids);
    EXPECT_EQ(status_of([&] { options.profile("third"); }), SIPO_NOT_FOUND);

    options.context(sipo::Context::decimamba).decimation_rate(0.5).decimation_capacity(10);
    options.decimation_min_tokens(5).protected_tail(2).layers({6, 2});
    sipo::Session session(options);
    session.prefill(ids);
    EXPECT_EQ(session.kept_tokens().size(), 7U);
    EXPECT_EQ(session.kept_tokens().back(), 47);
}

TEST_F(Wrapper, SavesCopiesAndTakesBack) {
    sipo::SessionOptions options(model);
    options.workers(sipo::Workers(model, 1));
    EXPECT_GT(options.session_memory(1000), options.session_memory(1));
    sipo::Session session(options);
    session.prefill(ids);
    EXPECT_EQ(session.token_hash(), sipo::token_hash(ids));
    session.checkpoint("start");
    const std::vector<float> logits = session.logits();
    const std::string path = SIPO_ABI_MODELS_DIR "/wrapper.state";
    session.save(path, sipo::SnapshotOptions().flush(false));
    const std::vector<unsigned char> bytes =
        session.save_memory(sipo::SnapshotOptions().store(sipo::Store::zstd));
    sipo::Session copy = session.fork();
    session.decode(1);
    EXPECT_NE(session.logits(), logits);
    EXPECT_EQ(copy.logits(), logits);
    session.rewind("start");
    EXPECT_EQ(session.logits(), logits);
    session.drop_checkpoint("start");
    EXPECT_EQ(status_of([&] { session.rewind("start"); }), SIPO_NOT_FOUND);
    session.reset();
    session.load_memory(bytes);
    EXPECT_EQ(session.logits(), logits);
    session.reset();
    session.load(path);
    std::remove(path.c_str());
    EXPECT_EQ(session.logits(), logits);
    EXPECT_EQ(status_of([&] { session.load(model_path); }), SIPO_CORRUPT_FILE);
    EXPECT_GE(sipo::model_memory(model_path), model.weight_bytes());
    EXPECT_EQ(status_of([] {
                  sipo::Model::open(
                      model_path,
                      sipo::ModelOptions().device_memory_limit(1LL << 40).memory_limit(1));
              }),
              SIPO_OUT_OF_MEMORY);
    EXPECT_EQ(status_of([&] { sipo::Session(options.memory_limit(1)); }), SIPO_OUT_OF_MEMORY);
}

TEST_F(Wrapper, BendsAGenerationAndTellsAboutIt) {
    sipo::Session session((sipo::SessionOptions(model)));
    session.prefill(ids);
    std::size_t told = 0;
    sipo::SamplingOptions sampling;
    sampling.logit_bias({65, 66}, {1e6F, -1e6F}).resume(true).stop("never seen");
    sampling.log_probabilities(
        3, [&](std::int32_t token, float value, const std::vector<std::int32_t>& likeliest,
               const std::vector<float>& values) {
            EXPECT_EQ(token, 65);
            EXPECT_LE(value, 0.0F);
            EXPECT_EQ(likeliest.size(), 3U);
            EXPECT_EQ(values.size(), 3U);
            ++told;
            return true;
        });
    EXPECT_EQ(session.generate(4, sipo::TokenFunction(), sampling), 4U);
    EXPECT_EQ(told, 4U);
    EXPECT_EQ(session.statistic(SIPO_SESSION_GENERATED_TOKENS), 4.0);
    EXPECT_EQ(status_of([&] { sampling.logit_bias({1}, {}); }), SIPO_INVALID_ARGUMENT);
    sampling.log_probabilities(0,
                               [](std::int32_t, float, const std::vector<std::int32_t>&,
                                  const std::vector<float>&) -> bool { throw OwnException(); });
    EXPECT_THROW(session.generate(4, sipo::TokenFunction(), sampling), OwnException);
    const std::size_t chosen = session.choose({" yes", " no", " the"});
    EXPECT_LT(chosen, 3U);
    EXPECT_EQ(status_of([&] { session.choose({""}); }), SIPO_INVALID_ARGUMENT);
}

TEST_F(Wrapper, SchedulesThroughACache) {
    const sipo::Cache cache(model, sipo::CacheOptions().memory(1 << 26).interval(64));
    const std::vector<std::int32_t> prompt = some_ids(200);
    sipo::Session session((sipo::SessionOptions(model)));
    session.prefill_cached(cache, prompt);
    sipo::SchedulerOptions options(model);
    options.threads(2).sessions(4).queue(8).chunk_tokens(64).cache(cache).memory_limit(1LL << 32);
    sipo::Scheduler scheduler(options);
    std::string expected;
    session.generate(5, [&](std::int32_t, const std::string& text) {
        expected += text;
        return true;
    });
    sipo::Request request =
        scheduler.submit(sipo::SessionOptions(model), sipo::SamplingOptions(), prompt, 5);
    std::string found;
    for (;;) {
        const sipo::RequestToken next = request.next();
        found += next.text;
        if (next.token < 0) break;
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(request.statistic(SIPO_REQUEST_REUSED_TOKENS), 200.0);
    EXPECT_EQ(scheduler.statistic(SIPO_SCHEDULER_FINISHED), 1.0);
    EXPECT_EQ(cache.statistic(SIPO_CACHE_TOKENS_REUSED), 200);
    // Callbacks of a request that goes away before it has ended.
    int calls = 0;
    for (int i = 0; i < 3; ++i) {
        scheduler.submit(sipo::SessionOptions(model).progress([&](long long, long long) {
            ++calls;
            return true;
        }),
                         sipo::SamplingOptions(), some_ids(400), 5);
    }
    sipo::Request cancelled =
        scheduler.submit(sipo::SessionOptions(model), sipo::SamplingOptions(), some_ids(400), 5);
    cancelled.cancel();
    EXPECT_EQ(status_of([&] {
                  while (cancelled.next().token >= 0) {
                  }
              }),
              SIPO_CANCELLED);
    EXPECT_EQ(status_of([&] { cancelled.next(-5); }), SIPO_OUT_OF_RANGE);
}

TEST_F(Wrapper, KeepsSettingsWithAProfile) {
    const std::string path = SIPO_ABI_MODELS_DIR "/wrapper_settings.sipo";
    sipo::import_checkpoint(checkpoint_path, path);
    {
        const sipo::Model plain = sipo::Model::open(path);
        sipo::Calibration calibration = sipo::Calibration::measure(plain, ids, 48);
        calibration.save(path, "plain");
        sipo::SessionOptions options(plain);
        options.context(sipo::Context::decimamba).layers({2, 5}).decimation_capacity(20);
        calibration.settings(options.decimation_rate(0.9).global_channel_threshold(1e-7));
        calibration.save(path, "tuned");
    }
    const sipo::Model tuned = sipo::Model::open(path);
    sipo::SessionOptions options(tuned);
    EXPECT_EQ(status_of([&] { options.use_profile("plain"); }), SIPO_NOT_FOUND);
    EXPECT_EQ(status_of([&] { options.use_profile("none"); }), SIPO_NOT_FOUND);
    sipo::Session session(options.use_profile("tuned"));
    session.prefill(ids);
    sipo::SessionOptions by_hand(tuned);
    by_hand.context(sipo::Context::decimamba).layers({2, 5}).decimation_capacity(20);
    sipo::Session same(by_hand.decimation_rate(0.9));
    same.prefill(ids);
    EXPECT_LT(session.kept_tokens().size(), ids.size());
    EXPECT_EQ(session.kept_tokens(), same.kept_tokens());
    EXPECT_EQ(session.logits(), same.logits());
    std::remove(path.c_str());
}

TEST_F(Wrapper, Analyses) {
    const sipo::SessionOptions options(model);
    sipo::AnalysisOptions how;
    how.points(4).map_size(3).map_channels({0, 7}, {5, 6}).memory_limit(0);
    int calls = 0;
    how.progress([&calls](long long, long long) { return ++calls > 0; });
    const sipo::Analysis analysis = sipo::Analysis::measure(options, ids, how);
    EXPECT_GT(calls, 0);
    EXPECT_EQ(analysis.integers(SIPO_ANALYSIS_PLACES), (std::vector<long long>{12, 24, 36, 48}));
    EXPECT_EQ(analysis.integers(SIPO_ANALYSIS_MAP_LAYERS), (std::vector<long long>{0, 7}));
    EXPECT_EQ(analysis.reals(SIPO_ANALYSIS_MAPS).size(), 18U);
    EXPECT_GT(sipo::Analysis::memory(options, 48, how), 0);
    EXPECT_EQ(status_of([&] { how.map_channels({0}, {}); }), SIPO_INVALID_ARGUMENT);
    how.progress([](long long, long long) -> bool { throw OwnException(); });
    EXPECT_THROW(sipo::Analysis::measure(options, ids, how), OwnException);
}

}  // namespace
