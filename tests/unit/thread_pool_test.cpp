#include "base/thread_pool.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/error.hpp"

namespace sipo {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (std::size_t tasks = 0; tasks < 300; ++tasks) {
            std::vector<int> hits(tasks, 0);
            pool.run(tasks, [&](std::size_t i) { ++hits[i]; });
            EXPECT_EQ(std::accumulate(hits.begin(), hits.end(), std::size_t{0}), tasks);
        }
    }
}

TEST(ThreadPool, SurvivesManyShortJobs) {
    ThreadPool pool(4);
    std::atomic<std::uint64_t> sum{0};
    for (int job = 0; job < 20000; ++job) {
        pool.run(7, [&](std::size_t i) { sum.fetch_add(i, std::memory_order_relaxed); });
    }
    EXPECT_EQ(sum.load(), 20000U * 21U);
}

TEST(ThreadPool, ThrowsTheTasksExceptionAndGoesOn) {
    ThreadPool pool(3);
    EXPECT_THROW(pool.run(50,
                          [](std::size_t i) {
                              if (i == 31) fail(Code::internal, "31");
                          }),
                 Error);
    std::atomic<int> ran{0};
    pool.run(50, [&](std::size_t) { ran.fetch_add(1); });
    EXPECT_EQ(ran.load(), 50);
}

}  // namespace
}  // namespace sipo
