// DeciMamba's choice of tokens: a stable sort by descending score puts the earlier of equals first;
// the indices of the first `count` are then sorted back into the order of time.
#include <cub/device/device_radix_sort.cuh>

#include "device_math.cuh"
#include "kernels.hpp"
#include "launch.hpp"

namespace sipo::cuda {
namespace {

constexpr int threads = 256;

// A NaN has no place in an order: it counts as the lowest.
__global__ void make_keys(const float* scores, std::int64_t tokens, float* keys,
                          std::int64_t* index) {
    wait_for_predecessor();
    const std::int64_t i = std::int64_t{blockIdx.x} * threads + threadIdx.x;
    if (i >= tokens) return;
    keys[i] = isnan(scores[i]) ? -INFINITY : scores[i];
    index[i] = i;
}

// The scratch memory's parts, each on a border that any type can lie on.
class Layout {
public:
    explicit Layout(void* base) : base_(static_cast<char*>(base)) {}
    template <typename T>
    [[nodiscard]] T* take(std::size_t count) {
        const std::size_t first = bytes_;
        bytes_ += (count * sizeof(T) + 255) / 256 * 256;
        return base_ != nullptr ? reinterpret_cast<T*>(base_ + first) : nullptr;
    }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    char* base_;
    std::size_t bytes_ = 0;
};

}  // namespace

void select_top(const float* scores, std::int64_t tokens, std::int64_t count, std::int64_t* kept,
                void* scratch, std::size_t& scratch_bytes, cudaStream_t s) {
    const auto size = static_cast<std::size_t>(tokens);
    Layout layout(scratch);
    float* keys = layout.take<float>(size);
    float* sorted_keys = layout.take<float>(size);
    auto* index = layout.take<std::int64_t>(size);
    auto* order = layout.take<std::int64_t>(size);
    std::size_t by_score = 0;
    std::size_t by_time = 0;
    check(cub::DeviceRadixSort::SortPairsDescending(nullptr, by_score, keys, sorted_keys, index,
                                                    order, tokens, 0, 32, s),
          "the size of a sort");
    check(cub::DeviceRadixSort::SortKeys(nullptr, by_time, order, kept, count, 0, 64, s),
          "the size of a sort");
    char* temporary = layout.take<char>(by_score > by_time ? by_score : by_time);
    if (scratch == nullptr) {
        scratch_bytes = layout.bytes();
        return;
    }
    launch(s, blocks_for(tokens, threads), threads, 0, make_keys, scores, tokens, keys, index);
    check(cub::DeviceRadixSort::SortPairsDescending(temporary, by_score, keys, sorted_keys, index,
                                                    order, tokens, 0, 32, s),
          "the sort by score");
    check(cub::DeviceRadixSort::SortKeys(temporary, by_time, order, kept, count, 0, 64, s),
          "the sort by time");
}

}  // namespace sipo::cuda
