// Mamba-1's recurrence over a prompt, all d_state = 16 states of a channel in one thread.
//
// With the states in a thread, B and C are the same for all of a warp and Δ, x, z and y are touched
// once a token: 8 instructions a token, channel and state, where spreading the states over lanes
// (selective_scan.cu) took 13. One sequence has too few channels to fill the card that way, so the
// prompt is also cut into segments that are scanned side by side:
//   1. `find_ends`: the state that each segment but the last leaves behind if it begins at zero. It
//      goes backwards in time, where a token's weight is exp(A Σ Δ of what follows), and stops
//      once that weight has vanished for all of a warp; the part of a segment that was forgotten
//      before its end is never read.
//   2. `join_ends`: from those and the state before the prompt the state before each segment.
//   3. `scan_parts`: the recurrence of every segment.
// A NaN or infinity outlives any decay, and a segment's forgotten part may hold one. So each segment
// tells whether its state ends finite, and where one does not the last block to end scans that
// block's channels again from the first token to the last.
#include "async_copy.cuh"
#include "device_math.cuh"
#include "launch.hpp"
#include "scan_common.cuh"
#include "selective_scan_segments.hpp"

namespace sipo::cuda {
namespace {

constexpr int d_state = 16;
constexpr int threads = 128;
constexpr int channels = 2;  // of a thread
constexpr int width = threads * channels;
constexpr int tile_tokens = 32;  // whose B and C lie in shared memory
constexpr int batch = 4;         // tokens copied together
constexpr int resident = 3;      // blocks of a multiprocessor: four would have to spill registers
template <typename T>
constexpr int stages = 8 / static_cast<int>(sizeof(T));  // batches under way

// Weights below 2^−32, a 256th of what f32 rounds off, are taken for zero.
constexpr float vanished = -32.0F;

// Where the parts of the scratch memory lie.
struct Segments {
    float* states;   // [segments, d_state, d_inner]: ends, then the states before
    float* sums;     // [segments, d_inner]: Σ Δ
    unsigned* done;  // [groups]: blocks that have ended, and from bit 16 on those not finite
    std::int64_t count;
    std::int64_t tokens;  // of each but the last
};

// Elements in the words they came in, split only where they are used.
template <typename T, int Count>
struct alignas(sizeof(T) * Count < 16 ? sizeof(T) * Count : 16) Words {
    unsigned words[sizeof(T) * Count / 4];
    __device__ float operator[](int i) const {
        if constexpr (sizeof(T) == sizeof(float)) return __uint_as_float(words[i]);
        return __uint_as_float(i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xffff0000U);
    }
};
template <typename T>
using Pair = Words<T, channels>;

// Rows of T at a thread's channels. Rows and strides of 32 bits: one multiplication an address.
template <typename T, bool Aligned>
class Columns {
public:
    __device__ Columns(const Rows<T>& rows, std::int64_t channel, std::int64_t d_inner)
        : data_(reinterpret_cast<char*>(rows.data + channel)),
          stride_(static_cast<unsigned>(rows.stride * std::int64_t{sizeof(T)})),
          present_(static_cast<int>(d_inner - channel)) {}
    __device__ void copy(Pair<T>& to, unsigned row) const {
        const char* from = data_ + std::uint64_t{row} * stride_;
        if constexpr (Aligned) {
            copy_few_async<sizeof(Pair<T>)>(&to, from);
        } else {
            auto* elements = reinterpret_cast<T*>(&to);
#pragma unroll
            for (int c = 0; c < channels; ++c) {
                elements[c] = c < present_ ? reinterpret_cast<const T*>(from)[c] : T{};
            }
        }
    }
    __device__ void store(unsigned row, const Pack<T, channels>& values) const {
        char* to = data_ + std::uint64_t{row} * stride_;
        if constexpr (Aligned) {
            *reinterpret_cast<Pack<T, channels>*>(to) = values;
        } else {
#pragma unroll
            for (int c = 0; c < channels; ++c) {
                if (c < present_) reinterpret_cast<T*>(to)[c] = values.values[c];
            }
        }
    }

private:
    char* data_;
    unsigned stride_;
    int present_;
};

template <typename T, bool Indexed>
__device__ unsigned row_of(const ScanArgs<T, T>& args, int t) {
    if constexpr (Indexed) return static_cast<unsigned>(args.index[t]);
    return static_cast<unsigned>(t);
}

// Where inputs of a thread's channels arrive some batches before they are used. Each thread reads
// what it copied itself, so there is no barrier.
template <typename T, int Arrays>
struct Arriving {
    Pair<T> values[stages<T>][batch][Arrays][threads];
};

// B, or B and C, of some tokens. As they came: a word that a warp loads from shared memory is a
// cycle of the multiprocessor, and the exponentials wait in the same queue.
template <typename T, int Vectors>
struct alignas(16) Tile {
    Words<T, 8> eights[tile_tokens][Vectors * 2];
};

// A thread's part of what a tile needs of B, or of B and C: eight values of a token.
template <typename T, int Vectors, bool Aligned, bool Indexed>
class TileLoader {
public:
    // Past the end the last token once more.
    __device__ void load(const ScanArgs<T, T>& args, int first, int end) {
        if (!takes_part()) return;
        const Rows<T>& from = part() < 2 ? args.b : args.c;
        const T* row =
            from.row(row_of<T, Indexed>(args, min(first + token(), end - 1))) + part() % 2 * 8;
        if constexpr (Aligned) {
            values_ = *reinterpret_cast<const Words<T, 8>*>(row);
        } else {
#pragma unroll
            for (int i = 0; i < 8; ++i) reinterpret_cast<T*>(&values_)[i] = row[i];
        }
    }
    __device__ void store(Tile<T, Vectors>& tile) const {
        if (takes_part()) tile.eights[token()][part()] = values_;
    }

private:
    static constexpr int parts = Vectors * 2;
    static __device__ int token() { return static_cast<int>(threadIdx.x) / parts; }
    static __device__ int part() { return static_cast<int>(threadIdx.x) % parts; }
    static __device__ bool takes_part() { return token() < tile_tokens; }
    Words<T, 8> values_;
};

template <typename T>
__device__ void load_decays(const ScanArgs<T, T>& args, std::int64_t channel,
                            float (&a)[channels][d_state]) {
#pragma unroll
    for (int c = 0; c < channels; ++c) {
#pragma unroll
        for (int n = 0; n < d_state; ++n) {
            const bool present = channel + c < args.d_inner;
            a[c][n] = present ? args.a[n * args.a_stride + channel + c] * log2_e : -1.0F;
        }
    }
}

template <typename T>
__device__ void load_filters(const ScanArgs<T, T>& args, std::int64_t channel,
                             Filter (&filters)[channels]) {
#pragma unroll
    for (int c = 0; c < channels; ++c) {
        if (channel + c < args.d_inner) filters[c] = filter_of(args, channel + c);
    }
}

// ---- the recurrence ----

template <typename T, bool Aligned, bool Indexed>
class Scan {
public:
    struct Shared {
        Tile<T, 2> tiles[2];      // two: one barrier a tile is enough
        Arriving<T, 3> arriving;  // x, Δ, z
    };
    __device__ Scan(const ScanArgs<T, T>& args, Shared& shared, std::int64_t channel)
        : args_(args),
          shared_(shared),
          channel_(channel),
          x_(args.x, channel, args.d_inner),
          delta_(args.delta, channel, args.d_inner),
          z_(args.z, channel, args.d_inner),
          y_(args.y, channel, args.d_inner) {
        load_decays(args, channel, a_);
        load_filters(args, channel, filters_);
#pragma unroll
        for (int c = 0; c < channels; ++c) {
            skip_[c] = channel + c < args.d_inner ? args.d[channel + c] : 0.0F;
        }
    }
    __device__ void load_state(const Rows<float>& from) {
#pragma unroll
        for (int c = 0; c < channels; ++c) {
#pragma unroll
            for (int n = 0; n < d_state; ++n) {
                h_[c][n] = channel_ + c < args_.d_inner ? from.row(n)[channel_ + c] : 0.0F;
            }
        }
    }
    __device__ void store_state(const Rows<float>& to) const {
#pragma unroll
        for (int c = 0; c < channels; ++c) {
#pragma unroll
            for (int n = 0; n < d_state; ++n) {
                if (channel_ + c < args_.d_inner) to.row(n)[channel_ + c] = h_[c][n];
            }
        }
    }
    [[nodiscard]] __device__ bool finite() const {
        float sum = 0.0F;
#pragma unroll
        for (int c = 0; c < channels; ++c) {
#pragma unroll
            for (int n = 0; n < d_state; ++n) sum = fmaf(h_[c][n], 0.0F, sum);
        }
        return sum == 0.0F;
    }
    __device__ void run(int first, int end) {
        TileLoader<T, 2, Aligned, Indexed> loader;
        loader.load(args_, first, end);
#pragma unroll
        for (int s = 0; s < stages<T>; ++s) copy(s, first + s * batch, end);
        int buffer = 0, stage = 0;
        for (int t = first; t < end; t += tile_tokens, buffer ^= 1) {
            loader.store(shared_.tiles[buffer]);
            __syncthreads();
            loader.load(args_, t + tile_tokens, end);
#pragma unroll 1
            for (int i = 0; i < tile_tokens && t + i < end; i += batch) {
                wait_copy_groups<stages<T> - 1>();
                const auto* tile = shared_.tiles[buffer].eights + i;
                if (t + i + batch <= end) {
#pragma unroll
                    for (int k = 0; k < batch; ++k) step(stage, k, tile[k], t + i + k);
                } else {
#pragma unroll 1
                    for (int k = 0; t + i + k < end; ++k) step(stage, k, tile[k], t + i + k);
                }
                copy(stage, t + i + stages<T> * batch, end);
                stage = stage + 1 == stages<T> ? 0 : stage + 1;
            }
        }
        wait_copy_groups<0>();
        __syncthreads();
    }

private:
    // Past the end the last token once more.
    __device__ void copy(int stage, int first, int end) {
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const unsigned row = row_of<T, Indexed>(args_, min(first + i, end - 1));
            auto& to = shared_.arriving.values[stage][i];
            x_.copy(to[0][threadIdx.x], row);
            delta_.copy(to[1][threadIdx.x], row);
            z_.copy(to[2][threadIdx.x], row);
        }
        end_copy_group();
    }
    __device__ void step(int stage, int i, const Words<T, 8> (&tile)[4], int t) {
        const auto& arrived = shared_.arriving.values[stage][i];
        const Pair<T> xs = arrived[0][threadIdx.x];
        const Pair<T> deltas = arrived[1][threadIdx.x];
        const Pair<T> zs = arrived[2][threadIdx.x];
        float delta[channels], input[channels], y[channels];
#pragma unroll
        for (int c = 0; c < channels; ++c) {
            delta[c] = filters_[c](deltas[c]);
            input[c] = delta[c] * xs[c];
            y[c] = skip_[c] * xs[c];
        }
#pragma unroll
        for (int n = 0; n < d_state; n += 8) {
            const auto b = tile[n / 8];
            const auto out = tile[2 + n / 8];
#pragma unroll
            for (int k = 0; k < 8; ++k) {
                const float b_k = b[k], c_k = out[k];
#pragma unroll
                for (int c = 0; c < channels; ++c) {
                    float& h = h_[c][n + k];
                    h = decay_exp2<T>(delta[c] * a_[c][n + k]) * h + input[c] * b_k;
                    y[c] += h * c_k;
                }
            }
        }
        Pack<T, channels> gated;
#pragma unroll
        for (int c = 0; c < channels; ++c) gated.values[c] = from_float<T>(y[c] * silu<T>(zs[c]));
        y_.store(static_cast<unsigned>(t), gated);
    }

