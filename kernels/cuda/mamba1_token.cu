// One token through all layers of a Mamba-1 model and its head in one launch. Decoding one sequence is reading
// the weights once; cut into a launch an operation, the memory idles at every border. Here a block a
// multiprocessor stays for the whole token, and what it will multiply next is already on its way
// while the blocks wait for each other: the weights depend on nothing.
//
//   * A warp of its own asks for a block's share of in_proj and out_proj, in the order in which it is
//     multiplied, over the borders of phases and layers. It comes through a ring of shared memory. The
//     unit is d_inner elements: two rows of in_proj or of the head, one of out_proj. Pairs of warps take
//     the units in turn; a warp multiplies half of one with inputs that it holds in registers.
//   * Only so much is asked for at a time as keeps the memory busy. Everything else that a block reads
//     waits behind it: with the whole ring under way the other reads took 5 us.
//   * A layer has three phases: in_proj, the convolution and x_proj's columns of the block's channels;
//     dt_proj, the recurrence and the gate; out_proj. Each needs results of all blocks
//     (token_exchange.cuh; token_narrow.cuh for x_proj).
//   * A block has the same channels in the first two phases, so x and z stay in it, and its rows of in_proj
//     for z are multiplied while Δ, B and C travel.
//   * Everything that does not come from other blocks is asked for before they are waited for.
#include "launch.hpp"
#include "mamba1_token.hpp"
#include "token_narrow.cuh"

namespace sipo::cuda {
namespace {

using namespace token;

#if __CUDA_ARCH__ >= 900

// Four sums over a warp: sum u ends in the lanes 8 u to 8 u + 7.
__device__ inline float warp_sums(const float (&values)[4]) {
    const int lane = lane_of_thread();
    const bool upper = (lane & 16) != 0;
    const bool odd = (lane & 8) != 0;
    const float first = (upper ? values[2] : values[0]) +
                        __shfl_xor_sync(0xffffffffU, upper ? values[0] : values[2], 16);
    const float second = (upper ? values[3] : values[1]) +
                         __shfl_xor_sync(0xffffffffU, upper ? values[1] : values[3], 16);
    float sum = (odd ? second : first) + __shfl_xor_sync(0xffffffffU, odd ? first : second, 8);
#pragma unroll
    for (int step = 4; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, step);
    return sum;
}

template <int Slices>
class Token {
public:
    __device__ Token(const TokenArgs& args, const Layout& layout, unsigned char* memory)
        : shape_(args.shape),
          exchange_(args.exchange),
          layout_(layout),
          memory_(memory),
          head_(args.head),
          layers_(args.layers),
          units_(args.shape),
          ring_(layout, memory),
          narrow_(layout, memory),
          dt_full_(reinterpret_cast<ByteBarrier*>(memory + layout.dt_full)) {}

    __device__ void run(const TokenArgs& args) {
        begin(args);
        if (threadIdx.x < threads) return multiply_all();
        if (threadIdx.x >= threads + warp_size) return add_up_all();
        if (threadIdx.x != threads) return;
        ask_for_units<pairs>(units_, layout_, memory_, layers_, head_);
    }

private:
    using Eight = Pack<bf16, 8>;
    using Team = token::Team<Slices>;
    static constexpr int pairs = Team::pairs;
    static constexpr int warps = Team::warps;
    static constexpr int threads = Team::threads;

    template <typename Element>
    [[nodiscard]] __device__ Element* at(int offset) const {
        return reinterpret_cast<Element*>(memory_ + offset);
    }
    [[nodiscard]] static __device__ int lane() { return lane_of_thread(); }
    [[nodiscard]] static __device__ int half() { return threadIdx.x / warp_size % 2; }
    [[nodiscard]] __device__ float* sums(int which) const {
        return at<float>(layout_.sums) + which * layout_.channels;
    }
    // x and Δ's bias of the block's channels.
    [[nodiscard]] __device__ float* inputs(int which) const {
        return at<float>(layout_.inputs) + which * layout_.channels;
    }
    // The threads that multiply wait for each other.
    static __device__ void sync_threads() { sync_some<threads>(); }
    // Of a word that another block told.
    [[nodiscard]] static __device__ float single(std::uint32_t word) {
        return __uint_as_float(word & ~SingleWord::tag_bits);
    }

