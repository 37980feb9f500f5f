// Results do not depend on how a prompt is cut into chunks: each operation over all rows at once
// and in parts gives the same, to the bit on the CPU. (The scans: scans_test.cpp.)
#include "machine.hpp"

namespace sipo::parity {
namespace {

constexpr std::int64_t tokens = 300;

class Cuts : public EverySubject {
protected:
    // `part(machine, first, count)` computes some rows; `out` are all of them.
    template <typename Prepare>
    void expect_same_however_cut(const Prepare& prepare) {
        expect_same_however_cut(prepare, subject_.tolerances.product);
    }
    template <typename Prepare>
    void expect_same_however_cut(const Prepare& prepare, double tolerance) {
        const auto in_parts = [&](std::vector<std::int64_t> cuts) {
            cuts.push_back(tokens);
            return run_subject(
                [&](Machine& machine) {
                    const auto [compute, outputs] = prepare(machine);
                    std::int64_t first = 0;
                    for (const std::int64_t end : cuts) {
                        compute(first, end - first);
                        first = end;
                    }
                    std::vector<Values> values;
                    for (const View& output : outputs) values.push_back(machine.values(output));
                    return values;
                },
                2);
        };
        const std::vector<Values> at_once = in_parts({});
        expect_same(in_parts({1, 2, 4, 11, 40}), at_once, tolerance);
        expect_same(in_parts({64, 128, 255}), at_once, tolerance);
    }

    using Compute = std::function<void(std::int64_t first, std::int64_t count)>;
    using Prepared = std::pair<Compute, std::vector<View>>;
    RandomValues random_{3};
};

SIPO_FOR_EVERY_SUBJECT(Cuts);

TEST_P(Cuts, OfAMatrixProductDoNotShow) {
    for (const DType type : {DType::f32, DType::bf16, DType::q8, DType::q4}) {
        const Values in = random_(tokens, 531);
        const Values weights = random_(70, 531);
        const Values before = random_(tokens, 70);
        const Values norm = random_(1, 531);
        // A device may widen quantised weights for many rows and not for few.
        const double tolerance = is_quantised(type) ? subject_.tolerances.quantised_product
                                                    : subject_.tolerances.product;
        const auto prepare = [&](Machine& machine) -> Prepared {
            const View x = machine.tokens(in);
            const View out = machine.tokens(tokens, weights.rows);
            const View residual = machine.tokens(before, DType::f32);
            const View to_norm = machine.tokens(in, DType::f32);
            const View normed = machine.tokens(tokens, in.cols);
            const View normed_out = machine.tokens(tokens, weights.rows);
            const Matrix& matrix = machine.weights(weights, type);
            const Buffer& norm_weight = machine.table(norm);
            return {[=, &machine, &matrix, &norm_weight](std::int64_t first, std::int64_t count) {
                        const View rows = x.row_range(first, count);
                        machine->multiply(rows, matrix, out.row_range(first, count));
                        machine->multiply_add(rows, matrix, residual.row_range(first, count));
                        machine->norm_multiply(to_norm.row_range(first, count), norm_weight, 1e-5F,
                                               normed.row_range(first, count), matrix,
                                               normed_out.row_range(first, count));
                    },
                    {out, residual, normed, normed_out}};
        };
        expect_same_however_cut(prepare, tolerance);
    }
}

TEST_P(Cuts, OfAConvolutionDoNotShow) {
    // The wide one is cut over channels too where it has one row.
    for (const auto& [taps, channels] : {std::pair{2, 37}, {4, 37}, {5, 37}, {4, 2501}}) {
        const Values in = random_(tokens, channels);
        const Values weight = random_(taps, channels);
        const Values before = random_(taps - 1, channels);
        expect_same_however_cut([&](Machine& machine) -> Prepared {
            const View x = machine.tokens(in);
            const View out = machine.tokens(tokens, in.cols);
            const View state = machine.whole(before);
            const Buffer& kernel = machine.table(weight);
            return {[=, &machine, &kernel](std::int64_t first, std::int64_t count) {
                        machine->causal_conv_silu(x.row_range(first, count), kernel, nullptr,
                                                  {&state, 1}, out.row_range(first, count));
                    },
                    {out, state}};
        });
    }
}

TEST_P(Cuts, OfTheRowOperationsDoNotShow) {
    const Values in = random_(tokens, 37, -3.0, 3.0);
    const Values weight = random_(1, 37);
    expect_same_however_cut([&](Machine& machine) -> Prepared {
        const View residual = machine.tokens(in, DType::f32);
        const View x = machine.tokens(in);
        const View normed = machine.tokens(tokens, in.cols);
        const View delta = machine.tokens(tokens, in.cols);
        const View gated = machine.tokens(in);
        const View scores = machine.whole(Values(1, tokens));
        const Buffer& table = machine.table(weight);
        return {[=, &machine, &table](std::int64_t first, std::int64_t count) {
                    const View rows = x.row_range(first, count);
                    const View deltas = delta.row_range(first, count);
                    machine->rms_norm(residual.row_range(first, count), table, 1e-5F,
                                      normed.row_range(first, count));
                    machine->delta(rows, nullptr, table, 0.0F, 1e30F, deltas);
                    machine->token_scores(deltas, scores.col_range(first, count));
                    machine->gated_norm(gated.row_range(first, count), rows, nullptr, table, 1e-5F,
                                        1);
                },
                {normed, delta, gated, scores}};
    });
}

}  // namespace
}  // namespace sipo::parity
