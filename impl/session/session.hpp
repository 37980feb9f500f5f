// One sequence: a recurrent state, the context method that reads its prompts, and generation. Used
// by one thread at a time; cancel() alone may come from another.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.hpp"
#include "context/method.hpp"
#include "session/open_model.hpp"
#include "session/prefill.hpp"
#include "session/sampler.hpp"

namespace sipo {

struct SessionOptions {
    context::Options context;
    std::string profile = "default";
    std::shared_ptr<const CalibrationProfile> calibration;  // goes before `profile`
    int threads = 0;                                        // 0: all there are
    std::int64_t chunk_tokens = 0;                          // 0: what the backend likes
    ProgressFn progress;
};

// Called with a token and the text it completes; a nonzero return stops.
using TokenFn = std::function<int(std::int32_t token, std::string_view text)>;

class Session {
public:
    Session(std::shared_ptr<const OpenModel> model, SessionOptions options);

    // The three ways to read a prompt; see sipo.h. On an exception the session is as it was before.
    void prefill(std::span<const std::int32_t> ids);
    void prefill_logits(std::span<const std::int32_t> ids, std::int64_t last,
                        std::span<float> logits);
    void score(std::span<const std::int32_t> ids, std::int64_t scored, std::span<float> nll);

    void decode(std::int32_t token);
    // Each session reads one token, in one pass over the weights; the same bits as decode() gives.
    // The sessions are different ones of one model; the first one's threads do the work.
    static void decode_together(std::span<Session* const> sessions,
                                std::span<const std::int32_t> tokens);
    [[nodiscard]] std::size_t generate(const SamplingOptions& sampling, std::size_t max_tokens,
                                       const TokenFn& on_token);
    void reset();
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

    // [vocab_size]. Throws Code::invalid_state before the first token.
    [[nodiscard]] std::span<const float> logits() const;
    [[nodiscard]] std::int64_t position() const { return position_; }
    [[nodiscard]] std::int64_t kept_count() const;
    // Indices into the last prompt, ascending. [kept_count()]
    void kept_tokens(std::span<std::int64_t> indices) const;
    [[nodiscard]] std::string backend_name() const { return machinery_.stream->name(); }
    [[nodiscard]] const OpenModel& model() const { return *model_; }

private:
    using LogitsFn = std::function<void(std::int64_t first, backend::View logits)>;

    // First of all in a call that can be cancelled: what was cancelled before is over.
    void begin_call() noexcept { cancelled_.store(false, std::memory_order_relaxed); }
    // Tells the token and reads it, also when the callback throws; whether it asks to stop.
    [[nodiscard]] bool tell(const TokenFn& on_token, std::int32_t token, std::string_view text);
    void check_usable() const;
    void check_prompt(std::span<const std::int32_t> ids) const;
    void check_last(std::int64_t last, const context::Plan& plan, std::string_view what) const;
    [[nodiscard]] context::Plan plan_for(std::int64_t tokens) const;
    void read_prompt(std::span<const std::int32_t> ids, const context::Plan& plan,
                     std::int64_t last, const LogitsFn& on_logits);
    void run_prefill(std::span<const std::int32_t> ids, const context::Plan& plan,
                     std::int64_t last, const LogitsFn& on_logits);
    static void step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens);
    static void run_step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens);

    std::shared_ptr<const OpenModel> model_;
    SessionOptions options_;
    std::shared_ptr<const CalibrationProfile> profile_;
    Machinery machinery_;
    RecurrentState backup_;  // the state before a prompt, should reading it fail
    std::vector<float> logits_;
    std::int64_t position_ = 0;
    std::int64_t prompt_length_ = 0;                 // of the last prefill
    std::optional<std::vector<std::int64_t>> kept_;  // of the last prefill; nothing: all
    bool broken_ = false;                            // a decoding step failed half-way
    std::atomic<bool> cancelled_{false};
};

}  // namespace sipo
