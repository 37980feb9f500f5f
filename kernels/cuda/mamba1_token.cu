// One token through all layers of a Mamba-1 model in one launch. Decoding one sequence is reading
// the weights once; cut into a launch an operation, the memory idles at every border. Here a block a
// multiprocessor stays for the whole token, and what it will multiply next is already on its way
// while the blocks wait for each other: the weights depend on nothing.
//
//   * A warp of its own asks for a block's share of in_proj, x_proj and out_proj, in the order in which
//     it is multiplied, over the borders of phases and layers. It comes through a ring of shared memory. The
//     unit is d_inner elements: two rows of in_proj, one of the others. Four pairs of warps take
//     the units in turn; a warp multiplies half of one with inputs that it holds in registers.
//   * Only so much is asked for at a time as keeps the memory busy. Everything else that a block reads
//     waits behind it: with the whole ring under way the other reads took 5 us.
//   * A layer has four phases: in_proj and the convolution; x_proj; dt_proj, the recurrence and the
//     gate; out_proj. Each needs results of all blocks. They are told with a tag beside every value
//     (TokenExchange), so that one store and one load carry them: a barrier of all blocks, with its
//     fences, costs several times as much and was three quarters of the time.
//   * A block has the same channels in the first and in the third phase, so z stays in it, and its rows of
//     in_proj are multiplied while x and then Δ, B and C travel.
//   * Everything that does not come from other blocks is asked for before they are waited for.
#include <algorithm>

#include "bulk_copy.cuh"
#include "device_math.cuh"
#include "launch.hpp"
#include "mamba1_token.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;  // that multiply; a warp more asks for the units
constexpr int warps = threads / warp_size;
constexpr int pairs = warps / 2;
constexpr int d_state = 16;
constexpr int taps = 4;
constexpr int slice = warp_size * 8;       // columns that a warp multiplies at once
constexpr int max_elements = 4;            // (channel, state) elements of a thread
constexpr int bytes_under_way = 48 << 10;  // of a block
constexpr int max_channels = threads * max_elements / d_state;

// Shared memory of a block, in bytes from its beginning.
struct Layout {
    int blocks;
    int channels;  // the most that a block has, an even number
    int depth;     // units in the ring, a multiple of the pairs
    int window;    // units asked for at a time
    int unit;      // bytes of a unit
    int dt_weight;
    int normed;
    int vector;
    int sums;
    int dt_b_c;
    int deltas;
    int inputs;
    int partial;
    int scratch;
    int layers;
    int full;
    int empty;
    int dt_full;
    int ring;
    int bytes;
};

[[nodiscard]] int take(int& end, int bytes) {
    const int begin = end;
    end += (bytes + 127) / 128 * 128;
    return begin;
}

[[nodiscard]] Layout layout_for(const TokenShape& shape, int layers, int blocks, int shared_bytes) {
    const int wide = static_cast<int>(sizeof(float));
    Layout l{};
    l.blocks = blocks;
    l.channels = (shape.d_model + blocks - 1) / blocks * 2;
    l.unit = shape.d_inner() * static_cast<int>(sizeof(bf16));
    int end = 0;
    l.dt_weight = take(end, l.channels * shape.dt_stride * wide);
    l.normed = take(end, l.unit / 2);
    l.vector = take(end, l.unit);
    l.sums = take(end, 2 * l.channels * wide);
    l.dt_b_c = take(end, (shape.dt_rank + 2 * d_state) * wide);
    l.deltas = take(end, l.channels * wide);
    l.inputs = take(end, 2 * l.channels * wide);
    l.partial = take(end, d_state * l.channels * wide);
    l.scratch = take(end, warps * wide);
    l.layers = take(end, layers * static_cast<int>(sizeof(TokenLayer)));
    constexpr int most = 128;
    constexpr int barrier = static_cast<int>(sizeof(ByteBarrier));
    l.full = take(end, most * barrier);
    l.empty = take(end, most * barrier);
    l.dt_full = take(end, barrier);
    l.ring = end;
    l.depth = std::min((shared_bytes - end) / l.unit, most) / pairs * pairs;
    l.window = std::clamp(bytes_under_way / l.unit, 2, std::max(l.depth, 2));
    l.bytes = end + l.depth * l.unit;
    return l;
}

