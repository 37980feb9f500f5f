#include "session/session.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/cpu_count.hpp"
#include "base/error.hpp"

namespace sipo {
namespace {

using backend::View;

std::shared_ptr<const CalibrationProfile> choose_profile(const OpenModel& model,
                                                         const SessionOptions& options) {
    const auto method = static_cast<std::int32_t>(options.context.method);
    if (!context::find_method(method).needs_profile) return nullptr;
    return options.calibration ? options.calibration : model.profile(options.profile);
}

}  // namespace

Session::Session(std::shared_ptr<const OpenModel> model, SessionOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      profile_(choose_profile(*model_, options_)),
      machinery_(model_->model(), resolve_threads(options_.threads), options_.chunk_tokens),
      backup_(*machinery_.stream, model_->architecture()) {}

void Session::prefill(std::span<const std::int32_t> ids) {
    begin_call();
    check_prompt(ids);
    read_prompt(ids, plan_for(static_cast<std::int64_t>(ids.size())), 1, [](std::int64_t, View) {});
}

void Session::prefill_logits(std::span<const std::int32_t> ids, std::int64_t last,
                             std::span<float> logits) {
    begin_call();
    check_prompt(ids);
    const auto tokens = static_cast<std::int64_t>(ids.size());
    if (last < 1 || last > tokens) {
        fail(Code::out_of_range, "logits of the last ", last, " tokens asked; the prompt has ",
             tokens);
    }
    const context::Plan plan = plan_for(tokens);
    check_last(last, plan, "logits");
    const auto width = static_cast<std::size_t>(model_->architecture().vocab_size);
    read_prompt(ids, plan, last, [&](std::int64_t first, View rows) {
        machinery_.stream->download(rows,
                                    logits.subspan(static_cast<std::size_t>(first) * width,
                                                   static_cast<std::size_t>(rows.rows) * width));
    });
}

void Session::score(std::span<const std::int32_t> ids, std::int64_t scored, std::span<float> nll) {
    begin_call();
    check_prompt(ids);
    const auto tokens = static_cast<std::int64_t>(ids.size());
    const std::int64_t most = position_ > 0 ? tokens : tokens - 1;
    if (most == 0) {
        fail(Code::out_of_range, "the prompt is one token with none before it: nothing to score");
    }
    if (scored < 1 || scored > most) {
        fail(Code::out_of_range, scored, " tokens to score; 1 to ", most,
             " have a token before them here");
    }
    // The token before the first scored one predicts it; it may be the one before the prompt.
    const std::int64_t last = std::min(scored + 1, tokens);
    const context::Plan plan = plan_for(tokens);
    check_last(last, plan, "scores");
    std::vector<float> result(static_cast<std::size_t>(scored));
    backend::Stream& stream = *machinery_.stream;
    if (scored == tokens) {
        const backend::BufferPtr before = stream.allocate(1, model_->architecture().vocab_size);
        const backend::BufferPtr value = stream.allocate(1, 1);
        stream.upload(logits(), View(*before));
        stream.negative_log_likelihood(View(*before), ids.first(1), View(*value));
        stream.download(View(*value), std::span(result).first(1));
    }
    const backend::BufferPtr values = stream.allocate(1, head_rows);
    const auto first_target = static_cast<std::size_t>(tokens - last + 1);
    const auto first_result = static_cast<std::size_t>(scored - (last - 1));
    read_prompt(ids, plan, last, [&](std::int64_t first, View rows) {
        const std::int64_t count = std::min(rows.rows, last - 1 - first);
        if (count <= 0) return;
        const auto offset = static_cast<std::size_t>(first);
        const View out = View(*values).col_range(0, count);
        stream.negative_log_likelihood(
            rows.row_range(0, count),
            ids.subspan(first_target + offset, static_cast<std::size_t>(count)), out);
        stream.download(
            out, std::span(result).subspan(first_result + offset, static_cast<std::size_t>(count)));
    });
    std::copy(result.begin(), result.end(), nll.begin());
}

void Session::decode(std::int32_t token) {
    Session* self = this;
    decode_together({&self, 1}, {&token, 1});
}

void Session::decode_together(std::span<Session* const> sessions,
                              std::span<const std::int32_t> tokens) {
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        if (sessions[i]->model_ != sessions.front()->model_) {
            fail(Code::invalid_argument, "session ", i, " is of another model than session 0");
        }
        sessions[i]->check_usable();
    }
    sessions.front()->model_->check_ids(tokens);
    constexpr auto group = static_cast<std::size_t>(head_rows);
    for (std::size_t first = 0; first < sessions.size(); first += group) {
        const std::size_t count = std::min(group, sessions.size() - first);
        step(sessions.subspan(first, count), tokens.subspan(first, count));
    }
}

std::size_t Session::generate(const SamplingOptions& sampling, std::size_t max_tokens,
                              const TokenFn& on_token) {
    begin_call();
    (void)logits();
    Sampler sampler(sampling);
    TextStream text(model_->tokenizer());
    const std::int32_t end_of_text = model_->architecture().end_of_text;
    for (std::size_t generated = 0; generated < max_tokens; ++generated) {
        const std::int32_t token = sampler.sample(logits());
        if (token == end_of_text && !sampling.ignore_end_of_text) return generated;
        std::string piece = text.push(token);
        if (generated + 1 == max_tokens) piece += text.finish();
        // Told before it is read, so that nobody waits for a step; read in any case, so that the
        // session stands behind every token it has told.
        const bool stop = tell(on_token, token, piece);
        if (stop) {
            fail(Code::cancelled, "cancelled by the token callback after ", generated + 1,
                 " tokens");
        }
        if (cancelled_.load(std::memory_order_relaxed)) {
            fail(Code::cancelled, "cancelled by sipo_session_cancel() after ", generated + 1,
                 " tokens");
        }
    }
    return max_tokens;
}

bool Session::tell(const TokenFn& on_token, std::int32_t token, std::string_view text) {
    bool stop = false;
    try {
        stop = on_token && on_token(token, text) != 0;
    } catch (...) {
        decode(token);
        throw;
    }
    decode(token);
    return stop;
}

void Session::reset() {
    machinery_.state.clear(*machinery_.stream);
    logits_.clear();
    position_ = 0;
    prompt_length_ = 0;
    kept_.reset();
    broken_ = false;
}

std::span<const float> Session::logits() const {
    check_usable();
    if (logits_.empty()) fail(Code::invalid_state, "the session has read no token yet");
    return logits_;
}

std::int64_t Session::kept_count() const {
    return kept_ ? static_cast<std::int64_t>(kept_->size()) : prompt_length_;
}

void Session::kept_tokens(std::span<std::int64_t> indices) const {
    if (kept_) {
        std::copy(kept_->begin(), kept_->end(), indices.begin());
    } else {
        std::iota(indices.begin(), indices.end(), std::int64_t{0});
    }
}

void Session::check_usable() const {
    if (broken_) fail(Code::invalid_state, "an earlier step failed half-way; reset the session");
}

void Session::check_prompt(std::span<const std::int32_t> ids) const {
    check_usable();
    if (ids.empty()) fail(Code::out_of_range, "the prompt has no tokens; it needs at least 1");
    model_->check_ids(ids);
}

void Session::check_last(std::int64_t last, const context::Plan& plan,
                         std::string_view what) const {
    for (std::size_t layer = 0; layer < plan.size(); ++layer) {
        if (plan[layer].kept_tokens && plan[layer].protected_tail < last) {
            fail(Code::out_of_range, what, " of the last ", last,
                 " tokens need a protected tail of ", last, " or more, since layer ", layer,
                 " drops tokens; it is ", plan[layer].protected_tail);
        }
    }
}

context::Plan Session::plan_for(std::int64_t tokens) const {
    const auto method = static_cast<std::int32_t>(options_.context.method);
    return context::find_method(method).plan({.architecture = model_->architecture(),
                                              .options = options_.context,
                                              .profile = profile_.get(),
                                              .tokens = tokens,
                                              .position = position_});
}

void Session::read_prompt(std::span<const std::int32_t> ids, const context::Plan& plan,
                          std::int64_t last, const LogitsFn& on_logits) {
    backup_.copy_from(*machinery_.stream, machinery_.state);
    try {
        run_prefill(ids, plan, last, on_logits);
    } catch (...) {
        machinery_.state.copy_from(*machinery_.stream, backup_);
        throw;
    }
}

void Session::run_prefill(std::span<const std::int32_t> ids, const context::Plan& plan,
                          std::int64_t last, const LogitsFn& on_logits) {
    std::vector<float> final_logits(static_cast<std::size_t>(model_->architecture().vocab_size));
    const auto keep_last = [&](std::int64_t first, View rows) {
        on_logits(first, rows);
        if (first + rows.rows == last) {
            machinery_.stream->download(rows.row_range(rows.rows - 1, 1), final_logits);
        }
    };
    const PrefillTask task{.ids = ids,
                           .plan = plan,
                           .last = last,
                           .on_logits = keep_last,
                           .progress = options_.progress,
                           .cancelled = cancelled_};
    Prefill prefill(machinery_, task);
    prefill.run();
    // Nothing below can fail.
    kept_ = prefill.take_kept();
    logits_.swap(final_logits);
    prompt_length_ = static_cast<std::int64_t>(ids.size());
    position_ += prompt_length_;
}

// One token a session by the plain recurrence. At most head_rows sessions.
void Session::step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens) {
    const auto width =
        static_cast<std::size_t>(sessions.front()->model_->architecture().vocab_size);
    for (Session* session : sessions) session->logits_.resize(width);
    for (Session* session : sessions) session->broken_ = true;
    run_step(sessions, tokens);
    for (Session* session : sessions) {
        session->broken_ = false;
        ++session->position_;
    }
}

