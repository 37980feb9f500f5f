// x_proj of mamba1_token.cu. It has few rows and a block has few channels, so every block multiplies its own
// channels' columns at once, instead of waiting for x from all others: the blocks of a cluster send each other
// their sums (a word takes a fraction of the time that it takes through the second-level cache), each adds up
// every eighth row, and all blocks hear the sums of all clusters. Always in the same order.
#pragma once

#include "cluster.cuh"
#include "token_exchange.cuh"
#include "token_units.cuh"

#if __CUDA_ARCH__ >= 900

namespace sipo::cuda::token {

class Narrow {
public:
    __device__ Narrow(const Layout& layout, unsigned char* memory)
        : layout_(layout),
          weight_(reinterpret_cast<std::uint32_t*>(memory + layout.narrow)),
          sent_(reinterpret_cast<float*>(memory + layout.sent)),
          weight_full_(reinterpret_cast<ByteBarrier*>(memory + layout.narrow_full)),
          weight_empty_(reinterpret_cast<ByteBarrier*>(memory + layout.narrow_empty)),
          sent_full_(reinterpret_cast<ByteBarrier*>(memory + layout.sent_full)) {}

    // By one thread, before the cluster's blocks wait for each other; `warps` multiply.
    __device__ void init(int warps) const {
        init_barrier(weight_full_, warp_size);
        init_barrier(weight_empty_, warps);
        init_barrier(sent_full_, 1);
    }
    __device__ void expect() const {
        const int rows = (layout_.rows - cluster_rank() + cluster_blocks - 1) / cluster_blocks;
        expect_bytes(sent_full_, static_cast<std::uint32_t>(cluster_blocks * layout_.parts * rows) *
                                     sizeof(float));
    }

protected:
    const Layout& layout_;
    std::uint32_t* weight_;  // [channels / 2, rows], of two channels
    float* sent_;            // [blocks of the cluster, parts, owned]
    ByteBarrier* weight_full_;
    ByteBarrier* weight_empty_;
    ByteBarrier* sent_full_;
};

// The threads that multiply: one has a row and every so many of the block's pairs of channels.
class NarrowProduct : public Narrow {
public:
    __device__ NarrowProduct(const Layout& layout, unsigned char* memory)
        : Narrow(layout, memory),
          part_(static_cast<int>(threadIdx.x) / layout.rows),
          row_(static_cast<int>(threadIdx.x) - part_ * layout.rows) {
        const int owner = row_ % cluster_blocks;
        const int place =
            (cluster_rank() * layout.parts + part_) * layout.owned + row_ / cluster_blocks;
        to_ = address_in_block(sent_ + place, owner);
        barrier_ = address_in_block(sent_full_, owner);
    }

    __device__ void send(int layer, const float* x, int channels) const {
        wait_barrier(weight_full_, static_cast<std::uint32_t>(layer) & 1U);
        if (part_ < layout_.parts) multiply(x, channels);
        __syncwarp();
        if (lane_of_thread() == 0) arrive_at(weight_empty_);
    }

private:
    __device__ void multiply(const float* x, int channels) const {
        const std::uint32_t* own = weight_ + row_;
        float sum = 0.0F;
#pragma unroll 4
        for (int k = part_; k < channels / 2; k += layout_.parts) {
            const std::uint32_t two = own[k * layout_.rows];
            const auto inputs = reinterpret_cast<const float2*>(x)[k];
            sum += __uint_as_float(two << 16) * inputs.x;
            sum += __uint_as_float(two & 0xffff0000U) * inputs.y;
        }
        send_word(to_, __float_as_uint(sum), barrier_);
    }

    int part_;
    int row_;
    std::uint32_t to_;
    std::uint32_t barrier_;
};

// The warp that asks for the columns and adds up what has been sent.
class NarrowSums : public Narrow {
public:
    __device__ NarrowSums(const Layout& layout, unsigned char* memory, const Units& units)
        : Narrow(layout, memory), units_(units) {}

    // When the layer before has been multiplied.
    __device__ void ask(const TokenLayer* table, int layer, int layers) const {
        if (layer >= layers) return;
        if (layer > 0) wait_barrier(weight_empty_, static_cast<std::uint32_t>(layer - 1) & 1U);
        const int couples = units_.channels() / 2;
        const auto* from = reinterpret_cast<const std::uint32_t*>(table[layer].x_proj) +
                           units_.first_channel() / 2;
        const int down = warp_size / couples;
        const int along = warp_size % couples;
        int row = lane_of_thread() / couples;
        int k = lane_of_thread() % couples;
        while (row < layout_.rows) {
            copy_few_async<4>(weight_ + k * layout_.rows + row,
                              from + std::int64_t{row} * (units_.step() / 2) + k);
            row += down;
            k += along;
            if (k >= couples) k -= couples, ++row;
        }
        arrive_when_copied(weight_full_);
    }

    // The block's rows of its cluster's part of x_proj's result.
    __device__ void add_up(int layer, std::uint32_t* told, unsigned tag) const {
        wait_barrier_of_cluster(sent_full_, static_cast<std::uint32_t>(layer) & 1U);
        if (lane_of_thread() == 0) expect();
        __syncwarp();
        const int own = lane_of_thread();
        const int row = own * cluster_blocks + cluster_rank();
        if (row >= layout_.rows) return;
        float sum[2] = {};
#pragma unroll 8
        for (int i = 0; i < cluster_blocks * layout_.parts; ++i)
            sum[i % 2] += sent_[i * layout_.owned + own];
        const int cluster = static_cast<int>(blockIdx.x) / cluster_blocks;
        tell<SingleWord>(told + cluster * layout_.rows + row, sum[0] + sum[1], tag);
    }

private:
    Units units_;
};

}  // namespace sipo::cuda::token

#endif
