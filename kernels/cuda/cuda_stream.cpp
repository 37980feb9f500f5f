#include "cuda_stream.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "cuda_buffer.hpp"
#include "cuda_check.hpp"
#include "graph_cache.hpp"
#include "head_scan.hpp"
#include "kernels.hpp"
#include "mamba1_rows.hpp"
#include "mamba1_step.hpp"
#include "matmul.hpp"
#include "out_projection.hpp"
#include "scratch.hpp"
#include "selective_scan_segments.hpp"
#include "token_queue.hpp"

namespace sipo::cuda {
namespace {

using backend::Buffer;
using backend::BufferPtr;
using backend::Mamba2Shape;
using backend::Matrix;
using backend::ScanInputs;
using backend::States;
using backend::View;
using bf16 = __nv_bfloat16;

constexpr std::size_t pinned_bytes = std::size_t{1} << 20;

// run.template operator()<T>() for the type the elements have.
template <typename Run>
void with_type(DType type, const Run& run) {
    if (type == DType::bf16) return run.template operator()<bf16>();
    run.template operator()<float>();
}

// bf16 with no gap between rows.
bool is_plain_half(const Weights& w) {
    return w.type == static_cast<int>(DType::bf16) && w.stride == w.cols;
}

// An event that lives as long as a wait for it.
class Event {
public:
    Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "an event"); }
    ~Event() { (void)cudaEventDestroy(event_); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    [[nodiscard]] cudaEvent_t get() const { return event_; }

private:
    cudaEvent_t event_ = nullptr;
};

class CudaStream final : public backend::Stream {
public:
    explicit CudaStream(const std::shared_ptr<Device>& device)
        : queue_(std::make_shared<QueueOwner>(device)) {}

    BufferPtr allocate(std::int64_t rows, std::int64_t cols, DType type) override {
        const DeviceGuard guard = current();
        return std::make_unique<CudaBuffer>(queue_, rows, cols, type);
    }

    void upload(std::span<const float> values, View to) override;
    void download(View from, std::span<float> values) override;

    void copy(View from, View to) override {
        const DeviceGuard guard = current();
        copy_plane(resolve(from), resolve(to));
    }

    void fill_zero(View to) override {
        const DeviceGuard guard = current();
        const Plane out = resolve(to);
        const std::size_t element = out.element();
        check(cudaMemset2DAsync(out.data, static_cast<std::size_t>(out.stride) * element, 0,
                                static_cast<std::size_t>(out.cols) * element,
                                static_cast<std::size_t>(out.rows), s()),
              "clearing a buffer");
    }

    void embed(const Matrix& table, std::span<const std::int32_t> ids, View out) override {
        const DeviceGuard guard = current();
        const auto count = static_cast<std::int64_t>(ids.size());
        if (count > FewIds::most) {
            cuda::embed(held(table).weights(), ids_.upload(ids.data(), count), f32(out), count,
                        s());
            return;
        }
        FewIds few{};
        std::copy(ids.begin(), ids.end(), few.id);
        cuda::embed(held(table).weights(), few, f32(out), count, s());
    }

    void rms_norm(View in, const Buffer& weight, float eps, View out) override {
        const DeviceGuard guard = current();
        const Plane to = resolve(out);
        with_type(to.type, [&]<typename T>() {
            cuda::rms_norm(f32(in), values_of(weight), eps, to.as<T>(), to.rows, to.cols, s());
        });
    }

    void multiply(View in, const Matrix& matrix, View out) override {
        const DeviceGuard guard = current();
        product(resolve(in), matrix, resolve(out), {});
    }

    void norm_multiply(View in, const Buffer& weight, float eps, View normed, const Matrix& matrix,
                       View out) override {
        const Plane from = resolve(in);
        const Plane to = resolve(out);
        const Weights& w = held(matrix).weights();
        if (from.rows == 1 && to.type == DType::f32 && is_plain_half(w)) {
            const TokenHead head{.norm = values_of(weight),
                                 .weight = static_cast<const bf16*>(w.codes),
                                 .logits = to.as<float>().data,
                                 .rows = static_cast<int>(w.rows)};
            if (tokens_.finish(from.as<float>().data, eps, head)) return;
        }
        Stream::norm_multiply(in, weight, eps, normed, matrix, out);
    }

