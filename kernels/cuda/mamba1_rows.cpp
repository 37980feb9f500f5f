#include <algorithm>
#include <array>

#include "cuda_check.hpp"
#include "mamba1_rows.hpp"

namespace sipo::cuda {
namespace {

using bf16 = __nv_bfloat16;

constexpr std::int64_t d_state = 16;
constexpr std::int64_t taps = 4;

// What comes between in_proj's last weights and the recurrence, on an H200.
constexpr std::int64_t states_ahead_bytes = std::int64_t{10} << 20;

bool is_wide_half(const backend::View& view) {
    const Plane plane = resolve(view);
    return plane.type == DType::bf16 && is_wide(plane.as<bf16>(), 8);
}

}  // namespace

bool is_mapped(const backend::Matrix& matrix) {
    const Weights& w = held(matrix).weights();
    return w.type == static_cast<int>(DType::bf16) && w.stride % 8 == 0;
}

CUtensorMap map_weights(const backend::Matrix& matrix, int tile_rows) {
    const Weights& w = held(matrix).weights();
    return make_tensor_map({static_cast<const bf16*>(w.codes), w.stride}, w.rows, w.cols,
                           tile_rows);
}

CUtensorMap map_rows(const Plane& plane, int tile_rows) {
    return make_tensor_map({static_cast<const bf16*>(plane.data), plane.stride}, plane.rows,
                           plane.cols, tile_rows);
}

bool fits_mamba1_rows(const backend::Mamba1Layer& layer, std::int64_t rows) {
    const std::array views{layer.projected, layer.x, layer.dt_b_c, layer.y};
    const std::int64_t rank = layer.dt_proj->cols();
    return rows > 1 && rows <= max_states &&
           std::all_of(views.begin(), views.end(), is_wide_half) && layer.x.cols % 8 == 0 &&
           layer.a->rows() == d_state && layer.conv_weight->rows() == taps && rank % 8 == 0 &&
           rank <= max_dt_rank && held(*layer.dt_proj).half();
}

RowsDevice rows_device(int device) {
    const auto attribute = [&](cudaDeviceAttr which) {
        int value = 0;
        check(cudaDeviceGetAttribute(&value, which, device), "the device's attributes");
        return value;
    };
    const int major = attribute(cudaDevAttrComputeCapabilityMajor);
    return {.multiprocessors = attribute(cudaDevAttrMultiProcessorCount),
            .hopper = major == 9 && attribute(cudaDevAttrComputeCapabilityMinor) == 0};
}

ProjectConvolvePlan plan_projections(const backend::Mamba1Layer& layer, const RowsDevice& device) {
    if (!device.hopper || !is_wide_half(layer.normed) || !is_mapped(*layer.in_proj) ||
        !is_mapped(*layer.x_proj) ||
        !fits_project_rows(layer.x_proj->rows(), layer.x_proj->cols())) {
        return {};
    }
    return plan_project_convolve(layer.x.cols, layer.in_proj->cols(), device.multiprocessors);
}

ProjectConvolveArgs project_convolve_args(const backend::Mamba1Layer& layer,
                                          const ProjectConvolvePlan& plan) {
    const Plane in = resolve(layer.normed);
    const std::int64_t d_inner = layer.x.cols;
    const auto state = d_state * d_inner * std::int64_t{sizeof(float)};
    ProjectConvolveArgs args{};
    args.in = map_rows(in, project_convolve_in_rows(in.rows));
    args.weights = map_weights(*layer.in_proj, plan.channels);
    args.rows = static_cast<int>(in.rows);
    args.d_model = static_cast<int>(in.cols);
    args.d_inner = static_cast<int>(d_inner);
    args.conv_weight = values_of(*layer.conv_weight);
    args.conv_stride = stride_of(*layer.conv_weight);
    args.conv_bias = layer.conv_bias != nullptr ? values_of(*layer.conv_bias) : nullptr;
    args.x = resolve(layer.x).as<bf16>();
    args.z = resolve(layer.projected.col_range(d_inner, d_inner)).as<bf16>();
    args.states_ahead = static_cast<int>(std::min(in.rows, states_ahead_bytes / state));
    return args;
}

ProjectRowsArgs project_rows_args(const backend::Mamba1Layer& layer) {
    const Plane in = resolve(layer.x);
    ProjectRowsArgs args{};
    args.in = map_rows(in, in_eights(in.rows));
    args.weights = map_weights(*layer.x_proj, project_rows_tile);
    args.rows = static_cast<int>(in.rows);
    args.outputs = static_cast<int>(layer.x_proj->rows());
    args.inputs = static_cast<int>(in.cols);
    args.out = resolve(layer.dt_b_c).as<bf16>();
    return args;
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
    const Weights& dt = *held(*layer.dt_proj).half();
    const std::int64_t d_inner = layer.x.cols;
    const Rows<bf16> dt_b_c = resolve(layer.dt_b_c).as<bf16>();
    return {.dt_b_c = {dt_b_c.data, dt_b_c.stride},
            .x = resolve(layer.x).as<bf16>(),
            .z = resolve(layer.projected.col_range(d_inner, d_inner)).as<bf16>(),
            .y = resolve(layer.y).as<bf16>(),
            .layer = tables_of<bf16>(layer, dt),
            .d_inner = d_inner,
            .dt_rank = static_cast<int>(dt.cols)};
}

}  // namespace sipo::cuda
