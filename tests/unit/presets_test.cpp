// Random weights in the shapes of the public models.
#include "import/presets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "format/architecture.hpp"

namespace sipo {
namespace {

TensorSpec spec_named(const Architecture& architecture, std::string_view suffix) {
    for (const TensorSpec& spec : tensor_specs(architecture)) {
        if (spec.name.ends_with(suffix)) return spec;
    }
    ADD_FAILURE() << "no tensor ends with " << suffix;
    return {};
}

// More numbers than a thread makes at once.
TEST(RandomTensor, DoesNotDependOnTheThreads) {
    const Architecture architecture = preset_architecture("mamba-130m");
    const TensorSpec spec = spec_named(architecture, "in_proj.weight");
    ThreadPool alone(1);
    ThreadPool three(3);
    const std::vector<float> values = random_tensor(spec, architecture, 7, alone);
    EXPECT_GT(values.size(), std::size_t{1} << 20);
    EXPECT_EQ(random_tensor(spec, architecture, 7, three), values);
    EXPECT_NE(random_tensor(spec, architecture, 8, three), values);
}

TEST(RandomTensor, HasTheVarianceOfItsInputsAndRepeatsNothing) {
    const Architecture architecture = preset_architecture("mamba-130m");
    const TensorSpec spec = spec_named(architecture, "in_proj.weight");
    ThreadPool pool(2);
    std::vector<float> values = random_tensor(spec, architecture, 7, pool);
    double squares = 0.0;
    for (const float value : values) squares += static_cast<double>(value) * value;
    const double inputs = static_cast<double>(architecture.d_model);
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(values.size())), 1.0 / std::sqrt(inputs),
                1e-3 / std::sqrt(inputs));
    // Parts that began with the same numbers would halve the count of different ones.
    const std::size_t all = values.size();
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    EXPECT_GT(values.size(), all * 8 / 10);
}

}  // namespace
}  // namespace sipo