    void multiply_add(View in, const Matrix& matrix, View residual) override {
        const DeviceGuard guard = current();
        product(resolve(in), matrix, resolve(residual), {.kind = Finish::add});
    }

    void causal_conv_silu(View in, const Buffer& weight, const Buffer* bias, States states,
                          View out) override;
    void delta(View dt, const Matrix* dt_proj, const Buffer& bias, float low, float high,
               View out) override;

    void token_scores(View delta, View scores) override {
        const DeviceGuard guard = current();
        const Plane from = resolve(delta);
        with_type(from.type, [&]<typename T>() {
            cuda::token_scores(from.as<T>(), from.rows, from.cols, f32(scores).data, s());
        });
    }

    std::vector<std::int64_t> select_top(View scores, std::int64_t count) override;

    void gather_rows(View from, std::span<const std::int64_t> rows, View to) override {
        const DeviceGuard guard = current();
        const Plane in = resolve(from);
        const auto count = static_cast<std::int64_t>(rows.size());
        const std::int64_t* index = rows_.upload(rows.data(), count);
        with_type(in.type, [&]<typename T>() {
            cuda::gather_rows(in.as<T>(), index, same<T>(to), count, in.cols, s());
        });
    }

    void scatter_rows(View from, States to) override;

    void selective_scan(const ScanInputs& in, View z, States states, View y) override;
    void head_scan(const ScanInputs& in, const Mamba2Shape& shape, States states, View y) override;

    void gated_norm(View y, View z, const std::vector<std::int64_t>* rows, const Buffer& weight,
                    float eps, std::int64_t n_groups) override {
        const DeviceGuard guard = current();
        const Plane out = resolve(y);
        const std::int64_t* index = upload_rows(rows);
        with_type(out.type, [&]<typename T>() {
            cuda::gated_norm(out.as<T>(), same<T>(z), index, values_of(weight), eps, out.rows,
                             out.cols, n_groups, s());
        });
    }

    void negative_log_likelihood(View logits, std::span<const std::int32_t> targets,
                                 View out) override {
        const DeviceGuard guard = current();
        const Plane from = resolve(logits);
        cuda::negative_log_likelihood(
            from.as<float>(),
            ids_.upload(targets.data(), static_cast<std::int64_t>(targets.size())), from.rows,
            from.cols, f32(out).data, s());
    }

    void likeliest(View logits, std::span<std::int32_t> tokens) override;
    bool rank(View logits, std::int64_t count, double temperature, Ranking& ranking) override;

    bool step_mamba1(const backend::Mamba1Layer& layer, View residual, States conv_states,
                     States ssm_states) override;

    void add_bias(View inout, const Buffer& bias) override {
        const DeviceGuard guard = current();
        const Plane to = resolve(inout);
        with_type(to.type, [&]<typename T>() {
            cuda::add_bias(to.as<T>(), values_of(bias), to.rows, to.cols, s());
        });
    }

    void wait_for(backend::Stream& other) override {
        const DeviceGuard guard = current();
        const Event reached;
        auto& before = static_cast<CudaStream&>(other);
        before.flush();
        check(cudaEventRecord(reached.get(), before.s()), "an event");
        check(cudaStreamWaitEvent(s(), reached.get()), "waiting for another stream");
    }

    void repeat(std::span<const backend::Identity> sequences, View rows,
                const std::function<void()>& operations) override {
        const DeviceGuard guard = current();
        graphs_.run({{sequences.begin(), sequences.end()}, resolve(rows).data}, [&] {
            try {
                operations();
                flush();
            } catch (...) {
                tokens_.drop();
                out_projection_.drop();
                throw;
            }
        });
    }

    std::string name() const override { return queue_->device().name(); }

