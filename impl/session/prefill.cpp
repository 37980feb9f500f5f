#include "session/prefill.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace sipo {

using backend::View;

Room chunk_room(std::int64_t rows, bool whole, const backend::Backend& backend) {
    const std::int64_t split = backend.split_chunk_tokens();
    if (split == 0 || rows < split || whole) return {.tokens = rows, .at_once = rows};
    // A last chunk may be too short for halves.
    return {.tokens = rows, .at_once = std::max((rows + 1) / 2, split), .beside = rows / 2};
}

Prefill::Prefill(Machinery& machinery, const RecurrentState& state, const PrefillTask& task)
    : m_(machinery),
      state_(state),
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
    while (step(task_.chunk_tokens)) {
    }
}

bool Prefill::step(std::int64_t limit, const PauseFn& pause) {
    // Another session may have used the machinery since; its buffers only grow.
    const std::int64_t chunk_rows = std::min(length_, task_.chunk_tokens);
    const Room room = room_of(chunk_rows);
    m_.reserve(room.tokens, room.at_once);
    m_.reserve_logits(std::min(task_.last, head_rows));
    if (!begun_) begin();
    const Chunk chunk = paused_ ? paused_->chunk : next_chunk(limit);
    step_ = 0;
    if (!run_chunk(chunk, pause)) return true;
    next_ += chunk.count;
    step_ = chunk.count;
    return next_ < length_ || end_pass();
}

Prefill::Chunk Prefill::next_chunk(std::int64_t limit) const {
    return {next_, std::min({limit, task_.chunk_tokens, length_ - next_})};
}

void Prefill::begin() {
    begun_ = true;
    make_filters();
    cut_ = next_cut(0);
    if (task_.observer != nullptr || context::drops_tokens(task_.plan)) make_full_length_buffers();
}

bool Prefill::run_chunk(const Chunk& chunk, const PauseFn& pause) {
    if (pass_ == Pass::layers) return run_segment(chunk, pause);
    if (pass_ == Pass::mix) mix_kept(cut_, chunk);
    if (pass_ == Pass::head) emit_logits(chunk, residual_of(chunk));
    return true;
}

bool Prefill::run_segment(const Chunk& chunk, const PauseFn& pause) {
    const View residual = residual_of(chunk);
    if (!paused_ && first_ == 0) embed(chunk, residual);
    const std::int64_t layer = paused_ ? go_on(residual) : first_;
    if (!run_layers(layer, residual, chunk, pause)) return false;
    if (drops_tokens(cut_)) {
        score_chunk(cut_, chunk, residual);
    } else if (cut_ == m_.model.architecture().n_layers) {
        emit_logits(chunk, residual);
        last_row_ = residual.row_range(chunk.count - 1, 1);
    }
    return true;
}

View Prefill::last_logits() { return m_.head(last_row_); }

bool Prefill::end_pass() {
    const std::int64_t layers = m_.model.architecture().n_layers;
    if (pass_ == Pass::head || (pass_ == Pass::layers && cut_ == layers)) return false;
    if (pass_ == Pass::layers && !drops_tokens(cut_)) {
        first_ = cut_;
        cut_ = next_cut(first_);
    } else if (pass_ == Pass::layers) {
        choose_tokens(cut_);
        pass_ = Pass::mix;
    } else {
        note_kept();
        first_ = cut_ + 1;
        cut_ = next_cut(first_);
        pass_ = first_ == layers ? Pass::head : Pass::layers;
    }
    next_ = 0;
    return true;
}

std::int64_t Prefill::next_cut(std::int64_t layer) const {
    const auto layers = static_cast<std::int64_t>(task_.plan.size());
    if (task_.observer != nullptr) {
        return layer < layers && !drops_tokens(layer) ? layer + 1 : layer;
    }
    while (layer < layers && !drops_tokens(layer)) ++layer;
    return layer;
}

