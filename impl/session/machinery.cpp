#include "session/machinery.hpp"

#include "base/checked.hpp"

namespace sipo {

using backend::View;

namespace {

// A stream and its workspace.
std::int64_t working_bytes(const Model& model, int threads, const backend::StreamWork& work) {
    const backend::Backend& backend = model.backend();
    return checked_add(
        backend.stream_bytes(threads, work),
        Workspace::bytes(backend, model.architecture(), work.rows, model.activations()));
}

}  // namespace

std::int64_t Machinery::bytes(const Model& model, int threads, const Room& room,
                              std::int64_t candidates) {
    const backend::Backend& backend = model.backend();
    const Architecture& arch = model.architecture();
    backend::StreamWork work = model.work(room.at_once, room.logits);
    work.candidates = candidates;
    std::int64_t sum = working_bytes(model, threads, work);
    sum = checked_add(sum, backend.buffer_bytes(room.tokens, arch.d_model));
    sum = checked_add(sum, backend.buffer_bytes(room.logits, arch.vocab_size));
    if (room.beside == 0) return sum;
    sum = checked_add(sum, working_bytes(model, 1, model.work(room.beside, 0)));
    return checked_add(sum, backend.buffer_bytes(0, arch.d_model));
}

Room Machinery::room() const {
    return {.tokens = residual ? residual->rows() : 0,
            .at_once = work ? work->capacity() : 0,
            .beside = twin_ && twin_->work ? twin_->work->capacity() : 0,
            .logits = logits ? logits->rows() : 0};
}

void Machinery::reserve(std::int64_t tokens, std::int64_t at_once) {
    if (!work || work->capacity() < at_once) {
        work.reset();
        work = std::make_unique<Workspace>(*stream, model.architecture(), at_once,
                                           model.activations());
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
    const View out = View(*logits).row_range(0, hidden.rows);
    head(hidden, out);
    return out;
}

void Machinery::head(View hidden, View out) {
    stream->norm_multiply(hidden, model.final_norm(), model.architecture().norm_eps,
                          work->normed(hidden.rows), model.head(), out);
}

}  // namespace sipo