    __device__ void begin(const TokenArgs& args) {
        constexpr int words = sizeof(TokenLayer) / 8;
        const auto* table = reinterpret_cast<const unsigned long long*>(args.layer);
        for (int i = threadIdx.x; i < layers_ * words; i += blockDim.x) {
            at<unsigned long long>(layout_.layers)[i] = table[i];
        }
        if (threadIdx.x == 0) {
            init_barrier(dt_full_, 1);
            for (int i = 0; i < layout_.depth; ++i) {
                init_barrier(at<ByteBarrier>(layout_.full) + i, 1);
                init_barrier(at<ByteBarrier>(layout_.empty) + i, 2);
            }
            narrow_.init(warps);
            publish_barriers();
            narrow_.expect();
        }
        arrive_at_cluster();
        wait_for_cluster();
        let_successor_start();
    }
    __device__ void multiply_all() {
        ask_dt_weight(0);
        wait_for_predecessor();
        tag_ = __ldcg(exchange_.control);
        find_places();
        const int row = units_.first_output() + static_cast<int>(threadIdx.x);
        const bool own = threadIdx.x < units_.count();
        float sum = own ? shape_.residual[row] : 0.0F;
        for (int layer = 0; layer < layers_; ++layer) {
            ++tag_;
            project(layer);
            scan(layer);
            sum += add_output(sum, layer + 1 < layers_ || head_.rows > 0);
        }
        if (own) shape_.residual[row] = sum;
        if (head_.rows > 0) find_logits();
        leave();
    }
    // The warp that adds up x_proj's parts.
    __device__ void add_up_all() {
        const NarrowSums narrow(layout_, memory_, units_);
        const auto* table = at<const TokenLayer>(layout_.layers);
        narrow.ask(table, 0, layers_);
        wait_for_predecessor();
        unsigned tag = __ldcg(exchange_.control);
        for (int layer = 0; layer < layers_; ++layer) {
            narrow.add_up(layer, exchange_.dt_b_c, ++tag);
            narrow.ask(table, layer + 1, layers_);
        }
    }
    // Its elements of the recurrence: channel and state.
    __device__ void find_places() {
#pragma unroll
        for (int i = 0; i < max_elements; ++i) {
            const int e = static_cast<int>(threadIdx.x) + i * threads;
            const bool present = e < units_.channels() * d_state;
            channel_[i] = present ? e % units_.channels() : -1;
            state_[i] = e / units_.channels();
        }
    }
    // What a layer reads and no other block writes, into the second-level cache while there is time.
    __device__ void prefetch_layer(int layer) const {
        if (layer >= layers_) return;
        const TokenLayer& l = at<const TokenLayer>(layout_.layers)[layer];
        const int own = static_cast<int>(threadIdx.x);
        const int channel = units_.first_channel() + own;
        for (int i = own; i < shape_.d_model / 8; i += threads) prefetch(l.norm + i * 8);
#pragma unroll
        for (int i = 0; i < max_elements; ++i) {
            if (channel_[i] < 0) break;
            const int c = units_.first_channel() + channel_[i];
            prefetch(l.state + state_[i] * shape_.state_stride + c);
            prefetch(l.a + state_[i] * shape_.a_stride + c);
        }
        if (own >= units_.channels()) return;
#pragma unroll
        for (int k = 0; k < taps - 1; ++k)
            prefetch(l.history + k * shape_.history_stride + channel);
#pragma unroll
        for (int k = 0; k < taps; ++k) prefetch(l.conv_weight + k * shape_.conv_stride + channel);
        if (l.conv_bias != nullptr) prefetch(l.conv_bias + channel);
        prefetch(l.d + channel);
        prefetch(l.dt_bias + channel);
    }
    // Whoever leaves last moves the tag on for the next launch.
    __device__ void leave() const {
        if (threadIdx.x != 0 || atomicAdd(exchange_.control + 1, 1) != gridDim.x - 1) return;
        exchange_.control[0] = tag_;
        exchange_.control[1] = 0;
    }

    // A warp's inputs, from shared memory.
    __device__ void load_inputs(const bf16* from, float (&x)[Slices * 8]) const {
        const bf16* vector = from + lane() * 8;
#pragma unroll
        for (int i = 0; i < Slices; ++i) {
            const Eight eight = *reinterpret_cast<const Eight*>(vector + i * slice);
#pragma unroll
            for (int e = 0; e < 8; ++e) x[i * 8 + e] = to_float(eight.values[e]);
        }
    }

