#include "cpu_stream.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/largest.hpp"
#include "base/ranking.hpp"
#include "base/thread_pool.hpp"
#include "cpu_buffer.hpp"

namespace sipo::cpu {
namespace {

using backend::Buffer;
using backend::BufferPtr;
using backend::Mamba2Shape;
using backend::Matrix;
using backend::ScanInputs;
using backend::States;
using backend::View;

// Below this many elements a loop is faster on one thread than shared.
constexpr std::int64_t elements_worth_sharing = 16384;
// Rows of a matrix product's task: their inputs stay in the second-level cache. A multiple of the
// tile.
constexpr std::int64_t matmul_rows = 252;
constexpr std::int64_t matmul_panels = 8;
// An exponential or a division takes as long as about this many plain elements.
constexpr std::int64_t exponential = 16;

// Columns of some rows of a matrix.
struct Part {
    std::int64_t first_row;
    std::int64_t rows;
    std::int64_t first_col;
    std::int64_t cols;
};

struct Nothing {
    void operator()(std::int64_t) const {}
    void operator()(const Part&) const {}
};

// Scratch memory that grows to the largest request and is reused.
template <typename Element>
class Scratch {
public:
    [[nodiscard]] Element* get(std::int64_t count) {
        if (count > capacity_) {
            memory_.reset();
            capacity_ = 0;
            memory_ = allocate_bytes(checked_mul(count, std::int64_t{sizeof(Element)}));
            capacity_ = count;
        }
        return reinterpret_cast<Element*>(memory_.get());
    }

private:
    Memory memory_;
    std::int64_t capacity_ = 0;
};

// Inputs of a row of a bf16 product, which takes them in pairs.
std::int64_t bf16_columns(const Matrix& matrix) { return round_up(matrix.cols(), std::int64_t{2}); }

class CpuStream final : public backend::Stream {
public:
    CpuStream(const KernelTable& kernels, int threads) : kernels_(kernels), pool_(threads) {}

    BufferPtr allocate(std::int64_t rows, std::int64_t cols, DType) override {
        return std::make_unique<CpuBuffer>(rows, cols);
    }

    void upload(std::span<const float> values, View to) override {
        const Span2d out = resolve(to);
        for (std::int64_t r = 0; r < out.rows; ++r) {
            std::copy_n(values.data() + r * out.cols, out.cols, out.row(r));
        }
    }

    void download(View from, std::span<float> values) override {
        const Span2d in = resolve(from);
        for (std::int64_t r = 0; r < in.rows; ++r) {
            std::copy_n(in.row(r), in.cols, values.data() + r * in.cols);
        }
    }

    void copy(View from, View to) override {
        const Span2d in = resolve(from);
        const Span2d out = resolve(to);
        for (std::int64_t r = 0; r < in.rows; ++r) std::copy_n(in.row(r), in.cols, out.row(r));
    }

    void fill_zero(View to) override {
        const Span2d out = resolve(to);
        for (std::int64_t r = 0; r < out.rows; ++r) std::fill_n(out.row(r), out.cols, 0.0F);
    }

    void embed(const Matrix& table, std::span<const std::int32_t> ids, View out) override {
        const auto& rows = static_cast<const CpuMatrix&>(table);
        const Span2d to = resolve(out);
        // A row of a packed table lies a cache line an element apart: count it as such.
        for_rows(to.rows, to.cols * 16, [&](std::int64_t t) {
            rows.read_row(ids[static_cast<std::size_t>(t)], to.row(t));
        });
    }

    void rms_norm(View in, const Buffer& weight, float eps, View out) override {
        const Span2d from = resolve(in);
        const Span2d to = resolve(out);
        for_rows(from.rows, from.cols, [&](std::int64_t t) {
            kernels_.rms_norm(from.row(t), values_of(weight), from.cols, eps, to.row(t));
        });
    }

    void multiply(View in, const Matrix& matrix, View out) override {
        product(resolve(in), matrix, resolve(out), Nothing{}, Nothing{});
    }