#if __CUDA_ARCH__ >= 900

__device__ inline void tell(std::uint32_t* to, float value, unsigned tag) {
    const std::uint32_t word =
        static_cast<std::uint32_t>(__bfloat16_as_ushort(from_float<bf16>(value))) << 16 |
        (tag & 0xffffU);
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(to), "r"(word) : "memory");
}
__device__ inline void tell(uint2* to, float value, unsigned tag) {
    asm volatile("st.relaxed.gpu.global.v2.u32 [%0], {%1, %2};" ::"l"(to),
                 "r"(__float_as_uint(value)), "r"(tag)
                 : "memory");
}
__device__ inline uint4 read_now(const void* from) {
    uint4 words;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
                 : "l"(from)
                 : "memory");
    return words;
}

// How a reader checks four words.
struct Narrow {  // bf16 above its tag, four values
    static __device__ bool told(const uint4& w, unsigned tag) {
        return (((w.x ^ tag) | (w.y ^ tag) | (w.z ^ tag) | (w.w ^ tag)) & 0xffffU) == 0;
    }
};
struct Wide {  // f32 and its tag, two values
    static __device__ bool told(const uint4& w, unsigned tag) { return w.y == tag && w.w == tag; }
};

// A thread's part of `packs` packs of four words: number threadIdx.x and every so many after it. Reads
// them until all are told.
template <int Packs>
__device__ int place_of(int i) {
    // Past the end: the last one.
    const int place = static_cast<int>(threadIdx.x) + i * threads;
    return (place < Packs ? i * threads : Packs - 1 - static_cast<int>(threadIdx.x));
}
template <typename Kind, int Packs>
__device__ void hear(const void* from, unsigned tag,
                     uint4 (&words)[(Packs + threads - 1) / threads]) {
    constexpr int own = (Packs + threads - 1) / threads;
    const auto* first = static_cast<const uint4*>(from) + threadIdx.x;
    bool all = false;
#pragma unroll
    for (int i = 0; i < own; ++i) words[i] = read_now(first + place_of<Packs>(i));
    while (!all) {
        all = true;
#pragma unroll
        for (int i = 0; i < own; ++i) {
            if (Kind::told(words[i], tag)) continue;
            all = false;
            words[i] = read_now(first + place_of<Packs>(i));
        }
    }
}

// A block's consecutive part of `total`.
struct Part {
    int first;
    int count;
    __device__ explicit Part(int total)
        : first(static_cast<int>(std::int64_t{total} * blockIdx.x / gridDim.x)),
          count(static_cast<int>(std::int64_t{total} * (blockIdx.x + 1) / gridDim.x) - first) {}
};

// The products in their order. in_proj's rows for z come in two parts, so that there is something to
// multiply while x travels to the other blocks, and while Δ, B and C do.
enum Phase : int { x_rows, z_rows, x_proj_rows, more_z_rows, out_rows, phases };

