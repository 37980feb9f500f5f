// Whole models on the device against the golden numbers and against the CPU.
#include <fstream>
#include <iterator>
#include <span>

#include "device_model.hpp"
#include "import/presets.hpp"

namespace sipo::parity {
namespace {

// Relative L2 of logits.
constexpr double f32_tolerance = 1e-4;
constexpr double bf16_tolerance = 2e-2;

class DeviceGolden : public OnDevice {
protected:
    // Every case that has last logits: plain, LongMamba, DeciMamba.
    void expect_golden_logits(const std::shared_ptr<const OpenModel>& model, double tolerance,
                              std::int64_t chunk_tokens = 1024) const {
        const std::vector<Json> cases = golden_cases(GetParam(), "logits_last");
        ASSERT_EQ(cases.size(), 3U);
        for (const Json& golden : cases) {
            SCOPED_TRACE(golden.at("case").get<std::string>());
            SessionOptions of_case = options(golden);
            of_case.chunk_tokens = chunk_tokens;
            Session session(model, of_case);
            session.prefill(golden_array<std::int32_t>(golden, "ids"));
            EXPECT_LE(relative_l2(session.logits(), golden_array<float>(golden, "logits_last")),
                      tolerance);
        }
    }

    // The last eight logits of the short prompt.
    [[nodiscard]] std::vector<float> last8(const std::shared_ptr<const OpenModel>& model) const {
        const auto vocab = static_cast<std::size_t>(model->architecture().vocab_size);
        std::vector<float> logits(8 * vocab);
        Session(model, {}).prefill_logits(ids("short"), 8, logits);
        return logits;
    }
};

SIPO_FOR_EVERY_CHECKPOINT(DeviceGolden);

TEST_P(DeviceGolden, ScoresOfTheShortPromptAgree) {
    for (const Json& golden : golden_cases(GetParam(), "nll")) {
        const auto expected = golden_array<float>(golden, "nll");
        Session session(model_, options(golden));
        std::vector<float> nll(expected.size());
        session.score(golden_array<std::int32_t>(golden, "ids"),
                      static_cast<std::int64_t>(nll.size()), nll);
        for (std::size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(nll[i], expected[i], 1e-3);
    }
}

TEST_P(DeviceGolden, LastLogitsOfTheShortPromptAgree) {
    for (const Json& golden : golden_cases(GetParam(), "logits_last8")) {
        EXPECT_LE(relative_l2(last8(model_), golden_array<float>(golden, "logits_last8")),
                  f32_tolerance);
    }
}

TEST_P(DeviceGolden, LogitsOfTheLongPromptAgreeWithEveryMethod) {
    expect_golden_logits(model_, f32_tolerance);
}

TEST_P(DeviceGolden, LogitsAgreeHoweverThePromptIsCut) {
    for (const std::int64_t chunk_tokens : {257, 2048, 65536}) {
        SCOPED_TRACE(join("chunks of ", chunk_tokens));
        expect_golden_logits(model_, f32_tolerance, chunk_tokens);
    }
}

TEST_P(DeviceGolden, LogitsOfBf16WeightsStayNearTheGoldenOnes) {
    expect_golden_logits(open(DType::bf16), bf16_tolerance);
}

// The CPU is the judge of what quantisation itself costs.
TEST_P(DeviceGolden, LogitsOfQuantisedWeightsStayNearTheCpus) {
    for (const DType weights : {DType::q8, DType::q4}) {
        SCOPED_TRACE(dtype_name(weights));
        EXPECT_LE(relative_l2(last8(open(weights)), last8(open_checkpoint(GetParam(), weights))),
                  bf16_tolerance);
    }
}

TEST_P(DeviceGolden, DeciMambaKeepsTheSameTokens) {
    const std::vector<Json> cases = golden_cases(GetParam(), "kept");
    ASSERT_FALSE(cases.empty());
    for (const Json& golden : cases) {
        const auto expected = golden_array<std::int32_t>(golden, "kept");
        Session session(model_, options(golden));
        session.prefill(golden_array<std::int32_t>(golden, "ids"));
        std::vector<std::int64_t> kept(static_cast<std::size_t>(session.kept_count()));
        session.kept_tokens(kept);
        EXPECT_EQ(kept, std::vector<std::int64_t>(expected.begin(), expected.end()));
    }
}

TEST_P(DeviceGolden, DecodingTokenByTokenGivesWhatAPrefillGives) {
    const auto prompt = ids("short");
    const auto vocab = static_cast<std::size_t>(model_->architecture().vocab_size);
    for (const DType weights : {DType::f32, DType::bf16}) {
        SCOPED_TRACE(dtype_name(weights));
        const auto model = open(weights);
        std::vector<float> expected(prompt.size() * vocab);
        Session(model, {}).prefill_logits(prompt, static_cast<std::int64_t>(prompt.size()),
                                          expected);
        Session stepwise(model, {});
        for (std::size_t t = 0; t < prompt.size(); ++t) {
            stepwise.decode(prompt[t]);
            ASSERT_LE(relative_l2(stepwise.logits(), std::span(expected).subspan(t * vocab, vocab)),
                      weights == DType::f32 ? f32_tolerance : bf16_tolerance)
                << "token " << t;
        }
    }
}

// More sequences than go together in one pass, at different positions.
TEST_P(DeviceGolden, DecodingTogetherGivesWhatEachGivesAlone) {
    constexpr std::size_t sequences = 70;
    constexpr std::size_t steps = 6;
    const auto prompt = ids("short");
    std::vector<std::unique_ptr<Session>> together;
    std::vector<Session*> pointers;
    for (std::size_t i = 0; i < sequences; ++i) {
        pointers.push_back(
            together.emplace_back(std::make_unique<Session>(model_, SessionOptions{})).get());
        pointers.back()->prefill(std::span(prompt).first(1 + i % 7));
    }
    for (std::size_t step = 0; step < steps; ++step) {
        std::vector<std::int32_t> tokens;
        for (std::size_t i = 0; i < sequences; ++i) tokens.push_back(prompt[(i + step) % 50]);
        Session::decode_together(pointers, tokens);
    }
    for (const std::size_t i : {std::size_t{0}, std::size_t{5}, std::size_t{63}, std::size_t{69}}) {
        Session alone(model_, {});
        alone.prefill(std::span(prompt).first(1 + i % 7));
        for (std::size_t step = 0; step < steps; ++step) alone.decode(prompt[(i + step) % 50]);
        EXPECT_LE(relative_l2(together[i]->logits(), alone.logits()), f32_tolerance) << i;
    }
}

// Small random checkpoints of every architecture against the logits of transformers.
class DeviceArchitectures : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (device_backend() == nullptr) GTEST_SKIP() << "this machine has no " << device_name();
    }
    [[nodiscard]] std::filesystem::path folder() const {
        return std::filesystem::path(SIPO_TESTS_DIR) / "data" / "checkpoints" / GetParam();
    }
    [[nodiscard]] std::shared_ptr<const OpenModel> open(DType weights) const {
        const TemporaryFile tokenizer("tokenizer.json");
        const TemporaryFile file("architecture.sipo");
        std::ofstream(tokenizer.path()) << byte_tokenizer();
        import_checkpoint(folder(), file.path(),
                          {.weights = weights, .tokenizer = tokenizer.path()});
        OpenOptions on_device;
        on_device.backend = device_name();
        return std::make_shared<OpenModel>(file.path(), on_device);
    }
};

INSTANTIATE_TEST_SUITE_P(Of, DeviceArchitectures,
                         testing::Values("mamba1", "mamba2", "mamba2-groups", "falcon-mamba"),
                         [](const auto& info) {
                             std::string name = info.param;
                             std::erase(name, '-');
                             return name;
                         });

TEST_P(DeviceArchitectures, AgreeWithTransformersInPrefillAndStepByStep) {
    const auto ids = read_array<std::int32_t>(folder() / "ids.bin");
    const auto expected = read_array<float>(folder() / "logits.bin");
    for (const DType weights : {DType::f32, DType::bf16}) {
        SCOPED_TRACE(dtype_name(weights));
        const double tolerance = weights == DType::f32 ? f32_tolerance : 3e-2;
        const auto model = open(weights);
        std::vector<float> logits(expected.size());
        Session(model, {}).prefill_logits(ids, std::ssize(ids), logits);
        EXPECT_LE(relative_l2(logits, expected), tolerance);
        const std::size_t vocab = expected.size() / ids.size();
        std::vector<float> stepwise;
        Session session(model, {});
        for (const std::int32_t id : ids) {
            session.decode(id);
            stepwise.insert(stepwise.end(), session.logits().begin(), session.logits().end());
        }
        ASSERT_EQ(session.logits().size(), vocab);
        EXPECT_LE(relative_l2(stepwise, expected), tolerance);
    }
}

}  // namespace
}  // namespace sipo::parity
