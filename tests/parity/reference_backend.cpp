#include "reference_backend.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace sipo::parity {
namespace {

using backend::Buffer;
using backend::BufferPtr;
using backend::DeltaFilter;
using backend::Mamba2Shape;
using backend::Matrix;
using backend::MatrixPtr;
using backend::ScanInputs;
using backend::States;
using backend::StreamPtr;
using backend::View;
using Index = std::int64_t;

std::size_t at(Index index) { return static_cast<std::size_t>(index); }

class ReferenceBuffer final : public Buffer {
public:
    ReferenceBuffer(Index rows, Index cols) : Buffer(rows, cols), values_(at(rows * cols), 0.0F) {}
    float& operator()(Index row, Index col) { return values_[at(row * cols() + col)]; }
    float operator()(Index row, Index col) const { return values_[at(row * cols() + col)]; }

private:
    std::vector<float> values_;
};

// Element (row, col) of a view.
float& element(const View& view, Index row, Index col) {
    return static_cast<ReferenceBuffer&>(*view.buffer)(view.row + row, view.col + col);
}

float element(const Buffer& table, Index row, Index col) {
    return static_cast<const ReferenceBuffer&>(table)(row, col);
}

// Row `row` of raw weights, as float32.
std::vector<float> weights_of_row(std::span<const std::byte> raw, Index row, Index cols,
                                  DType type) {
    std::vector<float> values(at(cols));
    const std::byte* from = raw.data() + at(row * row_bytes(type, cols));
    for (Index k = 0; k < cols; ++k) {
        const std::span one(&values[at(k)], 1);
        if (type == DType::f32) {
            std::memcpy(one.data(), from + 4 * k, 4);
        } else if (type == DType::bf16) {
            std::uint16_t bits = 0;
            std::memcpy(&bits, from + 2 * k, 2);
            one[0] = bf16_to_float(bits);
        } else if (k % quant_block == 0) {
            const std::span block(&values[at(k)], at(std::min(quant_block, cols - k)));
            if (type == DType::q8) {
                dequantize(reinterpret_cast<const BlockQ8*>(from)[k / quant_block], block);
            } else {
                dequantize(reinterpret_cast<const BlockQ4*>(from)[k / quant_block], block);
            }
        }
    }
    return values;
}

// A matrix in float32. One uploaded as bf16 is multiplied with inputs rounded to bf16; a quantised
// one with inputs rounded, block by block, to a 127th of the block's largest.
class ReferenceMatrix final : public Matrix {
public:
    ReferenceMatrix(Index rows, Index cols, DType type, std::span<const std::byte> raw)
        : Matrix(rows, cols), type_(type) {
        for (Index r = 0; r < rows; ++r) {
            const std::vector<float> row = weights_of_row(raw, r, cols, type);
            values_.insert(values_.end(), row.begin(), row.end());
        }
    }
    [[nodiscard]] float operator()(Index row, Index col) const {
        return values_[at(row * cols() + col)];
    }
    // Row `row` of `in` as this matrix multiplies it.
    [[nodiscard]] std::vector<float> inputs(const View& in, Index row) const {
        std::vector<float> values(at(cols()));
        for (Index k = 0; k < cols(); ++k) values[at(k)] = element(in, row, k);
        if (type_ == DType::bf16) {
            for (float& x : values) x = bf16_to_float(float_to_bf16(x));
        } else if (is_quantised(type_)) {
            for (Index k = 0; k < cols(); k += quant_block) {
                round_block(std::span(&values[at(k)], at(std::min(quant_block, cols() - k))));
            }
        }
        return values;
    }
    [[nodiscard]] Index bytes() const override { return rows() * row_bytes(type_, cols()); }

private:
    static void round_block(std::span<float> block) {
        float largest = 0.0F;
        for (const float x : block) largest = std::max(largest, std::abs(x));
        if (largest == 0.0F) return;
        for (float& x : block) x = std::nearbyint(x * (127.0F / largest)) * (largest / 127.0F);
    }