void Session::run_step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens) {
    Machinery& machinery = sessions.front()->machinery_;
    const Model& model = machinery.model;
    backend::Stream& stream = *machinery.stream;
    const auto count = static_cast<std::int64_t>(sessions.size());
    machinery.reserve(count);
    machinery.reserve_logits(count);
    const View residual = View(*machinery.residual).row_range(0, count);
    for (Session* session : sessions.subspan(1)) stream.wait_for(*session->machinery_.stream);
    // [layers][conv states of the sessions, then their ssm states]
    std::vector<View> states;
    for (std::int64_t layer = 0; layer < model.architecture().n_layers; ++layer) {
        for (Session* session : sessions) {
            states.push_back(session->machinery_.state.layer(layer).conv_state);
        }
        for (Session* session : sessions) {
            states.push_back(session->machinery_.state.layer(layer).ssm_state);
        }
    }
    stream.embed(model.embedding(), tokens, residual);
    const View logits = View(*machinery.logits).row_range(0, count);
    stream.repeat(states, logits, [&] {
        const backend::States all = states;
        for (std::int64_t layer = 0; layer < model.architecture().n_layers; ++layer) {
            const auto first = 2 * static_cast<std::size_t>(layer) * sessions.size();
            const backend::States conv = all.subspan(first, sessions.size());
            const backend::States ssm = all.subspan(first + sessions.size(), sessions.size());
            model.block(layer).step(stream, residual, conv, ssm, *machinery.work);
        }
        (void)machinery.head(residual);
    });
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        stream.download(logits.row_range(static_cast<std::int64_t>(i), 1), sessions[i]->logits_);
    }
}

}  // namespace sipo
