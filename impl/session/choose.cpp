// Session::choose(): which of some texts follows best, each taken as a whole.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/ranking.hpp"
#include "session/memory.hpp"
#include "session/session.hpp"

namespace sipo {
namespace {

// Texts that are read together; each needs a state of its own.
constexpr std::size_t group_size = 16;

struct Candidate {
    std::size_t number = 0;
    std::vector<std::int32_t> ids;
    std::unique_ptr<Session> session;  // has read all but the last token when its group is done
    double log_probability = 0.0;
};

double total_of(std::span<const float> logits) { return log_sum_exp(rank_tokens(logits, 1, 1.0)); }

// Minus infinity for a token whose logit is a NaN.
double log_probability_of(std::int32_t token, std::span<const float> logits, double total) {
    const float logit = logits[static_cast<std::size_t>(token)];
    if (std::isnan(logit)) return -std::numeric_limits<double>::infinity();
    return static_cast<double>(logit) - total;
}

// Token number `at` of those texts that have one, and then they read it unless it is the last. They all
// begin with the same logits, whose total is `first_total`.
void advance(std::span<Candidate> group, std::size_t at, double first_total) {
    std::vector<Session*> sessions;
    std::vector<std::int32_t> tokens;
    for (Candidate& candidate : group) {
        if (at >= candidate.ids.size()) continue;
        const std::span<const float> logits = candidate.session->logits();
        candidate.log_probability +=
            log_probability_of(candidate.ids[at], logits, at == 0 ? first_total : total_of(logits));
        if (at + 1 == candidate.ids.size()) continue;
        sessions.push_back(candidate.session.get());
        tokens.push_back(candidate.ids[at]);
    }
    if (!sessions.empty()) Session::decode_together(sessions, tokens);
}

std::vector<Candidate> tokenized(const OpenModel& model, std::span<const std::string> texts) {
    std::vector<Candidate> candidates(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        candidates[i].number = i;
        candidates[i].ids = model.tokenizer().encode(texts[i]);
        if (candidates[i].ids.empty()) fail(Code::invalid_argument, "choice ", i, " has no tokens");
    }
    return candidates;
}

}  // namespace

std::size_t Session::choose(std::span<const std::string> texts,
                            std::span<float> log_probabilities) {
    begin_call();
    check_logits();
    std::vector<Candidate> candidates = tokenized(*model_, texts);
    const double first_total = total_of(logits());
    const Candidate* best = &candidates.front();  // texts are 1 or more
    for (std::size_t first = 0; first < candidates.size(); first += group_size) {
        const std::size_t count = std::min(group_size, candidates.size() - first);
        const auto group = std::span(candidates).subspan(first, count);
        // Those of the group and the best before it.
        check_limit({.sessions = std::ssize(group)},
                    (std::ssize(group) + 1) * resting_memory(*model_));
        std::size_t longest = 0;
        for (Candidate& candidate : group) {
            candidate.session = fork();
            longest = std::max(longest, candidate.ids.size());
        }
        for (std::size_t at = 0; at < longest; ++at) {
            if (cancelled_.load(std::memory_order_relaxed)) {
                fail(Code::cancelled, "cancelled by sipo_session_cancel()");
            }
            advance(group, at, first_total);
        }
        for (Candidate& candidate : group) {
            if (candidate.log_probability > best->log_probability) best = &candidate;
        }
        for (Candidate& candidate : candidates) {
            if (&candidate != best) candidate.session.reset();
        }
    }
    best->session->decode(best->ids.back());
    for (const Candidate& candidate : candidates) {
        log_probabilities[candidate.number] = static_cast<float>(candidate.log_probability);
    }
    const Turn turn(machinery_->turns);
    now_.copy_from(*machinery_->stream, best->session->now_);
    return best->number;
}

}  // namespace sipo