    const ScanArgs<T, T>& args_;
    Shared& shared_;
    std::int64_t channel_;
    Columns<T, Aligned> x_, delta_, z_, y_;
    Filter filters_[channels];
    float skip_[channels];
    float a_[channels][d_state];
    float h_[channels][d_state];
};

// Whether this block is the last of its channels to end and a state of theirs was not finite.
__device__ bool has_to_repeat(const Segments& segments, bool finite) {
    __shared__ unsigned before;
    const bool bad = __syncthreads_or(!finite) != 0;
    const unsigned mine = 1U + (bad ? 1U << 16 : 0U);
    if (threadIdx.x == 0) {
        __threadfence();
        before = atomicAdd(&segments.done[blockIdx.x], mine);
    }
    __syncthreads();
    const unsigned all = before + mine;
    return (all & 0xffffU) == segments.count && all >> 16 != 0;
}

template <typename T, bool Aligned, bool Indexed>
__global__ __launch_bounds__(threads, resident) void scan_parts(ScanArgs<T, T> args,
                                                                Rows<float> state,
                                                                Segments segments) {
    __shared__ typename Scan<T, Aligned, Indexed>::Shared shared;
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = (std::int64_t{blockIdx.x} * threads + threadIdx.x) * channels;
    const Rows<float> before{segments.states, args.d_inner};
    Scan<T, Aligned, Indexed> scan(args, shared, channel);
    const int segment = static_cast<int>(blockIdx.y);
    int first = segment * static_cast<int>(segments.tokens);
    int end = segment + 1 < segments.count ? first + static_cast<int>(segments.tokens)
                                           : static_cast<int>(args.tokens);
    scan.load_state({before.row(std::int64_t{segment} * d_state), before.stride});
    // The second round is the repetition, of all of the prompt.
#pragma unroll 1
    for (bool repeated = false;; repeated = true) {
        scan.run(first, end);
        if (end == args.tokens) scan.store_state(state);
        if (repeated || !has_to_repeat(segments, scan.finite())) return;
        first = 0;
        end = static_cast<int>(args.tokens);
        scan.load_state(before);
    }
}

// ---- what each segment leaves behind ----

template <typename T, bool Aligned, bool Indexed>
class Ends {
public:
    struct Shared {
        Tile<T, 1> tiles[2];
        Arriving<T, 2> arriving;  // x, Δ
    };
    __device__ Ends(const ScanArgs<T, T>& args, Shared& shared, std::int64_t channel)
        : args_(args),
          shared_(shared),
          channel_(channel),
          x_(args.x, channel, args.d_inner),
          delta_(args.delta, channel, args.d_inner) {
        load_decays(args, channel, a_);
        load_filters(args, channel, filters_);
    }
    __device__ void run(int first, int end) {
        TileLoader<T, 1, Aligned, Indexed> loader;
        loader.load(args_, end - tile_tokens, end);
#pragma unroll
        for (int s = 0; s < stages<T>; ++s) copy(s, end - (s + 1) * batch, first);
        int buffer = 0, stage = 0;
        for (int t = end - tile_tokens; t >= first; t -= tile_tokens, buffer ^= 1) {
            loader.store(shared_.tiles[buffer]);
            if (__syncthreads_or(alive_ != 0) == 0) break;
            loader.load(args_, max(t - tile_tokens, first), end);
#pragma unroll 1
            for (int i = tile_tokens - batch; i >= 0 && alive_ != 0; i -= batch) {
                wait_copy_groups<stages<T> - 1>();
                step(stage, shared_.tiles[buffer].eights + i);
                copy(stage, t + i - stages<T> * batch, first);
                stage = stage + 1 == stages<T> ? 0 : stage + 1;
            }
        }
        wait_copy_groups<0>();
    }
    __device__ void store(const Rows<float>& states, float* sums) const {
#pragma unroll
        for (int c = 0; c < channels; ++c) {
            if (channel_ + c >= args_.d_inner) return;
#pragma unroll
            for (int n = 0; n < d_state; ++n) states.row(n)[channel_ + c] = h_[c][n];
            sums[channel_ + c] = sum_[c];
        }
    }

private:
    static constexpr int groups = 4;  // of states, each given up by itself
    static constexpr int group = d_state / groups;

