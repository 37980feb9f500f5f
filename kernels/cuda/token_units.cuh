// The large weights of mamba1_token.cu on their way into a block: which rows they are, who asks for them and
// who takes them from the ring.
#pragma once

#include "token_layout.cuh"

#if __CUDA_ARCH__ >= 900

namespace sipo::cuda::token {

// A block's consecutive part of `total`.
struct Part {
    int first;
    int count;
    __device__ explicit Part(int total)
        : first(static_cast<int>(std::int64_t{total} * blockIdx.x / gridDim.x)),
          count(static_cast<int>(std::int64_t{total} * (blockIdx.x + 1) / gridDim.x) - first) {}
};

// The products in their order: in_proj's rows for x and for z, out_proj.
enum Phase : int { x_rows, z_rows, out_rows, phases };

// A block's units of the products: which they are and where they come from.
class Units {
public:
    __device__ explicit Units(const TokenShape& shape)
        : d_model_(shape.d_model), own_(shape.d_model) {}
    // Of each product.
    [[nodiscard]] __device__ int count() const { return own_.count; }
    // Of the first output of out_proj.
    [[nodiscard]] __device__ int first_output() const { return own_.first; }
    [[nodiscard]] __device__ const bf16* source(const TokenLayer& l, int phase) const {
        const bf16* from = phase == out_rows ? l.out_proj : l.in_proj;
        const int first = phase == z_rows ? d_model_ + own_.first : own_.first;
        return from + std::int64_t{first} * step();
    }
    // Elements from one unit to the next.
    [[nodiscard]] __device__ int step() const { return 2 * d_model_; }
    // The block's channels.
    [[nodiscard]] __device__ int first_channel() const { return 2 * own_.first; }
    [[nodiscard]] __device__ int channels() const { return 2 * own_.count; }

private:
    int d_model_;
    Part own_;
};

[[nodiscard]] __device__ inline int lane_of_thread() { return threadIdx.x % warp_size; }

// A block's units of the head: two rows each.
[[nodiscard]] __device__ inline Part units_of(const TokenHead& head) { return Part(head.rows / 2); }

// Who asks for units, in the order in which they are taken from the ring. One thread.
//
// A pair of warps waits for its next unit with a parity, which also the slot's unit before last has: that of
// before must have come. It belongs to another pair, and copies come in any order, so this is what keeps it
// true: when a unit is asked for, all have come that are as far behind it as the ring is deep, less a turn of
// the pairs.
template <int Pairs>
class Asking {
public:
    __device__ Asking(const Layout& layout, unsigned char* memory)
        : layout_(layout),
          ring_(memory + layout.ring),
          full_(reinterpret_cast<ByteBarrier*>(memory + layout.full)),
          empty_(reinterpret_cast<ByteBarrier*>(memory + layout.empty)) {}

    // With so many under way as the layout says, which is less than the ring's depth by a turn.
    __device__ void ask(const bf16* from, int count, int step) {
        for (int j = 0; j < count; ++j, from += step) {
            if (under_way_ == layout_.window) {
                wait_barrier(full_ + awaited_, awaited_round_ & 1);
                if (++awaited_ == layout_.depth) awaited_ = 0, ++awaited_round_;
            } else {
                ++under_way_;
            }
            if (round_ > 0) wait_barrier(empty_ + slot_, (round_ - 1) & 1);
            copy(from);
        }
    }
    // With as many under way as the ring takes but for a turn. What has been read has come: one wait a unit,
    // of which there are many. Nothing else may follow.
    __device__ void ask_last(const bf16* from, int count, int step) {
        int read = slot_, read_round = round_ - 1;  // of the unit to wait for
        const auto wait_until_read = [&] {
            if (read_round >= 0) wait_barrier(empty_ + read, read_round & 1);
            if (++read == layout_.depth) read = 0, ++read_round;
        };
        for (int i = 0; i < Pairs; ++i) wait_until_read();
        for (int j = 0; j < count; ++j, from += step) {
            wait_until_read();
            copy(from);
        }
    }

private:
    __device__ void copy(const bf16* from) {
        copy_bulk(ring_ + slot_ * layout_.unit, from, static_cast<std::uint32_t>(layout_.unit),
                  full_ + slot_);
        if (++slot_ == layout_.depth) slot_ = 0, ++round_;
    }

    const Layout& layout_;
    unsigned char* ring_;
    ByteBarrier* full_;
    ByteBarrier* empty_;
    int slot_ = 0, round_ = 0;             // of the unit to ask for
    int awaited_ = 0, awaited_round_ = 0;  // of the one that has to have come before
    int under_way_ = 0;
};

// All units of all layers, and the head's.
template <int Pairs>
__device__ void ask_for_units(const Units& units, const Layout& layout, unsigned char* memory,
                              int layers, const TokenHead& head) {
    const auto* table = reinterpret_cast<const TokenLayer*>(memory + layout.layers);
    Asking<Pairs> asking(layout, memory);
    for (int layer = 0; layer < layers; ++layer) {
        for (int phase = 0; phase < phases; ++phase)
            asking.ask(units.source(table[layer], phase), units.count(), units.step());
    }
    // Nothing else is read then that would wait behind them.
    const Part last = units_of(head);
    asking.ask_last(head.weight + std::int64_t{last.first} * units.step(), last.count,
                    units.step());
}

// The units of one of `Pairs` pairs of warps: every so many of the ring's.
template <int Pairs>
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
        slot_ += Pairs;
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

}  // namespace sipo::cuda::token

#endif
