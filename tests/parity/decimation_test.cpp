// DeciMamba's prefill against methods.md section 2 written out: one layer after the other over the
// whole prompt, where the engine goes in segments and chunks and reads the layer at a cut twice.
#include <algorithm>
#include <numeric>

#include "checkpoints.hpp"
#include "golden.hpp"
#include "session/session.hpp"

namespace sipo::parity {
namespace {

using backend::View;
using Indices = std::vector<std::int64_t>;

struct Reading {
    std::vector<float> logits;
    Indices kept;
};

SessionOptions options() {
    SessionOptions result;
    result.context.method = context::Method::decimamba;
    result.context.layers = {0, 3, 7};
    result.context.decimation_capacity = 40;
    result.context.decimation_min_tokens = 0;
    result.context.protected_tail = 2;
    result.chunk_tokens = 16;
    result.threads = 2;
    return result;
}

class Decimation : public testing::TestWithParam<std::string> {
protected:
    [[nodiscard]] context::Plan plan(std::int64_t tokens) const {
        const SessionOptions wish = options();
        return context::find_method(static_cast<std::int32_t>(context::Method::decimamba))
            .plan({.architecture = model_->architecture(),
                   .options = wish.context,
                   .profile = nullptr,
                   .tokens = tokens,
                   .position = 0});
    }

    [[nodiscard]] Reading read_layer_by_layer(std::span<const std::int32_t> ids) const {
        const Architecture& arch = model_->architecture();
        const Model& model = model_->model();
        const auto tokens = static_cast<std::int64_t>(ids.size());
        const context::Plan wishes = plan(tokens);
        const backend::StreamPtr stream = model.backend().open_stream(1);
        const RecurrentState state(*stream, arch);
        Workspace work(*stream, arch, tokens, DType::f32);
        const backend::BufferPtr scores = stream->allocate(1, tokens);
        backend::BufferPtr residual = stream->allocate(tokens, arch.d_model);
        stream->embed(model.embedding(), ids, View(*residual));
        Reading result;
        result.kept.resize(ids.size());
        std::iota(result.kept.begin(), result.kept.end(), std::int64_t{0});
        for (std::int64_t layer = 0; layer < arch.n_layers; ++layer) {
            const auto& wish = wishes[static_cast<std::size_t>(layer)];
            const std::int64_t length = residual->rows();
            const LayerState of_layer = state.layer(layer);
            model.block(layer).project(*stream, View(*residual), of_layer.conv(), work);
            LayerHook hook;
            Indices rows;
            if (wish.kept_tokens) {
                stream->token_scores(work.delta(length), View(*scores).col_range(0, length));
                const std::int64_t candidates = length - wish.protected_tail;
                rows =
                    stream->select_top(View(*scores).col_range(0, candidates), *wish.kept_tokens);
                for (std::int64_t t = candidates; t < length; ++t) rows.push_back(t);
                auto gathered =
                    stream->allocate(static_cast<std::int64_t>(rows.size()), arch.d_model);
                stream->gather_rows(View(*residual), rows, View(*gathered));
                residual = std::move(gathered);
                hook.rows = &rows;
                Indices kept;
                for (const std::int64_t row : rows) {
                    kept.push_back(result.kept[static_cast<std::size_t>(row)]);
                }
                result.kept = kept;
            }
            model.block(layer).mix(*stream, length, hook, of_layer.ssm(), View(*residual), work);
        }
        const View last = View(*residual).row_range(residual->rows() - 1, 1);
        const backend::BufferPtr logits = stream->allocate(1, arch.vocab_size);
        stream->rms_norm(last, model.final_norm(), arch.norm_eps, work.normed(1));
        stream->multiply(work.normed(1), model.head(), View(*logits));
        result.logits.resize(static_cast<std::size_t>(arch.vocab_size));
        stream->download(View(*logits), result.logits);
        return result;
    }

    std::shared_ptr<const OpenModel> model_ = open_checkpoint(GetParam());
    std::vector<std::int32_t> ids_ =
        golden_array<std::int32_t>(family_name(GetParam()) + "_short_ids");
};

INSTANTIATE_TEST_SUITE_P(Models, Decimation, testing::Values(mamba1_checkpoint, mamba2_checkpoint),
                         checkpoint_test_name);

TEST_P(Decimation, GivesTheBitsOfALayerByLayerReading) {
    // Short prompts, in which the first tokens still count at the end.
    for (const std::size_t tokens : {std::size_t{43}, std::size_t{50}, std::size_t{100}}) {
        SCOPED_TRACE(join(tokens, " tokens"));
        const auto ids = std::span(ids_).first(tokens);
        const Reading expected = read_layer_by_layer(ids);
        ASSERT_LT(expected.kept.size(), tokens);
        Session session(model_, options());
        session.prefill(ids);
        Indices kept(static_cast<std::size_t>(session.kept_count()));
        session.kept_tokens(kept);
        EXPECT_EQ(kept, expected.kept);
        EXPECT_EQ(std::vector<float>(session.logits().begin(), session.logits().end()),
                  expected.logits);
    }
}

}  // namespace
}  // namespace sipo::parity
