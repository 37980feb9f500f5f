// The intermediate matrices of one layer, for as many tokens as a chunk has. Every layer of a
// stream works in the same workspace.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/backend.hpp"
#include "format/architecture.hpp"

namespace sipo {

class Workspace {
public:
    // What a workspace of that capacity holds.
    [[nodiscard]] static std::int64_t floats(const Architecture& arch, std::int64_t capacity) {
        return capacity * (arch.d_model + arch.in_proj_rows() + arch.conv_channels() +
                           std::max<std::int64_t>(arch.dt_rank, 1) + 2 * arch.d_state +
                           arch.delta_channels() + arch.d_inner);
    }

    // `activations`: the precision that suffices between the products; Δ of Mamba-2, a few heads
    // wide, is always f32.
    Workspace(backend::Stream& stream, const Architecture& arch, std::int64_t capacity,
              DType activations)
        : normed_(stream.allocate(capacity, arch.d_model, activations)),
          projected_(stream.allocate(capacity, arch.in_proj_rows(), activations)),
          conv_out_(stream.allocate(capacity, arch.conv_channels(), activations)),
          dt_b_c_(stream.allocate(
              capacity, std::max<std::int64_t>(arch.dt_rank, 1) + 2 * arch.d_state, activations)),
          delta_(stream.allocate(capacity, arch.delta_channels(),
                                 arch.is_mamba1() ? activations : DType::f32)),
          y_(stream.allocate(capacity, arch.d_inner, activations)) {}

    [[nodiscard]] backend::View normed(std::int64_t n) const { return first_rows(normed_, n); }
    [[nodiscard]] backend::View projected(std::int64_t n) const {
        return first_rows(projected_, n);
    }
    [[nodiscard]] backend::View conv_out(std::int64_t n) const { return first_rows(conv_out_, n); }
    [[nodiscard]] backend::View dt_b_c(std::int64_t n) const { return first_rows(dt_b_c_, n); }
    [[nodiscard]] backend::View delta(std::int64_t n) const { return first_rows(delta_, n); }
    [[nodiscard]] backend::View y(std::int64_t n) const { return first_rows(y_, n); }
    [[nodiscard]] std::int64_t capacity() const { return normed_->rows(); }

private:
    static backend::View first_rows(const backend::BufferPtr& buffer, std::int64_t rows) {
        return backend::View(*buffer).row_range(0, rows);
    }

    backend::BufferPtr normed_;     // [capacity, d_model]
    backend::BufferPtr projected_;  // [capacity, in_proj rows]
    backend::BufferPtr conv_out_;   // [capacity, conv channels]
    backend::BufferPtr dt_b_c_;     // [capacity, dt_rank + 2 d_state], Mamba-1
    backend::BufferPtr delta_;      // [capacity, delta channels]
    backend::BufferPtr y_;          // [capacity, d_inner]
};

}  // namespace sipo