// A block's units of the products: which they are and where they come from.
class Units {
public:
    __device__ explicit Units(const TokenShape& shape)
        : d_model_(shape.d_model),
          couples_(shape.d_model),
          outputs_(shape.d_model),
          narrow_(narrow_count(shape.dt_rank + 2 * d_state)) {}
    [[nodiscard]] __device__ int count(int phase) const {
        switch (phase) {
            case x_rows: return couples_.count;
            case z_rows: return couples_.count / 2;
            case x_proj_rows: return narrow_;
            case more_z_rows: return couples_.count - couples_.count / 2;
            default: return outputs_.count;
        }
    }
    // Of the block's unit j in the product's units.
    [[nodiscard]] __device__ int index(int phase, int j) const {
        switch (phase) {
            case x_rows: return couples_.first + j;
            case z_rows: return d_model_ + couples_.first + j;
            case x_proj_rows: return static_cast<int>(blockIdx.x + j * gridDim.x);
            case more_z_rows: return d_model_ + couples_.first + couples_.count / 2 + j;
            default: return outputs_.first + j;
        }
    }
    // Of the first one, and the elements from one to the next.
    [[nodiscard]] __device__ const bf16* source(const TokenLayer& l, int phase) const {
        const bf16* from = phase == x_proj_rows ? l.x_proj
                           : phase == out_rows  ? l.out_proj
                                                : l.in_proj;
        return from + std::int64_t{index(phase, 0)} * 2 * d_model_;
    }
    [[nodiscard]] __device__ std::int64_t step(int phase) const {
        return std::int64_t{phase == x_proj_rows ? static_cast<int>(gridDim.x) : 1} * 2 * d_model_;
    }
    // The block's channels.
    [[nodiscard]] __device__ int first_channel() const { return 2 * couples_.first; }
    [[nodiscard]] __device__ int channels() const { return 2 * couples_.count; }

private:
    // x_proj has few rows, so they are dealt out singly.
    [[nodiscard]] static __device__ int narrow_count(int rows) {
        const int blocks = static_cast<int>(gridDim.x);
        return (rows - static_cast<int>(blockIdx.x) + blocks - 1) / blocks;
    }
    int d_model_;
    Part couples_;
    Part outputs_;
    int narrow_;
};

// The threads that multiply wait for each other.
__device__ inline void sync_threads() { asm volatile("bar.sync 1, %0;" ::"n"(threads) : "memory"); }

[[nodiscard]] __device__ inline int lane_of_thread() { return threadIdx.x % warp_size; }

// Asks for all units of all layers. One thread.
__device__ void ask_for_units(const Units& units, const Layout& layout, unsigned char* memory,
                              int layers) {
    const auto* table = reinterpret_cast<const TokenLayer*>(memory + layout.layers);
    auto* full = reinterpret_cast<ByteBarrier*>(memory + layout.full);
    auto* empty = reinterpret_cast<ByteBarrier*>(memory + layout.empty);
    int slot = 0, round = 0;             // of the unit to ask for
    int awaited = 0, awaited_round = 0;  // of the one that has to have come before
    int under_way = 0;
    for (int layer = 0; layer < layers; ++layer) {
        for (int phase = 0; phase < phases; ++phase) {
            const int count = units.count(phase);
            const bf16* from = units.source(table[layer], phase);
            const std::int64_t step = units.step(phase);
            for (int j = 0; j < count; ++j, from += step) {
                if (round > 0) wait_barrier(empty + slot, (round - 1) & 1);
                if (under_way == layout.window) {
                    wait_barrier(full + awaited, awaited_round & 1);
                    if (++awaited == layout.depth) awaited = 0, ++awaited_round;
                } else {
                    ++under_way;
                }
                copy_bulk(memory + layout.ring + slot * layout.unit, from,
                          static_cast<std::uint32_t>(layout.unit), full + slot);
                if (++slot == layout.depth) slot = 0, ++round;
            }
        }
    }
}