    // Before the segment its first token once more.
    __device__ void copy(int stage, int token, int first) {
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const unsigned row = row_of<T, Indexed>(args_, max(token + i, first));
            auto& to = shared_.arriving.values[stage][i];
            x_.copy(to[0][threadIdx.x], row);
            delta_.copy(to[1][threadIdx.x], row);
        }
        end_copy_group();
    }
    __device__ void step(int stage, const Words<T, 8> (*tile)[2]) {
        float input[channels][batch], after[channels][batch];
#pragma unroll
        for (int i = batch - 1; i >= 0; --i) {
            const auto& arrived = shared_.arriving.values[stage][i];
            const Pair<T> xs = arrived[0][threadIdx.x];
            const Pair<T> deltas = arrived[1][threadIdx.x];
#pragma unroll
            for (int c = 0; c < channels; ++c) {
                const float delta = filters_[c](deltas[c]);
                input[c][i] = delta * xs[c];
                after[c][i] = sum_[c];
                sum_[c] += delta;
            }
        }
#pragma unroll
        for (int g = 0; g < groups; ++g) {
            if ((alive_ >> g & 1U) == 0) continue;
            add_group(g, tile, input, after);
            if (!__any_sync(0xffffffffU, slowest(g) > vanished)) alive_ &= ~(1U << g);
        }
    }
    __device__ void add_group(int g, const Words<T, 8> (*tile)[2],
                              const float (&input)[channels][batch],
                              const float (&after)[channels][batch]) {
#pragma unroll
        for (int i = 0; i < batch; ++i) {
            const auto b = tile[i][g * group / 8];
#pragma unroll
            for (int k = 0; k < group; ++k) {
                const float b_k = b[g * group % 8 + k];
#pragma unroll
                for (int c = 0; c < channels; ++c) {
                    const int n = g * group + k;
                    h_[c][n] += decay_exp2<T>(after[c][i] * a_[c][n]) * (input[c][i] * b_k);
                }
            }
        }
    }
    // The exponent of what is left of the state that forgets last.
    [[nodiscard]] __device__ float slowest(int g) const {
        float exponent = -INFINITY;
#pragma unroll
        for (int k = 0; k < group; ++k) {
#pragma unroll
            for (int c = 0; c < channels; ++c) {
                const bool present = Aligned || channel_ + c < args_.d_inner;
                if (present) exponent = fmaxf(exponent, a_[c][g * group + k] * sum_[c]);
            }
        }
        return exponent;
    }

