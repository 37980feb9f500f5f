#include "base/thread_pool.hpp"

#include <limits>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/signals.hpp"

namespace sipo {
namespace {

constexpr int spin_rounds = 2000;  // some tens of microseconds: the gap between two operations

constexpr std::uint32_t generation_of(std::uint64_t ticket) {
    return static_cast<std::uint32_t>(ticket >> 32);
}

constexpr std::uint64_t make_ticket(std::uint32_t generation, std::uint32_t next) {
    return (static_cast<std::uint64_t>(generation) << 32) | next;
}

void relax_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
    const AllSignalsBlocked inherited_by_workers;
    workers_.reserve(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0));
    try {
        for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { worker_main(); });
    } catch (const std::system_error&) {
        // The system grants no more threads: those that run are enough to be correct.
    }
}

ThreadPool::~ThreadPool() {
    stop_.store(true, std::memory_order_relaxed);
    ticket_.fetch_add(make_ticket(2, 0), std::memory_order_release);
    ticket_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void ThreadPool::dispatch(std::size_t tasks, const void* context, Invoke invoke) {
    if (tasks >= std::numeric_limits<std::uint32_t>::max()) {
        fail(Code::internal, "a parallel loop of ", tasks, " tasks is too long");
    }
    const std::uint32_t generation = generation_of(ticket_.load(std::memory_order_relaxed)) + 2;
    // Closed first: a late worker of the last job can no longer take a task while the fields
    // change.
    ticket_.store(make_ticket(generation - 1, 0), std::memory_order_seq_cst);
    const auto count = static_cast<std::uint32_t>(tasks);
    context_.store(context, std::memory_order_relaxed);
    invoke_.store(invoke, std::memory_order_relaxed);
    tasks_.store(count, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    ticket_.store(make_ticket(generation, 0), std::memory_order_seq_cst);
    ticket_.notify_all();
    take_tasks(generation);
    wait_until_done(count);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::take_tasks(std::uint32_t generation) {
    for (;;) {
        std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
        const std::uint32_t tasks = tasks_.load(std::memory_order_relaxed);
        const Invoke invoke = invoke_.load(std::memory_order_relaxed);
        const void* context = context_.load(std::memory_order_relaxed);
        const auto task = static_cast<std::uint32_t>(ticket);
        if (generation_of(ticket) != generation || task >= tasks) return;
        // Success proves that the fields read above belong to this generation.
        if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
        try {
            invoke(context, task);
        } catch (...) {
            const std::lock_guard lock(failure_mutex_);
            if (!failure_) failure_ = std::current_exception();
        }
        if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == tasks) done_.notify_one();
    }
}

void ThreadPool::worker_main() {
    std::uint32_t generation = 0;
    for (;;) {
        generation = generation_of(wait_for_job(generation));
        if (stop_.load(std::memory_order_relaxed)) return;
        take_tasks(generation);
    }
}

std::uint64_t ThreadPool::wait_for_job(std::uint32_t last_generation) const {
    const auto is_new = [&](std::uint64_t ticket) {
        const std::uint32_t generation = generation_of(ticket);
        return generation != last_generation && generation % 2 == 0;
    };
    for (int round = 0; round < spin_rounds; ++round) {
        const std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
        if (is_new(ticket)) return ticket;
        relax_cpu();
    }
    for (;;) {
        const std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
        if (is_new(ticket)) return ticket;
        ticket_.wait(ticket, std::memory_order_acquire);
    }
}

void ThreadPool::wait_until_done(std::uint32_t tasks) const {
    for (int round = 0; round < spin_rounds; ++round) {
        if (done_.load(std::memory_order_acquire) == tasks) return;
        relax_cpu();
    }
    for (;;) {
        const std::uint32_t done = done_.load(std::memory_order_acquire);
        if (done == tasks) return;
        done_.wait(done, std::memory_order_acquire);
    }
}

}  // namespace sipo
