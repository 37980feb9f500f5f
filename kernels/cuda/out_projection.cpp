#include "out_projection.hpp"

namespace sipo::cuda {
namespace {

using bf16 = __nv_bfloat16;
using backend::Mamba1Layer;
using backend::View;

}  // namespace

AddProductPlan OutProjection::plan(const Mamba1Layer& layer) const {
    return plan_add_product(layer.out_proj->rows(), layer.out_proj->cols(),
                            queue_->device().multiprocessors());
}

bool OutProjection::fits(const Mamba1Layer& layer) const {
    const int clusters = plan(layer).clusters;
    return clusters > 0 && clusters <= RowSquares::max_parts && is_mapped(*layer.out_proj);
}

bool OutProjection::follows(const Plane& residual) const {
    return waiting_ && waiting_->args.residual.data == residual.data &&
           waiting_->args.rows == residual.rows;
}

OutProjection::Normed OutProjection::norm(const Mamba1Layer& layer, const View& residual,
                                          const FirstTiles& next) {
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
    args.next = next;
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
    const AddProductPlan cut = plan(layer);
    AddProductArgs args{};
    args.in = map_rows(y, in_eights(y.rows));
    args.weights = map_weights(*layer.out_proj, cut.tile);
    args.rows = static_cast<int>(y.rows);
    args.outputs = static_cast<int>(layer.out_proj->rows());
    args.inputs = static_cast<int>(layer.out_proj->cols());
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
