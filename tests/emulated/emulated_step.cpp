// The kernels of a Mamba-1 step of several sequences in the emulator, against references. See README.md.
#include <cmath>
#include <string>

#include "add_product.hpp"
#include "checks.hpp"
#include "mamba1_scan_rows.hpp"
#include "matrix.hpp"
#include "project_convolve.hpp"
#include "project_rows.hpp"

namespace sipo::cuda {
CUtensorMap make_tensor_map(const Rows<const __nv_bfloat16>& matrix, std::int64_t rows,
                            std::int64_t cols, int tile_rows) {
    return {matrix.data, matrix.stride, rows, cols, tile_rows};
}
}  // namespace sipo::cuda

namespace {

using namespace sipo::cuda;
using bf16 = __nv_bfloat16;

constexpr int taps = 4, d_state = 16, between_rows = 32;
constexpr float eps = 1e-5F;

// Narrow, but no ring has a place for all that goes through it.
struct Options {
    int rows = 64;
    int channels = 16, blocks = 4, d_model = 768;  // in_proj
    int outputs = 32, inputs = 1024;               // x_proj
    int tile = 40, clusters = 2, stages = 14;      // out_proj
    int d_inner = 72, dt_rank = 24;                // the recurrence
};

[[nodiscard]] Matrix<bf16> half_matrix(int rows, int cols, Random& random, double sigma) {
    Matrix<bf16> m(rows, cols, cols + between_rows);
    random.fill(m, sigma);
    return m;
}
[[nodiscard]] Matrix<float> float_matrix(int rows, int cols, Random& random, double sigma) {
    Matrix<float> m(rows, cols, cols + between_rows);
    random.fill(m, sigma);
    return m;
}
template <typename T>
[[nodiscard]] Rows<T> rows_of(const Matrix<T>& m) {
    return {m.data(), m.stride()};
}
[[nodiscard]] CUtensorMap map_of(const Matrix<bf16>& m, int tile_rows) {
    return make_tensor_map({m.data(), m.stride()}, m.rows(), m.cols(), tile_rows);
}

// in [rows, k] · weightsᵀ [outputs, k].
[[nodiscard]] Matrix<double> product(const Matrix<bf16>& in, const Matrix<bf16>& weights) {
    Matrix<double> out(in.rows(), weights.rows());
    for (int r = 0; r < in.rows(); ++r) {
        for (int o = 0; o < weights.rows(); ++o) {
            double sum = 0;
            for (int k = 0; k < in.cols(); ++k)
                sum += double(float(in.at(r, k))) * double(float(weights.at(o, k)));
            out.at(r, o) = sum;
        }
    }
    return out;
}

// Of residuals of so many columns.
struct Squares {
    static constexpr int parts = 3, width = 100;
    Matrix<float> sums{RowSquares::max_parts, max_states};
    explicit Squares(Random& random) {
        sums.for_each([&](float& v) { v = static_cast<float>(10 + 20 * random.uniform()); });
    }
    [[nodiscard]] RowSquares told() const { return {sums.data(), parts, 1.0F / width, eps}; }
    [[nodiscard]] double factor(int row) const {
        double sum = 0;
        for (int part = 0; part < parts; ++part) sum += double(sums.at(part, row));
        return 1 / std::sqrt(sum / width + double(eps));
    }
};

void test_project_convolve(const Options& o, bool plain) {
    Random random(3);
    const int d_inner = o.channels * o.blocks;
    const Matrix<bf16> in = half_matrix(o.rows, o.d_model, random, 1),
                       weights = half_matrix(2 * d_inner, o.d_model, random,
                                             1 / std::sqrt(double(o.d_model)));
    const Matrix<float> conv = float_matrix(taps, d_inner, random, 0.5),
                        bias = float_matrix(1, d_inner, random, 0.5),
                        factors = Matrix<float>(1, max_states);
    const Matrix<bf16> x(o.rows, d_inner, d_inner + between_rows),
        z(o.rows, d_inner, d_inner + between_rows);
    const Squares squares(random);
    StateTable histories{}, states{};
    std::vector<Matrix<float>> history, before;
    for (int row = 0; row < o.rows; ++row) {
        history.push_back(float_matrix(taps - 1, d_inner, random, 1));
        before.emplace_back(taps - 1, d_inner);
        for (int k = 0; k < taps - 1; ++k)
            for (int c = 0; c < d_inner; ++c) before.back().at(k, c) = history.back().at(k, c);
        histories.data[row] = history.back().data();
        histories.stride = history.back().stride();
    }
    ProjectConvolveArgs args{};
    args.in = map_of(in, project_convolve_in_rows(o.rows));
    args.weights = map_of(weights, o.channels);
    args.rows = o.rows;
    args.d_model = o.d_model;
    args.d_inner = d_inner;
    if (!plain) args.squares = squares.told();
    args.factors = plain ? nullptr : factors.data();
    args.conv_weight = conv.data();
    args.conv_stride = conv.stride();
    args.conv_bias = plain ? nullptr : bias.data();
    args.x = rows_of(x);
    args.z = rows_of(z);
    project_convolve(args, {o.channels, o.blocks}, histories, states, nullptr);

    const Matrix<double> sums = product(in, weights);
    std::vector<double> wanted_x, wanted_z, wanted_history, found_history, wanted_factors;
    for (int row = 0; row < o.rows; ++row) {
        const double factor = plain ? 1 : squares.factor(row);
        wanted_factors.push_back(factor);
        for (int c = 0; c < d_inner; ++c) {
            const auto& old = before[std::size_t(row)];
            const double window[] = {old.at(0, c), old.at(1, c), old.at(2, c),
                                     sums.at(row, c) * factor};
            double sum = plain ? 0 : double(bias.at(0, c));
            for (int k = 0; k < taps; ++k) sum += double(conv.at(k, c)) * window[k];
            wanted_x.push_back(sum / (1 + std::exp(-sum)));
            wanted_z.push_back(sums.at(row, d_inner + c));
            for (int k = 0; k < taps - 1; ++k) {
                wanted_history.push_back(window[k + 1]);
                found_history.push_back(history[std::size_t(row)].at(k, c));
            }
        }
    }
    compare("x", x.values(), wanted_x);
    compare("z", z.values(), wanted_z);
    compare("histories", found_history, wanted_history);
    if (plain) return;
    std::vector<double> found = factors.values();
    found.resize(std::size_t(o.rows));
    compare("factors", found, wanted_factors);
}

void test_project_rows(const Options& o) {
    Random random(4);
    const Matrix<bf16> in = half_matrix(o.rows, o.inputs, random, 1),
                       weights = half_matrix(o.outputs, o.inputs, random,
                                             1 / std::sqrt(double(o.inputs)));
    const Matrix<bf16> out(o.rows, o.outputs, o.outputs + between_rows);
    ProjectRowsArgs args{};
    args.in = map_of(in, in_eights(o.rows));
    args.weights = map_of(weights, project_rows_tile);
    args.rows = o.rows;
    args.outputs = o.outputs;
    args.inputs = o.inputs;
    args.out = rows_of(out);
    project_rows(args, nullptr);
    compare("dt | B | C", out.values(), product(in, weights).values());
}

void test_add_product(const Options& o, bool plain) {
    Random random(5);
    const int inputs = 4 * map_columns * o.stages;
    const int outputs = o.tile * o.clusters - 8;  // the last tile is not whole
    const Matrix<bf16> in = half_matrix(o.rows, inputs, random, 1),
                       weights =
                           half_matrix(outputs, inputs, random, 1 / std::sqrt(double(inputs)));
    const Matrix<float> residual = float_matrix(o.rows, outputs, random, 1),
                        norm = float_matrix(1, outputs, random, 1),
                        squares = Matrix<float>(o.clusters, max_states);
    squares.for_each([](float& v) { v = 0; });
    const Matrix<bf16> hidden(o.rows, outputs, outputs + between_rows);
    std::vector<double> wanted = residual.values();
    const std::vector<double> sums = product(in, weights).values();
    for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] += sums[i];

