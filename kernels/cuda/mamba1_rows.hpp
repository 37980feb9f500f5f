// What a Mamba-1 layer does for the next tokens of several sequences, bf16, and how it goes through the
// kernels. In general: norm, in_proj, the convolution, x_proj, [dt_proj, the recurrence and the gate],
// out_proj. On Hopper: [in_proj, the convolution], x_proj, [dt_proj, the recurrence and the gate],
// [out_proj, the next layer's norm].
#pragma once

#include "backend/backend.hpp"
#include "cuda_buffer.hpp"
#include "kernels.hpp"
#include "mamba1_scan_rows.hpp"
#include "project_convolve.hpp"
#include "project_rows.hpp"

namespace sipo::cuda {

// Row i of everything belongs to sequence i.
struct ConvRowsArgs {
    Rows<__nv_bfloat16> in;   // [rows, d_inner]
    Rows<__nv_bfloat16> out;  // [rows, d_inner]
    const float* weight;      // [4, d_inner]
    std::int64_t weight_stride;
    const float* bias;  // may be null
    std::int64_t d_inner;
};
// The causal convolution of four taps with SiLU; histories [3, d_inner] move on.
void conv_rows(const ConvRowsArgs& args, const StateTable& histories, std::int64_t rows,
               cudaStream_t s);

// What the kernels are cut for.
struct RowsDevice {
    int multiprocessors;
    bool hopper;  // its own tensor cores (sm_90a)
};
[[nodiscard]] RowsDevice rows_device(int device);

// dt: dt_proj in that type.
template <typename Weight>
[[nodiscard]] Mamba1Tables<Weight> tables_of(const backend::Mamba1Layer& layer, const Weights& dt) {
    return {.dt_weight = static_cast<const Weight*>(dt.codes),
            .dt_stride = dt.stride,
            .dt_bias = values_of(*layer.dt_bias),
            .low = layer.delta_min,
            .high = layer.delta_max,
            .a = values_of(*layer.a),
            .a_stride = stride_of(*layer.a),
            .d = values_of(*layer.d)};
}

// What the copy engine can read: weights that are bf16 with rows on 16-byte borders, and activations.
[[nodiscard]] bool is_mapped(const backend::Matrix& matrix);
[[nodiscard]] CUtensorMap map_weights(const backend::Matrix& matrix, int tile_rows);
[[nodiscard]] CUtensorMap map_rows(const Plane& plane, int tile_rows);

// Whether a step of so many rows of a layer can go through them.
[[nodiscard]] bool fits_mamba1_rows(const backend::Mamba1Layer& layer, std::int64_t rows);
// How in_proj and x_proj go through their kernels on Hopper, if they can.
[[nodiscard]] ProjectConvolvePlan plan_projections(const backend::Mamba1Layer& layer,
                                                   const RowsDevice& device);
[[nodiscard]] ProjectConvolveArgs project_convolve_args(const backend::Mamba1Layer& layer,
                                                        const ProjectConvolvePlan& plan);
[[nodiscard]] ProjectRowsArgs project_rows_args(const backend::Mamba1Layer& layer);
[[nodiscard]] ConvRowsArgs conv_rows_args(const backend::Mamba1Layer& layer);
[[nodiscard]] ScanRowsArgs scan_rows_args(const backend::Mamba1Layer& layer);

}  // namespace sipo::cuda
