#include "session/state_writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <thread>

#include "writers/disk.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

constexpr std::int64_t snapshot_size = 1000;
constexpr std::int64_t plenty = 1 << 20;

StateWriter::Snapshot snapshot(char value = 'a') {
    return std::make_shared<std::vector<std::byte>>(snapshot_size, static_cast<std::byte>(value));
}

PrefixKey key(std::uint64_t number) { return {.length = 100, .hash = number, .plan_key = 1}; }

class StateWriterTest : public testing::Test {
protected:
    StateWriter::Listener listener() {
        return {.written = [this](std::int64_t) { ++written_; },
                .failed = [this](const char*) { ++failed_; }};
    }
    [[nodiscard]] bool write(std::uint64_t number) {
        return writer_->write(key(number), snapshot());
    }
    [[nodiscard]] std::size_t files() {
        StateDirectory fresh(temporary_.path(), plenty, {});
        return fresh.keys().size();
    }

    writers::TemporaryDirectory temporary_{"state_writer_test"};
    StateDirectory directory_{temporary_.path(), plenty, {}};
    std::atomic<int> written_{0};
    std::atomic<int> failed_{0};
    std::optional<StateWriter> writer_{std::in_place, directory_, 4 * snapshot_size, listener()};
};

TEST_F(StateWriterTest, HoldsUpNobodyWhileTheDiskHangsAndWritesAtItsEnd) {
    writers::HungDisk hung;
    for (std::uint64_t number = 0; number < 3; ++number) EXPECT_TRUE(write(number));
    EXPECT_EQ(writer_->keys().size(), 3U);
    EXPECT_TRUE(writer_->has(key(2)));
    EXPECT_FALSE(writer_->has(key(3)));
    EXPECT_EQ(files(), 0U);  // nothing is seen before it is whole
    hung.release();
    writer_.reset();
    EXPECT_EQ(files(), 3U);
    EXPECT_EQ(written_, 3);
    EXPECT_EQ(directory_.open(key(1))->bytes().size(), std::size_t{snapshot_size});
}

TEST_F(StateWriterTest, LetsNoMoreWaitThanItsLimit) {
    writers::HungDisk hung;
    for (std::uint64_t number = 0; number < 4; ++number) EXPECT_TRUE(write(number));
    EXPECT_FALSE(write(4));
    hung.release();
    writer_->wait_for(key(0));
    EXPECT_TRUE(write(5));
    writer_->wait_for(key(5));
    EXPECT_EQ(files(), 5U);
    EXPECT_TRUE(writer_->write(key(6), std::make_shared<std::vector<std::byte>>(10000)));
}

TEST_F(StateWriterTest, RemovesAndWritesInOrder) {
    writers::HungDisk hung;
    EXPECT_TRUE(write(1));
    writer_->remove(key(1));
    EXPECT_TRUE(writer_->write(key(1), snapshot('b')));
    hung.release();
    writer_->wait_for(key(1));
    EXPECT_EQ(directory_.open(key(1))->bytes().front(), std::byte{'b'});
    writer_->remove(key(1));
    writer_.reset();
    EXPECT_EQ(files(), 0U);
}

TEST_F(StateWriterTest, LeavesAnEntryThatIsThere) {
    EXPECT_EQ(directory_.write(key(1), *snapshot('x')), 0);
    EXPECT_TRUE(write(1));
    writer_.reset();
    EXPECT_EQ(directory_.open(key(1))->bytes().front(), std::byte{'x'});
    EXPECT_EQ(written_, 0);
}

TEST_F(StateWriterTest, DiscardsWhatWaits) {
    writers::HungDisk hung;
    for (std::uint64_t number = 0; number < 4; ++number) EXPECT_TRUE(write(number));
    std::thread discarding([&] { writer_->discard(); });
    while (writer_->keys().size() > 1) std::this_thread::yield();
    hung.release();
    discarding.join();
    EXPECT_TRUE(writer_->keys().empty());
    EXPECT_LE(files(), 1U);  // the one that was being written
}

TEST_F(StateWriterTest, TellsWhatFailedAndGoesOn) {
    std::filesystem::remove_all(temporary_.path());
    EXPECT_TRUE(write(1));
    writer_->wait_for(key(1));
    std::filesystem::create_directories(temporary_.path());
    EXPECT_TRUE(write(2));
    writer_.reset();
    EXPECT_EQ(failed_, 1);
    EXPECT_EQ(written_, 1);
    EXPECT_EQ(files(), 1U);
}

TEST_F(StateWriterTest, ServesManyThreads) {
    std::array<std::thread, 4> threads;
    std::atomic<int> accepted{0};
    for (std::uint64_t first = 0; first < threads.size(); ++first) {
        threads[first] = std::thread([&, first] {
            for (std::uint64_t round = 0; round < 25; ++round) {
                const std::uint64_t number = first * 100 + round;
                accepted += write(number) ? 1 : 0;
                if (round % 5 == 0) writer_->wait_for(key(number));
                if (round % 7 == 0) writer_->remove(key(number));
                (void)writer_->keys();
                (void)directory_.keys();
                (void)directory_.bytes();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    writer_.reset();
    EXPECT_EQ(written_, accepted);
    EXPECT_EQ(failed_, 0);
}

}  // namespace
}  // namespace sipo