    DType type_;
    std::vector<float> values_;
};

const ReferenceMatrix& resolve(const Matrix& matrix) {
    return static_cast<const ReferenceMatrix&>(matrix);
}

double square(double x) { return x * x; }

double silu(double x) { return x / (1.0 + std::exp(-x)); }

double softplus(double x) { return x > 20.0 ? x : std::log1p(std::exp(x)); }

// Σ_k inputs[k] · matrix[col, k]
double dot_product(const std::vector<float>& inputs, const ReferenceMatrix& matrix, Index col) {
    double sum = 0.0;
    for (Index k = 0; k < matrix.cols(); ++k) {
        sum += static_cast<double>(inputs[at(k)]) * static_cast<double>(matrix(col, k));
    }
    return sum;
}

// Δ of a channel as the context method wants it.
double filtered(float delta, const DeltaFilter& filter, Index channel) {
    if (filter.threshold == nullptr) return delta;
    const bool passes = delta > element(*filter.threshold, 0, channel);
    return passes ? delta * element(*filter.scale, 0, channel) : 0.0F;
}

Index visited_row(const std::vector<Index>* rows, Index i) {
    return rows != nullptr ? (*rows)[at(i)] : i;
}

class ReferenceStream final : public backend::Stream {
public:
    BufferPtr allocate(Index rows, Index cols, DType) override {
        return std::make_unique<ReferenceBuffer>(rows, cols);
    }

    void upload(std::span<const float> values, View to) override {
        for (Index r = 0; r < to.rows; ++r) {
            for (Index c = 0; c < to.cols; ++c) element(to, r, c) = values[at(r * to.cols + c)];
        }
    }

    void download(View from, std::span<float> values) override {
        for (Index r = 0; r < from.rows; ++r) {
            for (Index c = 0; c < from.cols; ++c)
                values[at(r * from.cols + c)] = element(from, r, c);
        }
    }

    void copy(View from, View to) override {
        for (Index r = 0; r < to.rows; ++r) {
            for (Index c = 0; c < to.cols; ++c) element(to, r, c) = element(from, r, c);
        }
    }

    void fill_zero(View to) override {
        for (Index r = 0; r < to.rows; ++r) {
            for (Index c = 0; c < to.cols; ++c) element(to, r, c) = 0.0F;
        }
    }

    void embed(const Matrix& table, std::span<const std::int32_t> ids, View out) override {
        for (Index t = 0; t < out.rows; ++t) {
            for (Index c = 0; c < out.cols; ++c) element(out, t, c) = resolve(table)(ids[at(t)], c);
        }
    }

    void rms_norm(View in, const Buffer& weight, float eps, View out) override {
        for (Index t = 0; t < in.rows; ++t) {
            double squares = 0.0;
            for (Index c = 0; c < in.cols; ++c) squares += square(element(in, t, c));
            const double rms = std::sqrt(squares / static_cast<double>(in.cols) + eps);
            for (Index c = 0; c < in.cols; ++c) {
                element(out, t, c) =
                    static_cast<float>(element(in, t, c) / rms * element(weight, 0, c));
            }
        }
    }

    void multiply(View in, const Matrix& matrix, View out) override {
        for (Index t = 0; t < out.rows; ++t) {
            const std::vector<float> x = resolve(matrix).inputs(in, t);
            for (Index c = 0; c < out.cols; ++c) {
                element(out, t, c) = static_cast<float>(dot_product(x, resolve(matrix), c));
            }
        }
    }

    void multiply_add(View in, const Matrix& matrix, View residual) override {
        for (Index t = 0; t < residual.rows; ++t) {
            const std::vector<float> x = resolve(matrix).inputs(in, t);
            for (Index c = 0; c < residual.cols; ++c) {
                element(residual, t, c) = static_cast<float>(element(residual, t, c) +
                                                             dot_product(x, resolve(matrix), c));
            }
        }
    }

    void causal_conv_silu(View in, const Buffer& weight, const Buffer* bias, States states,
                          View out) override {
        if (states.size() > 1) {
            for (Index t = 0; t < in.rows; ++t) {
                causal_conv_silu(in.row_range(t, 1), weight, bias, states.subspan(at(t), 1),
                                 out.row_range(t, 1));
            }
            return;
        }
        const View& state = states.front();
        const Index taps = weight.rows();
        const Index history = taps - 1;
        // The inputs with those before row 0 in front, so that row t reads t .. t + taps - 1.
        ReferenceBuffer all(history + in.rows, in.cols);
        for (Index c = 0; c < in.cols; ++c) {
            for (Index r = 0; r < history; ++r) all(r, c) = element(state, r, c);
            for (Index t = 0; t < in.rows; ++t) all(history + t, c) = element(in, t, c);
            for (Index t = 0; t < in.rows; ++t) {
                double sum = bias != nullptr ? element(*bias, 0, c) : 0.0;
                for (Index k = 0; k < taps; ++k) {
                    sum += static_cast<double>(element(weight, k, c)) *
                           static_cast<double>(all(t + k, c));
                }
                element(out, t, c) = static_cast<float>(silu(sum));
            }
            for (Index r = 0; r < history; ++r) element(state, r, c) = all(in.rows + r, c);
        }
    }

