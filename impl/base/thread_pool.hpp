// A private pool of worker threads for data-parallel loops. The caller works along, a worker that
// is late to wake is never waited for, and idle workers spin briefly and then sleep.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace sipo {

class ThreadPool {
public:
    // `threads` counts the caller. Fewer workers are used when the system grants fewer.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    [[nodiscard]] int size() const noexcept { return static_cast<int>(workers_.size()) + 1; }

    // Calls fn(i) once for every i in [0, tasks), in any order and on any thread, and returns when
    // all are done. The first exception is thrown again here. One caller at a time; fn must not
    // call run.
    template <typename Fn>
    void run(std::size_t tasks, const Fn& fn) {
        if (tasks <= 1 || workers_.empty()) {
            for (std::size_t i = 0; i < tasks; ++i) fn(i);
            return;
        }
        dispatch(tasks, &fn, [](const void* context, std::size_t task) {
            (*static_cast<const Fn*>(context))(task);
        });
    }

private:
    using Invoke = void (*)(const void* context, std::size_t task);

    void dispatch(std::size_t tasks, const void* context, Invoke invoke);
    void take_tasks(std::uint32_t generation);
    void worker_main();
    [[nodiscard]] std::uint64_t wait_for_job(std::uint32_t last_generation) const;
    void wait_until_done(std::uint32_t tasks) const;

    // The job. Written only while `ticket_` shows a closed generation.
    std::atomic<const void*> context_{nullptr};
    std::atomic<Invoke> invoke_{nullptr};
    std::atomic<std::uint32_t> tasks_{0};
    // High half: generation (odd: closed). Low half: the next task nobody has taken.
    std::atomic<std::uint64_t> ticket_{0};
    std::atomic<std::uint32_t> done_{0};
    std::atomic<bool> stop_{false};
    std::mutex failure_mutex_;
    std::exception_ptr failure_;
    std::vector<std::thread> workers_;
};

}  // namespace sipo
