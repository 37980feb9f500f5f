// Sessions: reading, scoring and state of one sequence.
#include <algorithm>
#include <deque>
#include <vector>

#include "arguments.hpp"
#include "base/checked.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

std::size_t vocab_size(const Session& session) {
    return static_cast<std::size_t>(session.model().architecture().vocab_size);
}

double statistic(const SessionStatistics& values, std::int32_t id) {
    switch (id) {
        case SIPO_SESSION_PROMPT_TOKENS: return static_cast<double>(values.prompt_tokens);
        case SIPO_SESSION_REUSED_TOKENS: return static_cast<double>(values.reused_tokens);
        case SIPO_SESSION_PREFILL_SECONDS: return values.prefill_seconds;
        case SIPO_SESSION_FIRST_TOKEN_SECONDS: return values.first_token_seconds;
        case SIPO_SESSION_GENERATED_TOKENS: return static_cast<double>(values.generated_tokens);
        case SIPO_SESSION_GENERATION_SECONDS: return values.generation_seconds;
        case SIPO_SESSION_FINISH: return static_cast<double>(values.finish);
        default: fail(Code::out_of_range, "no statistic ", id, " of a session");
    }
}

// The numbers of the ABI and of the engine are the same.
constexpr bool same(Finish finish, std::int32_t number) {
    return static_cast<std::int32_t>(finish) == number;
}
static_assert(same(Finish::none, SIPO_FINISH_NONE));
static_assert(same(Finish::end_of_text, SIPO_FINISH_END_OF_TEXT));
static_assert(same(Finish::stop_sequence, SIPO_FINISH_STOP_SEQUENCE));
static_assert(same(Finish::token_limit, SIPO_FINISH_TOKEN_LIMIT));
static_assert(same(Finish::cancelled, SIPO_FINISH_CANCELLED));
static_assert(same(Finish::failed, SIPO_FINISH_FAILED));

}  // namespace