// The units of a pair of warps: every fourth of the ring's.
class Ring {
public:
    __device__ Ring(const Layout& layout, unsigned char* memory)
        : memory_(memory + layout.ring),
          full_(reinterpret_cast<ByteBarrier*>(memory + layout.full)),
          empty_(reinterpret_cast<ByteBarrier*>(memory + layout.empty)),
          unit_(layout.unit),
          depth_(layout.depth),
          slot_(pair()) {}
    [[nodiscard]] static __device__ int pair() {
        return static_cast<int>(threadIdx.x) / (2 * warp_size);
    }
    // The next unit, when it has come.
    [[nodiscard]] __device__ const bf16* front() const {
        wait_barrier(full_ + slot_, parity_);
        return reinterpret_cast<const bf16*>(memory_ + slot_ * unit_);
    }
    // The warp has read it.
    __device__ void pop() {
        __syncwarp();
        if (lane_of_thread() == 0) arrive_at(empty_ + slot_);
        slot_ += pairs;
        if (slot_ < depth_) return;
        slot_ -= depth_;
        parity_ ^= 1;
    }

private:
    unsigned char* memory_;
    ByteBarrier* full_;
    ByteBarrier* empty_;
    int unit_;
    int depth_;
    int slot_;
    std::uint32_t parity_ = 0;
};

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

__device__ inline void prefetch(const void* address) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

template <int Slices>
class Token {
public:
    __device__ Token(const TokenArgs& args, const Layout& layout, unsigned char* memory)
        : shape_(args.shape),
          exchange_(args.exchange),
          layout_(layout),
          memory_(memory),
          layers_(args.layers),
          units_(args.shape),
          ring_(layout, memory),
          dt_full_(reinterpret_cast<ByteBarrier*>(memory + layout.dt_full)) {}