    void norm_multiply(View in, const Buffer& weight, float eps, View normed, const Matrix& matrix,
                       View out) override {
        const Span2d from = resolve(in);
        const Span2d to = resolve(normed);
        const auto norm = [&](std::int64_t t) {
            kernels_.rms_norm(from.row(t), values_of(weight), from.cols, eps, to.row(t));
        };
        product(to, matrix, resolve(out), norm, Nothing{});
    }

    void multiply_add(View in, const Matrix& matrix, View residual) override {
        // The product is summed from zero and then added: adding every small term to the large
        // residual would lose their low bits.
        const Span2d to = resolve(residual);
        const Span2d sum{product_scratch_.get(to.rows * to.cols), to.cols, to.rows, to.cols};
        product(resolve(in), matrix, sum, Nothing{}, [&](const Part& part) {
            for (std::int64_t t = part.first_row; t < part.first_row + part.rows; ++t) {
                kernels_.add(sum.row(t) + part.first_col, part.cols, to.row(t) + part.first_col);
            }
        });
    }

    void causal_conv_silu(View in, const Buffer& weight, const Buffer* bias, States states,
                          View out) override {
        const Span2d from = resolve(in);
        const Span2d to = resolve(out);
        const std::int64_t work = from.cols * (weight.rows() + exponential);
        ConvArgs all{.in = from.data,
                     .in_stride = from.stride,
                     .state = resolve(states.front()).data,
                     .weight = values_of(weight),
                     .bias = bias != nullptr ? values_of(*bias) : nullptr,
                     .taps = weight.rows(),
                     .channels = from.cols,
                     .first_token = 0,
                     .last_token = from.rows,
                     .first_channel = 0,
                     .last_channel = from.cols,
                     .out = to.data,
                     .out_stride = to.stride};
        if (states.size() > 1) {
            for_rows(from.rows, work, [&](std::int64_t t) {
                ConvArgs one = all;
                one.in = from.row(t);
                one.out = to.row(t);
                one.last_token = 1;
                conv_and_move(one, {from.row(t), from.stride, 1, from.cols},
                              resolve(states[static_cast<std::size_t>(t)]));
            });
        } else if (from.rows == 1) {
            const std::int64_t block = kernels_.scan_block;
            for_blocks(ceil_div(from.cols, block), work / from.cols * block,
                       [&](std::int64_t first, std::int64_t last) {
                           ConvArgs part = all;
                           part.first_channel = first * block;
                           part.last_channel = std::min(last * block, from.cols);
                           conv_and_move(part, from, resolve(states.front()));
                       });
        } else {
            for_blocks(from.rows, work, [&](std::int64_t first, std::int64_t last) {
                ConvArgs part = all;
                part.first_token = first;
                part.last_token = last;
                kernels_.conv_silu(part);
            });
            move_history(from, resolve(states.front()));
        }
    }

    void delta(View dt, const Matrix* dt_proj, const Buffer& bias, float low, float high,
               View out) override {
        const Span2d to = resolve(out);
        const auto activate = [&](const Part& part) {
            for (std::int64_t t = part.first_row; t < part.first_row + part.rows; ++t) {
                kernels_.softplus(values_of(bias) + part.first_col, part.cols, low, high,
                                  to.row(t) + part.first_col);
            }
        };
        if (dt_proj != nullptr) {
            product(resolve(dt), *dt_proj, to, Nothing{}, activate);
            return;
        }
        copy(dt, out);
        for_rows(to.rows, to.cols * exponential, [&](std::int64_t t) {
            activate({t, 1, 0, to.cols});
        });
    }

    void token_scores(View delta, View scores) override {
        const Span2d from = resolve(delta);
        float* to = resolve(scores).data;
        for_rows(from.rows, from.cols,
                 [&](std::int64_t t) { to[t] = kernels_.norm2(from.row(t), from.cols); });
    }

    std::vector<std::int64_t> select_top(View scores, std::int64_t count) override;

