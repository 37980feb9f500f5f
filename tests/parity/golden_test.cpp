// The engine against the golden numbers: every case of tests/golden/manifest.json.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "backend/registry.hpp"
#include "checkpoints.hpp"
#include "golden.hpp"
#include "machine.hpp"
#include "session/calibrate.hpp"
#include "session/session.hpp"

namespace sipo::parity {
namespace {

constexpr double short_tolerance = 1e-5;  // relative L2 of logits
constexpr double long_tolerance = 1e-4;

SessionOptions session_options(const OpenModel& model, const Json& golden_case, int threads = 2) {
    SessionOptions options;
    options.context = context_options(golden_case);
    options.calibration = golden_profile(model, golden_case.at("model"));
    options.threads = threads;
    return options;
}

class Golden : public testing::TestWithParam<std::string> {
protected:
    std::shared_ptr<const OpenModel> model_ = open_checkpoint(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::Values(mamba1_checkpoint, mamba2_checkpoint),
                         checkpoint_test_name);

TEST_P(Golden, ScoresOfTheShortPromptAgree) {
    for (const Json& golden : golden_cases(GetParam(), "nll")) {
        const auto ids = golden_array<std::int32_t>(golden, "ids");
        const auto expected = golden_array<float>(golden, "nll");
        Session session(model_, session_options(*model_, golden));
        std::vector<float> nll(expected.size());
        session.score(ids, static_cast<std::int64_t>(nll.size()), nll);
        for (std::size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(nll[i], expected[i], 1e-3);
    }
}

TEST_P(Golden, LastLogitsOfTheShortPromptAgree) {
    for (const Json& golden : golden_cases(GetParam(), "logits_last8")) {
        const auto ids = golden_array<std::int32_t>(golden, "ids");
        const auto expected = golden_array<float>(golden, "logits_last8");
        Session session(model_, session_options(*model_, golden));
        std::vector<float> logits(expected.size());
        session.prefill_logits(ids, 8, logits);
        EXPECT_LE(relative_l2(logits, expected), short_tolerance);
    }
}

TEST_P(Golden, LogitsOfTheLongPromptAgreeWithEveryMethod) {
    const std::vector<Json> cases = golden_cases(GetParam(), "logits_last");
    ASSERT_EQ(cases.size(), 3U);
    for (const Json& golden : cases) {
        SCOPED_TRACE(golden.at("case").get<std::string>());
        Session session(model_, session_options(*model_, golden));
        session.prefill(golden_array<std::int32_t>(golden, "ids"));
        EXPECT_LE(relative_l2(session.logits(), golden_array<float>(golden, "logits_last")),
                  long_tolerance);
    }
}

TEST_P(Golden, DeciMambaKeepsTheSameTokens) {
    const std::vector<Json> cases = golden_cases(GetParam(), "kept");
    ASSERT_FALSE(cases.empty());
    for (const Json& golden : cases) {
        const auto expected = golden_array<std::int32_t>(golden, "kept");
        Session session(model_, session_options(*model_, golden));
        session.prefill(golden_array<std::int32_t>(golden, "ids"));
        std::vector<std::int64_t> kept(static_cast<std::size_t>(session.kept_count()));
        session.kept_tokens(kept);
        EXPECT_EQ(kept, std::vector<std::int64_t>(expected.begin(), expected.end()));
    }
}

TEST_P(Golden, CalibrationAgrees) {
    const Json& shape = manifest().at("arrays").at("calibration_ids").at("shape");
    const CalibrationProfile profile =
        calibrate(*model_, golden_array<std::int32_t>("calibration_ids"), shape.at(0), shape.at(1),
                  {.clamp = 0.0, .threads = 2, .progress = {}});
    const auto expected = golden_profile(*model_, GetParam());
    EXPECT_EQ(profile.lengths, expected->lengths);
    ASSERT_EQ(profile.log_decay.size(), expected->log_decay.size());
    for (std::size_t i = 0; i < profile.log_decay.size(); ++i) {
        const float wanted = expected->log_decay[i];
        ASSERT_NEAR(profile.log_decay[i], wanted, 1e-3 * std::abs(wanted)) << "channel " << i;
    }
    ASSERT_EQ(profile.threshold_table.size(), expected->threshold_table.size());
    for (std::size_t i = 0; i < profile.threshold_table.size(); ++i) {
        const float wanted = expected->threshold_table[i];
        ASSERT_NEAR(profile.threshold_table[i], wanted, 1e-3 * wanted) << "entry " << i;
    }
    // The same channels come out as global.
    for (const Json& golden : golden_cases(GetParam(), "global_fraction")) {
        const context::Options options = context_options(golden);
        const context::Plan plan = context::find_method(static_cast<std::int32_t>(options.method))
                                       .plan({.architecture = model_->architecture(),
                                              .options = options,
                                              .profile = &profile,
                                              .tokens = 6000,
                                              .position = 0});
        const auto fractions = golden.at("global_fraction").get<std::vector<double>>();
        ASSERT_EQ(plan.size(), fractions.size());
        for (std::size_t layer = 0; layer < plan.size(); ++layer) {
            const auto& thresholds = plan[layer].delta_threshold;
            const auto filtered = std::count_if(thresholds.begin(), thresholds.end(),
                                                [](float g) { return g >= 0.0F; });
            EXPECT_DOUBLE_EQ(static_cast<double>(filtered) / static_cast<double>(profile.channels),
                             fractions[layer])
                << "layer " << layer;
        }
    }
}

// The CPU promises that results do not depend on cuts, and decoding is a prompt of one token.
TEST_P(Golden, DecodingTokenByTokenGivesTheBitsOfAPrefill) {
    const Json golden = golden_cases(GetParam(), "nll").front();
    const auto ids = golden_array<std::int32_t>(golden, "ids");
    const auto vocab = static_cast<std::size_t>(model_->architecture().vocab_size);
    std::vector<float> expected(ids.size() * vocab);
    Session whole(model_, session_options(*model_, golden));
    whole.prefill_logits(ids, static_cast<std::int64_t>(ids.size()), expected);
    Session stepwise(model_, session_options(*model_, golden));
    for (std::size_t t = 0; t < ids.size(); ++t) {
        stepwise.decode(ids[t]);
        const auto logits = std::span(expected).subspan(t * vocab, vocab);
        ASSERT_LE(relative_l2(stepwise.logits(), logits), short_tolerance) << "token " << t;
        ASSERT_EQ(std::memcmp(stepwise.logits().data(), logits.data(), logits.size_bytes()), 0)
            << "token " << t;
    }
}

TEST_P(Golden, Bf16WeightsStayNearTheF32Logits) {
    const auto bf16 = open_checkpoint(GetParam(), DType::bf16);
    ASSERT_EQ(bf16->model().weights_type(), DType::bf16);
    for (const Json& golden : golden_cases(GetParam(), "logits_last8")) {
        const auto expected = golden_array<float>(golden, "logits_last8");
        Session session(bf16, session_options(*bf16, golden));
        std::vector<float> logits(expected.size());
        session.prefill_logits(golden_array<std::int32_t>(golden, "ids"), 8, logits);
        EXPECT_LE(relative_l2(logits, expected), 5e-3);  // 8 bits of mantissa a product
    }
}

// All logits of a plain prompt with any backend.
std::vector<float> plain_logits(const std::string& checkpoint, backend::BackendPtr backend,
                                std::span<const std::int32_t> ids, std::int64_t last) {
    const Container container = Container::open(imported(checkpoint, DType::f32));
    const Model model(container, std::move(backend), 2, {});
    const auto vocab = static_cast<std::size_t>(model.architecture().vocab_size);
    Machinery machinery(model, 2);
    const RecurrentState state(*machinery.stream, model.architecture());
    std::vector<float> logits(static_cast<std::size_t>(last) * vocab);
    const context::Plan plan(static_cast<std::size_t>(model.architecture().n_layers));
    const ProgressFn silent;
    const std::atomic<bool> never{false};
    const auto take = [&](std::int64_t first, View rows) {
        machinery.stream->download(
            rows, std::span(logits).subspan(static_cast<std::size_t>(first) * vocab,
                                            static_cast<std::size_t>(rows.rows) * vocab));
    };
    const PrefillTask task{.ids = ids,
                           .plan = plan,
                           .chunk_tokens = 256,
                           .last = last,
                           .on_logits = take,
                           .progress = silent,
                           .cancelled = never};
    Prefill(machinery, state, task).run();
    return logits;
}

TEST_P(Golden, TheReferenceBackendAgreesWithTheGoldenNumbersAndTheCpu) {
    const Json golden = golden_cases(GetParam(), "logits_last8").front();
    const auto ids = golden_array<std::int32_t>(golden, "ids");
    const auto reference = plain_logits(GetParam(), make_reference_backend(), ids, 8);
    EXPECT_LE(relative_l2(reference, golden_array<float>(golden, "logits_last8")), short_tolerance);
    const auto cpu = plain_logits(GetParam(), backend::make_backend("cpu"), ids, 8);
    EXPECT_LE(relative_l2(cpu, reference), short_tolerance);
}

class GoldenOnEveryInstructionSet : public EverySubject {};

SIPO_FOR_EVERY_SUBJECT(GoldenOnEveryInstructionSet);

TEST_P(GoldenOnEveryInstructionSet, LogitsOfTheLongPromptAgree) {
    for (const char* checkpoint : {mamba1_checkpoint, mamba2_checkpoint}) {
        const Json golden = golden_cases(checkpoint, "logits_last").front();
        ASSERT_EQ(golden.at("case"), "vanilla");
        const auto logits = plain_logits(checkpoint, subject_.backend,
                                         golden_array<std::int32_t>(golden, "ids"), 1);
        EXPECT_LE(relative_l2(logits, golden_array<float>(golden, "logits_last")), long_tolerance)
            << checkpoint;
    }
}

}  // namespace
}  // namespace sipo::parity