    void delta(View dt, const Matrix* dt_proj, const Buffer& bias, float low, float high,
               View out) override {
        for (Index t = 0; t < out.rows; ++t) {
            std::vector<float> x;
            if (dt_proj != nullptr) x = resolve(*dt_proj).inputs(dt, t);
            for (Index c = 0; c < out.cols; ++c) {
                const double raw =
                    dt_proj != nullptr ? dot_product(x, resolve(*dt_proj), c) : element(dt, t, c);
                const double value = softplus(raw + element(bias, 0, c));
                element(out, t, c) = std::clamp(static_cast<float>(value), low, high);
            }
        }
    }

    void token_scores(View delta, View scores) override {
        for (Index t = 0; t < delta.rows; ++t) {
            double squares = 0.0;
            for (Index c = 0; c < delta.cols; ++c) squares += square(element(delta, t, c));
            element(scores, 0, t) = static_cast<float>(std::sqrt(squares));
        }
    }

    std::vector<Index> select_top(View scores, Index count) override {
        std::vector<Index> order(at(scores.cols));
        std::iota(order.begin(), order.end(), Index{0});
        // Stable: of equal scores the earlier stays in front. A NaN is below every number.
        std::stable_sort(order.begin(), order.end(), [&](Index left, Index right) {
            const float a = element(scores, 0, left);
            const float b = element(scores, 0, right);
            return std::isnan(b) ? !std::isnan(a) : a > b;
        });
        order.resize(at(std::min(count, scores.cols)));
        std::sort(order.begin(), order.end());
        return order;
    }

    void gather_rows(View from, std::span<const Index> rows, View to) override {
        for (Index i = 0; i < to.rows; ++i) {
            for (Index c = 0; c < to.cols; ++c) element(to, i, c) = element(from, rows[at(i)], c);
        }
    }

    void scatter_rows(View from, States to) override {
        for (Index i = 0; i < from.rows; ++i) {
            for (Index c = 0; c < from.cols; ++c) element(to[at(i)], 0, c) = element(from, i, c);
        }
    }

    void likeliest(View logits, std::span<std::int32_t> tokens) override {
        for (Index t = 0; t < logits.rows; ++t) {
            float largest = -std::numeric_limits<float>::infinity();
            tokens[at(t)] = -1;
            for (Index c = 0; c < logits.cols; ++c) {
                if (!(element(logits, t, c) > largest)) continue;
                largest = element(logits, t, c);
                tokens[at(t)] = static_cast<std::int32_t>(c);
            }
            if (std::isinf(largest)) tokens[at(t)] = -1;
        }
    }

    void selective_scan(const ScanInputs& in, View z, States states, View y) override {
        for (Index i = 0; i < y.rows; ++i) {
            const View& state = states[at(states.size() == 1 ? 0 : i)];
            const Index t = visited_row(in.rows, i);
            for (Index c = 0; c < y.cols; ++c) {
                const double x = element(in.x, t, c);
                const double delta = filtered(element(in.delta, t, c), in.filter, c);
                double sum = 0.0;
                for (Index n = 0; n < state.rows; ++n) {
                    float& h = element(state, n, c);
                    h = static_cast<float>(std::exp(delta * element(*in.a, n, c)) * h +
                                           delta * x * element(in.b, t, n));
                    sum += static_cast<double>(h) * static_cast<double>(element(in.c, t, n));
                }
                sum += element(*in.d, 0, c) * x;
                element(y, i, c) = static_cast<float>(sum * silu(element(z, t, c)));
            }
        }
    }