    [[nodiscard]] static Rows<float> f32(const View& view) {
        const Plane plane = resolve(view);
        if (plane.type != DType::f32) fail(Code::internal, "an f32 matrix was expected");
        return plane.as<float>();
    }
    template <typename T>
    [[nodiscard]] static Rows<T> same(const View& view) {
        const Plane plane = resolve(view);
        if ((plane.type == DType::bf16) != std::is_same_v<T, bf16>) {
            fail(Code::internal, "an operation on matrices of mixed types");
        }
        return plane.as<T>();
    }

private:
    // The device, current, with all that was called before under way.
    [[nodiscard]] DeviceGuard current() {
        flush();
        return DeviceGuard(queue_->device().number());
    }
    void flush() {
        tokens_.flush();
        out_projection_.flush();
    }
    [[nodiscard]] cudaStream_t s() const { return queue_->stream(); }
    [[nodiscard]] const std::int64_t* upload_rows(const std::vector<std::int64_t>* rows) {
        if (rows == nullptr) return nullptr;
        return rows_.upload(rows->data(), static_cast<std::int64_t>(rows->size()));
    }

    void copy_plane(const Plane& from, const Plane& to) {
        with_type(from.type, [&]<typename From>() {
            with_type(to.type, [&]<typename To>() {
                copy_rows(from.as<From>(), to.as<To>(), from.rows, from.cols, s());
            });
        });
    }
    // The same values in another type, in scratch memory.
    [[nodiscard]] static bool is_aligned(const Plane& plane) {
        return reinterpret_cast<std::uintptr_t>(plane.data) % 16 == 0;
    }
    [[nodiscard]] Plane converted(const Plane& from, DType type) {
        const std::int64_t stride = round_up(from.cols, std::int64_t{8});
        void* data = type == DType::bf16
                         ? static_cast<void*>(half_inputs_.get(from.rows * stride))
                         : static_cast<void*>(float_inputs_.get(from.rows * stride));
        const Plane to{data, type, stride, from.rows, from.cols};
        copy_plane(from, to);
        return to;
    }

    void product(Plane in, const Matrix& matrix, const Plane& out, const GemvFinish& finish);
    void few_rows(const Plane& in, const Weights& weights, const Plane& out,
                  const GemvFinish& finish);
    void many_rows(Plane in, Weights weights, const Plane& out, const GemvFinish& finish);
    [[nodiscard]] Weights as_bf16(const Weights& quantised);
    [[nodiscard]] bool step_rows(const backend::Mamba1Layer& layer, const View& residual,
                                 States conv_states, States ssm_states);
    void step_rows_on_hopper(const backend::Mamba1Layer& layer, const View& residual,
                             const ProjectConvolvePlan& cut, States conv_states, States ssm_states,
                             const RowsDevice& device);

    template <typename T>
    void scan_channels(const ScanArgs<T, T>& args, Rows<float> state);
    template <typename T>
    void scan_heads(const ScanArgs<T, float>& args, Rows<float> state);
    template <typename T, typename D>
    [[nodiscard]] ScanArgs<T, D> scan_args(const ScanInputs& in, const View& y);
    // step(args, table) for up to max_states rows at a time, each with a state of its own.
    template <typename Args, typename Step>
    void for_batches(const Args& args, States states, const Step& step);