    // The block's `count` units of a product: keep(j, sum) of unit j in the two warps that have a half of
    // it each.
    template <typename Keep>
    __device__ void multiply_units(int count, const float (&x)[Slices * 8], const Keep& keep) {
        const int turn = ring_.pair() - before_;
        for (int j = turn < 0 ? turn + pairs : turn; j < count; j += 4 * pairs) {
            float sum[4] = {};
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                if (j + u * pairs < count) sum[u] = multiply_front(x);
            }
            const float all = warp_sums(sum);
            const int unit = j + lane() / 8 * pairs;
            if (lane() % 8 == 0 && unit < count) keep(unit, all);
        }
        before_ = (before_ + count) % pairs;
    }
    // Those of a layer's product: sums(0 and 1)[first + j].
    __device__ void multiply(int first, const float (&x)[Slices * 8]) {
        float* own = sums(half()) + first;
        multiply_units(units_.count(), x, [&](int unit, float sum) { own[unit] = sum; });
        sync_threads();
    }
    // A lane's part of the warp's half of the next unit.
    __device__ float multiply_front(const float (&x)[Slices * 8]) {
        const bf16* weights = ring_.front() + half() * shape_.d_model + lane() * 8;
        float sum[4] = {};
#pragma unroll
        for (int i = 0; i < Slices; ++i) {
            const Eight eight = *reinterpret_cast<const Eight*>(weights + i * slice);
#pragma unroll
            for (int e = 0; e < 8; ++e) sum[e % 4] += to_float(eight.values[e]) * x[i * 8 + e];
        }
        ring_.pop();
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }

    // Phase 1: norm, in_proj, convolution and SiLU, a thread a channel; x_proj.
    __device__ void project(int layer) {
        const TokenLayer& l = at<const TokenLayer>(layout_.layers)[layer];
        const int own = static_cast<int>(threadIdx.x);
        const bool convolved = own < units_.channels();
        const int channel = units_.first_channel() + own;
        float history[taps - 1] = {}, weight[taps] = {};
        float bias = 0.0F;
        if (convolved) {
#pragma unroll
            for (int k = 0; k < taps - 1; ++k)
                history[k] = l.history[k * shape_.history_stride + channel];
#pragma unroll
            for (int k = 0; k < taps; ++k)
                weight[k] = l.conv_weight[k * shape_.conv_stride + channel];
            if (l.conv_bias != nullptr) bias = l.conv_bias[channel];
        }
        float x[Slices * 8];
        stage_normed(l.norm, layer > 0);
        load_inputs(at<bf16>(layout_.normed), x);
        multiply(0, x);
        if (convolved) {
            factor_ = norm_factor();
            const float product = to_float(from_float<bf16>(sums(own % 2)[own / 2] * factor_));
            float sum = bias + weight[taps - 1] * product;
#pragma unroll
            for (int k = 0; k < taps - 1; ++k) {
                sum += weight[k] * history[k];
                l.history[k * shape_.history_stride + channel] =
                    k + 2 < taps ? history[(k + 1) % (taps - 1)] : product;
            }
            inputs(0)[own] = to_float(from_float<bf16>(silu<bf16>(sum)));
        }
        sync_threads();
        narrow_.send(layer, inputs(0), units_.channels());
        prefetch_layer(layer + 1);
    }

    // The inputs of in_proj or the head but for the norm's factor: it is the same for all of them, and the
    // products are multiplied by it, so that they need not wait for the sum of squares.
    __device__ void stage_normed(const float* weight, bool hears) {
        constexpr int packs = Slices * slice / 4;
        constexpr int held = (packs + threads - 1) / threads;
        const int first = static_cast<int>(threadIdx.x);
        float4 norm[held];
        uint4 words[held];
#pragma unroll
        for (int i = 0; i < held; ++i) {
            if (first + i * threads >= packs) continue;
            norm[i] = reinterpret_cast<const float4*>(weight)[first + i * threads];
            if (!hears)
                words[i] =
                    __ldcg(reinterpret_cast<const uint4*>(shape_.residual) + first + i * threads);
        }
        if (hears) hear<SingleWord, threads>(exchange_.residual, packs, tag_ - 1, words);
        float squares = 0.0F;
#pragma unroll
        for (int i = 0; i < held; ++i) {
            if (first + i * threads >= packs) continue;
            const float4 v{single(words[i].x), single(words[i].y), single(words[i].z),
                           single(words[i].w)};
            squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
            auto* to = at<__nv_bfloat162>(layout_.normed) + 2 * (first + i * threads);
            to[0] = __floats2bfloat162_rn(v.x * norm[i].x, v.y * norm[i].y);
            to[1] = __floats2bfloat162_rn(v.z * norm[i].z, v.w * norm[i].w);
        }
        squares = warp_sum(squares);
        if (lane() == 0) at<float>(layout_.scratch)[threadIdx.x / warp_size] = squares;
        sync_threads();
    }
    [[nodiscard]] __device__ float norm_factor() const {
        float sum = 0.0F;
#pragma unroll
        for (int w = 0; w < warps; ++w) sum += at<float>(layout_.scratch)[w];
        return rsqrtf(sum / static_cast<float>(shape_.d_model) + shape_.norm_eps);
    }

