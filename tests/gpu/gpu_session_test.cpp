// Sessions on the device: cancelling, failures that are a status, threads, and states that move
// between the device and the CPU.
#include <array>
#include <atomic>
#include <thread>

#include "backend/registry.hpp"
#include "device_model.hpp"
#include "session/memory.hpp"
#include "session/sampler.hpp"

namespace sipo::parity {
namespace {

using backend::View;

constexpr double tolerance = 1e-4;  // relative L2 of logits

class DeviceSession : public OnDevice {
protected:
    [[nodiscard]] std::vector<float> logits_after(std::span<const std::int32_t> prompt) const {
        Session session(model_, {});
        session.prefill(prompt);
        return {session.logits().begin(), session.logits().end()};
    }
};

SIPO_FOR_EVERY_CHECKPOINT(DeviceSession);

TEST_P(DeviceSession, ACancelledPrefillLeavesTheSessionAsItWas) {
    const auto prompt = ids("long");
    Session* running = nullptr;
    SessionOptions options;
    options.chunk_tokens = 256;
    options.progress = [&](std::uint64_t done, std::uint64_t total) {
        if (running != nullptr && done > total / 2) running->cancel();
        return 0;
    };
    Session session(model_, options);
    session.prefill(std::span(prompt).first(300));
    running = &session;
    try {
        session.prefill(std::span(prompt).subspan(300));
        FAIL() << "was not cancelled";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::cancelled) << error.what();
    }
    running = nullptr;
    EXPECT_EQ(session.position(), 300);
    session.prefill(std::span(prompt).subspan(300));
    EXPECT_LE(relative_l2(session.logits(), logits_after(prompt)), tolerance);
}

TEST_P(DeviceSession, AResetSessionStartsAnew) {
    const auto prompt = ids("short");
    Session session(model_, {});
    session.prefill(ids("long"));
    session.decode(prompt[0]);
    session.reset();
    session.prefill(prompt);
    EXPECT_LE(relative_l2(session.logits(), logits_after(prompt)), tolerance);
}

TEST_P(DeviceSession, SeveralThreadsUseOneDeviceAtOnce) {
    const auto prompt = ids("long");
    constexpr std::size_t threads = 4;
    const auto other = open(DType::bf16);  // a second model on the device
    const auto length_of = [](std::size_t i) { return 500 + 300 * i; };
    std::vector<std::vector<float>> results(threads);
    std::vector<std::string> errors(threads);
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < threads; ++i) {
        workers.emplace_back([&, i] {
            try {
                for (int round = 0; round < 3; ++round) {
                    Session session(model_, {});
                    Session beside(other, {});
                    session.prefill(std::span(prompt).first(length_of(i)));
                    beside.prefill(std::span(prompt).first(100));
                    for (std::size_t t = 0; t < 20; ++t) {
                        session.decode(prompt[t]);
                        beside.decode(prompt[t]);
                    }
                    results[i].assign(session.logits().begin(), session.logits().end());
                }
            } catch (const std::exception& error) {
                errors[i] = error.what();
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    for (std::size_t i = 0; i < threads; ++i) {
        EXPECT_EQ(errors[i], "");
        Session alone(model_, {});
        alone.prefill(std::span(prompt).first(length_of(i)));
        for (std::size_t t = 0; t < 20; ++t) alone.decode(prompt[t]);
        EXPECT_LE(relative_l2(results[i], alone.logits()), tolerance) << "thread " << i;
    }
}

// One that decodes what another thread's session has prefilled: the states are on other streams.
TEST_P(DeviceSession, SessionsOfOtherStreamsDecodeTogether) {
    const auto prompt = ids("short");
    std::vector<std::unique_ptr<Session>> sessions(5);
    std::vector<Session*> pointers;
    for (auto& session : sessions) {
        session = std::make_unique<Session>(model_, SessionOptions{});
        pointers.push_back(session.get());
    }
    for (int round = 0; round < 5; ++round) {
        for (Session* session : pointers) session->reset();
        std::vector<std::thread> workers;
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            workers.emplace_back(
                [&, i] { sessions[i]->prefill(std::span(prompt).first(20 + 30 * i)); });
        }
        for (std::thread& worker : workers) worker.join();
        Session::decode_together(pointers, std::span(prompt).first(sessions.size()));
        for (std::size_t i = 0; i < sessions.size(); ++i) {
            Session alone(model_, {});
            alone.prefill(std::span(prompt).first(20 + 30 * i));
            alone.decode(prompt[i]);
            ASSERT_LE(relative_l2(sessions[i]->logits(), alone.logits()), tolerance)
                << "session " << i << " in round " << round;
        }
    }
}

TEST_P(DeviceSession, ASnapshotMovesBetweenTheCpuAndTheDevice) {
    const auto prompt = ids("long");
    const auto cpu_model = open_checkpoint(GetParam());
    const auto read_on = [&](const std::shared_ptr<const OpenModel>& start,
                             const std::shared_ptr<const OpenModel>& end) {
        Session before(start, {});
        before.prefill(std::span(prompt).first(777));
        Session after(end, {});
        after.load(before.save(Encoding::zstd_planes), "the snapshot");
        EXPECT_EQ(after.position(), 777);
        after.prefill(std::span(prompt).subspan(777, 400));
        after.decode(prompt[0]);
        return std::vector<float>(after.logits().begin(), after.logits().end());
    };
    const std::vector<float> expected = read_on(cpu_model, cpu_model);
    EXPECT_LE(relative_l2(read_on(cpu_model, model_), expected), tolerance);
    EXPECT_LE(relative_l2(read_on(model_, cpu_model), expected), tolerance);
    EXPECT_LE(relative_l2(read_on(model_, model_), expected), tolerance);
}

// Threads with a device each, sessions that decode together on it, and a state that goes from one
// device to the other.
TEST_P(DeviceSession, TwoDevicesOfAHostAnswerAlike) {
    if (!is_cuda()) GTEST_SKIP() << "only cuda devices have numbers";
    try {
        (void)backend::make_backend("cuda:1");
    } catch (const Error&) {
        GTEST_SKIP() << "this machine has one device";
    }
    const auto prompt = ids("long");
    constexpr std::size_t devices = 2;
    for (const DType weights : {DType::f32, DType::bf16}) {
        const std::array models{open_checkpoint(GetParam(), weights, "cuda:0"),
                                open_checkpoint(GetParam(), weights, "cuda:1")};
        std::array<std::vector<float>, devices> alone;
        std::array<std::vector<float>, devices> together;
        std::array<std::string, devices> errors;
        const auto work = [&](std::size_t device) {
            std::vector<std::unique_ptr<Session>> sessions;
            std::vector<Session*> pointers;
            for (int i = 0; i < 6; ++i) {
                sessions.push_back(std::make_unique<Session>(models[device], SessionOptions{}));
                sessions.back()->prefill(std::span(prompt).first(700));
                pointers.push_back(sessions.back().get());
            }
            for (std::size_t t = 0; t < 5; ++t) {
                sessions.front()->decode(prompt[t]);
                Session::decode_together(std::span(pointers).subspan(1),
                                         std::span(prompt).subspan(t, pointers.size() - 1));
            }
            const auto logits_of = [](Session& session) {
                return std::vector<float>(session.logits().begin(), session.logits().end());
            };
            alone[device] = logits_of(*sessions.front());
            together[device] = logits_of(*sessions.back());
        };
        std::vector<std::thread> workers;
        for (std::size_t device = 0; device < devices; ++device) {
            workers.emplace_back([&, device] {
                try {
                    work(device);
                } catch (const std::exception& error) {
                    errors[device] = error.what();
                }
            });
        }
        for (std::thread& worker : workers) worker.join();
        for (const std::string& error : errors) ASSERT_EQ(error, "");
        EXPECT_LE(relative_l2(alone[1], alone[0]), tolerance);
        EXPECT_LE(relative_l2(together[1], together[0]), tolerance);
        Session before(models[0], {});
        before.prefill(std::span(prompt).first(700));
        Session after(models[1], {});
        after.load(before.save(Encoding::zstd_planes), "the snapshot");
        for (std::size_t t = 0; t < 5; ++t) after.decode(prompt[t]);
        EXPECT_LE(relative_l2(after.logits(), alone[0]), tolerance);
    }
}

TEST_P(DeviceSession, TellsWhereItComputes) {
    Session session(model_, {});
    if (!is_cuda()) GTEST_SKIP() << "the name of " << device_name() << " is another test's";
    EXPECT_TRUE(session.backend_name().starts_with("cuda")) << session.backend_name();
}

// Tokens drawn where the logits are, against tokens drawn from a copy of them.
TEST_P(DeviceSession, DrawsTheSameTokensAsFromLogitsOnTheHost) {
    const auto prompt = ids("short");
    for (const std::int64_t top_k : {0, 40}) {
        SamplingOptions sampling;
        sampling.temperature = 1.5;
        sampling.top_k = top_k;
        sampling.seed = 11;
        sampling.ignore_end_of_text = true;
        Session session(model_, {});
        session.prefill(prompt);
        std::vector<std::int32_t> tokens;
        (void)session.generate(sampling, 50, [&](std::int32_t token, std::string_view) {
            tokens.push_back(token);
            return 0;
        });
        Session copied(model_, {});
        copied.prefill(prompt);
        Sampler sampler(sampling);
        std::vector<std::int32_t> expected;
        for (int i = 0; i < 50; ++i) {
            expected.push_back(sampler.sample(LogitsView(copied.logits())));
            copied.decode(expected.back());
        }
        EXPECT_EQ(tokens, expected) << "top_k " << top_k;
    }
}

TEST_P(DeviceSession, StaysWithinTheLimitOfTheDevicesMemory) {
    if (!is_cuda()) GTEST_SKIP() << device_name() << " has no memory of its own";
    const auto open_within = [&](std::int64_t bytes) {
        OpenOptions limited;
        limited.backend = device_name();
        limited.device_memory_limit = bytes;
        return std::make_shared<const OpenModel>(imported(GetParam(), DType::f32), limited);
    };
    const auto expect_no_memory = [](const auto& call) {
        try {
            call();
            ADD_FAILURE() << "it fitted";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Code::out_of_memory) << error.what();
        }
    };
    expect_no_memory([&] { (void)open_within(1); });
    // A session takes some 65 MB here: one fits, and goes on where a second one does not.
    const auto model = open_within(std::int64_t{96} << 20);
    Session first(model, {});
    first.prefill(ids("short"));
    expect_no_memory([&] {
        Session second(model, {});
        second.prefill(ids("long"));
    });
    first.decode(ids("short")[0]);
    Session unlimited(model_, {});
    unlimited.prefill(ids("short"));
    unlimited.decode(ids("short")[0]);
    EXPECT_LE(relative_l2(first.logits(), unlimited.logits()), tolerance);
}

TEST_P(DeviceSession, TakesNoMoreOfTheDevicesMemoryThanIsTold) {
    if (!is_cuda()) GTEST_SKIP() << device_name() << " has no memory of its own";
    for (const DType weights : {DType::f32, DType::bf16, DType::q8}) {
        const auto& path = imported(GetParam(), weights);
        const auto prompt = ids("long");
        const auto model_bytes = model_memory(Container::open(path), *device_backend());
        OpenOptions options;
        options.backend = device_name();
        const OpenModel told(path, options);
        const std::int64_t session_bytes = session_memory(told, {}, {.tokens = std::ssize(prompt)});
        options.device_memory_limit = model_bytes + session_bytes;
        Session session(std::make_shared<const OpenModel>(path, options), {});
        session.prefill(prompt);
        session.prefill(prompt);
        SamplingOptions sampling;
        sampling.ignore_end_of_text = true;
        EXPECT_EQ(session.generate(sampling, 5, {}), 5U);
    }
}

// Names that no machine has: a status with a message that says what there is.
TEST(DeviceNames, OfDevicesThatAreNotThereAreRefused) {
    if (!is_cuda() || device_backend() == nullptr) GTEST_SKIP() << "no cuda device here";
    for (const char* name : {"cuda:99", "cuda:-1", "cuda:", "cuda:x", "cuda0", "CUDA"}) {
        SCOPED_TRACE(name);
        try {
            (void)backend::make_backend(name);
            ADD_FAILURE() << "there is such a backend";
        } catch (const Error& error) {
            EXPECT_TRUE(error.code() == Code::not_found || error.code() == Code::backend_error)
                << error.what();
        }
    }
    try {
        (void)backend::make_backend("cuda:99");
    } catch (const Error& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find("99"), std::string::npos) << message;
        // How many there are: another number than the one that was asked for.
        std::string rest = message;
        rest.erase(rest.find("99"), 2);
        EXPECT_NE(rest.find_first_of("0123456789"), std::string::npos) << message;
    }
}

TEST(DeviceNames, OfTheFirstDeviceIsTakenWithItsNumber) {
    if (device_name() != "cuda" || device_backend() == nullptr) GTEST_SKIP() << "no cuda here";
    EXPECT_NE(backend::make_backend("cuda:0"), nullptr);
}

}  // namespace
}  // namespace sipo::parity
