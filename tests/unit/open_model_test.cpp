#include "session/open_model.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.hpp"
#include "format/profile_store.hpp"
#include "parity/checkpoints.hpp"

namespace sipo {
namespace {

using parity::imported;
using parity::mamba1_checkpoint;
using parity::mamba2_checkpoint;

template <typename Action>
void expect_error(Code code, const std::string& part, const Action& action) {
    try {
        action();
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

TEST(OpenModel, TellsWhatTheFileHolds) {
    const auto mamba1 = parity::open_checkpoint(mamba1_checkpoint);
    EXPECT_EQ(mamba1->architecture().family, Family::mamba1);
    EXPECT_EQ(mamba1->architecture().vocab_size, 4096);
    EXPECT_EQ(mamba1->tokenizer().decode(mamba1->tokenizer().encode("a needle")), "a needle");
    // 8 layers of a convolution of 3 x 512 and a state of 16 x 512 floats.
    EXPECT_EQ(mamba1->state_bytes(), 8 * (3 * 512 + 16 * 512) * 4);
    const auto mamba2 = parity::open_checkpoint(mamba2_checkpoint);
    EXPECT_EQ(mamba2->architecture().family, Family::mamba2);
    EXPECT_EQ(mamba2->state_bytes(), 8 * (3 * (512 + 2 * 64) + 64 * 512) * 4);
}

TEST(OpenModel, HoldsBf16WeightsInAboutHalfTheMemory) {
    const auto f32 = parity::open_checkpoint(mamba1_checkpoint, DType::f32);
    const auto bf16 = parity::open_checkpoint(mamba1_checkpoint, DType::bf16);
    EXPECT_EQ(f32->model().weights_type(), DType::f32);
    EXPECT_EQ(bf16->model().weights_type(), DType::bf16);
    EXPECT_EQ(f32->model().parameters(), bf16->model().parameters());
    EXPECT_LT(bf16->model().weight_bytes() * 10, f32->model().weight_bytes() * 6);
}

TEST(OpenModel, ReportsItsProgressToTheEndAndLogsOneLine) {
    OpenOptions options;
    std::uint64_t last = 0;
    std::uint64_t total = 0;
    std::vector<std::string> lines;
    options.progress = [&](std::uint64_t done, std::uint64_t of) {
        EXPECT_GE(done, last);
        last = done;
        total = of;
        return 0;
    };
    options.log = [&](int, const std::string& line) { lines.push_back(line); };
    const OpenModel model(imported(mamba1_checkpoint, DType::f32), options);
    EXPECT_EQ(last, total);
    EXPECT_GT(total, 0U);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_NE(lines.front().find("mamba1"), std::string::npos);
}

TEST(OpenModel, CanBeCancelledWhileItLoads) {
    OpenOptions options;
    options.progress = [](std::uint64_t, std::uint64_t) { return 1; };
    expect_error(Code::cancelled, "progress",
                 [&] { const OpenModel model(imported(mamba1_checkpoint, DType::f32), options); });
}

TEST(OpenModel, NamesTheBackendsThereAre) {
    OpenOptions options;
    options.backend = "abacus";
    expect_error(Code::not_found, "cpu",
                 [&] { const OpenModel model(imported(mamba1_checkpoint, DType::f32), options); });
}

TEST(OpenModel, RefusesAnInstructionSetThatIsNone) {
    setenv("SIPO_CPU", "abacus", 1);
    expect_error(Code::backend_error, "abacus",
                 [] { (void)parity::open_checkpoint(mamba1_checkpoint); });
    unsetenv("SIPO_CPU");
}

TEST(OpenModel, FindsTheProfilesOfTheFileByName) {
    const parity::TemporaryFile copy("profiles.sipo");
    std::filesystem::copy_file(imported(mamba2_checkpoint, DType::f32), copy.path());
    const OpenModel without(copy.path(), {});
    expect_error(Code::not_found, "none", [&] { (void)without.profile("default"); });
    CalibrationProfile profile{.name = "mine",
                               .training_length = 2048,
                               .sequences = 1,
                               .clamp = 0.0,
                               .layers = 8,
                               .channels = 8,
                               .lengths = {1000},
                               .log_decay = std::vector<float>(64, -2.0F),
                               .threshold_table = std::vector<float>(64, 0.5F),
                               .settings = {}};
    store_profile(copy.path(), profile);
    const OpenModel with(copy.path(), {});
    EXPECT_EQ(with.profile_names(), std::vector<std::string>{"mine"});
    EXPECT_EQ(*with.profile("mine"), profile);
    expect_error(Code::not_found, "mine", [&] { (void)with.profile("default"); });
}

}  // namespace
}  // namespace sipo