extern "C" {

sipo_status sipo_session_create(const sipo_session_options* options, sipo_session** session) {
    return guarded([&] {
        const sipo_session_options& chosen = require(options, "options");
        require(session, "session");
        give(session, std::make_unique<Session>(chosen.model, chosen.options));
    });
}

void sipo_session_free(sipo_session* session) {
    const std::unique_ptr<sipo_session> owned(session);
}

sipo_status sipo_session_prefill(sipo_session* session, const int32_t* ids, size_t count) {
    return with_session(session,
                        [&](Session& target) { target.prefill(require_array(ids, count, "ids")); });
}

sipo_status sipo_session_prefill_logits(sipo_session* session, const int32_t* ids, size_t count,
                                        size_t last, float* logits, size_t capacity) {
    return with_session(session, [&](Session& target) {
        const auto tokens = require_array(ids, count, "ids");
        in_range<std::size_t>(last, 1, std::max<std::size_t>(count, 1), "last");
        const std::size_t needed = checked_mul(last, vocab_size(target));
        require(logits, "logits");
        (void)wants_results(logits, capacity, needed, "logits");
        target.prefill_logits(tokens, static_cast<std::int64_t>(last), {logits, needed});
    });
}

sipo_status sipo_session_score(sipo_session* session, const int32_t* ids, size_t count,
                               size_t scored, float* nll) {
    return with_session(session, [&](Session& target) {
        const auto tokens = require_array(ids, count, "ids");
        check_count(scored, "scored");
        require(nll, "nll");
        target.score(tokens, static_cast<std::int64_t>(scored), {nll, scored});
    });
}

sipo_status sipo_session_decode(sipo_session* session, int32_t token) {
    return with_session(session, [&](Session& target) { target.decode(token); });
}

sipo_status sipo_batch_decode(sipo_session* const* sessions, const int32_t* tokens, size_t count) {
    return guarded([&] {
        in_range<std::size_t>(count, 1, 65536, "count");
        const auto handles = require_array(sessions, count, "sessions");
        const auto ids = require_array(tokens, count, "tokens");
        std::deque<SessionUse> uses;
        std::vector<Session*> targets;
        for (sipo_session* handle : handles) {
            sipo_session& target = require(handle, "a session of the batch");
            uses.emplace_back(target);
            targets.push_back(target.session.get());
        }
        Session::decode_together(targets, ids);
    });
}

sipo_status sipo_session_logits(sipo_session* session, float* logits, size_t capacity,
                                size_t* count) {
    return with_session(session, [&](const Session& target) {
        require(count, "count");
        const LogitsView found = target.logits_view();
        const std::size_t size = vocab_size(target);
        if (wants_results(logits, capacity, size, "logits")) {
            const std::span<const float> values = found.values();
            std::copy(values.begin(), values.end(), logits);
        }
        *count = size;
    });
}

sipo_status sipo_session_likeliest(const sipo_session* session, int32_t* token) {
    return with_session(session, [&](const Session& target) {
        std::int32_t& result = require(token, "token");
        result = target.logits_view().likeliest();
    });
}

sipo_status sipo_session_position(const sipo_session* session, int64_t* position) {
    return with_session(
        session, [&](const Session& target) { require(position, "position") = target.position(); });
}

sipo_status sipo_session_kept_tokens(const sipo_session* session, int64_t* indices, size_t capacity,
                                     size_t* count) {
    return with_session(session, [&](const Session& target) {
        require(count, "count");
        const auto kept = static_cast<std::size_t>(target.kept_count());
        if (wants_results(indices, capacity, kept, "indices")) target.kept_tokens({indices, kept});
        *count = kept;
    });
}

sipo_status sipo_session_token_hash(const sipo_session* session, uint64_t* hash) {
    return with_session(
        session, [&](const Session& target) { require(hash, "hash") = target.token_hash(); });
}

sipo_status sipo_token_hash(const int32_t* ids, size_t count, uint64_t* hash) {
    return guarded([&] {
        const auto tokens = require_array(ids, count, "ids");
        require(hash, "hash") = extend_token_hash(0, tokens);
    });
}

sipo_status sipo_session_reset(sipo_session* session) {
    return with_session(session, [&](Session& target) { target.reset(); });
}

sipo_status sipo_session_cancel(sipo_session* session) {
    return guarded([&] { require(session, "session").session->cancel(); });
}

sipo_status sipo_session_backend_name(const sipo_session* session, char* name, size_t capacity,
                                      size_t* length) {
    return with_session(session, [&](const Session& target) {
        write_text(target.backend_name(), name, capacity, length, "name");
    });
}

sipo_status sipo_session_get_statistic(const sipo_session* session, int32_t id, double* value) {
    return with_session(session, [&](const Session& target) {
        require(value, "value") = statistic(target.statistics(), id);
    });
}

sipo_status sipo_session_choose(sipo_session* session, const char* const* texts,
                                const size_t* lengths, size_t count, float* log_probabilities,
                                size_t* chosen) {
    return with_session(session, [&](Session& target) {
        in_range<std::size_t>(count, 1, 4096, "count");
        const auto starts = require_array(texts, count, "texts");
        const auto sizes = require_array(lengths, count, "lengths");
        require(chosen, "chosen");
        std::vector<std::string> choices;
        for (std::size_t i = 0; i < count; ++i) {
            const auto text = require_array(starts[i], sizes[i], "a text");
            choices.emplace_back(text.data(), text.size());
        }
        std::vector<float> results(count);
        const std::size_t best = target.choose(choices, results);
        if (log_probabilities != nullptr) {
            std::copy(results.begin(), results.end(), log_probabilities);
        }
        *chosen = best;
    });
}

sipo_status sipo_session_generate(sipo_session* session, const sipo_sampling_options* options,
                                  size_t max_tokens, sipo_token_fn fn, void* user,
                                  size_t* generated) {
    return with_session(session, [&](Session& target) {
        in_range<std::size_t>(max_tokens, 1, static_cast<std::size_t>(SIPO_MAX_COUNT),
                              "max_tokens");
        require(generated, "generated");
        TokenFn on_token;
        if (fn != nullptr) {
            on_token = [&](std::int32_t token, std::string_view text) {
                return fn(user, token, text.data(), text.size());
            };
        }
        const SamplingOptions sampling = options != nullptr ? options->options : SamplingOptions{};
        *generated = target.generate(sampling, max_tokens, on_token);
    });
}

}  // extern "C"
