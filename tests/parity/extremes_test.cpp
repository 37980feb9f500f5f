// Inputs at the ends of what a model can give: results stay finite and right.
#include <limits>

#include "machine.hpp"

namespace sipo::parity {
namespace {

constexpr float no_limit = 3.4e38F;

class Extremes : public EverySubject {
protected:
    // A row that fills vectors and leaves a remainder.
    static Values row_of(const std::vector<float>& pattern, std::int64_t channels = 37) {
        Values row(1, channels);
        for (std::int64_t c = 0; c < channels; ++c) {
            row(0, c) = pattern[static_cast<std::size_t>(c) % pattern.size()];
        }
        return row;
    }

    // silu(x) through a convolution of one tap with weight 1: the other tap is 0.
    [[nodiscard]] Values silu(const Values& x) const {
        Values weight(2, x.cols, 1.0F);
        std::fill_n(weight.data.begin(), x.cols, 0.0F);
        return run_subject([&](Machine& machine) {
                   const View out = machine.tokens(1, x.cols);
                   const View state = machine.whole(Values(1, x.cols));
                   machine->causal_conv_silu(machine.tokens(x), machine.table(weight), nullptr,
                                             {&state, 1}, out);
                   return std::vector{machine.values(out)};
               })
            .front();
    }

    [[nodiscard]] Values softplus(const Values& x) const {
        return run_subject([&](Machine& machine) {
                   const View out = machine.tokens(1, x.cols, DType::f32);
                   machine->delta(machine.tokens(x), nullptr, machine.table(Values(1, x.cols)),
                                  0.0F, no_limit, out);
                   return std::vector{machine.values(out)};
               })
            .front();
    }
};

SIPO_FOR_EVERY_SUBJECT(Extremes);

TEST_P(Extremes, SiluIsTheIdentityOrNothingFarFromZero) {
    const Values x = row_of({-1000, -100, -88, -20, -1e-30F, 0, 1e-30F, 20, 88, 100, 1000});
    const Values y = silu(x);
    for (std::int64_t c = 0; c < x.cols; ++c) {
        const double wanted = x(0, c) / (1.0 + std::exp(-static_cast<double>(x(0, c))));
        // Below 1e-35 only the size counts.
        EXPECT_NEAR(y(0, c), wanted, subject_.tolerances.elementwise * std::abs(wanted) + 1e-34)
            << "silu of " << x(0, c);
    }
}

TEST_P(Extremes, ANanDtGivesANanDelta) {
    const Values delta = softplus(row_of({1.0F, std::nanf("")}));
    EXPECT_FALSE(std::isnan(delta(0, 0)));
    EXPECT_TRUE(std::isnan(delta(0, 1)));
}

TEST_P(Extremes, SoftplusIsTheIdentityOrTheExponentialFarFromZero) {
    const Values x = row_of({-1000, -100, -80, -50, -20, -1, 0, 1, 19.99F, 20, 20.01F, 100, 1e30F});
    const Values y = softplus(x);
    for (std::int64_t c = 0; c < x.cols; ++c) {
        const double value = x(0, c);
        const double wanted = value > 20.0 ? value : std::log1p(std::exp(value));
        // Without a fused multiply-add the exponent x · log2(e) is rounded: |x| · 6e-8 of the
        // result.
        const double relative = subject_.tolerances.elementwise + 6e-8 * std::abs(value);
        EXPECT_NEAR(y(0, c), wanted, relative * wanted + 1e-37) << "softplus of " << value;
    }
}

// h = exp(Δ A) h + Δ x B with Δ x = 1, B = .5: only the input is left, and y sums it over the
// states.
TEST_P(Extremes, AHugeDeltaForgetsTheStateEntirely) {
    constexpr std::int64_t channels = 37;
    constexpr std::int64_t states = 16;
    for (const float delta : {1e3F, 1e6F, 1e20F}) {
        for (const bool mamba1 : {true, false}) {
            SCOPED_TRACE(join("delta ", delta, ", mamba1 ", mamba1));
            const std::int64_t deltas = mamba1 ? channels : 1;
            const auto operation = [&](Machine& machine) {
                const View state = machine.whole(Values(states, channels, 5.0F));
                const View y = machine.tokens(1, channels);
                backend::ScanInputs in;
                in.x = machine.tokens(Values(1, channels, 1.0F / delta));
                in.delta = machine.tokens(Values(1, deltas, delta),
                                          mamba1 ? subject_.activations : DType::f32);
                in.b = machine.tokens(Values(1, states, 0.5F));
                in.c = machine.tokens(Values(1, states, 1.0F));
                in.a = &machine.table(Values(mamba1 ? states : 1, deltas, -1e3F));
                in.d = &machine.table(Values(1, deltas, 0.0F));
                if (mamba1) {
                    const View z = machine.tokens(Values(1, channels, 100.0F));  // SiLU(100) = 100
                    machine->selective_scan(in, z, {&state, 1}, y);
                } else {
                    machine->head_scan(in, {1, channels, 1, states}, {&state, 1}, y);
                }
                return std::vector{machine.values(state), machine.values(y)};
            };
            const std::vector<Values> out = run_subject(operation);
            expect_close(out[0], Values(states, channels, 0.5F), subject_.tolerances.scan);
            expect_close(out[1], Values(1, channels, mamba1 ? 800.0F : 8.0F),
                         subject_.tolerances.scan);
        }
    }
}

TEST_P(Extremes, LikelihoodsOfVeryUnequalLogitsAreRight) {
    Values logits(2, 41, -1e4F);
    logits(0, 40) = 1e4F;
    logits(1, 0) = 80.0F;
    logits(1, 40) = 80.0F;
    const std::vector<std::int32_t> targets{3, 40};
    const Values nll =
        run_subject([&](Machine& machine) {
            const View out = machine.whole(Values(1, 2));
            machine->negative_log_likelihood(machine.tokens(logits, DType::f32), targets, out);
            return std::vector{machine.values(out)};
        }).front();
    EXPECT_NEAR(nll(0, 0), 2e4, 1e-2);
    EXPECT_NEAR(nll(0, 1), std::log(2.0), 1e-5);
}

TEST_P(Extremes, NormsOfLargeAndZeroRowsAreFinite) {
    for (const float size : {0.0F, 1e15F}) {
        const Values in = row_of({size, -size});
        const Values out =
            run_subject([&](Machine& machine) {
                const View normed = machine.tokens(1, in.cols);
                machine->rms_norm(machine.tokens(in, DType::f32),
                                  machine.table(Values(1, in.cols, 1.0F)), 1e-5F, normed);
                return std::vector{machine.values(normed)};
            }).front();
        const double wanted = size > 0 ? 1.0 : 0.0;
        for (const float value : out.data) {
            EXPECT_NEAR(std::abs(value), wanted, subject_.tolerances.elementwise);
        }
    }
}

}  // namespace
}  // namespace sipo::parity