    // dt_proj's rows of the block's channels, for the layer after the one that has just read its own.
    __device__ void ask_dt_weight(int layer) {
        if (threadIdx.x != 0 || layer == layers_) return;
        const std::int64_t row = shape_.dt_stride;
        copy_bulk(
            at<float>(layout_.dt_weight),
            at<const TokenLayer>(layout_.layers)[layer].dt_weight + units_.first_channel() * row,
            static_cast<std::uint32_t>(units_.channels() * row * sizeof(float)), dt_full_);
    }

    // Phase 2: z; dt_proj, the recurrence and the gate of the block's channels.
    __device__ void scan(int layer) {
        const TokenLayer& l = at<const TokenLayer>(layout_.layers)[layer];
        const int first = units_.first_channel();
        const int count = units_.channels();
        float h[max_elements], a[max_elements];
#pragma unroll
        for (int i = 0; i < max_elements; ++i) {
            if (channel_[i] < 0) break;
            h[i] = l.state[state_[i] * shape_.state_stride + first + channel_[i]];
            a[i] = l.a[state_[i] * shape_.a_stride + first + channel_[i]];
        }
        const int own = first + static_cast<int>(threadIdx.x);
        float skip = 0.0F, bias = 0.0F;
        if (threadIdx.x < count) {
            skip = l.d[own];
            bias = l.dt_bias[own];
        }
        float x[Slices * 8];
        load_inputs(at<bf16>(layout_.normed), x);
        multiply(count / 2, x);
        if (threadIdx.x < count) inputs(1)[threadIdx.x] = bias;
        wait_barrier(dt_full_, static_cast<std::uint32_t>(layer) & 1U);
        hear_dt_b_c();
        find_deltas(count);
        sync_threads();
        ask_dt_weight(layer + 1);
        const float* b = at<float>(layout_.dt_b_c) + shape_.dt_rank;
        auto* partial = at<float>(layout_.partial);
#pragma unroll
        for (int i = 0; i < max_elements; ++i) {
            const int c = channel_[i];
            const int n = state_[i];
            if (c < 0) break;
            const float delta = at<float>(layout_.deltas)[c];
            h[i] = decay_exp2<bf16>(delta * (a[i] * log2_e)) * h[i] + delta * inputs(0)[c] * b[n];
            l.state[n * shape_.state_stride + first + c] = h[i];
            partial[n * layout_.channels + c] = h[i] * b[d_state + n];
        }
        sync_threads();
        if (threadIdx.x >= count) return;
        float y = skip * inputs(0)[threadIdx.x];
#pragma unroll
        for (int n = 0; n < d_state; ++n) y += partial[n * layout_.channels + threadIdx.x];
        const float z = sums(threadIdx.x % 2)[(count + threadIdx.x) / 2] * factor_;
        tell<HalfWord>(exchange_.y + own, y * silu<bf16>(to_float(from_float<bf16>(z))), tag_);
    }

    // The clusters' parts of x_proj's result, and their sums.
    __device__ void hear_dt_b_c() {
        const int first = static_cast<int>(threadIdx.x);
        const int packs = layout_.clusters() * layout_.rows / 4;
        auto* gathered = at<float>(layout_.gathered);  // [clusters, rows]
        uint4 words[Team::packs];
        hear<SingleWord, threads>(exchange_.dt_b_c, packs, tag_, words);
#pragma unroll
        for (int i = 0; i < Team::packs; ++i) {
            const int pack = first + i * threads;
            if (pack >= packs) continue;
            reinterpret_cast<float4*>(gathered)[pack] = {single(words[i].x), single(words[i].y),
                                                         single(words[i].z), single(words[i].w)};
        }
        sync_threads();
        if (first < layout_.rows) {
            float sum = 0.0F;
#pragma unroll 8
            for (int k = 0; k < layout_.clusters(); ++k) sum += gathered[k * layout_.rows + first];
            at<float>(layout_.dt_b_c)[first] = to_float(from_float<bf16>(sum));
        }
        sync_threads();
    }

