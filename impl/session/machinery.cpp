#include "session/machinery.hpp"

namespace sipo {

using backend::View;

void Machinery::reserve(std::int64_t tokens, std::int64_t at_once) {
    if (!work || work->capacity() < at_once) {
        work.reset();
        // The norms inside FalconMamba's mixer read f32.
        const bool precise = model.weights_type() == DType::f32 ||
                             model.architecture().family == Family::falcon_mamba;
        const DType activations = precise ? DType::f32 : DType::bf16;
        work = std::make_unique<Workspace>(*stream, model.architecture(), at_once, activations);
    }
    if (!residual || residual->rows() < tokens) {
        residual.reset();
        residual = stream->allocate(tokens, model.architecture().d_model);
    }
}

void Machinery::reserve_logits(std::int64_t rows) {
    if (logits && logits->rows() >= rows) return;
    logits.reset();
    logits = stream->allocate(rows, model.architecture().vocab_size);
}

Machinery& Machinery::twin(std::int64_t tokens) {
    if (!twin_) twin_ = std::make_unique<Machinery>(model, 1);
    twin_->reserve(0, tokens);
    return *twin_;
}

View Machinery::head(View hidden) {
    const View normed = work->normed(hidden.rows);
    const View out = View(*logits).row_range(0, hidden.rows);
    stream->rms_norm(hidden, model.final_norm(), model.architecture().norm_eps, normed);
    stream->multiply(normed, model.head(), out);
    return out;
}

}  // namespace sipo
