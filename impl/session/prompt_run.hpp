// A prompt that a session is reading, chunk by chunk: takes what a prefix cache has, computes the
// rest, and leaves the session as it was if anything fails.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/progress.hpp"
#include "context/method.hpp"
#include "session/machinery.hpp"
#include "session/open_model.hpp"
#include "session/prefill.hpp"
#include "session/prefix_cache.hpp"
#include "session/session_state.hpp"

namespace sipo {

struct PromptRequest {
    const OpenModel& model;
    Machinery& machinery;
    SessionState& state;
    std::span<const std::int32_t> ids;
    context::Plan plan;
    std::int64_t chunk_tokens = 1024;
    std::int64_t last = 1;
    // Called within a turn.
    std::function<void(std::int64_t first, backend::View logits)> on_logits;
    const ProgressFn& progress;
    const std::atomic<bool>& cancelled;
    PrefixCache* cache = nullptr;             // used by sessions at position 0
    std::optional<PrefixCache::Ahead> ahead;  // of the cache, where somebody has read it
};

class PromptRun {
public:
    explicit PromptRun(PromptRequest request);
    PromptRun(const PromptRun&) = delete;
    PromptRun& operator=(const PromptRun&) = delete;

    // At most `limit` tokens, in one turn of the machinery, or the layers of them that `pause`
    // leaves time for; whether there is more to do. After the last step the state stands behind the
    // prompt; on an exception it is as it was before.
    [[nodiscard]] bool step(std::int64_t limit, const PauseFn& pause = {});
    // Whether the last step left its tokens between two layers.
    [[nodiscard]] bool paused() const { return prefill_ && prefill_->paused(); }
    // Tokens of the prompt that are behind it, between two steps; a pass over tokens that are read
    // twice (a method that drops some) starts again.
    [[nodiscard]] std::int64_t tokens_done() const {
        return reused_ + (prefill_ ? prefill_->tokens_done() : 0);
    }
    // Tokens that the last step took through some layers.
    [[nodiscard]] std::int64_t tokens_of_step() const {
        return prefill_ ? prefill_->tokens_of_step() : 0;
    }
    // Tokens that came from the cache.
    [[nodiscard]] std::int64_t reused() const { return reused_; }

private:
    [[nodiscard]] PrefixCache::Ahead read_ahead();
    void take_from_cache(const PrefixCache::Ahead& ahead);
    void start_prefill();
    [[nodiscard]] bool advance(std::int64_t limit, const PauseFn& pause);
    void keep_mark(std::int64_t tokens);
    void finish();
    void undo();
    [[nodiscard]] PrefixQuery query(std::int64_t tokens) const;

    PromptRequest request_;
    PrefixQuery query_;                       // the whole prompt, where there is a cache
    std::unique_ptr<RecurrentState> before_;  // the state before the prompt, unless that is zero
    std::int64_t first_position_;
    std::uint64_t first_hash_;
    std::int64_t reused_ = 0;
    std::vector<std::int64_t> marks_;  // where the cache wants the state; the next comes last
    std::unique_ptr<PrefillTask> task_;
    std::unique_ptr<Prefill> prefill_;
};

}  // namespace sipo
