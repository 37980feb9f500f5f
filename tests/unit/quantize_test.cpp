#include "import/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"
#include "format/container.hpp"
#include "import/presets.hpp"
#include "parity/checkpoints.hpp"
#include "session/session.hpp"

namespace sipo {
namespace {

using parity::TemporaryFile;
using Block = std::vector<float>;

Block random_block(std::size_t count, std::uint64_t seed) {
    SplitMix64 random(seed);
    Block block(count);
    for (float& value : block)
        value = static_cast<float>(random.uniform() + random.uniform() - 1.0);
    return block;
}

template <typename Quantize>
Block there_and_back(const Block& block, Quantize quantize) {
    Block result(block.size());
    dequantize(quantize(block), result);
    return result;
}

TEST(QuantisedBlock, ErrsByLessThanHalfAStep) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const Block block = random_block(1 + seed % 32, seed);
        const Block q8 = there_and_back(block, quantize_q8);
        const Block q4 = there_and_back(block, quantize_q4);
        const auto [low, high] = std::minmax_element(block.begin(), block.end());
        const float largest = std::max(std::abs(*low), std::abs(*high));
        const float range = std::max(*high, 0.0F) - std::min(*low, 0.0F);
        double squares = 0.0;
        for (std::size_t i = 0; i < block.size(); ++i) {
            // A scale is rounded up to bf16: 1/128 more.
            EXPECT_LE(std::abs(q8[i] - block[i]), largest / 127.0F * 0.51F);
            squares += std::pow(q4[i] - block[i], 2.0);
        }
        EXPECT_LE(std::sqrt(squares / static_cast<double>(block.size())), range / 15.0F * 0.51F);
    }
}

TEST(QuantisedBlock, KeepsZerosAndConstants) {
    const Block zeros(32, 0.0F);
    EXPECT_EQ(there_and_back(zeros, quantize_q8), zeros);
    EXPECT_EQ(there_and_back(zeros, quantize_q4), zeros);
    const Block constant(32, 0.75F);
    EXPECT_EQ(there_and_back(constant, quantize_q4), constant);
    EXPECT_NEAR(there_and_back(constant, quantize_q8)[5], 0.75F, 0.01F);
}

// Mean negative log-likelihood of some text.
double mean_nll(const std::filesystem::path& path) {
    const auto model = std::make_shared<const OpenModel>(path, OpenOptions{});
    Session session(model, {});
    std::vector<std::int32_t> ids(600);
    for (std::size_t i = 0; i < ids.size(); ++i)
        ids[i] = static_cast<std::int32_t>(i * i % 997 + 1);
    std::vector<float> nll(500);
    session.score(ids, 500, nll);
    double sum = 0.0;
    for (const float value : nll) sum += value;
    return sum / 500.0;
}

TEST(QuantisedModel, ScoresAlmostAsTheOriginal) {
    for (const char* checkpoint : {parity::mamba1_checkpoint, parity::mamba2_checkpoint}) {
        const auto& original = parity::imported(checkpoint, DType::bf16);
        const double wanted = mean_nll(original);
        for (const auto& [type, tolerance] :
             {std::pair{DType::q8, 0.01}, std::pair{DType::q4, 0.15}}) {
            SCOPED_TRACE(join(checkpoint, " ", dtype_name(type)));
            const TemporaryFile file(join(checkpoint, ".", dtype_name(type)));
            quantize_container(original, file.path(), {.weights = type});
            EXPECT_NEAR(mean_nll(file.path()), wanted, tolerance);
            EXPECT_LT(std::filesystem::file_size(file.path()),
                      std::filesystem::file_size(original));
        }
    }
}

TEST(QuantisedModel, IsTheSameFromACheckpointAndFromAFile) {
    const auto& original = parity::imported(parity::mamba2_checkpoint, DType::f32);
    const TemporaryFile file("quantised");
    quantize_container(original, file.path(),
                       {.weights = DType::q8, .store = Store::raw, .threads = 2});
    const Container first = Container::open(file.path());
    const Container second =
        Container::open(parity::imported(parity::mamba2_checkpoint, DType::q8));
    ThreadPool pool(1);
    ASSERT_EQ(first.tensors().size(), second.tensors().size());
    for (const TensorEntry& entry : first.tensors()) {
        EXPECT_EQ(first.read(entry, pool), second.read(*second.find(entry.name), pool))
            << entry.name;
    }
}

TEST(QuantisedModel, KeepsThePathOfDeltaPrecise) {
    const Container mamba1 =
        Container::open(parity::imported(parity::mamba1_checkpoint, DType::q4));
    EXPECT_EQ(mamba1.find("backbone.layers.0.mixer.in_proj.weight")->dtype, DType::q4);
    EXPECT_EQ(mamba1.find("backbone.layers.0.mixer.x_proj.weight")->dtype, DType::bf16);
    EXPECT_EQ(mamba1.find("backbone.layers.0.mixer.dt_proj.weight")->dtype, DType::bf16);
    EXPECT_EQ(mamba1.find("backbone.layers.0.mixer.A_log")->dtype, DType::f32);
    const Container mamba2 =
        Container::open(parity::imported(parity::mamba2_checkpoint, DType::q4));
    EXPECT_EQ(mamba2.find("backbone.layers.7.mixer.in_proj.weight.dt_rows")->dtype, DType::bf16);
}

TEST(QuantisedModel, IsNotQuantisedAgain) {
    const TemporaryFile out("again");
    try {
        quantize_container(parity::imported(parity::mamba1_checkpoint, DType::q8), out.path(), {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unsupported);
    }
    EXPECT_FALSE(std::filesystem::exists(out.path()));
}

TEST(Presets, HaveThePublishedNumbersOfParameters) {
    const auto parameters = [](const char* name) {
        double count = 0.0;
        for (const TensorSpec& spec : tensor_specs(preset_architecture(name))) {
            double size = 1.0;
            for (const std::int64_t length : spec.shape) size *= static_cast<double>(length);
            count += size;
        }
        return count;
    };
    EXPECT_NEAR(parameters("mamba-130m"), 129.1e6, 0.1e6);
    EXPECT_NEAR(parameters("mamba-2.8b"), 2768.3e6, 1e6);
    EXPECT_NEAR(parameters("mamba2-130m"), 128.9e6, 0.2e6);
    EXPECT_NEAR(parameters("mamba2-2.7b"), 2702.6e6, 2e6);
}

}  // namespace
}  // namespace sipo
