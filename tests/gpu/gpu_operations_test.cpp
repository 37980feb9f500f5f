// What the suites of parity/ leave out: the shapes of the public models, many sequences at once,
// more rows than a launch has blocks in one direction, and buffers beyond 2^31 elements.
#include <cmath>
#include <limits>

#include "backend/registry.hpp"
#include "device.hpp"
#include "machine.hpp"
#include "relative_l2.hpp"

namespace sipo::parity {
namespace {

constexpr float no_limit = 3.4e38F;

class DeviceOperations : public EverySubject {
protected:
    // Large shapes are judged by the CPU backend, which the parity tests hold to the reference.
    void expect_the_cpus(const Operation& operation, double tolerance) const {
        const backend::BackendPtr cpu = backend::make_backend("cpu");
        expect_close(run_subject(operation), run(operation, cpu, 0, subject_.activations),
                     tolerance);
    }

    // The same for a chain of operations, whose roundings add up: each result as a whole.
    void expect_the_cpus_chain(const Operation& operation) const {
        const double limit = subject_.activations == DType::f32 ? 1e-4 : 2e-2;
        const std::vector<Values> expected =
            run(operation, backend::make_backend("cpu"), 0, subject_.activations);
        const std::vector<Values> actual = run_subject(operation);
        ASSERT_EQ(actual.size(), expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i)
            EXPECT_LE(relative_l2(actual[i].data, expected[i].data), limit) << "output " << i;
    }