    void gather_rows(View from, std::span<const std::int64_t> rows, View to) override {
        const Span2d in = resolve(from);
        const Span2d out = resolve(to);
        for_rows(out.rows, out.cols, [&](std::int64_t i) {
            std::copy_n(in.row(rows[static_cast<std::size_t>(i)]), out.cols, out.row(i));
        });
    }

    void scatter_rows(View from, States to) override {
        const Span2d in = resolve(from);
        for_rows(in.rows, in.cols, [&](std::int64_t i) {
            std::copy_n(in.row(i), in.cols, resolve(to[static_cast<std::size_t>(i)]).data);
        });
    }

    void selective_scan(const ScanInputs& in, View z, States states, View y) override {
        ScanArgs all = scan_args(in, y);
        const Span2d gate = resolve(z);
        all.z = gate.data;
        all.z_stride = gate.stride;
        all.d_state = states.front().rows;
        const std::int64_t block = kernels_.scan_block;
        for_sequences(all, states, ceil_div(all.d_inner, block), all.d_state * block * exponential,
                      [&](const ScanArgs& args, std::int64_t first, std::int64_t last) {
                          kernels_.selective_scan(args, first * block,
                                                  std::min(last * block, args.d_inner));
                      });
    }

    void head_scan(const ScanInputs& in, const Mamba2Shape& shape, States states, View y) override {
        ScanArgs all = scan_args(in, y);
        all.d_state = shape.d_state;
        all.head_dim = shape.head_dim;
        all.heads_a_group = shape.n_heads / shape.n_groups;
        for_sequences(all, states, shape.n_heads, shape.head_dim * shape.d_state,
                      [&](const ScanArgs& args, std::int64_t first, std::int64_t last) {
                          kernels_.head_scan(args, first, last);
                      });
    }

    void gated_norm(View y, View z, const std::vector<std::int64_t>* rows, const Buffer& weight,
                    float eps, std::int64_t n_groups) override {
        const Span2d out = resolve(y);
        const Span2d gate = resolve(z);
        const std::int64_t part = out.cols / n_groups;
        for_rows(out.rows, out.cols * 4, [&](std::int64_t t) {
            const std::int64_t row = rows != nullptr ? (*rows)[static_cast<std::size_t>(t)] : t;
            for (std::int64_t first = 0; first < out.cols; first += part) {
                kernels_.gated_norm(gate.row(row) + first, values_of(weight) + first, part, eps,
                                    out.row(t) + first);
            }
        });
    }

    void negative_log_likelihood(View logits, std::span<const std::int32_t> targets,
                                 View out) override {
        const Span2d from = resolve(logits);
        float* to = resolve(out).data;
        for_rows(from.rows, from.cols * 4, [&](std::int64_t t) {
            const float* row = from.row(t);
            to[t] =
                kernels_.log_sum_exp(row, from.cols) - row[targets[static_cast<std::size_t>(t)]];
        });
    }

    void likeliest(View logits, std::span<std::int32_t> tokens) override {
        const Span2d from = resolve(logits);
        for_rows(from.rows, from.cols, [&](std::int64_t t) {
            tokens[static_cast<std::size_t>(t)] =
                index_of_largest({from.row(t), static_cast<std::size_t>(from.cols)});
        });
    }

    bool rank(View logits, std::int64_t count, double temperature, Ranking& ranking) override {
        const Span2d row = resolve(logits);
        ranking =
            rank_tokens({row.data, static_cast<std::size_t>(row.cols)}, count, temperature,
                        [this](std::size_t tasks, const auto& task) { pool_.run(tasks, task); });
        return true;
    }

    void add_bias(View inout, const Buffer& bias) override {
        const Span2d to = resolve(inout);
        for_rows(to.rows, to.cols,
                 [&](std::int64_t t) { kernels_.add(values_of(bias), to.cols, to.row(t)); });
    }