    const ScanArgs<T, T>& args_;
    Shared& shared_;
    std::int64_t channel_;
    Columns<T, Aligned> x_, delta_;
    Filter filters_[channels];
    float a_[channels][d_state];
    float h_[channels][d_state] = {};
    float sum_[channels] = {};
    // A bit a group: whether any state of the warp remembers what came before.
    unsigned alive_ = (1U << groups) - 1;
};

template <typename T, bool Aligned, bool Indexed>
__global__ __launch_bounds__(threads, resident) void find_ends(ScanArgs<T, T> args,
                                                               Segments segments) {
    __shared__ typename Ends<T, Aligned, Indexed>::Shared shared;
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = (std::int64_t{blockIdx.x} * threads + threadIdx.x) * channels;
    Ends<T, Aligned, Indexed> ends(args, shared, channel);
    const std::int64_t segment = blockIdx.y;
    const int first = static_cast<int>(segment * segments.tokens);
    ends.run(first, first + static_cast<int>(segments.tokens));
    ends.store({segments.states + segment * d_state * args.d_inner, args.d_inner},
               segments.sums + segment * args.d_inner);
}

// ---- the states before the segments ----

template <typename T>
__global__ void join_ends(ScanArgs<T, T> args, Rows<float> state, Segments segments, int groups) {
    constexpr int ahead = 8;
    wait_for_predecessor();
    let_successor_start();
    const std::int64_t channel = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (blockIdx.y == 0 && channel < groups) segments.done[channel] = 0;
    if (channel >= args.d_inner) return;
    const std::int64_t n = blockIdx.y;
    const float a = args.a[n * args.a_stride + channel] * log2_e;
    const std::int64_t step = std::int64_t{d_state} * args.d_inner;
    float* at = segments.states + n * args.d_inner + channel;
    float carry = state.row(n)[channel];
    for (std::int64_t first = 0; first < segments.count; first += ahead) {
        float end[ahead], decay[ahead];
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            const bool present = first + i + 1 < segments.count;
            end[i] = present ? at[(first + i) * step] : 0.0F;
            decay[i] = present ? segments.sums[(first + i) * args.d_inner + channel] : 0.0F;
        }
#pragma unroll
        for (int i = 0; i < ahead; ++i) {
            if (first + i >= segments.count) break;
            at[(first + i) * step] = carry;
            carry = decay_exp2<T>(a * decay[i]) * carry + end[i];
        }
    }
}

