#include "session/machinery.hpp"

namespace sipo {

using backend::View;

void Machinery::reserve(std::int64_t tokens) {
    if (work && work->capacity() >= tokens) return;
    work.reset();
    residual.reset();
    const DType activations = model.weights_type() == DType::f32 ? DType::f32 : DType::bf16;
    auto grown = std::make_unique<Workspace>(*stream, model.architecture(), tokens, activations);
    residual = stream->allocate(tokens, model.architecture().d_model);
    work = std::move(grown);
}

void Machinery::reserve_logits(std::int64_t rows) {
    if (logits && logits->rows() >= rows) return;
    logits.reset();
    logits = stream->allocate(rows, model.architecture().vocab_size);
}

View Machinery::head(View hidden) {
    const View normed = work->normed(hidden.rows);
    const View out = View(*logits).row_range(0, hidden.rows);
    stream->rms_norm(hidden, model.final_norm(), model.architecture().norm_eps, normed);
    stream->multiply(normed, model.head(), out);
    return out;
}

}  // namespace sipo