    AddProductArgs args{};
    args.in = map_of(in, in_eights(o.rows));
    args.weights = map_of(weights, o.tile);
    args.rows = o.rows;
    args.outputs = outputs;
    args.inputs = inputs;
    args.residual = rows_of(residual);
    args.norm = plain ? nullptr : norm.data();
    args.hidden = rows_of(hidden);
    args.squares = squares.data();
    add_product(args, {o.tile, o.clusters}, nullptr);
    compare("residual", residual.values(), wanted);
    if (plain) return;
    std::vector<double> wanted_hidden, wanted_squares, found_squares;
    for (int row = 0; row < o.rows; ++row) {
        double sum = 0, found = 0;
        for (int c = 0; c < outputs; ++c) {
            const double v = wanted[std::size_t(row * outputs + c)];
            wanted_hidden.push_back(v * double(norm.at(0, c)));
            sum += v * v;
        }
        for (int part = 0; part < o.clusters; ++part) found += double(squares.at(part, row));
        wanted_squares.push_back(sum);
        found_squares.push_back(found);
    }
    compare("hidden", hidden.values(), wanted_hidden);
    compare("squares", found_squares, wanted_squares);
}

// What the recurrence works on. No cut of the kernel is whole.
struct Recurrence {
    Matrix<bf16> dt_b_c, x, z, y, dt_weight;
    Matrix<float> bias, a, d, factors;
    std::vector<Matrix<float>> states;