    Queue queue_;
    Scratch<std::int32_t> ids_{queue_};
    Scratch<std::int64_t> rows_{queue_};
    Scratch<std::int64_t> kept_{queue_};
    Scratch<std::byte> sort_{queue_};
    Scratch<float> float_inputs_{queue_};
    Scratch<float> product_{queue_};
    Scratch<bf16> half_inputs_{queue_};
    Scratch<float> transfer_{queue_};
    Scratch<bf16> dequantised_{queue_};
    Scratch<float> segment_states_{queue_};
    PinnedMemory pinned_{pinned_bytes};
    Matmul matmul_{queue_};
    TokenQueue tokens_{queue_};
    OutProjection out_projection_{queue_};
    GraphCache graphs_{queue_};
};

StateTable table_of(States states) {
    StateTable table;
    for (std::size_t i = 0; i < states.size(); ++i) {
        const Rows<float> state = CudaStream::f32(states[i]);
        table.data[i] = state.data;
        table.stride = state.stride;
    }
    return table;
}

void CudaStream::upload(std::span<const float> values, View to) {
    const DeviceGuard guard = current();
    const Plane out = resolve(to);
    if (out.rows == 0 || out.cols == 0) return;
    const bool direct = out.type == DType::f32;
    const Plane staged{direct ? out.data : transfer_.get(out.rows * out.cols), DType::f32,
                       direct ? out.stride : out.cols, out.rows, out.cols};
    const std::size_t width = static_cast<std::size_t>(out.cols) * sizeof(float);
    check(cudaMemcpy2DAsync(staged.data, static_cast<std::size_t>(staged.stride) * sizeof(float),
                            values.data(), width, width, static_cast<std::size_t>(out.rows),
                            cudaMemcpyHostToDevice, s()),
          "uploading");
    if (!direct) copy_plane(staged, out);
}

void CudaStream::download(View from, std::span<float> values) {
    const DeviceGuard guard = current();
    const Plane in = resolve(from);
    const std::int64_t count = in.rows * in.cols;
    const auto* packed = static_cast<const float*>(in.data);
    if (in.type != DType::f32 || (in.stride != in.cols && in.rows > 1)) {
        const Plane gathered{transfer_.get(count), DType::f32, in.cols, in.rows, in.cols};
        copy_plane(in, gathered);
        packed = static_cast<const float*>(gathered.data);
    }
    const auto piece = static_cast<std::int64_t>(pinned_.bytes() / sizeof(float));
    for (std::int64_t first = 0; first < count; first += piece) {
        const auto bytes = static_cast<std::size_t>(std::min(piece, count - first)) * sizeof(float);
        check(cudaMemcpyAsync(pinned_.data(), packed + first, bytes, cudaMemcpyDeviceToHost, s()),
              "downloading");
        queue_->synchronize();
        std::memcpy(values.data() + first, pinned_.data(), bytes);
    }
}

void CudaStream::product(Plane in, const Matrix& matrix, const Plane& out,
                         const GemvFinish& finish) {
    const CudaMatrix& own = held(matrix);
    if (in.type == DType::f32 && own.type() != DType::f32) in = converted(in, DType::bf16);
    // Of several rows and bf16 weights cuBLAS makes the most.
    const bool plain = in.type == DType::bf16 && own.type() == DType::bf16;
    const std::int64_t few = plain && finish.kind != Finish::softplus ? 1 : gemv_max_rows;
    if (in.rows <= few) return few_rows(in, own.weights(), out, finish);
    if (in.type == DType::bf16 && own.type() == DType::f32 && !own.half()) {
        in = converted(in, DType::f32);
    }
    const bool half = in.type == DType::bf16 && own.type() == DType::f32;
    many_rows(in, half ? *own.half() : own.weights(), out, finish);
}

void CudaStream::few_rows(const Plane& in, const Weights& weights, const Plane& out,
                          const GemvFinish& finish) {
    with_type(in.type, [&]<typename T>() {
        with_type(out.type, [&]<typename Out>() {
            gemv(in.as<T>(), weights, in.rows, finish, out.as<Out>(), s());
        });
    });
}

// cuBLAS has the types of a product, and rows on 16-byte borders; anything else goes through
// scratch memory.
void CudaStream::many_rows(Plane in, Weights weights, const Plane& out, const GemvFinish& finish) {
    if (is_quantised(static_cast<DType>(weights.type))) weights = as_bf16(weights);
    if (!is_aligned(in)) in = converted(in, in.type);
    const bool add = finish.kind == Finish::add;
    const bool mixed = in.type == DType::f32 && out.type == DType::bf16;
    if (!mixed && is_aligned(out)) return matmul_.run(in, weights, out, add);
    const std::int64_t stride = round_up(out.cols, std::int64_t{8});
    const Plane sum{product_.get(out.rows * stride), DType::f32, stride, out.rows, out.cols};
    if (add) copy_plane(out, sum);
    matmul_.run(in, weights, sum, add);
    copy_plane(sum, out);
}

Weights CudaStream::as_bf16(const Weights& quantised) {
    Weights result = quantised;
    bf16* elements = dequantised_.get(quantised.rows * quantised.stride);
    dequantize(quantised, elements, quantised.stride, s());
    result.codes = elements;
    result.type = static_cast<int>(DType::bf16);
    return result;
}

void CudaStream::causal_conv_silu(View in, const Buffer& weight, const Buffer* bias, States states,
                                  View out) {
    const DeviceGuard guard = current();
    const Plane from = resolve(in);
    with_type(from.type, [&]<typename T>() {
        const ConvArgs<T> args{.in = from.as<T>(),
                               .out = same<T>(out),
                               .weight = values_of(weight),
                               .weight_stride = stride_of(weight),
                               .bias = bias != nullptr ? values_of(*bias) : nullptr,
                               .taps = weight.rows(),
                               .channels = from.cols,
                               .tokens = from.rows};
        if (states.size() == 1 && from.rows != 1) {
            return conv_silu(args, f32(states.front()), s());
        }
        for (std::int64_t first = 0; first < from.rows; first += max_states) {
            const std::int64_t count = std::min<std::int64_t>(max_states, from.rows - first);
            ConvArgs<T> part = args;
            part.in.data = args.in.row(first);
            part.out.data = args.out.row(first);
            part.tokens = count;
            conv_silu_step(part,
                           table_of(states.subspan(static_cast<std::size_t>(first),
                                                   static_cast<std::size_t>(count))),
                           s());
        }
    });
}

void CudaStream::delta(View dt, const Matrix* dt_proj, const Buffer& bias, float low, float high,
                       View out) {
    const DeviceGuard guard = current();
    const Plane in = resolve(dt);
    const Plane to = resolve(out);
    if (dt_proj != nullptr && in.rows <= gemv_max_rows) {
        return product(
            in, *dt_proj, to,
            {.kind = Finish::softplus, .bias = values_of(bias), .low = low, .high = high});
    }
    if (dt_proj != nullptr) product(in, *dt_proj, to, {});
    const Plane& from = dt_proj != nullptr ? to : in;
    with_type(from.type, [&]<typename From>() {
        with_type(to.type, [&]<typename To>() {
            softplus_bias(from.as<From>(), values_of(bias), low, high, to.as<To>(), to.rows,
                          to.cols, s());
        });
    });
}

std::vector<std::int64_t> CudaStream::select_top(View scores, std::int64_t count) {
    const DeviceGuard guard = current();
    const Plane in = resolve(scores);
    std::vector<std::int64_t> kept(static_cast<std::size_t>(std::min(count, in.cols)));
    if (kept.empty()) return kept;
    const auto wanted = static_cast<std::int64_t>(kept.size());
    std::int64_t* result = kept_.get(wanted);
    std::size_t bytes = 0;
    cuda::select_top(in.as<float>().data, in.cols, wanted, result, nullptr, bytes, s());
    cuda::select_top(in.as<float>().data, in.cols, wanted, result,
                     sort_.get(static_cast<std::int64_t>(bytes)), bytes, s());
    check(cudaMemcpyAsync(kept.data(), result, kept.size() * sizeof(std::int64_t),
                          cudaMemcpyDeviceToHost, s()),
          "downloading");
    queue_->synchronize();
    return kept;
}

void CudaStream::scatter_rows(View from, States to) {
    const DeviceGuard guard = current();
    const Rows<float> in = f32(from);
    for (std::int64_t first = 0; first < from.rows; first += max_states) {
        const std::int64_t count = std::min<std::int64_t>(max_states, from.rows - first);
        const States part =
            to.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
        cuda::scatter_rows({in.row(first), in.stride}, table_of(part), count, from.cols, s());
    }
}

// The kernel writes its few keys into the host's memory itself.
void CudaStream::likeliest(View logits, std::span<std::int32_t> tokens) {
    const DeviceGuard guard = current();
    const Rows<float> in = f32(logits);
    auto* keys = static_cast<LogitKey*>(pinned_.data());
    constexpr std::int64_t row_bytes = likeliest_parts * sizeof(LogitKey);
    const std::int64_t most = static_cast<std::int64_t>(pinned_.bytes()) / row_bytes;
    for (std::int64_t first = 0; first < logits.rows; first += most) {
        const std::int64_t count = std::min(most, logits.rows - first);
        cuda::likeliest({in.row(first), in.stride}, count, logits.cols, keys, s());
        queue_->synchronize();
        for (std::int64_t i = 0; i < count; ++i) {
            tokens[static_cast<std::size_t>(first + i)] = token_of(keys + i * likeliest_parts);
        }
    }
}

bool CudaStream::rank(View logits, std::int64_t count, double temperature, Ranking& ranking) {
    if (count < 1 || count > max_ranked || logits.rows != 1) return false;
    const DeviceGuard guard = current();
    auto* row = static_cast<RankedRow*>(pinned_.data());
    cuda::rank(f32(logits).data, logits.cols, static_cast<int>(count), temperature, row, s());
    queue_->synchronize();
    read_ranking(*row, ranking);
    return !ranking.best.empty();
}

template <typename T, typename D>
ScanArgs<T, D> CudaStream::scan_args(const ScanInputs& in, const View& y) {
    const Plane x = resolve(in.x);
    ScanArgs<T, D> args{};
    args.x = x.as<T>();
    args.delta = same<D>(in.delta);
    args.b = same<T>(in.b);
    args.c = same<T>(in.c);
    args.y = same<T>(y);
    args.index = upload_rows(in.rows);
    args.tokens = y.rows;
    args.a = values_of(*in.a);
    args.a_stride = stride_of(*in.a);
    args.d = values_of(*in.d);
    if (in.filter.threshold != nullptr) {
        args.threshold = values_of(*in.filter.threshold);
        args.scale = values_of(*in.filter.scale);
    }
    args.d_inner = x.cols;
    args.d_state = in.a->rows();
    return args;
}

template <typename Args, typename Step>
void CudaStream::for_batches(const Args& args, States states, const Step& step) {
    for (std::int64_t first = 0; first < args.tokens; first += max_states) {
        const std::int64_t count = std::min<std::int64_t>(max_states, args.tokens - first);
        Args part = args;
        part.x.data = args.x.row(first);
        part.delta.data = args.delta.row(first);
        part.b.data = args.b.row(first);
        part.c.data = args.c.row(first);
        if (args.z.data != nullptr) part.z.data = args.z.row(first);
        part.y.data = args.y.row(first);
        part.tokens = count;
        step(part, table_of(states.subspan(static_cast<std::size_t>(first),
                                           static_cast<std::size_t>(count))));
    }
}

template <typename T>
void CudaStream::scan_channels(const ScanArgs<T, T>& args, Rows<float> state) {
    const SegmentPlan plan = plan_scan_segments(args, queue_->device().multiprocessors());
    if (plan.segments == 1) return cuda::selective_scan(args, state, s());
    scan_segments(args, state, plan, segment_states_.get(plan.scratch), s());
}

void CudaStream::selective_scan(const ScanInputs& in, View z, States states, View y) {
    const DeviceGuard guard = current();
    if (y.rows == 0) return;
    with_type(resolve(in.x).type, [&]<typename T>() {
        ScanArgs<T, T> args = scan_args<T, T>(in, y);
        args.z = same<T>(z);
        if (states.size() == 1 && (y.rows != 1 || in.rows != nullptr)) {
            return scan_channels(args, f32(states.front()));
        }
        for_batches(args, states, [&](const ScanArgs<T, T>& part, const StateTable& table) {
            selective_scan_step(part, table, s());
        });
    });
}

template <typename T>
void CudaStream::scan_heads(const ScanArgs<T, float>& args, Rows<float> state) {
    if constexpr (sizeof(T) == sizeof(bf16)) {
        if (fits_head_scan_parts(args)) {
            const HeadScanPlan plan = plan_head_scan(args, queue_->device().multiprocessors());
            float* scratch = plan.segments > 1 ? segment_states_.get(plan.scratch) : nullptr;
            return head_scan_parts(args, state, plan, scratch, s());
        }
    }
    if (!head_scan_columns(args, state, s())) cuda::head_scan(args, state, s());
}

void CudaStream::head_scan(const ScanInputs& in, const Mamba2Shape& shape, States states, View y) {
    const DeviceGuard guard = current();
    if (y.rows == 0) return;
    with_type(resolve(in.x).type, [&]<typename T>() {
        ScanArgs<T, float> args = scan_args<T, float>(in, y);
        args.d_state = shape.d_state;
        args.n_heads = shape.n_heads;
        args.head_dim = shape.head_dim;
        args.n_groups = shape.n_groups;
        if (states.size() == 1 && (y.rows != 1 || in.rows != nullptr)) {
            return scan_heads(args, f32(states.front()));
        }
        for_batches(args, states, [&](const ScanArgs<T, float>& part, const StateTable& table) {
            head_scan_step(part, table, s());
        });
    });
}

template <typename T>
Mamba1StepArgs<T> step_args(const backend::Mamba1Layer& layer, const View& residual,
                            const View& conv_state, const View& ssm_state) {
    const auto weights = [](const Matrix* m) { return held(*m).weights(); };
    const Weights dt = weights(layer.dt_proj);
    const std::int64_t d_inner = layer.x.cols;
    Mamba1StepArgs<T> args{};
    args.d_model = static_cast<int>(residual.cols);
    args.dt_rank = static_cast<int>(dt.cols);
    args.d_state = static_cast<int>(layer.a->rows());
    args.taps = static_cast<int>(layer.conv_weight->rows());
    args.d_inner = d_inner;
    args.residual = resolve(residual).as<float>().data;
    args.norm = values_of(*layer.norm);
    args.norm_eps = layer.norm_eps;
    args.in_proj = weights(layer.in_proj);
    args.conv_weight = values_of(*layer.conv_weight);
    args.conv_stride = stride_of(*layer.conv_weight);
    args.conv_bias = layer.conv_bias != nullptr ? values_of(*layer.conv_bias) : nullptr;
    args.history = resolve(conv_state).as<float>();
    args.x_proj = weights(layer.x_proj);
    args.layer = tables_of<float>(layer, dt);
    args.state = resolve(ssm_state).as<float>();
    args.out_proj = weights(layer.out_proj);
    args.x = resolve(layer.x).as<T>().data;
    args.z = resolve(layer.projected).as<T>().data + d_inner;
    args.dt_b_c = resolve(layer.dt_b_c).as<T>().data;
    args.y = resolve(layer.y).as<T>().data;
    return args;
}

// What mamba1_token() takes of a layer whose weights it can read: bf16, with no gap between rows.
std::optional<TokenShape> token_shape(const Mamba1StepArgs<bf16>& args) {
    const bool fits = args.d_state == 16 && args.taps == 4 && args.d_inner == 2 * args.d_model &&
                      is_plain_half(args.in_proj) && is_plain_half(args.x_proj) &&
                      is_plain_half(args.out_proj);
    if (!fits) return std::nullopt;
    return TokenShape{.d_model = args.d_model,
                      .dt_rank = args.dt_rank,
                      .dt_stride = static_cast<int>(args.layer.dt_stride),
                      .conv_stride = static_cast<int>(args.conv_stride),
                      .history_stride = static_cast<int>(args.history.stride),
                      .a_stride = static_cast<int>(args.layer.a_stride),
                      .state_stride = static_cast<int>(args.state.stride),
                      .norm_eps = args.norm_eps,
                      .low = args.layer.low,
                      .high = args.layer.high,
                      .residual = args.residual};
}

TokenLayer token_layer(const Mamba1StepArgs<bf16>& args) {
    const auto elements = [](const Weights& w) { return static_cast<const bf16*>(w.codes); };
    return {.norm = args.norm,
            .in_proj = elements(args.in_proj),
            .conv_weight = args.conv_weight,
            .conv_bias = args.conv_bias,
            .history = args.history.data,
            .x_proj = elements(args.x_proj),
            .dt_weight = args.layer.dt_weight,
            .dt_bias = args.layer.dt_bias,
            .a = args.layer.a,
            .d = args.layer.d,
            .state = args.state.data,
            .out_proj = elements(args.out_proj)};
}

bool CudaStream::step_rows(const backend::Mamba1Layer& layer, const View& residual,
                           States conv_states, States ssm_states) {
    const std::int64_t rows = residual.rows;
    if (!fits_mamba1_rows(layer, rows)) return false;
    const RowsDevice device = rows_device(queue_->device().number());
    const ProjectConvolvePlan cut = plan_projections(layer, device);
    if (cut.blocks > 0 && out_projection_.fits(layer)) {
        step_rows_on_hopper(layer, residual, cut, conv_states, ssm_states, device);
        return true;
    }
    const DeviceGuard guard = current();
    norm_multiply(residual, *layer.norm, layer.norm_eps, layer.normed, *layer.in_proj,
                  layer.projected);
    conv_rows(conv_rows_args(layer), table_of(conv_states), rows, s());
    multiply(layer.x, *layer.x_proj, layer.dt_b_c);
    scan_rows(scan_rows_args(layer), table_of(ssm_states), rows, device.multiprocessors, s());
    multiply_add(layer.y, *layer.out_proj, residual);
    return true;
}

// Four launches a layer, of which out_proj's waits for the next layer.
void CudaStream::step_rows_on_hopper(const backend::Mamba1Layer& layer, const View& residual,
                                     const ProjectConvolvePlan& cut, States conv_states,
                                     States ssm_states, const RowsDevice& device) {
    tokens_.flush();
    const DeviceGuard guard(queue_->device().number());
    ProjectConvolveArgs in = project_convolve_args(layer, cut);
    const OutProjection::Normed normed =
        out_projection_.norm(layer, residual, first_tiles(in, cut));
    in.squares = normed.squares;
    in.factors = normed.factors;
    const StateTable states = table_of(ssm_states);
    project_convolve(in, cut, table_of(conv_states), states, s());
    project_rows(project_rows_args(layer), s());
    ScanRowsArgs scan = scan_rows_args(layer);
    scan.factors = normed.factors;
    scan_rows(scan, states, residual.rows, device.multiprocessors, s());
    out_projection_.add(layer, residual);
}

bool CudaStream::step_mamba1(const backend::Mamba1Layer& layer, View residual, States conv_states,
                             States ssm_states) {
    if (residual.rows > 1) return step_rows(layer, residual, conv_states, ssm_states);
    const bool precise_delta = held(*layer.dt_proj).type() == DType::f32;
    if (residual.rows != 1 || !precise_delta) return false;
    if (resolve(layer.x).type == DType::bf16) {
        const DeviceGuard guard(queue_->device().number());
        const auto args = step_args<bf16>(layer, residual, conv_states.front(), ssm_states.front());
        const std::optional<TokenShape> shape = token_shape(args);
        if (shape && tokens_.add(*shape, token_layer(args))) return true;
    }
    const DeviceGuard guard = current();
    bool done = false;
    with_type(resolve(layer.x).type, [&]<typename T>() {
        const auto args = step_args<T>(layer, residual, conv_states.front(), ssm_states.front());
        done = fits_step(args);
        if (done) mamba1_step(args, s());
    });
    return done;
}

}  // namespace

backend::StreamPtr make_cuda_stream(const std::shared_ptr<Device>& device) {
    const DeviceGuard guard(device->number());
    return std::make_unique<CudaStream>(device);
}

}  // namespace sipo::cuda