    RandomValues random_{11};
};

SIPO_FOR_EVERY_SUBJECT(DeviceOperations);

// What is summed in another order differs by the square root of the number of terms.
double product_tolerance(const Subject& subject, DType type, std::int64_t inputs) {
    if (is_quantised(type)) return subject.tolerances.quantised_product;
    return subject.tolerances.product * std::max(1.0, std::sqrt(static_cast<double>(inputs) / 500));
}

TEST_P(DeviceOperations, ProductsOfTheModelsShapesMatchTheCpu) {
    struct Shape {
        std::int64_t outputs, inputs;
    };
    // in_proj and x_proj of 2.8B, in_proj of Mamba-2 2.7B, out_proj of 130M
    constexpr Shape shapes[] = {{10240, 2560}, {192, 5120}, {10576, 2560}, {768, 1536}};
    constexpr std::int64_t token_counts[] = {1, 5, 64, 129};
    for (const Shape& shape : shapes) {
        const Values weights = random_(shape.outputs, shape.inputs);
        const Values in = random_(129, shape.inputs);
        for (const DType type : {DType::f32, DType::bf16, DType::q8, DType::q4}) {
            if (is_quantised(type) && shape.outputs > 1000) continue;  // slow to quantise
            SCOPED_TRACE(join(dtype_name(type), ", ", shape.outputs, " x ", shape.inputs));
            const auto operation = [&](Machine& machine) {
                const Matrix& matrix = machine.weights(weights, type);
                const View all = machine.tokens(in);
                std::vector<Values> products;
                for (const std::int64_t tokens : token_counts) {
                    const View out = machine.tokens(tokens, shape.outputs);
                    machine->multiply(all.row_range(0, tokens), matrix, out);
                    products.push_back(machine.values(out));
                }
                return products;
            };
            expect_the_cpus(operation, product_tolerance(subject_, type, shape.inputs));
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(DeviceOperations, LogitsAreF32HoweverTheActivationsAreKept) {
    for (const DType type : {DType::f32, DType::bf16}) {
        for (const std::int64_t tokens : {1, 3, 64}) {
            SCOPED_TRACE(join(dtype_name(type), ", ", tokens, " tokens"));
            const Values in = random_(tokens, 768);
            const Values head = random_(5003, 768);
            const auto operation = [&](Machine& machine) {
                const View out = machine.tokens(tokens, head.rows, DType::f32);
                machine->multiply(machine.tokens(in), machine.weights(head, type), out);
                return std::vector{machine.values(out)};
            };
            expect_parity(operation, 1e-5);  // inputs are rounded already, nothing else is
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(DeviceOperations, TheLastNormIsThatOfTheHeadsInputs) {
    for (const std::int64_t width : {100, 768, 2560}) {
        for (const std::int64_t tokens : {1, 3}) {
            SCOPED_TRACE(join(tokens, " tokens of ", width));
            const Values residual = random_(tokens, width, -3.0, 3.0);
            const Values norm = random_(1, width, 0.5, 1.5);
            const Values head = random_(1003, width);
            const auto operation = [&](Machine& machine) {
                const View normed = machine.tokens(tokens, width);
                const View out = machine.tokens(tokens, head.rows, DType::f32);
                machine->norm_multiply(machine.tokens(residual, DType::f32), machine.table(norm),
                                       1e-5F, normed, machine.weights(head, DType::bf16), out);
                return std::vector{machine.values(out)};
            };
            expect_parity(operation, product_tolerance(subject_, DType::bf16, width));
            if (HasFatalFailure()) return;
        }
    }
}

// Those of a step go with the launch, more of them through memory.
TEST_P(DeviceOperations, FewAndManyIdsTakeTheSameRows) {
    const Values table = random_(300, 96);
    for (const std::int64_t tokens : {1, 64, 65}) {
        SCOPED_TRACE(join(tokens, " tokens"));
        const std::vector<std::int32_t> ids = random_.ids(tokens, 300);
        const auto operation = [&](Machine& machine) {
            const View out = machine.tokens(tokens, 96, DType::f32);
            machine->embed(machine.weights(table, DType::bf16), ids, out);
            return std::vector{machine.values(out)};
        };
        expect_parity(operation, 0.0);
        if (HasFatalFailure()) return;
    }
}

TEST_P(DeviceOperations, ConvolutionOfManySequencesMovesTheStateOfEach) {
    for (const std::int64_t sequences : {2, 7, 64, 300}) {
        for (const std::int64_t channels : {37, 5376}) {
            SCOPED_TRACE(join(sequences, " sequences, ", channels, " channels"));
            const Values in = random_(sequences, channels, -2.0, 2.0);
            const Values weight = random_(4, channels);
            const Values bias = random_(1, channels);
            std::vector<Values> before;
            for (std::int64_t i = 0; i < sequences; ++i) {
                before.push_back(random_(3, channels, -2.0, 2.0));
            }
            const auto operation = [&](Machine& machine) {
                std::vector<View> states;
                for (const Values& state : before) states.push_back(machine.whole(state));
                const View out = machine.tokens(sequences, channels);
                machine->causal_conv_silu(machine.tokens(in), machine.table(weight),
                                          &machine.table(bias), states, out);
                std::vector<Values> results{machine.values(out)};
                for (const View& state : states) results.push_back(machine.values(state));
                return results;
            };
            expect_parity(operation, subject_.tolerances.elementwise);
            if (HasFatalFailure()) return;
        }
    }
}

double root(std::int64_t value) { return std::sqrt(static_cast<double>(value)); }

// A layer of Mamba-1 with random weights of the right sizes.
struct RandomLayer {
    RandomLayer(RandomValues& random, std::int64_t d_model, std::int64_t rank)
        : d_inner(2 * d_model),
          norm(random(1, d_model, 0.8, 1.2)),
          in_proj(random(2 * d_inner, d_model, -2.0 / root(d_model), 2.0 / root(d_model))),
          conv(random(4, d_inner)),
          conv_bias(random(1, d_inner)),
          x_proj(random(rank + 32, d_inner, -2.0 / root(d_inner), 2.0 / root(d_inner))),
          dt_proj(random(d_inner, rank, -0.3, 0.3)),
          dt_bias(random(1, d_inner, -5.0, -1.0)),
          a(random(16, d_inner, -8.0, -0.5)),
          d(random(1, d_inner)),
          out_proj(random(d_model, d_inner, -1.0 / root(d_inner), 1.0 / root(d_inner))) {}
    std::int64_t d_inner;
    Values norm, in_proj, conv, conv_bias, x_proj, dt_proj, dt_bias, a, d, out_proj;

    [[nodiscard]] backend::Mamba1Layer on(Machine& machine, std::int64_t rows, DType type) const {
        return {.norm = &machine.table(norm),
                .norm_eps = 1e-5F,
                .in_proj = &machine.weights(in_proj, type),
                .conv_weight = &machine.table(conv),
                .conv_bias = &machine.table(conv_bias),
                .x_proj = &machine.weights(x_proj, type),
                .dt_proj = &machine.weights(dt_proj, DType::f32),
                .dt_bias = &machine.table(dt_bias),
                .delta_min = 0.001F,
                .delta_max = no_limit,
                .a = &machine.table(a),
                .d = &machine.table(d),
                .out_proj = &machine.weights(out_proj, type),
                .normed = machine.scratch(rows, norm.cols),
                .projected = machine.scratch(rows, 2 * d_inner),
                .x = machine.scratch(rows, d_inner),
                .dt_b_c = machine.scratch(rows, x_proj.rows),
                .y = machine.scratch(rows, d_inner)};
    }
};

// What step_mamba1() stands for.
void step_by_operations(Machine& machine, const backend::Mamba1Layer& layer, const View& residual,
                        backend::States conv_states, backend::States ssm_states) {
    const std::int64_t d_inner = layer.x.cols;
    const std::int64_t rank = layer.dt_proj->cols();
    const View delta = machine.scratch(residual.rows, d_inner);
    machine->rms_norm(residual, *layer.norm, layer.norm_eps, layer.normed);
    machine->multiply(layer.normed, *layer.in_proj, layer.projected);
    machine->causal_conv_silu(layer.projected.col_range(0, d_inner), *layer.conv_weight,
                              layer.conv_bias, conv_states, layer.x);
    machine->multiply(layer.x, *layer.x_proj, layer.dt_b_c);
    machine->delta(layer.dt_b_c.col_range(0, rank), layer.dt_proj, *layer.dt_bias, layer.delta_min,
                   layer.delta_max, delta);
    backend::ScanInputs in;
    in.x = layer.x;
    in.delta = delta;
    in.b = layer.dt_b_c.col_range(rank, 16);
    in.c = layer.dt_b_c.col_range(rank + 16, 16);
    in.a = layer.a;
    in.d = layer.d;
    machine->selective_scan(in, layer.projected.col_range(d_inner, d_inner), ssm_states, layer.y);
    machine->multiply_add(layer.y, *layer.out_proj, residual);
}

TEST_P(DeviceOperations, ALayersStepOfManySequencesIsItsOperations) {
    struct Shape {
        std::int64_t d_model, rank;
    };
    // Two that fill no block of a kernel, and the public models from 130M to 2.8B.
    for (const Shape shape : {Shape{64, 8}, Shape{84, 24}, Shape{768, 48}, Shape{1024, 64},
                              Shape{1536, 96}, Shape{2048, 128}, Shape{2560, 160}}) {
        const RandomLayer layer(random_, shape.d_model, shape.rank);
        for (const std::int64_t sequences : {1, 2, 5, 17, 64}) {
            SCOPED_TRACE(join("d_model ", shape.d_model, ", ", sequences, " sequences"));
            const Values residual = random_(sequences, shape.d_model);
            std::vector<Values> before;
            for (std::int64_t i = 0; i < 2 * sequences; ++i) {
                before.push_back(random_(i < sequences ? 3 : 16, layer.d_inner));
            }
            const auto operation = [&](Machine& machine) {
                const View stream = machine.whole(residual);
                std::vector<View> states;
                for (const Values& state : before) states.push_back(machine.whole(state));
                const auto conv =
                    backend::States(states).first(static_cast<std::size_t>(sequences));
                const auto ssm = backend::States(states).subspan(conv.size());
                const auto on = layer.on(machine, sequences, subject_.activations);
                for (int step = 0; step < 2; ++step) {
                    if (machine->step_mamba1(on, stream, conv, ssm)) continue;
                    step_by_operations(machine, on, stream, conv, ssm);
                }
                std::vector<Values> results{machine.values(stream)};
                for (const View& state : states) results.push_back(machine.values(state));
                return results;
            };
            expect_the_cpus_chain(operation);
        }
    }
}

// The widths that a device may take a whole token of at once, and a head of more rows than fit beside each other.
TEST_P(DeviceOperations, ATokensLayersAndHeadAreTheirOperations) {
    constexpr int layers = 3;
    constexpr int tokens = 3;
    struct Shape {
        std::int64_t d_model, head;
    };
    for (const Shape shape : {Shape{768, 20000}, Shape{768, 4001}, Shape{1024, 20000},
                              Shape{1536, 20000}, Shape{2048, 20000}, Shape{2560, 20000}}) {
        SCOPED_TRACE(join("d_model ", shape.d_model, ", head of ", shape.head));
        std::vector<RandomLayer> model;
        std::vector<Values> before;
        for (int i = 0; i < layers; ++i) {
            model.emplace_back(random_, shape.d_model, shape.d_model / 16);
            before.push_back(random_(3, 2 * shape.d_model));
            before.push_back(random_(16, 2 * shape.d_model));
        }
        const Values residual = random_(1, shape.d_model);
        const Values norm = random_(1, shape.d_model, 0.5, 1.5);
        const double scale = 1.0 / root(shape.d_model);
        const Values head = random_(shape.head, shape.d_model, -scale, scale);
        const auto operation = [&](Machine& machine) {
            const View stream = machine.whole(residual);
            std::vector<View> states;
            for (const Values& state : before) states.push_back(machine.whole(state));
            const View normed = machine.scratch(1, shape.d_model);
            const View logits = machine.tokens(1, shape.head, DType::f32);
            const auto& weights = machine.weights(head, subject_.activations);
            const auto& last_norm = machine.table(norm);
            std::vector<backend::Mamba1Layer> on;
            for (const RandomLayer& layer : model)
                on.push_back(layer.on(machine, 1, subject_.activations));
            for (int token = 0; token < tokens; ++token) {
                for (std::size_t i = 0; i < on.size(); ++i) {
                    const auto conv = backend::States(states).subspan(2 * i, 1);
                    const auto ssm = backend::States(states).subspan(2 * i + 1, 1);
                    if (machine->step_mamba1(on[i], stream, conv, ssm)) continue;
                    step_by_operations(machine, on[i], stream, conv, ssm);
                }
                machine->norm_multiply(stream, last_norm, 1e-5F, normed, weights, logits);
            }
            std::vector<Values> results{machine.values(logits), machine.values(stream)};
            for (const View& state : states) results.push_back(machine.values(state));
            return results;
        };
        expect_the_cpus_chain(operation);
        if (HasFatalFailure()) return;
    }
}

TEST_P(DeviceOperations, LongConvolutionOfAModelsWidthMatchesTheCpu) {
    constexpr std::int64_t channels = 5376;  // x | B | C of Mamba-2 2.7B
    for (const std::int64_t tokens : {1000, 4097}) {
        const Values in = random_(tokens, channels, -2.0, 2.0);
        const Values weight = random_(4, channels);
        const Values before = random_(3, channels);
        const auto operation = [&](Machine& machine) {
            const View state = machine.whole(before);
            const View out = machine.tokens(tokens, channels);
            machine->causal_conv_silu(machine.tokens(in), machine.table(weight), nullptr,
                                      {&state, 1}, out);
            return std::vector{machine.values(out), machine.values(state)};
        };
        expect_the_cpus(operation, subject_.tolerances.elementwise);
    }
}

TEST_P(DeviceOperations, RowsOfAModelsWidthMatchTheCpu) {
    constexpr std::int64_t tokens = 1001;
    for (const std::int64_t channels : {768, 2560, 5120}) {
        SCOPED_TRACE(join(channels, " channels"));
        const Values residual = random_(tokens, channels, -3.0, 3.0);
        const Values y = random_(tokens, channels, -3.0, 3.0);
        const Values z = random_(tokens, channels, -5.0, 5.0);
        const Values dt = random_(tokens, 160, -2.0, 2.0);
        const Values projection = random_(channels, 160, -0.1, 0.1);
        const Values weight = random_(1, channels);
        const auto operation = [&](Machine& machine) {
            const Buffer& table = machine.table(weight);
            const View normed = machine.tokens(tokens, channels);
            const View gated = machine.tokens(y);
            const View delta = machine.tokens(tokens, channels);
            const View scores = machine.whole(Values(1, tokens));
            machine->rms_norm(machine.tokens(residual, DType::f32), table, 1e-5F, normed);
            machine->gated_norm(gated, machine.tokens(z), nullptr, table, 1e-5F, 1);
            machine->delta(machine.tokens(dt), &machine.weights(projection, DType::f32), table,
                           0.0F, no_limit, delta);
            machine->token_scores(delta, scores);
            return std::vector{machine.values(normed), machine.values(gated), machine.values(delta),
                               machine.values(scores)};
        };
        expect_the_cpus(operation, subject_.tolerances.elementwise);
        if (HasFatalFailure()) return;
    }
}

// 65,535 is the most that a grid has in its second and third direction.
TEST_P(DeviceOperations, TakeMoreRowsThanAGridHasInOneDirection) {
    constexpr std::int64_t tokens = 70'001;
    constexpr std::int64_t channels = 9;
    const Values in = random_(tokens, channels, -2.0, 2.0);
    const Values z = random_(tokens, channels, -2.0, 2.0);
    const Values weight = random_(1, channels, 0.5, 1.5);
    const Values taps = random_(4, channels);
    const Values matrix = random_(7, channels);
    const std::vector<std::int32_t> ids = random_.ids(tokens, 50);
    const std::vector<std::int32_t> targets = random_.ids(tokens, channels);
    const std::vector<std::int64_t> rows = random_.subset(tokens);
    const auto kept = static_cast<std::int64_t>(rows.size());
    const Values embedding = random_(50, channels);
    const auto operation = [&](Machine& machine) {
        const Buffer& table = machine.table(weight);
        const View x = machine.tokens(in);
        const View residual = machine.tokens(in, DType::f32);
        const View state = machine.whole(Values(3, channels));
        const View embedded = machine.tokens(tokens, channels, DType::f32);
        const View normed = machine.tokens(tokens, channels);
        const View convolved = machine.tokens(tokens, channels);
        const View delta = machine.tokens(tokens, channels);
        const View product = machine.tokens(tokens, matrix.rows);
        const View gathered = machine.tokens(kept, channels, DType::f32);
        const View gated = machine.tokens(in);
        const View biased = machine.tokens(in);
        const View scores = machine.whole(Values(1, tokens));
        const View nll = machine.whole(Values(1, tokens));
        machine->embed(machine.weights(embedding, DType::bf16), ids, embedded);
        machine->rms_norm(residual, table, 1e-5F, normed);
        machine->causal_conv_silu(x, machine.table(taps), nullptr, {&state, 1}, convolved);
        machine->delta(x, nullptr, table, 0.0F, no_limit, delta);
        machine->token_scores(delta, scores);
        machine->multiply(x, machine.weights(matrix, DType::bf16), product);
        machine->gather_rows(residual, rows, gathered);
        machine->gated_norm(gated, machine.tokens(z), nullptr, table, 1e-5F, 3);
        machine->add_bias(biased, table);
        machine->negative_log_likelihood(residual, targets, nll);
        std::vector<Values> results;
        for (const View& view : {embedded, normed, convolved, state, delta, scores, product,
                                 gathered, gated, biased, nll}) {
            results.push_back(machine.values(view));
        }
        return results;
    };
    expect_parity(operation, subject_.tolerances.product);
}

TEST_P(DeviceOperations, SelectTopOfALongPromptGivesTheReferencesTokens) {
    for (const std::int64_t tokens : {131'071, 1'000'003}) {
        // Whole numbers tie by the thousand; others hardly ever.
        for (const bool ties : {false, true}) {
            Values scores = random_(1, tokens, 0.0, 500.0);
            if (ties) {
                for (float& score : scores.data) score = std::floor(score);
            }
            scores(0, tokens / 2) = std::numeric_limits<float>::quiet_NaN();
            for (const std::int64_t count : {std::int64_t{1}, std::int64_t{4000}, tokens - 1}) {
                SCOPED_TRACE(join(count, " of ", tokens, ", ties ", ties));
                const auto chosen = [&](backend::BackendPtr backend) {
                    Machine machine(std::move(backend), 1);
                    return machine->select_top(machine.whole(scores), count);
                };
                ASSERT_EQ(chosen(subject_.backend), chosen(make_reference_backend()));
            }
        }
    }
}

// What is repeated from a record works on the numbers that are there now, not on the recorded ones,
// also after other states or more rows took a turn.
TEST_P(DeviceOperations, RepeatedOperationsReadTheirInputsAnew) {
    constexpr std::int64_t channels = 96;
    const Values weights = random_(64, channels);
    const Values taps = random_(4, channels);
    std::vector<Values> inputs;
    for (int i = 0; i < 12; ++i) inputs.push_back(random_(5, channels));
    const auto operation = [&](Machine& machine) {
        const View x = machine.tokens(5, channels);
        const View convolved = machine.tokens(5, channels);
        const View product = machine.tokens(5, weights.rows);
        const View states[] = {machine.whole(Values(3, channels)),
                               machine.whole(Values(3, channels))};
        const backend::Identity names[] = {std::make_shared<char>(), std::make_shared<char>()};
        const Matrix& matrix = machine.weights(weights, DType::f32);
        const Buffer& kernel = machine.table(taps);
        std::vector<Values> results;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            const std::span name(&names[i % 3 == 2 ? 1 : 0], 1);
            const backend::States state(&states[i % 3 == 2 ? 1 : 0], 1);
            const std::int64_t rows = i % 4 == 3 ? 5 : 2;
            Values in = inputs[i];
            for (float& value : in.data) value = stored_as(subject_.activations, value);
            machine->upload(in.data, x);
            machine->repeat(name, convolved.row_range(5 - rows, rows), [&] {
                const View out = convolved.row_range(5 - rows, rows);
                machine->causal_conv_silu(x.row_range(0, rows), kernel, nullptr, state, out);
                machine->multiply(out, matrix, product.row_range(0, rows));
            });
            results.push_back(machine.values(product.row_range(0, rows)));
        }
        for (const View& state : states) results.push_back(machine.values(state));
        return results;
    };
    expect_parity(operation, subject_.tolerances.product);
}

// More rows than pinned memory holds results for, of a vocabulary's width and of an odd one.
TEST_P(DeviceOperations, FindTheLikeliestOfMoreRowsThanOneLaunchTakes) {
    struct Shape {
        std::int64_t rows, vocab;
    };
    for (const Shape& shape : {Shape{64, 50'280}, Shape{3, 65'024}, Shape{40'000, 37}}) {
        SCOPED_TRACE(join(shape.rows, " rows of ", shape.vocab));
        Values logits = random_(shape.rows, shape.vocab, -300.0, 300.0);
        for (std::int64_t r = 0; r < shape.rows; r += 2) {
            for (std::int64_t c = 0; c < shape.vocab; ++c) logits(r, c) = std::floor(logits(r, c));
        }
        const auto found = [&](backend::BackendPtr backend) {
            Machine machine(std::move(backend), 1);
            std::vector<std::int32_t> tokens(static_cast<std::size_t>(shape.rows), -7);
            machine->likeliest(machine.whole(logits), tokens);
            return tokens;
        };
        EXPECT_EQ(found(subject_.backend), found(make_reference_backend()));
    }
}

TEST_P(DeviceOperations, RankTokensAsTheHostDoes) {
    Machine machine(subject_.backend, 1);
    int listed = 0;
    for (const std::int64_t vocab : {1, 7, 255, 1024, 50'280, 65'537}) {
        for (const double width : {1e-3, 1.0, 12.0, 60.0}) {
            Values logits = random_(1, vocab, -width, width);
            for (std::int64_t c = 0; c < vocab; c += 5) logits(0, c) = std::floor(logits(0, c));
            if (vocab > 7) {
                logits(0, 3) = std::numeric_limits<float>::quiet_NaN();
                logits(0, 4) = -std::numeric_limits<float>::infinity();
            }
            for (const std::int64_t count : {1, 40, 256}) {
                SCOPED_TRACE(join(count, " of ", vocab, ", logits within ", width));
                Ranking found;
                if (!machine->rank(machine.whole(logits), count, 0.8, found)) continue;
                ++listed;
                const Ranking expected = rank_tokens(logits.data, count, 0.8);
                EXPECT_EQ(found.numbers, expected.numbers);
                EXPECT_NEAR(found.weight / expected.weight, 1.0, 1e-12);
                ASSERT_LE(found.best.size(), expected.best.size());
                for (std::size_t i = 0; i < found.best.size(); ++i) {
                    ASSERT_EQ(found.best[i].token, expected.best[i].token) << i;
                    ASSERT_EQ(found.best[i].logit, expected.best[i].logit) << i;
                }
            }
        }
    }
    EXPECT_GE(listed, 55);  // of 72: a flat row has no few likeliest
    Ranking none;
    EXPECT_FALSE(machine->rank(machine.whole(Values(1, 9)), 257, 1.0, none));
}

// The rows of a step go to the sequences' buffers within the record.
TEST_P(DeviceOperations, RepeatedScattersWriteWhatIsThereNow) {
    constexpr std::int64_t rows = 5;
    constexpr std::int64_t vocab = 4099;
    std::vector<Values> logits;
    for (int i = 0; i < 8; ++i) logits.push_back(random_(rows, vocab));
    const auto operation = [&](Machine& machine) {
        const View from = machine.tokens(rows, vocab, DType::f32);
        std::vector<View> to;
        std::vector<backend::Identity> names;
        for (std::int64_t i = 0; i < 2 * rows; ++i) {
            to.push_back(machine.whole(Values(1, vocab)));
            names.push_back(std::make_shared<char>());
        }
        std::vector<Values> results;
        for (std::size_t i = 0; i < logits.size(); ++i) {
            const std::size_t first = i % 3 == 2 ? rows : 0;
            const backend::States group = std::span(to).subspan(first, rows);
            const auto sequences = std::span(names).subspan(first, rows);
            machine->upload(logits[i].data, from);
            machine->repeat(sequences, from, [&] { machine->scatter_rows(from, group); });
            std::vector<std::int32_t> tokens(rows, -7);
            machine->likeliest(from, tokens);
            Values found(1, rows);
            std::copy(tokens.begin(), tokens.end(), found.data.begin());
            results.push_back(found);
            for (const View& row : to) results.push_back(machine.values(row));
        }
        return results;
    };
    expect_parity(operation, 0.0);
}

TEST_P(DeviceOperations, AStreamThatWaitsSeesWhatAnotherHasDone) {
    constexpr std::int64_t rows = 20'000;
    constexpr std::int64_t channels = 512;
    const backend::StreamPtr writer = subject_.backend->open_stream(1);
    const backend::StreamPtr reader = subject_.backend->open_stream(1);
    const backend::BufferPtr shared = writer->allocate(rows, channels);
    const backend::BufferPtr seen = reader->allocate(rows, channels);
    const backend::BufferPtr one =
        subject_.backend->upload_table(1, channels, Values(1, channels, 1.0F).data);
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 50; ++i) writer->add_bias(View(*shared), *one);
        reader->wait_for(*writer);
        reader->copy(View(*shared), View(*seen));
        Values last(1, channels);
        reader->download(View(*seen).row_range(rows - 1, 1), last.data);
        expect_same_bits(last, Values(1, channels, 50.0F * static_cast<float>(round)));
    }
}

// Rows behind 2^31 elements: an index of 32 bits would wrap and write elsewhere.
TEST_P(DeviceOperations, ReachBeyondTwoToThe31Elements) {
    if (!is_cuda()) GTEST_SKIP() << "takes 10 GB of the backend's memory";
    constexpr std::int64_t channels = 2560;
    constexpr std::int64_t rows = (std::int64_t{1} << 31) / channels + 1000;
    const backend::StreamPtr stream = subject_.backend->open_stream(1);
    const backend::BufferPtr large = stream->allocate(rows, channels, subject_.activations);
    const Values in = random_(500, channels);
    const backend::BufferPtr weight =
        subject_.backend->upload_table(1, channels, Values(1, channels, 1.0F).data);
    const View end = View(*large).row_range(rows - 500, 500);
    const View before = View(*large).row_range(rows - 1000, 500);
    stream->upload(in.data, end);
    stream->copy(end, before);
    stream->add_bias(before, *weight);
    Values moved(500, channels);
    stream->download(before, moved.data);
    Values expected = in;
    for (float& value : expected.data) value = stored_as(subject_.activations, value) + 1.0F;
    expect_close(moved, expected, subject_.tolerances.elementwise);
    // Where the indices would have wrapped to, nothing was written.
    Values start(1000, channels);
    stream->download(View(*large).row_range(0, 1000), start.data);
    expect_same_bits(start, Values(1000, channels));
}

TEST_P(DeviceOperations, TooLargeABufferIsOutOfMemoryAndHarmsNothing) {
    const backend::StreamPtr stream = subject_.backend->open_stream(1);
    for (int attempt = 0; attempt < 2; ++attempt) {
        try {
            (void)stream->allocate(std::int64_t{1} << 24, std::int64_t{1} << 24);
            FAIL() << "a petabyte was allocated";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::out_of_memory) << error.what();
        }
    }
    const Values in = random_(3, 33);
    const backend::BufferPtr buffer = stream->allocate(3, 33);
    stream->upload(in.data, View(*buffer));
    Values out(3, 33);
    stream->download(View(*buffer), out.data);
    expect_same_bits(out, in);
}

}  // namespace
}  // namespace sipo::parity