    void head_scan(const ScanInputs& in, const Mamba2Shape& shape, States states, View y) override {
        const Index heads_a_group = shape.n_heads / shape.n_groups;
        for (Index i = 0; i < y.rows; ++i) {
            const View& state = states[at(states.size() == 1 ? 0 : i)];
            const Index t = visited_row(in.rows, i);
            for (Index head = 0; head < shape.n_heads; ++head) {
                const double delta = filtered(element(in.delta, t, head), in.filter, head);
                const double decay = std::exp(delta * element(*in.a, 0, head));
                const Index group = head / heads_a_group;
                for (Index p = 0; p < shape.head_dim; ++p) {
                    const Index channel = head * shape.head_dim + p;
                    const double x = element(in.x, t, channel);
                    double sum = 0.0;
                    for (Index n = 0; n < shape.d_state; ++n) {
                        float& h = element(state, head * shape.d_state + n, p);
                        h = static_cast<float>(
                            decay * h + delta * x * element(in.b, t, group * shape.d_state + n));
                        sum += static_cast<double>(h) *
                               static_cast<double>(element(in.c, t, group * shape.d_state + n));
                    }
                    element(y, i, channel) = static_cast<float>(sum + element(*in.d, 0, head) * x);
                }
            }
        }
    }

    void gated_norm(View y, View z, const std::vector<Index>* rows, const Buffer& weight, float eps,
                    Index n_groups) override {
        const Index part = y.cols / n_groups;
        std::vector<double> gated(at(part));
        for (Index i = 0; i < y.rows; ++i) {
            const Index t = visited_row(rows, i);
            for (Index first = 0; first < y.cols; first += part) {
                double squares = 0.0;
                for (Index c = 0; c < part; ++c) {
                    gated[at(c)] = element(y, i, first + c) * silu(element(z, t, first + c));
                    squares += gated[at(c)] * gated[at(c)];
                }
                const double rms = std::sqrt(squares / static_cast<double>(part) + eps);
                for (Index c = 0; c < part; ++c) {
                    element(y, i, first + c) =
                        static_cast<float>(gated[at(c)] / rms * element(weight, 0, first + c));
                }
            }
        }
    }

    void negative_log_likelihood(View logits, std::span<const std::int32_t> targets,
                                 View out) override {
        for (Index t = 0; t < logits.rows; ++t) {
            double largest = element(logits, t, 0);
            for (Index c = 0; c < logits.cols; ++c) {
                largest = std::max<double>(largest, element(logits, t, c));
            }
            double sum = 0.0;
            for (Index c = 0; c < logits.cols; ++c)
                sum += std::exp(element(logits, t, c) - largest);
            element(out, 0, t) =
                static_cast<float>(largest + std::log(sum) - element(logits, t, targets[at(t)]));
        }
    }

    void add_bias(View inout, const Buffer& bias) override {
        for (Index t = 0; t < inout.rows; ++t) {
            for (Index c = 0; c < inout.cols; ++c) element(inout, t, c) += element(bias, 0, c);
        }
    }

    std::string name() const override { return "reference"; }
};

class ReferenceBackend final : public backend::Backend {
public:
    MatrixPtr upload_matrix(Index rows, Index cols, DType type,
                            std::span<const std::byte> values) override {
        if (type == DType::f16) fail(Code::unsupported, "the reference does not multiply f16");
        return std::make_unique<ReferenceMatrix>(rows, cols, type, values);
    }

    BufferPtr upload_table(Index rows, Index cols, std::span<const float> values) override {
        auto table = std::make_unique<ReferenceBuffer>(rows, cols);
        for (Index r = 0; r < rows; ++r) {
            for (Index c = 0; c < cols; ++c) (*table)(r, c) = values[at(r * cols + c)];
        }
        return table;
    }

    StreamPtr open_stream(int /*threads*/) override { return std::make_unique<ReferenceStream>(); }

    Index buffer_bytes(Index rows, Index cols, DType /*type*/) const override {
        return static_cast<Index>(sizeof(ReferenceBuffer)) + 4 * rows * cols;
    }

    Index matrices_bytes(std::span<const backend::MatrixSize> matrices) const override {
        Index bytes = 0;
        for (const backend::MatrixSize& size : matrices) {
            bytes += static_cast<Index>(sizeof(ReferenceMatrix)) + 4 * size.rows * size.cols;
        }
        return bytes;
    }

    Index stream_bytes(int /*threads*/, const backend::StreamWork& work) const override {
        return static_cast<Index>(sizeof(ReferenceStream)) + 16 * work.candidates;
    }

    std::string name() const override { return "reference"; }
};

}  // namespace

backend::BackendPtr make_reference_backend() { return std::make_shared<ReferenceBackend>(); }

}  // namespace sipo::parity