std::int64_t groups_of(std::int64_t d_inner) { return (d_inner + width - 1) / width; }

template <typename T, bool Aligned, bool Indexed>
void run(const ScanArgs<T, T>& args, Rows<float> state, const Segments& segments, cudaStream_t s) {
    const auto groups = static_cast<unsigned>(groups_of(args.d_inner));
    const auto count = static_cast<unsigned>(segments.count);
    launch(s, dim3(groups, count - 1), threads, 0, find_ends<T, Aligned, Indexed>, args, segments);
    launch(s, dim3(blocks_for(args.d_inner, threads), d_state), threads, 0, join_ends<T>, args,
           state, segments, static_cast<int>(groups));
    launch(s, dim3(groups, count), threads, 0, scan_parts<T, Aligned, Indexed>, args, state,
           segments);
}

template <typename T>
bool fits(const ScanArgs<T, T>& args) {
    constexpr std::int64_t most = std::int64_t{1} << 30;
    const auto fit = [](const Rows<T>& rows) {
        return rows.stride * std::int64_t{sizeof(T)} < most;
    };
    return args.d_state == d_state && args.tokens < most && fit(args.x) && fit(args.delta) &&
           fit(args.z) && fit(args.y);
}

// The prompt from which cutting pays. The states that segments leave behind cost nearly as much as
// the scan itself where memory is long, so the version that does not cut stays ahead for a while:
// the longer, the better its blocks of 16 channels fill the card.
std::int64_t least_prompt(std::int64_t d_inner, int multiprocessors) {
    const std::int64_t blocks = d_inner / 16;
    if (4 * blocks <= std::int64_t{3} * multiprocessors) return 8192;
    return blocks <= std::int64_t{2} * multiprocessors ? 16384 : 65536;
}

}  // namespace