    std::string name() const override {
        return join("cpu (", kernels_.name, "), ", pool_.size(),
                    pool_.size() == 1 ? " thread" : " threads");
    }

private:
    // fn(first, last) over parts of [0, count) items of `work` elements each.
    template <typename Fn>
    void for_blocks(std::int64_t count, std::int64_t work, const Fn& fn) {
        const std::int64_t worth = count * work / elements_worth_sharing + 1;
        const std::int64_t parts = std::min({count, worth, std::int64_t{4} * pool_.size()});
        if (parts <= 1 || pool_.size() == 1) {
            if (count > 0) fn(std::int64_t{0}, count);
            return;
        }
        pool_.run(static_cast<std::size_t>(parts), [&](std::size_t i) {
            const auto part = static_cast<std::int64_t>(i);
            fn(count * part / parts, count * (part + 1) / parts);
        });
    }

    // fn(args, first, last) for parts of the `parts` independent parts of a scan, of `work`
    // elements a token each; with several states also for every row on its own.
    template <typename Fn>
    void for_sequences(const ScanArgs& all, States states, std::int64_t parts, std::int64_t work,
                       const Fn& fn) {
        if (states.size() == 1) {
            ScanArgs args = all;
            args.state = resolve(states.front()).data;
            for_blocks(parts, args.tokens * work,
                       [&](std::int64_t first, std::int64_t last) { fn(args, first, last); });
            return;
        }
        for_rows(all.tokens, parts * work, [&](std::int64_t t) {
            ScanArgs args = all;
            args.tokens = 1;
            args.x += t * args.x_stride;
            args.delta += t * args.delta_stride;
            args.b += t * args.b_stride;
            args.c += t * args.c_stride;
            if (args.z != nullptr) args.z += t * args.z_stride;
            args.y += t * args.y_stride;
            args.state = resolve(states[static_cast<std::size_t>(t)]).data;
            fn(args, std::int64_t{0}, parts);
        });
    }

    template <typename Fn>
    void for_rows(std::int64_t rows, std::int64_t work, const Fn& fn) {
        for_blocks(rows, work, [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t t = first; t < last; ++t) fn(t);
        });
    }

    // out = in · matrixᵀ. before(t) makes row t of `in` before it is read, after(part) sees a part
    // of `out` when it is done: what they touch is still in the cache.
    template <typename Before, typename After>
    void product(const Span2d& in, const Matrix& matrix, const Span2d& out, const Before& before,
                 const After& after) {
        const auto& weights = static_cast<const CpuMatrix&>(matrix);
        if (is_quantised(weights.type())) {
            quantised_product(in, weights, out, before, after);
        } else if (weights.type() == DType::bf16) {
            bf16_product(in, weights, out, before, after);
        } else {
            f32_product(in, weights, out, before, after);
        }
    }

    template <typename Before, typename After>
    void f32_product(const Span2d& in, const CpuMatrix& matrix, const Span2d& out,
                     const Before& before, const After& after) {
        if constexpr (!std::is_same_v<Before, Nothing>) for_rows(in.rows, in.cols, before);
        const MatmulArgs<float> all{in.data,       in.stride,     in.rows, matrix.f32(),
                                    matrix.rows(), matrix.cols(), 0,       matrix.panels(),
                                    out.data,      out.stride};
        product_tasks(all, kernels_.panel_f32, after,
                      [&](MatmulArgs<float> part, std::int64_t first_row) {
                          part.x += first_row * part.x_stride;
                          kernels_.matmul_f32(part);
                      });
    }

    template <typename Before, typename After>
    void bf16_product(const Span2d& in, const CpuMatrix& matrix, const Span2d& out,
                      const Before& before, const After& after) {
        const std::int64_t cols = bf16_columns(matrix);
        std::uint16_t* x = bf16_scratch_.get(in.rows * cols);
        for_rows(in.rows, cols, [&](std::int64_t t) {
            before(t);
            kernels_.to_bf16(in.row(t), in.cols, x + t * cols);
            if (cols != in.cols) x[t * cols + in.cols] = 0;
        });
        const MatmulArgs<std::uint16_t> all{x,
                                            cols,
                                            in.rows,
                                            matrix.bf16(),
                                            matrix.rows(),
                                            matrix.cols(),
                                            0,
                                            matrix.panels(),
                                            out.data,
                                            out.stride};
        product_tasks(all, kernels_.panel_bf16, after,
                      [&](MatmulArgs<std::uint16_t> part, std::int64_t first_row) {
                          part.x += first_row * part.x_stride;
                          kernels_.matmul_bf16(part);
                      });
    }

