// Every operation but the scans against the reference, at sizes that leave remainders in every
// vector width and panel.
#include <limits>
#include <span>

#include "machine.hpp"

namespace sipo::parity {
namespace {

constexpr std::int64_t token_counts[] = {1, 2, 3, 7, 64, 257};
constexpr std::int64_t channel_counts[] = {5, 33, 80};
constexpr float no_limit = 3.4e38F;

using Tokens = std::vector<std::int32_t>;

class Operations : public EverySubject {
protected:
    // For every number of tokens and of channels.
    template <typename Check>
    void for_sizes(const Check& check) {
        for (const std::int64_t tokens : token_counts) {
            for (const std::int64_t channels : channel_counts) {
                SCOPED_TRACE(join(tokens, " tokens, ", channels, " channels"));
                check(tokens, channels);
                if (HasFatalFailure()) return;
            }
        }
    }

    // For every type, number of tokens and shape [outputs, inputs].
    template <typename Check>
    void for_matrices(const Check& check) {
        constexpr std::int64_t shapes[][2] = {{1, 1},   {5, 33}, {32, 64},
                                              {33, 80}, {80, 5}, {130, 531}};
        for (const DType type : {DType::f32, DType::bf16, DType::q8, DType::q4}) {
            for (const std::int64_t tokens : token_counts) {
                for (const auto& shape : shapes) {
                    SCOPED_TRACE(join(dtype_name(type), ", ", tokens, " tokens, ", shape[0], " x ",
                                      shape[1]));
                    check(type, tokens, shape[0], shape[1]);
                    if (HasFatalFailure()) return;
                }
            }
        }
    }

    [[nodiscard]] double product_tolerance(DType type) const {
        return is_quantised(type) ? subject_.tolerances.quantised_product
                                  : subject_.tolerances.product;
    }