template <typename T>
SegmentPlan plan_scan_segments(const ScanArgs<T, T>& args, int multiprocessors) {
    constexpr std::int64_t least_tokens = 128;  // of a segment
    SegmentPlan plan;
    if (!fits(args) || args.tokens < least_prompt(args.d_inner, multiprocessors)) return plan;
    const std::int64_t groups = groups_of(args.d_inner);
    const std::int64_t side_by_side = std::int64_t{multiprocessors} * resident / groups;
    const std::int64_t wanted = std::min(side_by_side, args.tokens / least_tokens);
    if (wanted < 2) return plan;
    plan.tokens = (args.tokens + wanted * tile_tokens - 1) / (wanted * tile_tokens) * tile_tokens;
    plan.segments = (args.tokens + plan.tokens - 1) / plan.tokens;
    plan.scratch = plan.segments * (d_state + 1) * args.d_inner + groups;
    return plan;
}
template SegmentPlan plan_scan_segments(const ScanArgs<float, float>&, int);
template SegmentPlan plan_scan_segments(const ScanArgs<bf16, bf16>&, int);

template <typename T>
void scan_segments(const ScanArgs<T, T>& args, Rows<float> state, const SegmentPlan& plan,
                   float* scratch, cudaStream_t s) {
    float* sums = scratch + plan.segments * d_state * args.d_inner;
    const Segments segments{scratch, sums,
                            reinterpret_cast<unsigned*>(sums + plan.segments * args.d_inner),
                            plan.segments, plan.tokens};
    const auto pairs = [](const Rows<T>& rows) {
        return rows.stride % channels == 0 &&
               reinterpret_cast<std::uintptr_t>(rows.data) % (channels * sizeof(T)) == 0;
    };
    const bool aligned = args.d_inner % width == 0 && pairs(args.x) && pairs(args.delta) &&
                         pairs(args.z) && pairs(args.y) && is_wide(args.b, d_state) &&
                         is_wide(args.c, d_state);
    if (args.index != nullptr) {
        return aligned ? run<T, true, true>(args, state, segments, s)
                       : run<T, false, true>(args, state, segments, s);
    }
    return aligned ? run<T, true, false>(args, state, segments, s)
                   : run<T, false, false>(args, state, segments, s);
}
template void scan_segments(const ScanArgs<float, float>&, Rows<float>, const SegmentPlan&, float*,
                            cudaStream_t);
template void scan_segments(const ScanArgs<bf16, bf16>&, Rows<float>, const SegmentPlan&, float*,
                            cudaStream_t);

}  // namespace sipo::cuda
