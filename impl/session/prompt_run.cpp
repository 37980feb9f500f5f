#include "session/prompt_run.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"

namespace sipo {

using backend::View;

PromptRun::PromptRun(PromptRequest request)
    : request_(std::move(request)),
      first_position_(request_.state.position),
      first_hash_(request_.state.token_hash) {
    if (first_position_ > 0) request_.cache = nullptr;
    // Not in a turn: it may wait for a disk.
    const PrefixCache::Ahead ahead = read_ahead();
    const Turn turn(request_.machinery.turns);
    if (first_position_ > 0) {
        backend::Stream& stream = *request_.machinery.stream;
        before_ = std::make_unique<RecurrentState>(stream, request_.model.architecture());
        before_->copy_from(stream, request_.state.recurrent);
    }
    try {
        if (request_.cache != nullptr) take_from_cache(ahead);
        if (reused_ < static_cast<std::int64_t>(request_.ids.size())) start_prefill();
    } catch (...) {
        undo();
        throw;
    }
}

PrefixCache::Ahead PromptRun::read_ahead() {
    if (request_.cache == nullptr) return {};
    query_ = prefix_query(request_.ids, request_.plan);
    if (request_.ahead) return *std::exchange(request_.ahead, std::nullopt);
    return request_.cache->read_ahead(query_);
}

void PromptRun::take_from_cache(const PrefixCache::Ahead& ahead) {
    reused_ = request_.cache->find(query_, ahead, [&](SnapshotReader& reader) {
        read_snapshot(reader, *request_.machinery.stream, request_.model, request_.state);
    });
    marks_ = request_.cache->marks(query_, reused_);
    std::reverse(marks_.begin(), marks_.end());
}

void PromptRun::start_prefill() {
    const auto keep_last = [this](std::int64_t first, View rows) {
        if (request_.on_logits) request_.on_logits(first, rows);
        // The end of the prompt: nothing but the device can fail from here on.
        if (first + rows.rows == request_.last) {
            request_.state.logits.copy(*request_.machinery.stream,
                                       rows.row_range(rows.rows - 1, 1));
        }
    };
    task_ = std::make_unique<PrefillTask>(
        PrefillTask{.ids = request_.ids.subspan(static_cast<std::size_t>(reused_)),
                    .plan = request_.plan,
                    .chunk_tokens = request_.chunk_tokens,
                    .reused = reused_,
                    .last = request_.last,
                    .on_logits = keep_last,
                    .progress = request_.progress,
                    .cancelled = request_.cancelled});
    prefill_ = std::make_unique<Prefill>(request_.machinery, request_.state.recurrent, *task_);
}

bool PromptRun::step(std::int64_t limit, const PauseFn& pause) {
    const Turn turn(request_.machinery.turns);
    if (!prefill_) return false;  // all of it came from the cache
    try {
        return advance(limit, pause);
    } catch (...) {
        undo();
        throw;
    }
}

bool PromptRun::advance(std::int64_t limit, const PauseFn& pause) {
    const std::int64_t done = tokens_done();
    if (!marks_.empty()) limit = std::min(limit, marks_.back() - done);
    if (!prefill_->step(limit, pause)) {
        finish();
        return false;
    }
    const std::int64_t now = tokens_done();
    if (!marks_.empty() && marks_.back() == now) {
        marks_.pop_back();
        keep_mark(now);
    }
    return true;
}

// A session at a mark is one that has read a shorter prompt; finish() or undo() make it whole.
void PromptRun::keep_mark(std::int64_t tokens) {
    SessionState& state = request_.state;
    const PrefixQuery prefix = query(tokens);
    state.logits.copy(*request_.machinery.stream, prefill_->last_logits());
    state.position = tokens;
    state.prompt_length = tokens;
    state.token_hash = extend_token_hash(first_hash_, prefix.ids);
    request_.cache->store(prefix, *request_.machinery.stream, state);
}

void PromptRun::finish() {
    SessionState& state = request_.state;
    const auto tokens = static_cast<std::int64_t>(request_.ids.size());
    state.kept = prefill_->take_kept();
    state.prompt_length = tokens;
    state.position = first_position_ + tokens;
    state.token_hash = extend_token_hash(first_hash_, request_.ids);
    if (request_.cache == nullptr) return;
    request_.cache->count_computed(tokens - reused_);
    request_.cache->store(query(tokens), *request_.machinery.stream, state);
}

void PromptRun::undo() {
    backend::Stream& stream = *request_.machinery.stream;
    request_.state.broken = true;
    if (before_) {
        request_.state.recurrent.copy_from(stream, *before_);
        request_.state.broken = false;
    } else {
        request_.state.clear(stream);
    }
}

PrefixQuery PromptRun::query(std::int64_t tokens) const {
    PrefixQuery prefix = query_;
    prefix.ids = query_.ids.first(static_cast<std::size_t>(tokens));
    return prefix;
}

}  // namespace sipo