    __device__ void run(const TokenArgs& args) {
        begin(args);
        if (threadIdx.x < threads) return multiply_all();
        if (threadIdx.x == threads) ask_for_units(units_, layout_, memory_, layers_);
    }

private:
    using Eight = Pack<bf16, 8>;

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
            publish_barriers();
        }
        __syncthreads();
    }
    __device__ void multiply_all() {
        ask_dt_weight(0);
        wait_for_predecessor();
        tag_ = __ldcg(exchange_.control);
        find_places();
        const bool own = threadIdx.x < units_.count(out_rows);
        float* residual = shape_.residual + units_.index(out_rows, static_cast<int>(threadIdx.x));
        float sum = own ? *residual : 0.0F;
        for (int layer = 0; layer < layers_; ++layer) {
            ++tag_;
            project(layer);
            project_x();
            scan(layer);
            sum += add_output(sum, layer + 1 < layers_);
        }
        if (own) *residual = sum;
        leave();
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
        if (own < shape_.d_model / 8) prefetch(l.norm + own * 8);
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

    // The block's units of a phase: the two warps' sums of unit j in sums(0 and 1)[first + j].
    __device__ void multiply(int phase, int first, const float (&x)[Slices * 8]) {
        const int count = units_.count(phase);
        for (int j = (Ring::pair() - before_) & (pairs - 1); j < count; j += 4 * pairs) {
            float sum[4] = {};
#pragma unroll
            for (int u = 0; u < 4; ++u) {
                if (j + u * pairs < count) sum[u] = multiply_front(x);
            }
            const float all = warp_sums(sum);
            const int unit = j + lane() / 8 * pairs;
            if (lane() % 8 == 0 && unit < count) sums(half())[first + unit] = all;
        }
        before_ += count;
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

    // Phase 1: norm, in_proj, convolution and SiLU, a thread a channel; part of z.
    __device__ void project(int layer) {
        const TokenLayer& l = at<const TokenLayer>(layout_.layers)[layer];
        const int count = units_.channels();
        const int own = static_cast<int>(threadIdx.x);
        const bool convolved = own < count;
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
        stage_normed(l, layer > 0);
        load_inputs(at<bf16>(layout_.normed), x);
        multiply(x_rows, 0, x);
        if (convolved) {
            const float product = to_float(from_float<bf16>(sums(own % 2)[own / 2]));
            float sum = bias + weight[taps - 1] * product;
#pragma unroll
            for (int k = 0; k < taps - 1; ++k) {
                sum += weight[k] * history[k];
                l.history[k * shape_.history_stride + channel] =
                    k + 2 < taps ? history[(k + 1) % (taps - 1)] : product;
            }
            const float activated = silu<bf16>(sum);
            tell(exchange_.x + channel, activated, tag_);
            inputs(0)[own] = to_float(from_float<bf16>(activated));
        }
        prefetch_layer(layer + 1);
        multiply(z_rows, count / 2, x);
    }

    __device__ void stage_normed(const TokenLayer& l, bool hears) {
        constexpr int packs = Slices * slice / 2;  // of two values
        constexpr int held = (packs + threads - 1) / threads;
        float2 norm[held], v[held] = {};
        const int first = static_cast<int>(threadIdx.x);
#pragma unroll
        for (int i = 0; i < held; ++i) {
            if (first + i * threads < packs)
                norm[i] = reinterpret_cast<const float2*>(l.norm)[first + i * threads];
        }
        uint4 words[held];
        if (hears) hear<Wide, packs>(exchange_.residual, tag_ - 1, words);
        float squares = 0.0F;
#pragma unroll
        for (int i = 0; i < held; ++i) {
            if (first + i * threads >= packs) continue;
            v[i] = hears ? float2{__uint_as_float(words[i].x), __uint_as_float(words[i].z)}
                         : __ldcg(reinterpret_cast<const float2*>(shape_.residual) + first +
                                  i * threads);
            squares += v[i].x * v[i].x + v[i].y * v[i].y;
        }
        const float mean = sum_of_threads(squares) / static_cast<float>(shape_.d_model);
        const float factor = rsqrtf(mean + shape_.norm_eps);
#pragma unroll
        for (int i = 0; i < held; ++i) {
            if (first + i * threads >= packs) continue;
            at<__nv_bfloat162>(layout_.normed)[first + i * threads] =
                __floats2bfloat162_rn(v[i].x * norm[i].x * factor, v[i].y * norm[i].y * factor);
        }
        sync_threads();
    }

    __device__ float sum_of_threads(float value) const {
        auto* scratch = at<float>(layout_.scratch);
        value = warp_sum(value);
        if (lane() == 0) scratch[threadIdx.x / warp_size] = value;
        sync_threads();
        float sum = 0.0F;
#pragma unroll
        for (int w = 0; w < warps; ++w) sum += scratch[w];
        return sum;
    }

    // The inputs [d_inner] that the phase before told.
    __device__ void stage_told(const std::uint32_t* from, float (&x)[Slices * 8]) {
        constexpr int packs = Slices * slice / 2;  // of four values
        constexpr int held = (packs + threads - 1) / threads;
        uint4 words[held];
        hear<Narrow, packs>(from, tag_, words);
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

    // Phase 2: x_proj.
    __device__ void project_x() {
        if (units_.count(x_proj_rows) == 0) return;
        float x[Slices * 8];
        stage_told(exchange_.x, x);
        multiply(x_proj_rows, 0, x);
        const int j = static_cast<int>(threadIdx.x);
        if (j < units_.count(x_proj_rows))
            tell(exchange_.dt_b_c + units_.index(x_proj_rows, j), sums(0)[j] + sums(1)[j], tag_);
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

    // Phase 3: the rest of z; dt_proj, the recurrence and the gate of the block's channels.
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
        multiply(more_z_rows, count / 2 + units_.count(z_rows), x);
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
        const float z = sums(threadIdx.x % 2)[(count + threadIdx.x) / 2];
        tell(exchange_.y + own, y * silu<bf16>(to_float(from_float<bf16>(z))), tag_);
    }

    __device__ void hear_dt_b_c() {
        const int packs = (shape_.dt_rank + 2 * d_state) / 4;
        if (threadIdx.x < packs) {
            uint4 w;
            do {
                w = read_now(reinterpret_cast<const uint4*>(exchange_.dt_b_c) + threadIdx.x);
            } while (!Narrow::told(w, tag_));
            const auto value = [](std::uint32_t word) {
                return __uint_as_float(word & 0xffff0000U);
            };
            at<float4>(layout_.dt_b_c)[threadIdx.x] = {value(w.x), value(w.y), value(w.z),
                                                       value(w.w)};
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

    // Phase 4: out_proj onto the residual stream, of which a thread has a row. What it adds.
    __device__ float add_output(float before, bool tells) {
        float x[Slices * 8];
        stage_told(exchange_.y, x);
        multiply(out_rows, 0, x);
        const int own = static_cast<int>(threadIdx.x);
        if (own >= units_.count(out_rows)) return 0.0F;
        const float sum = sums(0)[own] + sums(1)[own];
        if (tells) tell(exchange_.residual + units_.index(out_rows, own), before + sum, tag_);
        return sum;
    }

    const TokenShape& shape_;
    const TokenExchange& exchange_;
    const Layout& layout_;
    unsigned char* memory_;
    int layers_;
    unsigned tag_ = 0;
    int before_ = 0;  // units of the phases before
    int channel_[max_elements];
    int state_[max_elements];
    Units units_;
    Ring ring_;
    ByteBarrier* dt_full_;
};

#endif

template <int Slices>
__global__ __launch_bounds__(threads + warp_size,
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

}  // namespace

std::int64_t exchange_bytes(const TokenShape& shape) {
    const std::int64_t words = 32 + 2 * shape.d_inner() + shape.dt_rank + 32 + 2 * shape.d_model;
    return words * static_cast<std::int64_t>(sizeof(std::uint32_t));
}

TokenExchange make_exchange(const TokenShape& shape, void* memory) {
    auto* words = static_cast<std::uint32_t*>(memory);
    TokenExchange e{};
    e.control = words;
    e.x = words + 32;
    e.y = e.x + shape.d_inner();
    e.residual = reinterpret_cast<uint2*>(e.y + shape.d_inner());
    e.dt_b_c = reinterpret_cast<std::uint32_t*>(e.residual + shape.d_model);
    return e;
}

int token_blocks(const TokenShape& shape) {
    const int device = current_device();
    if (attribute(cudaDevAttrComputeCapabilityMajor, device) < 9) return 0;
    if (attribute(cudaDevAttrCooperativeLaunch, device) == 0) return 0;
    const int blocks = attribute(cudaDevAttrMultiProcessorCount, device);
    const int shared = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    const Layout layout = layout_for(shape, max_token_layers, blocks, shared);
    const bool fits = layout.depth >= pairs && layout.channels <= max_channels &&
                      2 * layout.channels <= threads && shape.dt_stride % 4 == 0 &&
                      shape.dt_rank % 4 == 0 && blocks <= shape.d_model;
    if (!fits) return 0;
    int resident = 0;
    const bool known = for_slices(shape.d_model, [&]<int Slices>() {
        const auto kernel = token_layers<Slices>;
        const auto bytes = static_cast<std::size_t>(layout.bytes);
        allow_shared(kernel, static_cast<std::size_t>(shared));
        check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, threads + warp_size,
                                                            bytes),
              "the blocks of a multiprocessor");
    });
    return known && resident > 0 ? blocks : 0;
}

void mamba1_token(const TokenArgs& args, int blocks, cudaStream_t s) {
    const Layout layout =
        layout_for(args.shape, args.layers, blocks,
                   attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, current_device()));
    cudaLaunchAttribute together{};
    together.id = cudaLaunchAttributeCooperative;
    together.val.cooperative = 1;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(threads + warp_size);
    config.dynamicSmemBytes = static_cast<std::size_t>(layout.bytes);
    config.stream = s;
    config.attrs = &together;
    config.numAttrs = 1;
    for_slices(args.shape.d_model, [&]<int Slices>() {
        check(cudaLaunchKernelEx(&config, token_layers<Slices>, args, layout), "a kernel's launch");
    });
}

}  // namespace sipo::cuda
