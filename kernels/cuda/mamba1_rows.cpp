#include <algorithm>
#include <array>

#include "cuda_buffer.hpp"
#include "mamba1_rows.hpp"

namespace sipo::cuda {
namespace {

using bf16 = __nv_bfloat16;

const CudaMatrix& held(const backend::Matrix* matrix) {
    return static_cast<const CudaMatrix&>(*matrix);
}

bool is_wide_half(const backend::View& view) {
    const Plane plane = resolve(view);
    return plane.type == DType::bf16 && is_wide(plane.as<bf16>(), 8);
}

}  // namespace

bool fits_mamba1_rows(const backend::Mamba1Layer& layer, std::int64_t rows) {
    const std::array views{layer.projected, layer.x, layer.dt_b_c, layer.y};
    return rows > 1 && rows <= max_states &&
           std::all_of(views.begin(), views.end(), is_wide_half) &&
           fits_mamba1_rows(layer.x.cols, layer.a->rows(), layer.conv_weight->rows(),
                            layer.dt_proj->cols()) &&
           held(layer.dt_proj).half();
}

ConvRowsArgs conv_rows_args(const backend::Mamba1Layer& layer) {
    return {.in = resolve(layer.projected).as<bf16>(),
            .out = resolve(layer.x).as<bf16>(),
            .weight = values_of(*layer.conv_weight),
            .weight_stride = stride_of(*layer.conv_weight),
            .bias = layer.conv_bias != nullptr ? values_of(*layer.conv_bias) : nullptr,
            .d_inner = layer.x.cols};
}

ScanRowsArgs scan_rows_args(const backend::Mamba1Layer& layer) {
    const Weights& dt = *held(layer.dt_proj).half();
    const std::int64_t d_inner = layer.x.cols;
    return {.dt_b_c = resolve(layer.dt_b_c).as<bf16>(),
            .x = resolve(layer.x).as<bf16>(),
            .z = resolve(layer.projected.col_range(d_inner, d_inner)).as<bf16>(),
            .y = resolve(layer.y).as<bf16>(),
            .dt_weight = static_cast<const bf16*>(dt.codes),
            .dt_stride = dt.stride,
            .dt_bias = values_of(*layer.dt_bias),
            .low = layer.delta_min,
            .high = layer.delta_max,
            .a = values_of(*layer.a),
            .a_stride = stride_of(*layer.a),
            .d = values_of(*layer.d),
            .d_inner = d_inner,
            .dt_rank = static_cast<int>(dt.cols)};
}

}  // namespace sipo::cuda
