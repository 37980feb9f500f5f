// A whole prompt through the engine: neither the chunk size nor the number of threads shows in the
// bits, with any method.
#include "checkpoints.hpp"
#include "golden.hpp"
#include "session/session.hpp"

namespace sipo::parity {
namespace {

class PromptCuts : public testing::TestWithParam<std::string> {
protected:
    // Beyond the training length, so that LongMamba filters; shorter than the golden prompt, for
    // time.
    static constexpr std::size_t tokens = 2600;

    // The last logits and, behind them, the indices of the kept tokens.
    std::vector<float> read(const context::Options& context, std::int64_t chunk_tokens,
                            int threads) const {
        SessionOptions options;
        options.context = context;
        options.calibration = golden_profile(*model_, GetParam());
        options.threads = threads;
        options.chunk_tokens = chunk_tokens;
        Session session(model_, options);
        session.prefill(std::span(ids_).first(tokens));
        std::vector<std::int64_t> kept(static_cast<std::size_t>(session.kept_count()));
        session.kept_tokens(kept);
        std::vector<float> result(session.logits().begin(), session.logits().end());
        for (const std::int64_t index : kept) result.push_back(static_cast<float>(index));
        return result;
    }

    void expect_same_bits_with(const context::Options& context) const {
        const std::vector<float> whole = read(context, tokens, 1);
        for (const std::int64_t chunk_tokens : {64, 257, 4096}) {
            for (const int threads : {1, 2}) {
                const std::vector<float> cut = read(context, chunk_tokens, threads);
                ASSERT_EQ(cut.size(), whole.size());
                EXPECT_EQ(std::memcmp(cut.data(), whole.data(), whole.size() * sizeof(float)), 0)
                    << "chunks of " << chunk_tokens << ", " << threads << " threads";
            }
        }
    }

    std::shared_ptr<const OpenModel> model_ = open_checkpoint(GetParam());
    std::vector<std::int32_t> ids_ =
        golden_array<std::int32_t>(family_name(GetParam()) + "_long_ids");
};

INSTANTIATE_TEST_SUITE_P(Models, PromptCuts, testing::Values(mamba1_checkpoint, mamba2_checkpoint),
                         checkpoint_test_name);

TEST_P(PromptCuts, DoNotShowWithoutAMethod) { expect_same_bits_with({}); }

TEST_P(PromptCuts, DoNotShowWithLongMamba) {
    context::Options options;
    options.method = context::Method::longmamba;
    options.global_channel_threshold = 0.01;
    expect_same_bits_with(options);
}

TEST_P(PromptCuts, DoNotShowWithDeciMamba) {
    context::Options options;
    options.method = context::Method::decimamba;
    options.layers = {2, 4, 7};  // the last layer, too
    options.decimation_capacity = 1200;
    options.protected_tail = 5;
    expect_same_bits_with(options);
}

TEST_P(PromptCuts, DoNotShowInSmallerWeights) {
    for (const DType weights : {DType::bf16, DType::q8, DType::q4}) {
        SCOPED_TRACE(dtype_name(weights));
        model_ = open_checkpoint(GetParam(), weights);
        expect_same_bits_with({});
    }
}

}  // namespace
}  // namespace sipo::parity
