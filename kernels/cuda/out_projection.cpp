#include "out_projection.hpp"

#include <algorithm>

namespace sipo::cuda {
namespace {

using bf16 = __nv_bfloat16;
using backend::Mamba1Layer;
using backend::View;

// What comes while the sums of out_proj travel and the next launch begins, on an H200.
constexpr std::int64_t next_bytes = std::int64_t{16} << 20;

// Rows of bf16 that the copy engine can read.
bool is_half(const backend::Matrix& matrix) {
    const Weights& w = held(matrix).weights();
    return w.type == static_cast<int>(DType::bf16) && w.stride % 8 == 0;
}

Rows<const bf16> read_only(const Plane& plane) {
    return {static_cast<const bf16*>(plane.data), plane.stride};
}

}  // namespace

AddProductPlan OutProjection::plan(const Mamba1Layer& layer) const {
    return plan_add_product(layer.out_proj->rows(), layer.out_proj->cols(),
                            queue_->device().multiprocessors());
}

bool OutProjection::fits(const Mamba1Layer& layer, std::int64_t rows,
                         const RowsDevice& device) const {
    const int clusters = plan(layer).clusters;
    return rows > 1 && rows <= max_states && clusters > 0 && clusters <= RowSquares::max_parts &&
           is_half(*layer.out_proj) && is_half(*layer.in_proj) &&
           resolve(layer.normed).type == DType::bf16 && device.hopper;
}

bool OutProjection::follows(const Plane& residual) const {
    return waiting_ && waiting_->args.residual.data == residual.data &&
           waiting_->args.rows == residual.rows;
}

OutProjection::Normed OutProjection::norm(const Mamba1Layer& layer, const View& residual) {
    const Plane rows = resolve(residual);
    const Rows<bf16> normed = resolve(layer.normed).as<bf16>();
    const float* weight = values_of(*layer.norm);
    if (!follows(rows)) {
        flush();
        rms_norm(rows.as<float>(), weight, layer.norm_eps, normed, rows.rows, rows.cols,
                 queue_->stream());
        return {};
    }
    if (memory_.data() == nullptr) memory_ = DeviceMemory(queue_, bytes);
    auto* squares = static_cast<float*>(memory_.data());
    AddProductArgs& args = waiting_->args;
    args.norm = weight;
    args.hidden = normed;
    args.squares = squares;
    const Weights& in = held(*layer.in_proj).weights();
    args.next = in.codes;
    args.next_bytes = std::min(next_bytes, in.rows * in.stride * std::int64_t{sizeof(bf16)});
    const int parts = waiting_->plan.clusters;
    flush();
    return {.squares = {.sums = squares,
                        .parts = parts,
                        .inverse_width = 1.0F / static_cast<float>(rows.cols),
                        .eps = layer.norm_eps},
            .factors = squares + RowSquares::max_parts * max_states};
}

void OutProjection::add(const Mamba1Layer& layer, const View& residual) {
    const Plane y = resolve(layer.y);
    const Weights& w = held(*layer.out_proj).weights();
    const AddProductPlan cut = plan(layer);
    AddProductArgs args{};
    args.in = make_tensor_map(read_only(y), y.rows, y.cols, max_states);
    args.weights =
        make_tensor_map({static_cast<const bf16*>(w.codes), w.stride}, w.rows, w.cols, cut.tile);
    args.rows = static_cast<int>(y.rows);
    args.outputs = static_cast<int>(w.rows);
    args.inputs = static_cast<int>(w.cols);
    args.residual = resolve(residual).as<float>();
    waiting_ = {args, cut};
}

void OutProjection::flush() {
    if (!waiting_) return;
    const Waiting waiting = *waiting_;
    waiting_.reset();
    const DeviceGuard guard(queue_->device().number());
    add_product(waiting.args, waiting.plan, queue_->stream());
}

}  // namespace sipo::cuda