    template <typename Before, typename After>
    void quantised_product(const Span2d& in, const CpuMatrix& matrix, const Span2d& out,
                           const Before& before, const After& after) {
        const std::int64_t blocks = ceil_div(matrix.cols(), quant_block);
        std::int8_t* codes = code_scratch_.get(in.rows * blocks * quant_block);
        QuantInput* inputs = quant_scratch_.get(in.rows * blocks);
        for_rows(in.rows, in.cols, [&](std::int64_t t) {
            before(t);
            kernels_.quantize_row(in.row(t), in.cols, codes + t * blocks * quant_block,
                                  inputs + t * blocks);
        });
        const QuantMatmulArgs all{codes,  inputs, in.rows,         matrix.codes(), matrix.rows(),
                                  blocks, 0,      matrix.panels(), out.data,       out.stride};
        const auto kernel = matrix.type() == DType::q8 ? kernels_.matmul_q8 : kernels_.matmul_q4;
        product_tasks(all, kernels_.panel_quant, after,
                      [&](QuantMatmulArgs part, std::int64_t first_row) {
                          part.x += first_row * blocks * quant_block;
                          part.x_blocks += first_row * blocks;
                          kernel(part);
                      });
    }

    // Cuts a product into blocks of rows and groups of panels of `panel` columns; run(part,
    // first_row) has yet to move the inputs to the first row.
    template <typename Args, typename After, typename Run>
    void product_tasks(const Args& all, std::int64_t panel, const After& after, const Run& run) {
        const std::int64_t row_blocks = std::max<std::int64_t>(ceil_div(all.m, matmul_rows), 1);
        const std::int64_t fair = ceil_div(all.last_panel, std::int64_t{4} * pool_.size());
        const std::int64_t group = std::clamp(fair, std::int64_t{1}, matmul_panels);
        const std::int64_t groups = ceil_div(all.last_panel, group);
        pool_.run(static_cast<std::size_t>(row_blocks * groups), [&](std::size_t i) {
            const auto task = static_cast<std::int64_t>(i);
            const std::int64_t first_row = (task % row_blocks) * matmul_rows;
            Args part = all;
            part.out += first_row * all.out_stride;
            part.m = std::min(matmul_rows, all.m - first_row);
            part.first_panel = (task / row_blocks) * group;
            part.last_panel = std::min(part.first_panel + group, all.last_panel);
            run(part, first_row);
            const std::int64_t first_col = part.first_panel * panel;
            const std::int64_t last_col = std::min(part.last_panel * panel, all.n);
            after(Part{first_row, part.m, first_col, last_col - first_col});
        });
    }

    // The convolution of the one row `in`, for the channels of `args`, whose state then moves on.
    void conv_and_move(ConvArgs args, const Span2d& in, const Span2d& state) {
        args.state = state.data;
        kernels_.conv_silu(args);
        move_history(columns(in, args.first_channel, args.last_channel),
                     columns(state, args.first_channel, args.last_channel));
    }

    static Span2d columns(const Span2d& of, std::int64_t first, std::int64_t last) {
        return {of.data + first, of.stride, of.rows, last - first};
    }

    // The last rows of [history; in] become the history.
    static void move_history(const Span2d& in, const Span2d& history) {
        const std::int64_t kept = std::max<std::int64_t>(history.rows - in.rows, 0);
        for (std::int64_t r = 0; r < kept; ++r) {
            std::copy_n(history.row(r + history.rows - kept), history.cols, history.row(r));
        }
        for (std::int64_t r = kept; r < history.rows; ++r) {
            std::copy_n(in.row(in.rows - history.rows + r), history.cols, history.row(r));
        }
    }