    Recurrence(const Options& o, Random& random)
        : dt_b_c(half_matrix(o.rows, o.dt_rank + 2 * d_state, random, 1)),
          x(half_matrix(o.rows, o.d_inner, random, 1)),
          z(half_matrix(o.rows, o.d_inner, random, 1)),
          y(o.rows, o.d_inner, o.d_inner + between_rows),
          dt_weight(half_matrix(o.d_inner, o.dt_rank, random, 1 / std::sqrt(double(o.dt_rank)))),
          bias(float_matrix(1, o.d_inner, random, 1)),
          a(d_state, o.d_inner, o.d_inner + between_rows),
          d(float_matrix(1, o.d_inner, random, 1)),
          factors(1, o.rows) {
        a.for_each([&](float& v) { v = static_cast<float>(-4 * random.uniform()); });
        factors.for_each([&](float& v) { v = static_cast<float>(0.5 + random.uniform()); });
        for (int row = 0; row < o.rows; ++row)
            states.push_back(float_matrix(d_state, o.d_inner, random, 1));
    }
    [[nodiscard]] ScanRowsArgs args(bool plain) const {
        return {.dt_b_c = {dt_b_c.data(), dt_b_c.stride()},
                .x = rows_of(x),
                .z = rows_of(z),
                .y = rows_of(y),
                .factors = plain ? nullptr : factors.data(),
                .layer = {.dt_weight = dt_weight.data(),
                          .dt_stride = dt_weight.stride(),
                          .dt_bias = bias.data(),
                          .low = low,
                          .high = high,
                          .a = a.data(),
                          .a_stride = a.stride(),
                          .d = d.data()},
                .d_inner = x.cols(),
                .dt_rank = dt_weight.cols()};
    }
    [[nodiscard]] StateTable table() const {
        StateTable all{};
        for (std::size_t row = 0; row < states.size(); ++row) {
            all.data[row] = states[row].data();
            all.stride = states[row].stride();
        }
        return all;
    }
    // As activations are: bf16.
    [[nodiscard]] double delta(int row, int channel) const {
        double sum = double(bias.at(0, channel));
        for (int k = 0; k < dt_weight.cols(); ++k)
            sum += double(float(dt_b_c.at(row, k))) * double(float(dt_weight.at(channel, k)));
        const double v = std::min(std::max(std::log1p(std::exp(sum)), double(low)), double(high));
        return double(float(bf16(static_cast<float>(v))));
    }
    // y of a channel of a sequence, whose states move on.
    double step(int row, int channel, double* h, bool plain) const {
        const double dt = delta(row, channel), in = double(float(x.at(row, channel)));
        double sum = double(d.at(0, channel)) * in;
        for (int n = 0; n < d_state; ++n) {
            const double b = double(float(dt_b_c.at(row, dt_weight.cols() + n)));
            const double c = double(float(dt_b_c.at(row, dt_weight.cols() + d_state + n)));
            h[n] = std::exp(dt * double(a.at(n, channel))) * h[n] + dt * b * in;
            sum += c * h[n];
        }
        const double gate =
            double(float(z.at(row, channel))) * (plain ? 1 : double(factors.at(0, row)));
        return sum * gate / (1 + std::exp(-gate));
    }

private:
    static constexpr float low = 0.1F, high = 1.5F;
};

// `multiprocessors` decide how the kernel cuts the work.
void test_scan_rows(const Options& o, int multiprocessors, bool plain) {
    Random random(6);
    const Recurrence r(o, random);
    std::vector<double> before;
    for (const auto& state : r.states) {
        for (int c = 0; c < o.d_inner; ++c)
            for (int n = 0; n < d_state; ++n) before.push_back(double(state.at(n, c)));
    }
    scan_rows(r.args(plain), r.table(), o.rows, multiprocessors, nullptr);
    std::vector<double> wanted_y, found;
    for (int row = 0; row < o.rows; ++row) {
        for (int c = 0; c < o.d_inner; ++c) {
            wanted_y.push_back(
                r.step(row, c, before.data() + (row * o.d_inner + c) * d_state, plain));
            for (int n = 0; n < d_state; ++n)
                found.push_back(double(r.states[std::size_t(row)].at(n, c)));
        }
    }
    compare("y", r.y.values(), wanted_y);
    compare("states", found, before);
}

}  // namespace

int main(int count, char** words) {
    Options o;
    return run_checks(count, words,
                      {{"--rows", &o.rows},
                       {"--channels", &o.channels},
                       {"--blocks", &o.blocks},
                       {"--d-model", &o.d_model},
                       {"--outputs", &o.outputs},
                       {"--inputs", &o.inputs},
                       {"--tile", &o.tile},
                       {"--clusters", &o.clusters},
                       {"--stages", &o.stages},
                       {"--d-inner", &o.d_inner},
                       {"--dt-rank", &o.dt_rank}},
                      [&] {
                          for (const bool plain : {false, true}) {
                              test_project_convolve(o, plain);
                              test_add_product(o, plain);
                              // So many that the kernel cuts narrow, for few sequences, for many.
                              for (const int multiprocessors : {1000, (o.rows + 7) / 8, 0})
                                  test_scan_rows(o, multiprocessors, plain);
                          }
                          test_project_rows(o);
                          report_totals();
                      });
}
