// Many generations at once, fed from many threads, computed by one: in each round every decoding
// session gets a token in one pass over the weights, and then the prompts that are being read share
// a budget of tokens, in turn, and of time (pace.hpp). So a long prompt delays a stream by one budget
// a token, and a short prompt does not wait for a long one.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "session/generation.hpp"
#include "session/pace.hpp"
#include "session/prefix_cache.hpp"
#include "session/request.hpp"
#include "session/session.hpp"

namespace sipo {

struct SchedulerOptions {
    int threads = 0;                  // 0: all there are
    std::int64_t sessions = 64;       // that are worked on at once
    std::int64_t queue = 1024;        // requests that wait for one of them
    std::int64_t chunk_tokens = 128;  // of prompts, a round at most
    std::int64_t memory_limit = 0;    // bytes; 0: none
    std::shared_ptr<PrefixCache> cache;
};

struct SchedulerStatistics {
    std::int64_t waiting = 0;
    std::int64_t reading = 0;
    std::int64_t decoding = 0;
    std::int64_t submitted = 0;
    std::int64_t refused = 0;  // for a full queue
    std::int64_t finished = 0;
    std::int64_t cancelled = 0;
    std::int64_t failed = 0;
    std::int64_t prompt_tokens = 0;  // computed
    std::int64_t reused_tokens = 0;
    std::int64_t generated_tokens = 0;
    double busy_seconds = 0.0;
};

// All members may be called by several threads.
class Scheduler {
public:
    Scheduler(std::shared_ptr<const OpenModel> model, SchedulerOptions options);
    // Ends all requests as cancelled.
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    // Throws Code::busy when the queue is full. `options` are of this model; their machinery,
    // threads and chunks are the scheduler's.
    [[nodiscard]] std::shared_ptr<Request> submit(SessionOptions options, SamplingOptions sampling,
                                                  std::span<const std::int32_t> ids,
                                                  std::size_t max_tokens);
    [[nodiscard]] SchedulerStatistics statistics() const;
    [[nodiscard]] const OpenModel& model() const { return *model_; }

private:
    // A request, and once its turn has come what works on it.
    struct Work {
        explicit Work(std::shared_ptr<Request> of) : request(std::move(of)) {}
        ~Work() { request->note_callbacks_over(); }
        Work(const Work&) = delete;
        Work& operator=(const Work&) = delete;
        std::shared_ptr<Request> request;
        SessionOptions options;
        SamplingOptions sampling;
        std::vector<std::int32_t> ids;
        std::optional<PrefixCache::Ahead> ahead;
        std::size_t max_tokens = 0;
        std::unique_ptr<Session> session;
        std::unique_ptr<PromptRun> prompt;  // while it is read
        std::unique_ptr<Generation> generation;
        bool over = false;
    };
    using WorkPtr = std::unique_ptr<Work>;

    void check_limit() const;
    void check_queue();
    [[nodiscard]] PrefixCache::Ahead read_ahead(const Work& work) const;
    void run();
    void round();
    void end_all(Code code, const std::string& message);
    [[nodiscard]] bool wait_for_work();
    void admit();
    void start(Work& work);
    void drop_cancelled();
    void decode_round();
    [[nodiscard]] bool take_token(Work& work, std::int32_t& token);
    void read_round();
    [[nodiscard]] std::int64_t read_chunk(Work& work, std::int64_t budget, const PauseFn& pause);
    void sweep();
    void end(Work& work, Finish finish, std::string text);
    template <typename Fn>
    void attempt(Work& work, const Fn& fn);
    void fail_work(Work& work, Code code, const std::string& message);
    void update_gauges();

    std::shared_ptr<const OpenModel> model_;
    SchedulerOptions options_;
    std::shared_ptr<Machinery> machinery_;
    std::vector<WorkPtr> active_;  // the thread's own, as the next two
    std::size_t next_prompt_ = 0;  // in active_: whose turn it is to be read
    Pace pace_;
    mutable std::mutex mutex_;  // of all below
    std::condition_variable changed_;
    std::deque<WorkPtr> queue_;
    SchedulerStatistics statistics_;
    bool stopping_ = false;
    std::thread thread_;  // the last: it uses all the others
};

}  // namespace sipo
