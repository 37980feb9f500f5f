// One sequence: what it remembers, the context method that reads its prompts, and generation. Used
// by one thread at a time; cancel() alone may come from another.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "base/progress.hpp"
#include "context/method.hpp"
#include "session/generation.hpp"
#include "session/machinery.hpp"
#include "session/open_model.hpp"
#include "session/prefix_cache.hpp"
#include "session/prompt_run.hpp"
#include "session/session_state.hpp"

namespace sipo {

struct Demand;

// Bytes: a snapshot's file up to this size is read into memory to be loaded, a larger one mapped.
inline constexpr std::size_t snapshot_read_limit = std::size_t{1} << 28;

struct SessionOptions {
    context::Options context;
    std::string profile = "default";
    std::shared_ptr<const CalibrationProfile> calibration;  // goes before `profile`
    int threads = 0;                                        // 0: all there are
    std::shared_ptr<Machinery> machinery;                   // goes before `threads`
    std::int64_t chunk_tokens = 0;                          // 0: what the backend likes
    std::int64_t memory_limit = 0;                          // bytes; 0: none
    ProgressFn progress;
};

// Tokens of a prompt that a session reads together.
[[nodiscard]] std::int64_t chunk_of(const OpenModel& model, const SessionOptions& options);

// What the context method wants for a prompt of so many tokens after so many.
[[nodiscard]] context::Plan plan_of(const OpenModel& model, const SessionOptions& options,
                                    std::int64_t tokens, std::int64_t position);

// Called with a token and the text it completes; a nonzero return stops. Token -1: text that was
// held back, after the last token.
using TokenFn = std::function<int(std::int32_t token, std::string_view text)>;

// About the last prompt and the last generation.
struct SessionStatistics {
    std::int64_t prompt_tokens = 0;
    std::int64_t reused_tokens = 0;  // of the prompt, from a prefix cache
    double prefill_seconds = 0.0;
    double first_token_seconds = 0.0;  // from the start of the prompt
    std::int64_t generated_tokens = 0;
    double generation_seconds = 0.0;
    Finish finish = Finish::none;
};

class Session {
public:
    Session(std::shared_ptr<const OpenModel> model, SessionOptions options);
    // A copy that goes its own way. It shares the original's machinery.
    [[nodiscard]] std::unique_ptr<Session> fork() const;

    // The ways to read a prompt; see sipo.h. On an exception the session is as it was before, and so
    // is the caller's array.
    void prefill(std::span<const std::int32_t> ids, PrefixCache* cache = nullptr);
    void prefill_logits(std::span<const std::int32_t> ids, std::int64_t last,
                        std::span<float> logits);
    void score(std::span<const std::int32_t> ids, std::int64_t scored, std::span<float> nll);
    // A prefill for a caller who makes the steps; `ids` and the session outlive it. With what was
    // read ahead of the cache, no disk is waited for.
    [[nodiscard]] std::unique_ptr<PromptRun> begin_prompt(
        std::span<const std::int32_t> ids, PrefixCache* cache,
        std::optional<PrefixCache::Ahead> ahead = std::nullopt);

    void decode(std::int32_t token);
    // Each session reads one token, in one pass over the weights; the same bits as decode() gives.
    // The sessions are different ones of one model; the first one's threads do the work.
    static void decode_together(std::span<Session* const> sessions,
                                std::span<const std::int32_t> tokens);
    [[nodiscard]] std::size_t generate(const SamplingOptions& sampling, std::size_t max_tokens,
                                       const TokenFn& on_token);
    // Reads the likeliest of the texts as a whole and returns its number; the log probability of
    // each in nats. [texts]
    [[nodiscard]] std::size_t choose(std::span<const std::string> texts,
                                     std::span<float> log_probabilities);
    void reset();
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

    // Named states in memory. rewind() and drop() throw Code::not_found naming those there are.
    void checkpoint(const std::string& name);
    void rewind(const std::string& name);
    void drop_checkpoint(const std::string& name);