    // Δ of the block's channels: a warp every so many of them, four at once.
    __device__ void find_deltas(int count) const {
        const float* dt = at<float>(layout_.dt_b_c);
        for (int first = static_cast<int>(threadIdx.x) / warp_size; first < count;
             first += 4 * warps) {
            const float* weight = at<float>(layout_.dt_weight) + first * shape_.dt_stride;
            float sum[4] = {};
            for (int r = lane(); r < shape_.dt_rank; r += warp_size) {
#pragma unroll
                for (int u = 0; u < 4; ++u) {
                    if (first + u * warps < count)
                        sum[u] += weight[u * warps * shape_.dt_stride + r] * dt[r];
                }
            }
            const float all = warp_sums(sum);
            const int c = first + lane() / 8 * warps;
            if (lane() % 8 != 0 || c >= count) continue;
            const float v = softplus<bf16>(all + inputs(1)[c]);
            at<float>(layout_.deltas)[c] =
                to_float(from_float<bf16>(clamp_keeping_nan(v, shape_.low, shape_.high)));
        }
    }

    // The inputs [d_inner] of out_proj: y, as all blocks told it.
    __device__ void stage_y(float (&x)[Slices * 8]) {
        constexpr int packs = Slices * slice / 2;  // of four values
        constexpr int held = (packs + threads - 1) / threads;
        uint4 words[held];
        hear<HalfWord, threads>(exchange_.y, packs, tag_, words);
#pragma unroll
        for (int i = 0; i < held; ++i) {
            const uint4& w = words[i];
            if (threadIdx.x + i * threads >= packs) continue;
            at<uint2>(layout_.vector)[threadIdx.x + i * threads] = {__byte_perm(w.x, w.y, 0x7632),
                                                                    __byte_perm(w.z, w.w, 0x7632)};
        }
        sync_threads();
        load_inputs(at<bf16>(layout_.vector) + half() * shape_.d_model, x);
    }

    // Phase 3: out_proj onto the residual stream, of which a thread has a row. What it adds.
    __device__ float add_output(float before, bool tells) {
        float x[Slices * 8];
        stage_y(x);
        multiply(0, x);
        const int own = static_cast<int>(threadIdx.x);
        if (own >= units_.count()) return 0.0F;
        const float sum = sums(0)[own] + sums(1)[own];
        if (tells)
            tell<SingleWord>(exchange_.residual + units_.first_output() + own, before + sum, tag_);
        return sum;
    }

    // The last norm and the head; a lane writes the logits that it has the sums of.
    __device__ void find_logits() {
        ++tag_;
        float x[Slices * 8];
        stage_normed(head_.norm, true);
        load_inputs(at<bf16>(layout_.normed), x);
        const float factor = norm_factor();
        const Part own = units_of(head_);
        float* logits = head_.logits + 2 * own.first + half();
        multiply_units(own.count, x, [&](int unit, float sum) { logits[2 * unit] = sum * factor; });
    }

    const TokenShape& shape_;
    const TokenExchange& exchange_;
    const Layout& layout_;
    unsigned char* memory_;
    const TokenHead& head_;
    int layers_;
    unsigned tag_ = 0;
    int before_ = 0;       // units of the phases before, of the pairs' turn
    float factor_ = 0.0F;  // of the norm, for the channel of this thread
    int channel_[max_elements];
    int state_[max_elements];
    Units units_;
    Ring<pairs> ring_;
    NarrowProduct narrow_;
    ByteBarrier* dt_full_;
};

#endif

template <int Slices>
__global__ __launch_bounds__(Team<Slices>::all_threads,
                             1) void token_layers(const __grid_constant__ TokenArgs args,
                                                  const __grid_constant__ Layout layout) {
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) unsigned char memory[];
    Token<Slices>(args, layout, memory).run(args);
#endif
}

// run.template operator()<Slices>() for the widths that have a kernel; false: none.
template <typename Run>
bool for_slices(int d_model, const Run& run) {
    const auto fits = [&]<int Slices>() {
        if (d_model != Slices * slice) return false;
        run.template operator()<Slices>();
        return true;
    };
    return fits.template operator()<3>() || fits.template operator()<4>() ||
           fits.template operator()<6>() || fits.template operator()<8>() ||
           fits.template operator()<10>();
}

