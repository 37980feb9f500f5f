#include "session/prefill.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hpp"

namespace sipo {

using backend::View;

Machinery::Machinery(const Model& of_model, int threads, std::int64_t chunk)
    : model(of_model),
      stream(of_model.backend().open_stream(threads)),
      chunk_tokens(chunk > 0 ? chunk : of_model.backend().prefill_chunk_tokens()),
      state(*stream, of_model.architecture()) {}

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

Prefill::Prefill(Machinery& machinery, const PrefillTask& task)
    : m_(machinery),
      task_(task),
      filters_(task.plan.size()),
      length_(static_cast<std::int64_t>(task.ids.size())) {
    std::int64_t length = length_;
    for (const context::LayerPlan& layer : task.plan) {
        work_total_ += length;
        if (layer.kept_tokens) length = *layer.kept_tokens + layer.protected_tail;
    }
}

void Prefill::run() {
    const std::int64_t layers = m_.model.architecture().n_layers;
    m_.reserve(std::min(length_, m_.chunk_tokens));
    m_.reserve_logits(std::min(task_.last, head_rows));
    make_filters();
    if (next_cut(0) < layers) make_decimation_buffers(next_cut(0));
    for (std::int64_t first = 0;;) {
        const std::int64_t cut = next_cut(first);
        for_chunks([&](const Chunk& chunk) {
            const View residual = open_chunk(chunk, first == 0);
            run_layers(first, cut, residual);
            if (cut < layers) {
                score_chunk(cut, chunk, residual);
            } else {
                emit_logits(chunk, residual);
            }
        });
        if (cut == layers) return;
        decimate(cut);
        first = cut + 1;
        if (first == layers) {
            for_chunks([&](const Chunk& chunk) { emit_logits(chunk, open_chunk(chunk, false)); });
            return;
        }
    }
}

std::int64_t Prefill::next_cut(std::int64_t layer) const {
    const auto layers = static_cast<std::int64_t>(task_.plan.size());
    while (layer < layers && !task_.plan[static_cast<std::size_t>(layer)].kept_tokens) ++layer;
    return layer;
}

void Prefill::make_filters() {
    for (std::size_t i = 0; i < filters_.size(); ++i) {
        const context::LayerPlan& wish = task_.plan[i];
        if (wish.delta_threshold.empty()) continue;
        const auto channels = static_cast<std::int64_t>(wish.delta_threshold.size());
        filters_[i] = {m_.stream->allocate(1, channels), m_.stream->allocate(1, channels)};
        m_.stream->upload(wish.delta_threshold, View(*filters_[i].threshold));
        m_.stream->upload(wish.delta_scale, View(*filters_[i].scale));
    }
}

void Prefill::make_decimation_buffers(std::int64_t first_cut) {
    const Architecture& arch = m_.model.architecture();
    full_residual_ = m_.stream->allocate(length_, arch.d_model);
    scores_ = m_.stream->allocate(1, length_);
    gathered_ = m_.stream->allocate(m_.work->capacity(), arch.d_model);
    const View like = m_.state.layer(first_cut).conv_state;
    first_conv_state_ = m_.stream->allocate(like.rows, like.cols);
}

template <typename Fn>
void Prefill::for_chunks(const Fn& fn) {
    for (std::int64_t first = 0; first < length_; first += m_.chunk_tokens) {
        fn(Chunk{first, std::min(m_.chunk_tokens, length_ - first)});
    }
}

View Prefill::open_chunk(const Chunk& chunk, bool embed) {
    const View residual = full_residual_ ? View(*full_residual_).row_range(chunk.first, chunk.count)
                                         : View(*m_.residual).row_range(0, chunk.count);
    if (embed) {
        const auto ids = task_.ids.subspan(static_cast<std::size_t>(chunk.first),
                                           static_cast<std::size_t>(chunk.count));
        m_.stream->embed(m_.model.embedding(), ids, residual);
    }
    return residual;
}

void Prefill::run_layers(std::int64_t first, std::int64_t last, View residual) {
    for (std::int64_t layer = first; layer < last; ++layer) {
        check_cancelled();
        const LayerState state = m_.state.layer(layer);
        const Block& block = m_.model.block(layer);
        block.project(*m_.stream, residual, state.conv(), *m_.work);
        block.mix(*m_.stream, residual.rows, hook(layer), state.ssm(), residual, *m_.work);
        advance(residual.rows);
    }
}

void Prefill::score_chunk(std::int64_t layer, const Chunk& chunk, View residual) {
    check_cancelled();
    const View conv_state(*first_conv_state_);
    if (chunk.first == 0) m_.stream->copy(m_.state.layer(layer).conv_state, conv_state);
    m_.model.block(layer).project(*m_.stream, residual, {&conv_state, 1}, *m_.work);
    m_.stream->token_scores(m_.work->delta(chunk.count),
                            View(*scores_).col_range(chunk.first, chunk.count));
}

void Prefill::decimate(std::int64_t layer) {
    const std::vector<std::int64_t> kept = choose_tokens(layer);
    std::int64_t position = 0;
    for_chunks([&](const Chunk& chunk) {
        check_cancelled();
        const auto begin = kept.begin() + position;
        const auto end = std::lower_bound(begin, kept.end(), chunk.first + chunk.count);
        mix_kept(layer, chunk, std::span(begin, end), position);
        position += end - begin;
        advance(chunk.count);
    });
    length_ = position;
    if (kept_) {
        std::vector<std::int64_t> original(kept.size());
        std::transform(kept.begin(), kept.end(), original.begin(),
                       [&](std::int64_t i) { return (*kept_)[static_cast<std::size_t>(i)]; });
        kept_ = std::move(original);
    } else {
        kept_ = kept;
    }
}

std::vector<std::int64_t> Prefill::choose_tokens(std::int64_t layer) {
    const context::LayerPlan& wish = task_.plan[static_cast<std::size_t>(layer)];
    const std::int64_t candidates = length_ - wish.protected_tail;
    const View scores = View(*scores_).col_range(0, candidates);
    std::vector<std::int64_t> kept = m_.stream->select_top(scores, *wish.kept_tokens);
    for (std::int64_t i = candidates; i < length_; ++i) kept.push_back(i);
    return kept;
}

// The second pass of the layer over a chunk. The kept tokens' residuals move to the front of the
// full residual stream, which this chunk and the ones before it no longer need.
void Prefill::mix_kept(std::int64_t layer, const Chunk& chunk, std::span<const std::int64_t> kept,
                       std::int64_t position) {
    const Block& block = m_.model.block(layer);
    const LayerState state = m_.state.layer(layer);
    const View residual = View(*full_residual_).row_range(chunk.first, chunk.count);
    block.project(*m_.stream, residual, state.conv(), *m_.work);
    if (kept.empty()) return;
    std::vector<std::int64_t> rows(kept.begin(), kept.end());
    for (std::int64_t& row : rows) row -= chunk.first;
    const auto count = static_cast<std::int64_t>(rows.size());
    const View gathered = View(*gathered_).row_range(0, count);
    m_.stream->gather_rows(residual, rows, gathered);
    LayerHook wish = hook(layer);
    wish.rows = &rows;
    block.mix(*m_.stream, chunk.count, wish, state.ssm(), gathered, *m_.work);
    m_.stream->copy(gathered, View(*full_residual_).row_range(position, count));
}

// Final norm and head for those rows of the chunk that are wanted.
void Prefill::emit_logits(const Chunk& chunk, View residual) {
    const std::int64_t first_wanted = length_ - task_.last;
    const std::int64_t end = chunk.first + chunk.count;
    for (std::int64_t row = std::max(chunk.first, first_wanted); row < end; row += head_rows) {
        check_cancelled();
        const std::int64_t count = std::min(head_rows, end - row);
        task_.on_logits(row - first_wanted, m_.head(residual.row_range(row - chunk.first, count)));
    }
}

LayerHook Prefill::hook(std::int64_t layer) const {
    const Filter& filter = filters_[static_cast<std::size_t>(layer)];
    return {.filter = {.threshold = filter.threshold.get(), .scale = filter.scale.get()},
            .rows = nullptr};
}

void Prefill::advance(std::int64_t token_layers) {
    work_done_ += token_layers;
    const double share = static_cast<double>(work_done_) / static_cast<double>(work_total_);
    const auto total = static_cast<std::uint64_t>(task_.ids.size());
    report(task_.progress, static_cast<std::uint64_t>(share * static_cast<double>(total)), total);
}

void Prefill::check_cancelled() const {
    if (task_.cancelled.load(std::memory_order_relaxed)) {
        fail(Code::cancelled, "cancelled by sipo_session_cancel()");
    }
}

}  // namespace sipo