    // Snapshots: see snapshot.hpp. What a load refuses leaves the session as it was.
    [[nodiscard]] std::vector<std::byte> save(Encoding encoding) const;
    void save(const std::filesystem::path& path, Encoding encoding, Flush flush) const;
    void load(std::span<const std::byte> bytes, const std::string& source);

    // After the last token, until the next call that changes the session. Throw
    // Code::invalid_state before the first token. The values [vocab_size] are fetched when they are
    // asked for the first time, in a turn of the machinery.
    [[nodiscard]] std::span<const float> logits() const;
    [[nodiscard]] LogitsView logits_view() const;  // ranks where the logits are
    [[nodiscard]] std::int64_t position() const { return now_.position; }
    [[nodiscard]] std::uint64_t token_hash() const { return now_.token_hash; }
    [[nodiscard]] std::int64_t kept_count() const;
    // Indices into the last prompt, ascending. [kept_count()]
    void kept_tokens(std::span<std::int64_t> indices) const;
    [[nodiscard]] std::string backend_name() const { return machinery_->stream->name(); }
    [[nodiscard]] const OpenModel& model() const { return *model_; }
    [[nodiscard]] const SessionStatistics& statistics() const { return statistics_; }
    // The bytes it takes now, without the machinery.
    [[nodiscard]] std::int64_t memory() const;

private:
    using Clock = std::chrono::steady_clock;
    using LogitsFn = std::function<void(std::int64_t first, backend::View logits)>;

    explicit Session(const Session& original);
    // First of all in a call that can be cancelled: what was cancelled before is over.
    void begin_call() noexcept { cancelled_.store(false, std::memory_order_relaxed); }
    // Tells the token and reads it, also when the callback throws; whether it asks to stop.
    [[nodiscard]] bool tell(const TokenFn& on_token, std::int32_t token, std::string_view text);
    [[nodiscard]] float score_first(std::int32_t token) const;
    void run_generation(Generation& generation, const TokenFn& on_token);
    void check_usable() const;
    void check_logits() const;
    [[nodiscard]] Ranking rank(std::int64_t count, double temperature) const;
    void check_prompt(std::span<const std::int32_t> ids) const;
    void check_limit(const Demand& demand, std::int64_t more = 0) const;
    void check_batch(std::int64_t sessions) const;
    [[nodiscard]] Room held_room() const;
    [[nodiscard]] std::int64_t checkpoint_bytes() const;
    void check_last(std::int64_t last, const context::Plan& plan, std::string_view what) const;
    [[nodiscard]] context::Plan plan_for(std::int64_t tokens) const;
    [[nodiscard]] std::string description() const;
    void read_prompt(std::span<const std::int32_t> ids, context::Plan plan, std::int64_t last,
                     LogitsFn on_logits, PrefixCache* cache = nullptr);
    [[nodiscard]] std::unique_ptr<PromptRun> start_run(std::span<const std::int32_t> ids,
                                                       context::Plan plan, std::int64_t last,
                                                       LogitsFn on_logits, PrefixCache* cache,
                                                       std::optional<PrefixCache::Ahead> ahead);
    [[nodiscard]] const SessionState& find_checkpoint(const std::string& name) const;
    static void step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens);
    [[nodiscard]] static std::vector<backend::Identity> identities(
        std::span<Session* const> sessions);
    [[nodiscard]] static std::vector<backend::View> logits_rows(std::span<Session* const> sessions);
    static void run_layers(std::span<Session* const> sessions, backend::View residual);
    static void run_step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens);

    std::shared_ptr<const OpenModel> model_;
    SessionOptions options_;
    std::shared_ptr<const CalibrationProfile> profile_;
    std::shared_ptr<Machinery> machinery_;
    SessionState now_;
    std::map<std::string, SessionState, std::less<>> checkpoints_;
    SessionStatistics statistics_;
    std::optional<Clock::time_point> prompt_started_;  // until the first token after it
    std::atomic<bool> cancelled_{false};
};

}  // namespace sipo