    RandomValues random_{1};
};

SIPO_FOR_EVERY_SUBJECT(Operations);

TEST_P(Operations, MultiplyMatchesTheReference) {
    for_matrices([&](DType type, std::int64_t tokens, std::int64_t outputs, std::int64_t inputs) {
        const Values in = random_(tokens, inputs);
        const Values weights = random_(outputs, inputs);
        const auto operation = [&](Machine& machine) {
            const View out = machine.tokens(tokens, outputs);
            machine->multiply(machine.tokens(in), machine.weights(weights, type), out);
            return std::vector{machine.values(out)};
        };
        expect_parity(operation, product_tolerance(type));
    });
}

TEST_P(Operations, MultiplyAddMatchesTheReference) {
    for_matrices([&](DType type, std::int64_t tokens, std::int64_t outputs, std::int64_t inputs) {
        const Values in = random_(tokens, inputs);
        const Values weights = random_(outputs, inputs);
        const Values before = random_(tokens, outputs, -10.0, 10.0);
        const auto operation = [&](Machine& machine) {
            const View residual = machine.tokens(before, DType::f32);
            machine->multiply_add(machine.tokens(in), machine.weights(weights, type), residual);
            return std::vector{machine.values(residual)};
        };
        expect_parity(operation, product_tolerance(type));
    });
}

TEST_P(Operations, NormMultiplyGivesTheBitsOfItsTwoParts) {
    for_matrices([&](DType type, std::int64_t tokens, std::int64_t outputs, std::int64_t inputs) {
        const Values in = random_(tokens, inputs, -3.0, 3.0);
        const Values norm = random_(1, inputs);
        const Values weights = random_(outputs, inputs);
        const auto in_parts = [&](bool together) {
            return [&, together](Machine& machine) {
                const View x = machine.tokens(in, DType::f32);
                const View normed = machine.tokens(tokens, inputs);
                const View out = machine.tokens(tokens, outputs);
                const Buffer& weight = machine.table(norm);
                const Matrix& matrix = machine.weights(weights, type);
                if (together) {
                    machine->norm_multiply(x, weight, 1e-5F, normed, matrix, out);
                } else {
                    machine->rms_norm(x, weight, 1e-5F, normed);
                    machine->multiply(normed, matrix, out);
                }
                return std::vector{machine.values(normed), machine.values(out)};
            };
        };
        expect_same_bits(run_subject(in_parts(true)), run_subject(in_parts(false)));
    });
}

TEST_P(Operations, EmbedTakesTheRowsAsTheyAre) {
    for (const DType type : {DType::f32, DType::bf16, DType::q8, DType::q4}) {
        for_sizes([&](std::int64_t tokens, std::int64_t channels) {
            const Values table = random_(70, channels);
            const std::vector<std::int32_t> ids = random_.ids(tokens, table.rows);
            const auto operation = [&](Machine& machine) {
                const View out = machine.tokens(tokens, channels, DType::f32);
                machine->embed(machine.weights(table, type), ids, out);
                return std::vector{machine.values(out)};
            };
            expect_parity(operation, 0.0);
        });
    }
}

TEST_P(Operations, RmsNormMatchesTheReference) {
    for_sizes([&](std::int64_t tokens, std::int64_t channels) {
        const Values in = random_(tokens, channels, -3.0, 3.0);
        const Values weight = random_(1, channels);
        const auto operation = [&](Machine& machine) {
            const View out = machine.tokens(tokens, channels);
            machine->rms_norm(machine.tokens(in, DType::f32), machine.table(weight), 1e-5F, out);
            return std::vector{machine.values(out)};
        };
        expect_parity(operation, subject_.tolerances.elementwise);
    });
}

TEST_P(Operations, RmsNormOfATinyRowIsHeldDownByEps) {
    const Values in = random_(3, 33, -1e-6, 1e-6);
    const auto operation = [&](Machine& machine) {
        const View out = machine.tokens(in.rows, in.cols);
        machine->rms_norm(machine.tokens(in, DType::f32), machine.table(Values(1, in.cols, 1.0F)),
                          1e-5F, out);
        return std::vector{machine.values(out)};
    };
    expect_parity(operation, subject_.tolerances.elementwise);
    const Values out = run_subject(operation).front();
    for (const float value : out.data) EXPECT_LT(std::abs(value), 1e-3F);
}

TEST_P(Operations, ConvolutionMatchesTheReferenceAndMovesItsState) {
    for (const std::int64_t taps : {2, 4, 5}) {
        for (const bool with_bias : {false, true}) {
            for_sizes([&](std::int64_t tokens, std::int64_t channels) {
                SCOPED_TRACE(join(taps, " taps, bias ", with_bias));
                const Values in = random_(tokens, channels, -2.0, 2.0);
                const Values weight = random_(taps, channels);
                const Values bias = random_(1, channels);
                const Values before = random_(taps - 1, channels, -2.0, 2.0);
                const auto operation = [&](Machine& machine) {
                    const View out = machine.tokens(tokens, channels);
                    const View state = machine.whole(before);
                    machine->causal_conv_silu(machine.tokens(in), machine.table(weight),
                                              with_bias ? &machine.table(bias) : nullptr,
                                              {&state, 1}, out);
                    return std::vector{machine.values(out), machine.values(state)};
                };
                expect_parity(operation, subject_.tolerances.elementwise);
            });
        }
    }
}

TEST_P(Operations, DeltaMatchesTheReference) {
    for (const auto& [low, high] : {std::pair{0.0F, no_limit}, std::pair{0.4F, 0.9F}}) {
        for_sizes([&](std::int64_t tokens, std::int64_t channels) {
            const Values dt = random_(tokens, channels, -30.0, 30.0);
            const Values bias = random_(1, channels, -3.0, 3.0);
            const auto operation = [&](Machine& machine) {
                const View out = machine.tokens(tokens, channels, DType::f32);
                machine->delta(machine.tokens(dt), nullptr, machine.table(bias), low, high, out);
                return std::vector{machine.values(out)};
            };
            expect_parity(operation, subject_.tolerances.elementwise);
        });
    }
}

TEST_P(Operations, ProjectedDeltaMatchesTheReference) {
    for (const DType type : {DType::f32, DType::bf16}) {
        for_sizes([&](std::int64_t tokens, std::int64_t channels) {
            const std::int64_t dt_rank = 9;
            const Values dt = random_(tokens, dt_rank, -2.0, 2.0);
            const Values projection = random_(channels, dt_rank);
            const Values bias = random_(1, channels, -5.0, 1.0);
            const auto operation = [&](Machine& machine) {
                const View out = machine.tokens(tokens, channels);
                machine->delta(machine.tokens(dt), &machine.weights(projection, type),
                               machine.table(bias), 0.0F, no_limit, out);
                return std::vector{machine.values(out)};
            };
            expect_parity(operation, subject_.tolerances.elementwise);
        });
    }
}

TEST_P(Operations, TokenScoresMatchTheReference) {
    for_sizes([&](std::int64_t tokens, std::int64_t channels) {
        const Values delta = random_(tokens, channels, 0.0, 2.0);
        const auto operation = [&](Machine& machine) {
            const View scores = machine.whole(Values(1, tokens + 2, 7.0F)).col_range(1, tokens);
            machine->token_scores(machine.tokens(delta), scores);
            return std::vector{machine.values(View(*scores.buffer))};
        };
        expect_parity(operation, subject_.tolerances.elementwise);
    });
}

TEST_P(Operations, GatherRowsTakesTheRowsAsTheyAre) {
    for_sizes([&](std::int64_t tokens, std::int64_t channels) {
        const Values from = random_(tokens, channels);
        const std::vector<std::int64_t> rows = random_.subset(tokens);
        const auto operation = [&](Machine& machine) {
            const auto kept = static_cast<std::int64_t>(rows.size());
            const View to = machine.tokens(kept, channels, DType::f32);
            machine->gather_rows(machine.tokens(from, DType::f32), rows, to);
            return std::vector{machine.values(to)};
        };
        expect_parity(operation, 0.0);
    });
}

TEST_P(Operations, ScatterRowsFillsABufferARow) {
    for (const std::int64_t rows : {1, 2, 7, 64, 65, 130}) {
        for (const std::int64_t channels : {5, 64, 1023}) {
            SCOPED_TRACE(join(rows, " rows, ", channels, " channels"));
            const Values from = random_(rows, channels);
            const auto operation = [&](Machine& machine) {
                std::vector<View> to;
                for (std::int64_t i = 0; i < rows; ++i) {
                    to.push_back(machine.whole(Values(1, channels, 7.0F)));
                }
                machine->scatter_rows(machine.tokens(from, DType::f32), to);
                std::vector<Values> results;
                for (const View& row : to) results.push_back(machine.values(row));
                return results;
            };
            expect_parity(operation, 0.0);
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(Operations, GatedNormMatchesTheReference) {
    for (const std::int64_t groups : {1, 2}) {
        for (const bool some_rows : {false, true}) {
            for_sizes([&](std::int64_t tokens, std::int64_t part) {
                SCOPED_TRACE(join(groups, " groups, a subset of rows: ", some_rows));
                const std::int64_t channels = part * groups;
                const std::vector<std::int64_t> rows = random_.subset(tokens);
                const std::int64_t visited =
                    some_rows ? static_cast<std::int64_t>(rows.size()) : tokens;
                const Values before = random_(visited, channels, -3.0, 3.0);
                const Values z = random_(tokens, channels, -5.0, 5.0);
                const Values weight = random_(1, channels);
                const auto operation = [&](Machine& machine) {
                    const View y = machine.tokens(before);
                    machine->gated_norm(y, machine.tokens(z), some_rows ? &rows : nullptr,
                                        machine.table(weight), 1e-5F, groups);
                    return std::vector{machine.values(y)};
                };
                expect_parity(operation, subject_.tolerances.elementwise);
            });
        }
    }
}

TEST_P(Operations, NegativeLogLikelihoodMatchesTheReference) {
    for_sizes([&](std::int64_t tokens, std::int64_t vocab) {
        const Values logits = random_(tokens, vocab, -20.0, 20.0);
        const std::vector<std::int32_t> targets = random_.ids(tokens, vocab);
        const auto operation = [&](Machine& machine) {
            const View out = machine.whole(Values(1, tokens));
            machine->negative_log_likelihood(machine.tokens(logits, DType::f32), targets, out);
            return std::vector{machine.values(out)};
        };
        expect_parity(operation, subject_.tolerances.elementwise);
    });
}

TEST_P(Operations, AddBiasAddsTheRow) {
    for_sizes([&](std::int64_t tokens, std::int64_t channels) {
        const Values before = random_(tokens, channels);
        const Values bias = random_(1, channels);
        const auto operation = [&](Machine& machine) {
            const View inout = machine.tokens(before);
            machine->add_bias(inout, machine.table(bias));
            return std::vector{machine.values(inout)};
        };
        expect_parity(operation, subject_.tolerances.elementwise);
    });
}

TEST_P(Operations, CopyAndFillTouchNothingBesideTheirView) {
    for_sizes([&](std::int64_t tokens, std::int64_t channels) {
        const Values from = random_(tokens, channels);
        const auto operation = [&](Machine& machine) {
            const View copied = machine.tokens(tokens, channels);
            const View filled = machine.tokens(from);
            machine->copy(machine.tokens(from), copied);
            machine->fill_zero(filled);
            return std::vector{machine.values(copied), machine.values(filled)};
        };
        expect_parity(operation, 0.0);
    });
}

class SelectTop : public Operations {
protected:
    std::vector<std::int64_t> select(const std::vector<float>& scores, std::int64_t count) const {
        Values row(1, static_cast<std::int64_t>(scores.size()));
        row.data = scores;
        const auto on = [&](backend::BackendPtr backend) {
            Machine machine(std::move(backend), 1);
            return machine->select_top(machine.whole(row), count);
        };
        const std::vector<std::int64_t> chosen = on(subject_.backend);
        EXPECT_EQ(chosen, on(make_reference_backend()));
        return chosen;
    }
    using Rows = std::vector<std::int64_t>;
};

SIPO_FOR_EVERY_SUBJECT(SelectTop);

TEST_P(SelectTop, GivesTheHighestInAscendingOrderOfIndex) {
    EXPECT_EQ(select({1, 5, 3, 4, 2}, 3), (Rows{1, 2, 3}));
    EXPECT_EQ(select({1, 5, 3, 4, 2}, 5), (Rows{0, 1, 2, 3, 4}));
    EXPECT_EQ(select({1, 5, 3, 4, 2}, 0), Rows{});
}

TEST_P(SelectTop, PrefersTheEarlierOfEqualScores) {
    EXPECT_EQ(select({2, 1, 2, 1, 2, 1}, 4), (Rows{0, 1, 2, 4}));
    EXPECT_EQ(select(std::vector<float>(9, 0.5F), 3), (Rows{0, 1, 2}));
    EXPECT_EQ(select({0.0F, -0.0F, 0.0F}, 2), (Rows{0, 1}));
}

TEST_P(SelectTop, PutsNotANumberBelowEveryScore) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(select({nan, 1, nan, 0, nan, 3}, 3), (Rows{1, 3, 5}));
    EXPECT_EQ(select({nan, 1, nan, 0, nan, 3}, 4), (Rows{0, 1, 3, 5}));
}

class Likeliest : public Operations {
protected:
    // Rows as they are and inside a wider buffer, on one thread and on three.
    [[nodiscard]] Tokens likeliest(const Values& logits) const {
        const auto on = [&](backend::BackendPtr backend, int threads, bool inside) {
            Machine machine(std::move(backend), threads);
            Tokens tokens(static_cast<std::size_t>(logits.rows), -7);
            machine->likeliest(inside ? machine.tokens(logits, DType::f32) : machine.whole(logits),
                               tokens);
            return tokens;
        };
        const Tokens found = on(subject_.backend, 1, false);
        EXPECT_EQ(found, on(make_reference_backend(), 1, false));
        EXPECT_EQ(found, on(subject_.backend, 3, true));
        return found;
    }
    [[nodiscard]] std::int32_t likeliest_of(const std::vector<float>& row) const {
        Values logits(1, static_cast<std::int64_t>(row.size()));
        logits.data = row;
        return likeliest(logits).front();
    }

    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
};

SIPO_FOR_EVERY_SUBJECT(Likeliest);

TEST_P(Likeliest, IsTheEarlierOfEqualLogits) {
    EXPECT_EQ(likeliest_of({1, 5, 3, 5, 2}), 1);
    EXPECT_EQ(likeliest_of({-4, -3, -5}), 1);
    EXPECT_EQ(likeliest_of({-1, -0.0F, 0.0F, -0.0F}), 1);
    EXPECT_EQ(likeliest_of({-1, 0.0F, -0.0F}), 1);
    std::vector<float> row(50'280, -1.0F);
    EXPECT_EQ(likeliest_of(row), 0);
    row.back() = 2.0F;
    EXPECT_EQ(likeliest_of(row), 50'279);
    row[1030] = row[40'001] = 2.0F;
    EXPECT_EQ(likeliest_of(row), 1030);
}

TEST_P(Likeliest, IsNeverThatOfNotANumber) {
    EXPECT_EQ(likeliest_of({nan, -3, nan, -2, -nan}), 3);
    EXPECT_EQ(likeliest_of({-infinity, nan, -3e38F}), 2);
    EXPECT_EQ(likeliest_of({std::numeric_limits<float>::denorm_min(), 0, nan}), 0);
}

TEST_P(Likeliest, IsNoneWhereTheLargestIsNotFinite) {
    EXPECT_EQ(likeliest_of({nan, nan}), -1);
    EXPECT_EQ(likeliest_of({-infinity, -infinity, nan}), -1);
    EXPECT_EQ(likeliest_of({1, infinity, 2}), -1);
}

TEST_P(Likeliest, OfManyRowsIsThatOfEach) {
    for (const std::int64_t rows : {1, 2, 65, 300}) {
        for (const std::int64_t vocab : {1, 31, 64, 1023, 4096, 5001}) {
            SCOPED_TRACE(join(rows, " rows of ", vocab));
            Values logits = random_(rows, vocab, -9.0, 9.0);
            // Half of the rows tie often.
            for (std::int64_t r = 0; r < rows; r += 2) {
                for (std::int64_t c = 0; c < vocab; ++c) logits(r, c) = std::floor(logits(r, c));
            }
            logits(rows / 2, vocab / 2) = nan;
            (void)likeliest(logits);
            if (HasFailure()) return;
        }
    }
}

TEST_P(SelectTop, AgreesWithTheReferenceOnManyTies) {
    for (const std::int64_t count : {1, 10, 100, 999, 1000}) {
        Values scores = random_(1, 1000, 0.0, 20.0);
        for (float& score : scores.data) score = std::floor(score);
        EXPECT_EQ(select(scores.data, count).size(), static_cast<std::size_t>(count));
    }
}

}  // namespace
}  // namespace sipo::parity
