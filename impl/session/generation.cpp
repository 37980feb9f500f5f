#include "session/generation.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/ranking.hpp"

namespace sipo {
namespace {

Sampler make_sampler(const SamplingOptions& sampling, const std::optional<SamplerState>& state) {
    return sampling.resume && state ? Sampler(sampling, *state) : Sampler(sampling);
}

}  // namespace

Generation::Generation(const Tokenizer& tokenizer, std::int32_t end_of_text,
                       SamplingOptions sampling, std::size_t max_tokens,
                       const std::optional<SamplerState>& state)
    : end_of_text_(end_of_text),
      sampling_(std::move(sampling)),
      max_tokens_(max_tokens),
      sampler_(make_sampler(sampling_, state)),
      text_(tokenizer),
      stops_(sampling_.stops) {}

Generation::Step Generation::next(const LogitsView& logits) {
    const std::int32_t token = sampler_.sample(logits);
    if (token == end_of_text_ && !sampling_.ignore_end_of_text) {
        finish_ = Finish::end_of_text;
        std::string rest = stops_.push(text_.finish());
        return {.token = -1, .text = rest + stops_.finish(), .last = true};
    }
    if (sampling_.on_log_probabilities) tell_log_probabilities(token, logits.values());
    Step step{.token = token, .text = stops_.push(text_.push(token)), .last = false};
    ++tokens_;
    if (stops_.stopped()) {
        finish_ = Finish::stop_sequence;
    } else if (tokens_ == max_tokens_) {
        finish_ = Finish::token_limit;
        step.text += stops_.push(text_.finish());
        step.text += stops_.finish();
    }
    step.last = finish_ != Finish::none;
    return step;
}

void Generation::tell_log_probabilities(std::int32_t token, std::span<const float> logits) const {
    const std::int64_t wanted = sampling_.likeliest;
    const Ranking ranking = rank_tokens(logits, std::max<std::int64_t>(wanted, 1), 1.0);
    const double total = log_sum_exp(ranking);
    const auto told = [&](std::int32_t ranked, float logit) {
        return TokenLogProbability{ranked, static_cast<float>(static_cast<double>(logit) - total)};
    };
    std::vector<TokenLogProbability> likeliest;
    for (const RankedToken& best : ranking.best) {
        if (std::ssize(likeliest) < wanted) likeliest.push_back(told(best.token, best.logit));
    }
    const TokenLogProbability chosen = told(token, logits[static_cast<std::size_t>(token)]);
    if (sampling_.on_log_probabilities(chosen, likeliest) != 0)
        fail(Code::cancelled, "cancelled by the callback for log probabilities after ", tokens_,
             " tokens");
}

}  // namespace sipo
