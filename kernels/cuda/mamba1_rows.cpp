#include <algorithm>
#include <array>

#include "cuda_buffer.hpp"
#include "cuda_check.hpp"
#include "mamba1_rows.hpp"

namespace sipo::cuda {
namespace {

using bf16 = __nv_bfloat16;

constexpr std::int64_t d_state = 16;
constexpr std::int64_t taps = 4;

bool is_wide_half(const backend::View& view) {
    const Plane plane = resolve(view);
    return plane.type == DType::bf16 && is_wide(plane.as<bf16>(), 8);
}

}  // namespace

bool fits_mamba1_rows(const backend::Mamba1Layer& layer, std::int64_t rows) {
    const std::array views{layer.projected, layer.x, layer.dt_b_c, layer.y};
    const std::int64_t rank = layer.dt_proj->cols();
    return rows > 1 && rows <= max_states &&
           std::all_of(views.begin(), views.end(), is_wide_half) && layer.x.cols % 8 == 0 &&
           layer.a->rows() == d_state && layer.conv_weight->rows() == taps && rank % 8 == 0 &&
           rank <= max_dt_rank && held(*layer.dt_proj).half();
}

bool fits_conv_project(const backend::Mamba1Layer& layer, const RowsDevice& device) {
    return held(*layer.x_proj).type() == DType::bf16 &&
           fits_conv_project(layer.x.cols, layer.x_proj->rows(), device);
}

RowsDevice rows_device(int device) {
    const auto attribute = [&](cudaDeviceAttr which) {
        int value = 0;
        check(cudaDeviceGetAttribute(&value, which, device), "the device's attributes");
        return value;
    };
    const int major = attribute(cudaDevAttrComputeCapabilityMajor);
    return {.multiprocessors = attribute(cudaDevAttrMultiProcessorCount),
            .shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin),
            .clusters = major >= 9,
            .hopper = major == 9 && attribute(cudaDevAttrComputeCapabilityMinor) == 0};
}

ConvRowsArgs conv_rows_args(const backend::Mamba1Layer& layer) {
    return {.in = resolve(layer.projected).as<bf16>(),
            .out = resolve(layer.x).as<bf16>(),
            .weight = values_of(*layer.conv_weight),
            .weight_stride = stride_of(*layer.conv_weight),
            .bias = layer.conv_bias != nullptr ? values_of(*layer.conv_bias) : nullptr,
            .d_inner = layer.x.cols};
}

ConvProjectRowsArgs conv_project_args(const backend::Mamba1Layer& layer, float* sums) {
    const Weights& w = held(*layer.x_proj).weights();
    return {.conv = conv_rows_args(layer),
            .weight = static_cast<const bf16*>(w.codes),
            .weight_stride = w.stride,
            .outputs = static_cast<int>(w.rows),
            .sums = {sums, w.rows}};
}

ScanRowsArgs scan_rows_args(const backend::Mamba1Layer& layer) {
    const Weights& dt = *held(*layer.dt_proj).half();
    const std::int64_t d_inner = layer.x.cols;
    return {.dt_b_c = {.whole = resolve(layer.dt_b_c).as<bf16>()},
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