bool Prefill::drops_tokens(std::int64_t layer) const {
    const auto index = static_cast<std::size_t>(layer);
    return index < task_.plan.size() && task_.plan[index].kept_tokens.has_value();
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

void Prefill::make_full_length_buffers() {
    const Architecture& arch = m_.model.architecture();
    full_residual_ = m_.stream->allocate(length_, arch.d_model);
    if (!context::drops_tokens(task_.plan)) return;
    scores_ = m_.stream->allocate(1, length_);
    gathered_ = m_.stream->allocate(std::min(length_, task_.chunk_tokens), arch.d_model);
    const View like = state_.layer(0).conv_state;
    first_conv_state_ = m_.stream->allocate(like.rows, like.cols);
}

View Prefill::residual_of(const Chunk& chunk) const {
    return full_residual_ ? View(*full_residual_).row_range(chunk.first, chunk.count)
                          : View(*m_.residual).row_range(0, chunk.count);
}

void Prefill::embed(const Chunk& chunk, View residual) {
    const auto ids = task_.ids.subspan(static_cast<std::size_t>(chunk.first),
                                       static_cast<std::size_t>(chunk.count));
    m_.stream->embed(m_.model.embedding(), ids, residual);
}

bool Prefill::run_layers(std::int64_t first, View residual, const Chunk& chunk,
                         const PauseFn& pause) {
    if (room_of(residual.rows).beside > 0) {
        run_halves(residual);
        return true;
    }
    for (std::int64_t layer = first; layer < cut_; ++layer) {
        if (layer > first && pause && pause()) {
            leave(chunk, layer, residual);
            return false;
        }
        project(layer, m_, residual);
        if (task_.observer != nullptr) observe(layer, chunk, hook(layer));
        mix(layer, m_, residual);
    }
    return true;
}

void Prefill::leave(const Chunk& chunk, std::int64_t layer, View residual) {
    paused_ = Paused{chunk, layer, nullptr};
    if (full_residual_) return;
    paused_->residual = m_.stream->allocate(residual.rows, residual.cols);
    m_.stream->copy(residual, View(*paused_->residual));
}

// The layer to go on with.
std::int64_t Prefill::go_on(View residual) {
    const Paused paused = std::move(*paused_);
    paused_.reset();
    if (paused.residual) m_.stream->copy(View(*paused.residual), residual);
    return paused.layer;
}

Room Prefill::room_of(std::int64_t rows) const {
    const bool whole = task_.observer != nullptr || context::drops_tokens(task_.plan);
    return chunk_room(rows, whole, m_.model.backend());
}

// The recurrence leaves much of a device idle, and so does the end of every operation. While one half
// of the chunk goes through a layer, the other goes through the one before it.
void Prefill::run_halves(View residual) {
    const std::int64_t count = (residual.rows + 1) / 2;
    const View rest = residual.row_range(count, residual.rows - count);
    Machinery& twin = m_.twin(residual.rows - count);
    // Also after an exception: what is freed or cleared then must not be in use.
    struct Join {
        backend::Stream& stream;
        backend::Stream& other;
        ~Join() { stream.wait_for(other); }
    } const join{*m_.stream, *twin.stream};
    const auto run = [this](std::int64_t layer, Machinery& machinery, View rows) {
        project(layer, machinery, rows);
        mix(layer, machinery, rows);
    };
    for (std::int64_t layer = first_; layer <= cut_; ++layer) {
        twin.stream->wait_for(*m_.stream);
        if (layer < cut_) run(layer, m_, residual.row_range(0, count));
        if (layer > first_) run(layer - 1, twin, rest);
    }
}

void Prefill::project(std::int64_t layer, Machinery& machinery, View residual) {
    check_cancelled();
    m_.model.block(layer).project(*machinery.stream, residual, state_.layer(layer).conv(),
                                  *machinery.work);
}

void Prefill::mix(std::int64_t layer, Machinery& machinery, View residual) {
    m_.model.block(layer).mix(*machinery.stream, residual.rows, hook(layer),
                              state_.layer(layer).ssm(), residual, *machinery.work);
    advance(residual.rows);
}

void Prefill::observe(std::int64_t layer, const Chunk& chunk, const LayerHook& wish) const {
    std::vector<std::int64_t> positions(
        wish.rows != nullptr ? wish.rows->size() : static_cast<std::size_t>(chunk.count));
    for (std::size_t i = 0; i < positions.size(); ++i) {
        positions[i] =
            chunk.first + (wish.rows != nullptr ? (*wish.rows)[i] : static_cast<std::int64_t>(i));
        if (kept_) positions[i] = (*kept_)[static_cast<std::size_t>(positions[i])];
    }
    const Block& block = m_.model.block(layer);
    task_.observer->before_scan(layer, block.scan_inputs(chunk.count, wish, *m_.work), positions);
}

void Prefill::score_chunk(std::int64_t layer, const Chunk& chunk, View residual) {
    check_cancelled();
    const View conv_state(*first_conv_state_);
    if (chunk.first == 0) m_.stream->copy(state_.layer(layer).conv_state, conv_state);
    m_.model.block(layer).project(*m_.stream, residual, {&conv_state, 1}, *m_.work);
    m_.stream->token_scores(m_.work->delta(chunk.count),
                            View(*scores_).col_range(chunk.first, chunk.count));
}

void Prefill::choose_tokens(std::int64_t layer) {
    const context::LayerPlan& wish = task_.plan[static_cast<std::size_t>(layer)];
    const std::int64_t candidates = length_ - wish.protected_tail;
    const View scores = View(*scores_).col_range(0, candidates);
    chosen_ = m_.stream->select_top(scores, *wish.kept_tokens);
    chosen_.reserve(static_cast<std::size_t>(*wish.kept_tokens + wish.protected_tail));
    for (std::int64_t i = candidates; i < length_; ++i) chosen_.push_back(i);
    mixed_ = 0;
}

// The tokens that are left, as indices into the prompt.
void Prefill::note_kept() {
    length_ = mixed_;
    if (!kept_) {
        kept_ = std::move(chosen_);
        return;
    }
    for (std::int64_t& index : chosen_) index = (*kept_)[static_cast<std::size_t>(index)];
    kept_ = std::move(chosen_);
}

// The second pass of the layer over a chunk. The kept tokens' residuals move to the front of the
// full residual stream, which this chunk and the ones before it no longer need.
void Prefill::mix_kept(std::int64_t layer, const Chunk& chunk) {
    check_cancelled();
    const auto begin = chosen_.begin() + mixed_;
    const auto end = std::lower_bound(begin, chosen_.end(), chunk.first + chunk.count);
    const Block& block = m_.model.block(layer);
    const LayerState state = state_.layer(layer);
    const View residual = View(*full_residual_).row_range(chunk.first, chunk.count);
    block.project(*m_.stream, residual, state.conv(), *m_.work);
    advance(chunk.count);
    if (begin == end) return;
    std::vector<std::int64_t> rows(begin, end);
    for (std::int64_t& row : rows) row -= chunk.first;
    const auto count = static_cast<std::int64_t>(rows.size());
    const View gathered = View(*gathered_).row_range(0, count);
    m_.stream->gather_rows(residual, rows, gathered);
    LayerHook wish = hook(layer);
    wish.rows = &rows;
    if (task_.observer != nullptr) observe(layer, chunk, wish);
    block.mix(*m_.stream, chunk.count, wish, state.ssm(), gathered, *m_.work);
    m_.stream->copy(gathered, View(*full_residual_).row_range(mixed_, count));
    mixed_ += count;
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
    const auto tokens = static_cast<double>(task_.ids.size());
    const auto reused = static_cast<std::uint64_t>(task_.reused);
    report(task_.progress, reused + static_cast<std::uint64_t>(share * tokens),
           reused + task_.ids.size());
}

void Prefill::check_cancelled() const {
    if (task_.cancelled.load(std::memory_order_relaxed)) {
        fail(Code::cancelled, "cancelled by sipo_session_cancel()");
    }
}

}  // namespace sipo
