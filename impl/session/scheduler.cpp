#include "session/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/checked.hpp"
#include "base/cpu_count.hpp"
#include "base/error.hpp"
#include "base/signals.hpp"
#include "session/memory.hpp"

namespace sipo {

Scheduler::Scheduler(std::shared_ptr<const OpenModel> model, SchedulerOptions options)
    : model_(std::move(model)), options_(std::move(options)) {
    check_limit();
    machinery_ = std::make_shared<Machinery>(model_->model(), resolve_threads(options_.threads));
    const AllSignalsBlocked inherited_by_the_thread;
    thread_ = std::thread([this] { run(); });
}

Scheduler::~Scheduler() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Scheduler::check_limit() const {
    if (options_.memory_limit == 0) return;
    SessionOptions one;
    one.threads = options_.threads;
    one.chunk_tokens = options_.chunk_tokens;
    const std::int64_t working = session_memory(
        *model_, one, {.tokens = options_.chunk_tokens, .sessions = options_.sessions});
    const std::int64_t remembered = checked_mul(options_.sessions, generating_memory(*model_));
    const std::int64_t paused = model_->model().backend().buffer_bytes(
        options_.chunk_tokens, model_->architecture().d_model);
    check_memory("the scheduler", checked_add(working, checked_add(remembered, paused)),
                 options_.memory_limit);
}

std::shared_ptr<Request> Scheduler::submit(SessionOptions options, SamplingOptions sampling,
                                           std::span<const std::int32_t> ids,
                                           std::size_t max_tokens) {
    if (ids.empty()) fail(Code::out_of_range, "the prompt has no tokens; it needs at least 1");
    model_->check_ids(ids);
    {
        const std::lock_guard lock(mutex_);
        check_queue();
    }
    const bool callbacks = options.progress || sampling.on_log_probabilities;
    auto request = std::make_shared<Request>(static_cast<std::int64_t>(ids.size()), callbacks);
    auto work = std::make_unique<Work>(request);
    work->options = std::move(options);
    work->options.machinery = machinery_;
    work->options.chunk_tokens = options_.chunk_tokens;
    work->sampling = std::move(sampling);
    work->ids.assign(ids.begin(), ids.end());
    work->max_tokens = max_tokens;
    if (options_.cache) work->ahead = read_ahead(*work);
    {
        const std::lock_guard lock(mutex_);
        check_queue();
        queue_.push_back(std::move(work));
        ++statistics_.submitted;
        ++statistics_.waiting;
    }
    changed_.notify_one();
    return request;
}

// With mutex_ held.
void Scheduler::check_queue() {
    if (static_cast<std::int64_t>(queue_.size()) < options_.queue) return;
    ++statistics_.refused;
    fail(Code::busy, queue_.size(), " requests wait already; the queue takes no more");
}

// By the thread that submits, so that the scheduler's need not wait for a disk. What is wrong with the
// options is told when the request's turn comes.
PrefixCache::Ahead Scheduler::read_ahead(const Work& work) const {
    if (!options_.cache->has_directory()) return {};
    try {
        const auto tokens = static_cast<std::int64_t>(work.ids.size());
        const context::Plan plan = plan_of(*model_, work.options, tokens, 0);
        return options_.cache->read_ahead(prefix_query(work.ids, plan));
    } catch (const Error&) {
        return {};
    }
}

SchedulerStatistics Scheduler::statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
}

void Scheduler::run() {
    while (wait_for_work()) {
        const auto started = std::chrono::steady_clock::now();
        try {
            round();
        } catch (const std::exception& error) {
            // Memory is short where no single request is to blame.
            end_all(Code::out_of_memory, error.what());
        }
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
        const std::lock_guard lock(mutex_);
        statistics_.busy_seconds += taken.count();
    }
    {
        const std::lock_guard lock(mutex_);
        std::move(queue_.begin(), queue_.end(), std::back_inserter(active_));
        queue_.clear();
        statistics_.waiting = 0;
    }
    end_all(Code::cancelled, "the scheduler was freed");
}

void Scheduler::round() {
    admit();
    drop_cancelled();
    decode_round();
    read_round();
    sweep();
}

void Scheduler::end_all(Code code, const std::string& message) {
    for (const WorkPtr& work : active_) fail_work(*work, code, message);
    sweep();
}

// Whether to go on.
bool Scheduler::wait_for_work() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopping_ || !active_.empty() || !queue_.empty(); });
    return !stopping_;
}

void Scheduler::admit() {
    for (;;) {
        WorkPtr work;
        {
            const std::lock_guard lock(mutex_);
            const bool room = static_cast<std::int64_t>(active_.size()) < options_.sessions;
            if (queue_.empty() || !room) return;
            work = std::move(queue_.front());
            queue_.pop_front();
            --statistics_.waiting;
        }
        active_.push_back(std::move(work));
        start(*active_.back());
    }
}

void Scheduler::start(Work& work) {
    attempt(work, [&] {
        work.request->note_start();
        if (work.request->is_cancelled()) return;
        work.session = std::make_unique<Session>(model_, work.options);
        work.prompt = work.session->begin_prompt(work.ids, options_.cache.get(),
                                                 std::exchange(work.ahead, std::nullopt));
        work.request->note_prompt(work.prompt->reused(), work.prompt->reused());
    });
}