    static ScanArgs scan_args(const ScanInputs& in, const View& y) {
        const Span2d x = resolve(in.x);
        const Span2d delta = resolve(in.delta);
        const Span2d b = resolve(in.b);
        const Span2d c = resolve(in.c);
        const Span2d out = resolve(y);
        ScanArgs args{};
        args.x = x.data;
        args.delta = delta.data;
        args.b = b.data;
        args.c = c.data;
        args.x_stride = x.stride;
        args.delta_stride = delta.stride;
        args.b_stride = b.stride;
        args.c_stride = c.stride;
        args.rows = in.rows != nullptr ? in.rows->data() : nullptr;
        args.tokens = out.rows;
        args.a = values_of(*in.a);
        args.d = values_of(*in.d);
        if (in.filter.threshold != nullptr) {
            args.threshold = values_of(*in.filter.threshold);
            args.scale = values_of(*in.filter.scale);
        }
        args.d_inner = x.cols;
        args.y = out.data;
        args.y_stride = out.stride;
        return args;
    }

    const KernelTable& kernels_;
    ThreadPool pool_;
    Scratch<std::uint16_t> bf16_scratch_;
    Scratch<std::int8_t> code_scratch_;
    Scratch<QuantInput> quant_scratch_;
    Scratch<float> product_scratch_;
};

std::vector<std::int64_t> CpuStream::select_top(View scores, std::int64_t count) {
    const Span2d in = resolve(scores);
    // A NaN has no place in an order: it counts as the lowest.
    const auto score = [&](std::int64_t i) {
        const float value = in.data[i];
        return std::isnan(value) ? -std::numeric_limits<float>::infinity() : value;
    };
    std::vector<std::int64_t> order(static_cast<std::size_t>(in.cols));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    if (count < in.cols) {
        std::nth_element(order.begin(), order.begin() + count, order.end(),
                         [&](std::int64_t left, std::int64_t right) {
                             const float a = score(left);
                             const float b = score(right);
                             return a != b ? a > b : left < right;
                         });
        std::sort(order.begin(), order.begin() + count);
        // Not `order` cut short: that would hold on to memory for all of them.
        return {order.begin(), order.begin() + count};
    }
    return order;
}

// Touched of a worker's stack and kept of it by the system.
constexpr std::int64_t worker_bytes = 32768;

// The most inputs of a row of products by such matrices, in bytes as they are converted.
struct ConvertedRow {
    std::int64_t bf16 = 0;
    std::int64_t codes = 0;
    std::int64_t blocks = 0;

    void add(const Matrix& matrix) {
        const DType type = static_cast<const CpuMatrix&>(matrix).type();
        if (type == DType::bf16) {
            bf16 = std::max(bf16, bf16_columns(matrix) * std::int64_t{sizeof(std::uint16_t)});
        } else if (is_quantised(type)) {
            const std::int64_t count = ceil_div(matrix.cols(), quant_block);
            codes = std::max(codes, count * quant_block);
            blocks = std::max(blocks, count * std::int64_t{sizeof(QuantInput)});
        }
    }
};

}  // namespace

std::int64_t cpu_stream_bytes(int threads, const backend::StreamWork& work) {
    ConvertedRow row;
    for (const Matrix* matrix : work.products) row.add(*matrix);
    std::int64_t bytes = sizeof(CpuStream) + std::max(threads - 1, 0) * worker_bytes;
    for (const std::int64_t a_row :
         {row.bf16, row.codes, row.blocks, work.d_model * std::int64_t{sizeof(float)}}) {
        if (a_row > 0) bytes += block_bytes(checked_mul(work.rows, a_row)) + holder_bytes;
    }
    // The order of all, and those that are chosen.
    return checked_add(bytes, checked_mul(work.candidates, std::int64_t{2 * sizeof(std::int64_t)}));
}

backend::StreamPtr make_cpu_stream(const KernelTable& kernels, int threads) {
    return std::make_unique<CpuStream>(kernels, threads);
}

}  // namespace sipo::cpu