[[nodiscard]] int attribute(cudaDeviceAttr which, int device) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, device), "the device's attributes");
    return value;
}

[[nodiscard]] int current_device() {
    int device = 0;
    check(cudaGetDevice(&device), "the current device");
    return device;
}

// A launch of clusters of blocks that are all there at once.
template <int Slices>
class Launch {
public:
    Launch(const Layout& layout, cudaStream_t s) {
        attributes_[0].id = cudaLaunchAttributeClusterDimension;
        attributes_[0].val.clusterDim = {cluster_blocks, 1, 1};
        attributes_[1].id = cudaLaunchAttributeCooperative;
        attributes_[1].val.cooperative = 1;
        config_.gridDim = dim3(static_cast<unsigned>(layout.blocks));
        config_.blockDim = dim3(Team<Slices>::all_threads);
        config_.dynamicSmemBytes = static_cast<std::size_t>(layout.bytes);
        config_.stream = s;
        config_.attrs = attributes_;
        config_.numAttrs = 2;
    }
    Launch(const Launch&) = delete;
    Launch& operator=(const Launch&) = delete;

    // That the device holds at once.
    [[nodiscard]] int clusters() const {
        int count = 0;
        check(cudaOccupancyMaxActiveClusters(&count, token_layers<Slices>, &config_),
              "the clusters of a device");
        return count;
    }
    void run(const TokenArgs& args, const Layout& layout) const {
        check(cudaLaunchKernelEx(&config_, token_layers<Slices>, args, layout),
              "a kernel's launch");
    }

private:
    cudaLaunchAttribute attributes_[2]{};
    cudaLaunchConfig_t config_{};
};

// Blocks for as many clusters as the device holds; 0: the shape does not fit.
template <int Slices>
[[nodiscard]] int blocks_of(const TokenShape& shape, int multiprocessors, int shared_bytes) {
    const auto layout_of = [&](int clusters) {
        return layout_for<Slices>(shape, max_token_layers, clusters * cluster_blocks, shared_bytes);
    };
    int clusters = std::min(multiprocessors / cluster_blocks, max_clusters);
    if (clusters == 0 || !fits<Slices>(shape, layout_of(clusters))) return 0;
    allow_shared(token_layers<Slices>, static_cast<std::size_t>(shared_bytes));
    clusters = std::min(clusters, Launch<Slices>(layout_of(clusters), nullptr).clusters());
    return clusters > 0 && fits<Slices>(shape, layout_of(clusters)) ? clusters * cluster_blocks : 0;
}

}  // namespace

std::int64_t exchange_bytes(const TokenShape& shape, int blocks) {
    const std::int64_t sums = blocks / cluster_blocks * (shape.dt_rank + 2 * d_state);
    const std::int64_t words = 32 + shape.d_inner() + shape.d_model + sums;
    return words * static_cast<std::int64_t>(sizeof(std::uint32_t));
}

std::int64_t most_exchange_bytes(int d_model, int multiprocessors) {
    const TokenShape widest{.d_model = d_model, .dt_rank = max_rows - 2 * d_state};
    return exchange_bytes(
        widest, std::min(multiprocessors / cluster_blocks, max_clusters) * cluster_blocks);
}

TokenExchange make_exchange(const TokenShape& shape, void* memory) {
    auto* words = static_cast<std::uint32_t*>(memory);
    TokenExchange e{};
    e.control = words;
    e.y = words + 32;
    e.residual = e.y + shape.d_inner();
    e.dt_b_c = e.residual + shape.d_model;
    return e;
}

int token_blocks(const TokenShape& shape) {
    const int device = current_device();
    if (attribute(cudaDevAttrComputeCapabilityMajor, device) < 9) return 0;
    if (attribute(cudaDevAttrCooperativeLaunch, device) == 0) return 0;
    const int multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
    const int shared = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    int blocks = 0;
    for_slices(shape.d_model,
               [&]<int Slices>() { blocks = blocks_of<Slices>(shape, multiprocessors, shared); });
    return blocks;
}

void mamba1_token(const TokenArgs& args, int blocks, cudaStream_t s) {
    const int shared = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, current_device());
    for_slices(args.shape.d_model, [&]<int Slices>() {
        const Layout layout = layout_for<Slices>(args.shape, args.layers, blocks, shared);
        Launch<Slices>(layout, s).run(args, layout);
    });
}

}  // namespace sipo::cuda