void Scheduler::drop_cancelled() {
    for (const WorkPtr& work : active_) {
        if (!work->over && work->request->is_cancelled()) {
            fail_work(*work, Code::cancelled, "the request was cancelled");
        }
    }
}

// A token for every session that has read its prompt.
void Scheduler::decode_round() {
    std::vector<Work*> works;
    std::vector<Session*> sessions;
    std::vector<std::int32_t> tokens;
    pace_.begin_round();
    for (const WorkPtr& work : active_) {
        std::int32_t token = 0;
        if (work->over || !work->generation || !take_token(*work, token)) continue;
        works.push_back(work.get());
        sessions.push_back(work->session.get());
        tokens.push_back(token);
    }
    if (sessions.empty()) return;
    try {
        Session::decode_together(sessions, tokens);
        pace_.note_decoded();
    } catch (const Error& error) {
        for (Work* work : works) fail_work(*work, error.code(), error.what());
    } catch (const std::exception& error) {
        for (Work* work : works) fail_work(*work, Code::internal, error.what());
    }
}

// Samples and tells; whether there is a token to read, because more are to follow.
bool Scheduler::take_token(Work& work, std::int32_t& token) {
    bool more = false;
    attempt(work, [&] {
        Generation::Step step = work.generation->next(work.session->logits_view());
        token = step.token;
        more = !step.last;
        if (token >= 0) work.request->put(token, std::exchange(step.text, {}));
        if (step.last) end(work, work.generation->finish(), std::move(step.text));
    });
    return more && !work.over;
}

// Chunks of prompts, in turn, until the budget or the time that streams leave is used up. A chunk that
// is left in its middle goes on before all others.
void Scheduler::read_round() {
    const PauseFn pause = [this] { return pace_.streams_have_waited(); };
    std::int64_t budget = options_.chunk_tokens;
    for (std::size_t passed = 0; passed < active_.size() && budget > 0; ++passed) {
        Work& work = *active_[next_prompt_];
        if (!work.over && work.prompt) {
            attempt(work, [&] { budget -= read_chunk(work, budget, pause); });
            if (!work.over && work.prompt && work.prompt->paused()) return;
        }
        next_prompt_ = (next_prompt_ + 1) % active_.size();
    }
}

std::int64_t Scheduler::read_chunk(Work& work, std::int64_t budget, const PauseFn& pause) {
    const auto total = static_cast<std::int64_t>(work.ids.size());
    const bool more = work.prompt->step(budget, pause);
    const std::int64_t read = work.prompt->tokens_of_step();
    const std::int64_t reused = work.prompt->reused();
    work.request->note_prompt(more ? work.prompt->tokens_done() : total, reused);
    if (more) return read;
    {
        const std::lock_guard lock(mutex_);
        statistics_.prompt_tokens += total - reused;
        statistics_.reused_tokens += reused;
    }
    work.prompt.reset();
    work.generation =
        std::make_unique<Generation>(model_->tokenizer(), model_->architecture().end_of_text,
                                     work.sampling, work.max_tokens, std::nullopt);
    return read;
}

void Scheduler::sweep() {
    const auto over = [](const WorkPtr& work) { return work->over; };
    const auto turn = active_.begin() + static_cast<std::ptrdiff_t>(next_prompt_);
    next_prompt_ -= static_cast<std::size_t>(std::count_if(active_.begin(), turn, over));
    std::erase_if(active_, over);
    if (next_prompt_ >= active_.size()) next_prompt_ = 0;
    update_gauges();
}

void Scheduler::update_gauges() {
    std::int64_t reading = 0;
    for (const WorkPtr& work : active_) reading += work->prompt ? 1 : 0;
    const std::lock_guard lock(mutex_);
    statistics_.reading = reading;
    statistics_.decoding = static_cast<std::int64_t>(active_.size()) - reading;
}

void Scheduler::end(Work& work, Finish finish, std::string text) {
    {
        const std::lock_guard lock(mutex_);
        ++statistics_.finished;
        statistics_.generated_tokens += static_cast<std::int64_t>(work.generation->tokens());
    }
    work.over = true;
    work.request->end(finish, std::move(text));
}

// Runs fn; what it throws ends the request and no other.
template <typename Fn>
void Scheduler::attempt(Work& work, const Fn& fn) {
    try {
        fn();
    } catch (const Error& error) {
        fail_work(work, error.code(), error.what());
    } catch (const std::bad_alloc&) {
        fail_work(work, Code::out_of_memory, "out of memory");
    } catch (const std::exception& error) {
        fail_work(work, Code::internal, error.what());
    }
}

void Scheduler::fail_work(Work& work, Code code, const std::string& message) {
    if (work.over) return;
    work.over = true;
    {
        const std::lock_guard lock(mutex_);
        ++(code == Code::cancelled ? statistics_.cancelled : statistics_.failed);
        if (work.generation) {
            statistics_.generated_tokens += static_cast<std::int64_t>(work.generation->tokens());
        }
    }
    work.request->fail_with(code, message);
}

}  // namespace sipo
