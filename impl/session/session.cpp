#include "session/session.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/checked.hpp"
#include "base/cpu_count.hpp"
#include "base/error.hpp"
#include "session/memory.hpp"
#include "session/snapshot.hpp"

namespace sipo {
namespace {

using backend::View;

constexpr std::size_t most_checkpoints = 4096;

std::shared_ptr<const CalibrationProfile> choose_profile(const OpenModel& model,
                                                         const SessionOptions& options) {
    const auto method = static_cast<std::int32_t>(options.context.method);
    if (!context::find_method(method).needs_profile) return nullptr;
    return options.calibration ? options.calibration : model.profile(options.profile);
}

std::shared_ptr<Machinery> choose_machinery(const OpenModel& model, const SessionOptions& options) {
    if (options.memory_limit > 0) {
        check_memory("the session", session_memory(model, options, {}), options.memory_limit);
    }
    if (options.machinery) return options.machinery;
    return std::make_shared<Machinery>(model.model(), resolve_threads(options.threads));
}

SessionState make_state(Machinery& machinery) {
    const Turn turn(machinery.turns);
    return {*machinery.stream, machinery.model.architecture()};
}

SessionState copy_of(Machinery& machinery, const SessionState& original) {
    SessionState copy = make_state(machinery);
    const Turn turn(machinery.turns);
    copy.copy_from(*machinery.stream, original);
    return copy;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

context::Plan plan_of(const OpenModel& model, const SessionOptions& options, std::int64_t tokens,
                      std::int64_t position) {
    const auto method = static_cast<std::int32_t>(options.context.method);
    const auto profile = choose_profile(model, options);
    return context::find_method(method).plan({.architecture = model.architecture(),
                                              .options = options.context,
                                              .profile = profile.get(),
                                              .tokens = tokens,
                                              .position = position});
}

Session::Session(std::shared_ptr<const OpenModel> model, SessionOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      profile_(choose_profile(*model_, options_)),
      machinery_(choose_machinery(*model_, options_)),
      now_(make_state(*machinery_)) {
    options_.chunk_tokens = chunk_of(*model_, options_);
}

std::int64_t chunk_of(const OpenModel& model, const SessionOptions& options) {
    return options.chunk_tokens > 0 ? options.chunk_tokens
                                    : model.model().backend().prefill_chunk_tokens();
}

Session::Session(const Session& original)
    : model_(original.model_),
      options_(original.options_),
      profile_(original.profile_),
      machinery_(original.machinery_),
      now_(copy_of(*machinery_, original.now_)) {}

std::unique_ptr<Session> Session::fork() const {
    check_usable();
    return std::unique_ptr<Session>(new Session(*this));
}

void Session::prefill(std::span<const std::int32_t> ids, PrefixCache* cache) {
    begin_call();
    check_prompt(ids);
    check_limit({.tokens = std::ssize(ids)});
    read_prompt(ids, plan_for(std::ssize(ids)), 1, {}, cache);
}

std::unique_ptr<PromptRun> Session::begin_prompt(std::span<const std::int32_t> ids,
                                                 PrefixCache* cache,
                                                 std::optional<PrefixCache::Ahead> ahead) {
    begin_call();
    check_prompt(ids);
    check_limit({.tokens = std::ssize(ids)});
    return start_run(ids, plan_for(std::ssize(ids)), 1, {}, cache, std::move(ahead));
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
    const std::int64_t vocab = model_->architecture().vocab_size;
    const std::int64_t results = checked_mul(last, vocab);
    check_limit({.tokens = tokens, .logits = last, .results = results});
    const auto width = static_cast<std::size_t>(vocab);
    std::vector<float> result(static_cast<std::size_t>(results));
    read_prompt(ids, plan, last, [&](std::int64_t first, View rows) {
        machinery_->stream->download(
            rows, std::span(result).subspan(static_cast<std::size_t>(first) * width,
                                            static_cast<std::size_t>(rows.rows) * width));
    });
    std::copy(result.begin(), result.end(), logits.begin());
}

// Of a token by the logits that stand.
float Session::score_first(std::int32_t token) const {
    const Turn turn(machinery_->turns);
    backend::Stream& stream = *machinery_->stream;
    const backend::BufferPtr value = stream.allocate(1, 1);
    stream.negative_log_likelihood(now_.logits.row(), {&token, 1}, View(*value));
    float nll = 0.0F;
    stream.download(View(*value), {&nll, 1});
    return nll;
}

void Session::score(std::span<const std::int32_t> ids, std::int64_t scored, std::span<float> nll) {
    begin_call();
    check_prompt(ids);
    const auto tokens = static_cast<std::int64_t>(ids.size());
    const std::int64_t most = now_.position > 0 ? tokens : tokens - 1;
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
    check_limit({.tokens = tokens, .logits = last, .results = scored});
    std::vector<float> result(static_cast<std::size_t>(scored));
    backend::Stream& stream = *machinery_->stream;
    backend::BufferPtr values;
    if (scored == tokens) result.front() = score_first(ids.front());
    {
        const Turn turn(machinery_->turns);
        values = stream.allocate(1, head_rows);
    }
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
    sessions.front()->check_batch(std::ssize(sessions));
    constexpr auto group = static_cast<std::size_t>(head_rows);
    for (std::size_t first = 0; first < sessions.size(); first += group) {
        const std::size_t count = std::min(group, sessions.size() - first);
        step(sessions.subspan(first, count), tokens.subspan(first, count));
    }
}

std::size_t Session::generate(const SamplingOptions& sampling, std::size_t max_tokens,
                              const TokenFn& on_token) {
    begin_call();
    check_logits();
    Generation generation(model_->tokenizer(), model_->architecture().end_of_text, sampling,
                          max_tokens, now_.sampler);
    const auto started = Clock::now();
    const auto note = [&](Finish finish) {
        statistics_.generated_tokens = static_cast<std::int64_t>(generation.tokens());
        statistics_.generation_seconds = seconds_since(started);
        statistics_.finish = finish;
        now_.sampler = generation.sampler_state();
    };
    try {
        run_generation(generation, on_token);
    } catch (const Error& error) {
        note(error.code() == Code::cancelled ? Finish::cancelled : Finish::failed);
        throw;
    } catch (...) {
        note(Finish::failed);
        throw;
    }
    note(generation.finish());
    return generation.tokens();
}

void Session::run_generation(Generation& generation, const TokenFn& on_token) {
    for (bool last = false; !last;) {
        const Generation::Step step = generation.next(logits_view());
        last = step.last;
        if (prompt_started_) statistics_.first_token_seconds = seconds_since(*prompt_started_);
        prompt_started_.reset();
        bool stop = false;
        if (step.token >= 0) {
            // Told before it is read, so that nobody waits for a step; read in any case, so that
            // the session stands behind every token it has told.
            stop = tell(on_token, step.token, step.text);
        } else if (!step.text.empty() && on_token) {
            stop = on_token(step.token, step.text) != 0;
        }
        if (stop) {
            fail(Code::cancelled, "cancelled by the token callback after ", generation.tokens(),
                 " tokens");
        }
        if (cancelled_.load(std::memory_order_relaxed)) {
            fail(Code::cancelled, "cancelled by sipo_session_cancel() after ", generation.tokens(),
                 " tokens");
        }
    }
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
    const Turn turn(machinery_->turns);
    now_.clear(*machinery_->stream);
    checkpoints_.clear();
    prompt_started_.reset();
    statistics_ = {};
}

void Session::checkpoint(const std::string& name) {
    check_usable();
    if (const auto known = checkpoints_.find(name); known != checkpoints_.end()) {
        const Turn turn(machinery_->turns);
        known->second.copy_from(*machinery_->stream, now_);
        return;
    }
    if (checkpoints_.size() >= most_checkpoints) {
        fail(Code::out_of_range, "the session has ", checkpoints_.size(),
             " checkpoints; it keeps no more");
    }
    check_limit({}, remembered_memory(*model_) + now_.host_bytes());
    checkpoints_.emplace(name, copy_of(*machinery_, now_));
}

void Session::rewind(const std::string& name) {
    const SessionState& state = find_checkpoint(name);
    const Turn turn(machinery_->turns);
    now_.copy_from(*machinery_->stream, state);
}

void Session::drop_checkpoint(const std::string& name) {
    (void)find_checkpoint(name);
    checkpoints_.erase(name);
}

const SessionState& Session::find_checkpoint(const std::string& name) const {
    const auto found = checkpoints_.find(name);
    if (found != checkpoints_.end()) return found->second;
    std::string names;
    for (const auto& [known, state] : checkpoints_) names += (names.empty() ? "" : ", ") + known;
    fail(Code::not_found, "no checkpoint '", name, "' in the session; there ",
         names.empty() ? "is none" : "are: " + names);
}

std::vector<std::byte> Session::save(Encoding encoding) const {
    check_usable();
    const SnapshotLabel label{.method = description(), .plan_key = 0, .ids = {}};
    // Compressed, too: what is not written is not touched, and growing would copy all of it again.
    MemorySink sink(snapshot_bytes(*model_, now_, label));
    const Turn turn(machinery_->turns);
    write_snapshot(sink, encoding, *machinery_->stream, *model_, now_, label);
    return sink.take();
}

void Session::save(const std::filesystem::path& path, Encoding encoding, Flush flush) const {
    check_usable();
    const SnapshotLabel label{.method = description(), .plan_key = 0, .ids = {}};
    AtomicFile file(path);
    file.expect(snapshot_bytes(*model_, now_, label));
    FileSink sink(file);
    {
        const Turn turn(machinery_->turns);
        write_snapshot(sink, encoding, *machinery_->stream, *model_, now_, label);
    }
    file.commit(flush);
}

void Session::load(std::span<const std::byte> bytes, const std::string& source) {
    SnapshotReader reader(bytes, source);
    const std::string own = description();
    if (reader.header().model == model_->fingerprint() && reader.header().method != own) {
        fail(Code::invalid_argument, source, " is of a session with the context method '",
             reader.header().method, "'; this one has '", own, "'");
    }
    const Turn turn(machinery_->turns);
    read_snapshot(reader, *machinery_->stream, *model_, now_);
    prompt_started_.reset();
    statistics_ = {};
}

std::span<const float> Session::logits() const {
    check_logits();
    if (!now_.logits.is_fetched()) {
        const Turn turn(machinery_->turns);
        now_.logits.fetch(*machinery_->stream);
    }
    return now_.logits.values();
}

LogitsView Session::logits_view() const {
    check_logits();
    return {now_.logits.likeliest(), [this] { return logits(); },
            [this](std::int64_t count, double temperature) { return rank(count, temperature); }};
}

Ranking Session::rank(std::int64_t count, double temperature) const {
    Ranking ranking;
    if (!now_.logits.is_fetched()) {
        const Turn turn(machinery_->turns);
        if (machinery_->stream->rank(now_.logits.row(), count, temperature, ranking))
            return ranking;
    }
    return rank_tokens(logits(), count, temperature);
}

std::int64_t Session::kept_count() const {
    return now_.kept ? static_cast<std::int64_t>(now_.kept->size()) : now_.prompt_length;
}

void Session::kept_tokens(std::span<std::int64_t> indices) const {
    if (now_.kept) {
        std::copy(now_.kept->begin(), now_.kept->end(), indices.begin());
    } else {
        std::iota(indices.begin(), indices.end(), std::int64_t{0});
    }
}

std::int64_t Session::memory() const {
    return remembered_memory(*model_) + now_.host_bytes() + checkpoint_bytes();
}

std::int64_t Session::checkpoint_bytes() const {
    std::int64_t bytes = 0;
    for (const auto& [name, state] : checkpoints_) {
        bytes += remembered_memory(*model_) + state.host_bytes();
    }
    return bytes;
}

void Session::check_usable() const {
    if (now_.broken)
        fail(Code::invalid_state, "an earlier step failed half-way; reset the session");
}

void Session::check_logits() const {
    check_usable();
    if (!now_.has_logits()) fail(Code::invalid_state, "the session has read no token yet");
}

void Session::check_prompt(std::span<const std::int32_t> ids) const {
    check_usable();
    if (ids.empty()) fail(Code::out_of_range, "the prompt has no tokens; it needs at least 1");
    model_->check_ids(ids);
}

// `more`: bytes that it will remember on top.
void Session::check_limit(const Demand& demand, std::int64_t more) const {
    if (options_.memory_limit == 0) return;
    check_memory("the session",
                 session_memory(*model_, options_, demand, held_room()) + checkpoint_bytes() + more,
                 options_.memory_limit);
}

// A batch computes in the first session's working memory; where that is shared, it is not its own.
void Session::check_batch(std::int64_t sessions) const {
    if (options_.memory_limit == 0 || options_.machinery) return;
    const std::int64_t rows = std::min(sessions, head_rows);
    if (rows > 1 && held_room().logits < rows) check_limit({.sessions = rows});
}

// Of working memory of its own.
Room Session::held_room() const {
    if (options_.machinery) return {};
    const Turn turn(machinery_->turns);
    return machinery_->room();
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
    return plan_of(*model_, options_, tokens, now_.position);
}

std::string Session::description() const {
    const auto method = static_cast<std::int32_t>(options_.context.method);
    return context::find_method(method).describe({.architecture = model_->architecture(),
                                                  .options = options_.context,
                                                  .profile = profile_.get(),
                                                  .tokens = 0,
                                                  .position = 0});
}

void Session::read_prompt(std::span<const std::int32_t> ids, context::Plan plan, std::int64_t last,
                          LogitsFn on_logits, PrefixCache* cache) {
    const auto started = Clock::now();
    const auto run = start_run(ids, std::move(plan), last, std::move(on_logits), cache, {});
    while (run->step(options_.chunk_tokens)) {
    }
    prompt_started_ = started;
    statistics_ = {.prompt_tokens = static_cast<std::int64_t>(ids.size()),
                   .reused_tokens = run->reused(),
                   .prefill_seconds = seconds_since(started)};
}

std::unique_ptr<PromptRun> Session::start_run(std::span<const std::int32_t> ids, context::Plan plan,
                                              std::int64_t last, LogitsFn on_logits,
                                              PrefixCache* cache,
                                              std::optional<PrefixCache::Ahead> ahead) {
    return std::make_unique<PromptRun>(PromptRequest{.model = *model_,
                                                     .machinery = *machinery_,
                                                     .state = now_,
                                                     .ids = ids,
                                                     .plan = std::move(plan),
                                                     .chunk_tokens = options_.chunk_tokens,
                                                     .last = last,
                                                     .on_logits = std::move(on_logits),
                                                     .progress = options_.progress,
                                                     .cancelled = cancelled_,
                                                     .cache = cache,
                                                     .ahead = std::move(ahead)});
}

// One token a session by the plain recurrence. At most head_rows sessions.
void Session::step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens) {
    for (Session* session : sessions) session->now_.broken = true;
    run_step(sessions, tokens);
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        SessionState& state = sessions[i]->now_;
        state.broken = false;
        ++state.position;
        state.token_hash = extend_token_hash(state.token_hash, tokens.subspan(i, 1));
    }
}

std::vector<backend::Identity> Session::identities(std::span<Session* const> sessions) {
    std::vector<backend::Identity> all;
    all.reserve(sessions.size());
    for (const Session* session : sessions) all.push_back(session->now_.identity);
    return all;
}

// The layers of a step. Where a device repeats them, nobody asks for all the sessions' states again.
void Session::run_layers(std::span<Session* const> sessions, View residual) {
    Machinery& machinery = *sessions.front()->machinery_;
    std::vector<View> conv(sessions.size());
    std::vector<View> ssm(sessions.size());
    for (std::int64_t layer = 0; layer < machinery.model.architecture().n_layers; ++layer) {
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            const LayerState state = sessions[i]->now_.recurrent.layer(layer);
            conv[i] = state.conv_state;
            ssm[i] = state.ssm_state;
        }
        machinery.model.block(layer).step(*machinery.stream, residual, conv, ssm, *machinery.work);
    }
}

// Where the sessions' logits go.
std::vector<View> Session::logits_rows(std::span<Session* const> sessions) {
    std::vector<View> all;
    all.reserve(sessions.size());
    for (const Session* session : sessions) all.push_back(session->now_.logits.row());
    return all;
}

void Session::run_step(std::span<Session* const> sessions, std::span<const std::int32_t> tokens) {
    Machinery& machinery = *sessions.front()->machinery_;
    const Turn turn(machinery.turns);
    const Model& model = machinery.model;
    backend::Stream& stream = *machinery.stream;
    const std::size_t count = sessions.size();
    const auto rows = static_cast<std::int64_t>(count);
    machinery.reserve(rows, rows);
    machinery.reserve_logits(rows);
    const View residual = View(*machinery.residual).row_range(0, rows);
    const View logits = count == 1 ? sessions.front()->now_.logits.row()
                                   : View(*machinery.logits).row_range(0, rows);
    for (const Session* session : sessions) {
        if (session->machinery_.get() != &machinery) stream.wait_for(*session->machinery_->stream);
    }
    stream.embed(model.embedding(), tokens, residual);
    stream.repeat(identities(sessions), logits, [&] {
        run_layers(sessions, residual);
        machinery.head(residual, logits);
        if (count > 1) stream.scatter_rows(logits, logits_rows(sessions));
    });
    std::vector<std::int32_t> likeliest(count);
    stream.likeliest(logits, likeliest);
    for (std::size_t i = 0; i < count; ++i) {
        sessions[i]->now_.logits.replaced(stream, likeliest[i]);
    }
}

}  // namespace sipo
