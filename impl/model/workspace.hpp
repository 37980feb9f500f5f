// The intermediate matrices of one layer, for as many tokens as a chunk has. Every layer of a
// stream works in the same workspace.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "backend/backend.hpp"
#include "base/checked.hpp"
#include "format/architecture.hpp"

namespace sipo {

class Workspace {
public:
    // What a workspace of that capacity takes.
    [[nodiscard]] static std::int64_t bytes(const backend::Backend& backend,
                                            const Architecture& arch, std::int64_t capacity,
                                            DType activations) {
        std::int64_t sum = 0;
        for (const Kind& kind : kinds(arch, activations)) {
            sum = checked_add(sum, backend.buffer_bytes(capacity, kind.cols, kind.type));
        }
        return sum;
    }

    // `activations`: the precision that suffices between the products; Δ of Mamba-2, a few heads
    // wide, is always f32.
    Workspace(backend::Stream& stream, const Architecture& arch, std::int64_t capacity,
              DType activations) {
        const auto all = kinds(arch, activations);
        for (std::size_t i = 0; i < all.size(); ++i) {
            buffers_[i] = stream.allocate(capacity, all[i].cols, all[i].type);
        }
    }

    [[nodiscard]] backend::View normed(std::int64_t n) const { return first_rows(0, n); }
    [[nodiscard]] backend::View projected(std::int64_t n) const { return first_rows(1, n); }
    [[nodiscard]] backend::View conv_out(std::int64_t n) const { return first_rows(2, n); }
    [[nodiscard]] backend::View dt_b_c(std::int64_t n) const { return first_rows(3, n); }
    [[nodiscard]] backend::View delta(std::int64_t n) const { return first_rows(4, n); }
    [[nodiscard]] backend::View y(std::int64_t n) const { return first_rows(5, n); }
    [[nodiscard]] std::int64_t capacity() const { return buffers_.front()->rows(); }

private:
    struct Kind {
        std::int64_t cols;
        DType type;
    };

    static std::array<Kind, 6> kinds(const Architecture& arch, DType activations) {
        const std::int64_t dt_rank = std::max<std::int64_t>(arch.dt_rank, 1);
        return {Kind{arch.d_model, activations},                // normed
                Kind{arch.in_proj_rows(), activations},         // projected
                Kind{arch.conv_channels(), activations},        // conv_out
                Kind{dt_rank + 2 * arch.d_state, activations},  // dt_b_c, Mamba-1
                Kind{arch.delta_channels(),                     // delta
                     arch.is_mamba1() ? activations : DType::f32},
                Kind{arch.d_inner, activations}};  // y
    }

    [[nodiscard]] backend::View first_rows(std::size_t buffer, std::int64_t rows) const {
        return backend::View(*buffers_[buffer]).row_range(0, rows);
    }

    std::array<backend::BufferPtr, 6> buffers_;  // [capacity, cols]
};

}  // namespace sipo
