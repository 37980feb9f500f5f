// A generation in progress: from logits to tokens and the text they complete, until something ends
// it. Knows nothing of the session that reads the tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "session/sampler.hpp"
#include "session/stop_matcher.hpp"
#include "tokenizer/tokenizer.hpp"

namespace sipo {

// Why a generation ended. The numbers are those of SIPO_FINISH_* in sipo.h.
enum class Finish : std::int32_t {
    none = 0,
    end_of_text = 100,
    stop_sequence = 110,
    token_limit = 120,
    cancelled = 130,
    failed = 140,
};

class Generation {
public:
    struct Step {
        std::int32_t token = -1;  // -1: text that was held back, after the last token
        std::string text;
        bool last = false;
    };

    Generation(const Tokenizer& tokenizer, std::int32_t end_of_text, SamplingOptions sampling,
               std::size_t max_tokens, const std::optional<SamplerState>& state);

    // The next token after these logits. Not to be called after the last. Throws
    // Code::cancelled when on_log_probabilities asks for it.
    [[nodiscard]] Step next(const LogitsView& logits);
    [[nodiscard]] std::size_t tokens() const { return tokens_; }
    [[nodiscard]] Finish finish() const { return finish_; }
    [[nodiscard]] SamplerState sampler_state() const { return sampler_.state(); }

private:
    void tell_log_probabilities(std::int32_t token, std::span<const float> logits) const;

    std::int32_t end_of_text_;
    SamplingOptions sampling_;
    std::size_t max_tokens_;
    Sampler sampler_;
    TextStream text_;
    StopMatcher stops_;
    std::size_t tokens_ = 0;
    Finish finish_ = Finish::none;
};

}  // namespace sipo
