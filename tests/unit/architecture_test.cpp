#include "format/architecture.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/error.hpp"

namespace sipo {
namespace {

Architecture mamba1() {
    Architecture a;
    a.n_layers = 2;
    a.d_model = 32;
    a.d_inner = 64;
    a.d_state = 16;
    a.dt_rank = 2;
    a.vocab_size = 100;
    return a;
}

Architecture falcon_mamba() {
    Architecture a = mamba1();
    a.family = Family::falcon_mamba;
    a.mixer_rms_eps = 1e-6F;
    return a;
}

Architecture mamba2() {
    Architecture a = mamba1();
    a.family = Family::mamba2;
    a.dt_rank = 0;
    a.n_heads = 4;
    a.head_dim = 16;
    a.n_groups = 2;
    return a;
}

const TensorSpec* find(const std::vector<TensorSpec>& specs, const std::string& name) {
    for (const TensorSpec& spec : specs) {
        if (spec.name == name) return &spec;
    }
    return nullptr;
}

using Shape = std::vector<std::int64_t>;

TEST(TensorSpecs, OfMamba1) {
    const auto specs = tensor_specs(mamba1());
    EXPECT_EQ(specs.size(), 2U + 2U * 10U);
    EXPECT_EQ(specs.front().name, "backbone.embeddings.weight");
    EXPECT_EQ(specs.back().name, "backbone.norm_f.weight");
    const std::string mixer = "backbone.layers.1.mixer.";
    EXPECT_EQ(find(specs, mixer + "in_proj.weight")->shape, (Shape{128, 32}));
    EXPECT_EQ(find(specs, mixer + "conv1d.weight")->shape, (Shape{64, 4}));
    EXPECT_EQ(find(specs, mixer + "x_proj.weight")->shape, (Shape{34, 64}));
    EXPECT_EQ(find(specs, mixer + "dt_proj.weight")->shape, (Shape{64, 2}));
    EXPECT_EQ(find(specs, mixer + "A_log")->shape, (Shape{64, 16}));
    EXPECT_TRUE(find(specs, mixer + "out_proj.weight")->matrix);
    EXPECT_FALSE(find(specs, mixer + "A_log")->matrix);
    EXPECT_FALSE(find(specs, mixer + "conv1d.weight")->matrix);
}

TEST(TensorSpecs, OfMamba2) {
    const auto specs = tensor_specs(mamba2());
    const std::string mixer = "backbone.layers.0.mixer.";
    EXPECT_EQ(find(specs, mixer + "in_proj.weight")->shape, (Shape{128 + 64 + 4, 32}));
    EXPECT_EQ(find(specs, mixer + "conv1d.weight")->shape, (Shape{128, 4}));
    EXPECT_EQ(find(specs, mixer + "dt_bias")->shape, (Shape{4}));
    EXPECT_EQ(find(specs, mixer + "norm.weight")->shape, (Shape{64}));
    EXPECT_EQ(find(specs, mixer + "x_proj.weight"), nullptr);
}

TEST(TensorSpecs, FollowTheBiasesAndTheHead) {
    Architecture a = mamba1();
    a.linear_bias = true;
    a.conv_bias = false;
    a.tied_head = false;
    const auto specs = tensor_specs(a);
    EXPECT_NE(find(specs, "backbone.layers.0.mixer.in_proj.bias"), nullptr);
    EXPECT_NE(find(specs, "backbone.layers.0.mixer.out_proj.bias"), nullptr);
    EXPECT_EQ(find(specs, "backbone.layers.0.mixer.conv1d.bias"), nullptr);
    EXPECT_EQ(find(specs, "lm_head.weight")->shape, (Shape{100, 32}));
    std::set<std::string> names;
    for (const TensorSpec& spec : specs) EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
}

template <typename Change>
void expect_refused(Architecture a, const std::string& part, const Change& change) {
    change(a);
    try {
        validate(a);
        FAIL() << "accepted a bad " << part;
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unsupported);
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

TEST(Validate, AcceptsTheFamilies) {
    EXPECT_NO_THROW(validate(mamba1()));
    EXPECT_NO_THROW(validate(mamba2()));
    EXPECT_NO_THROW(validate(falcon_mamba()));
}

TEST(Validate, RefusesEverySizeOutOfRange) {
    constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
    for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1}, huge, -huge - 1}) {
        expect_refused(mamba1(), "n_layers", [&](auto& a) { a.n_layers = bad; });
        expect_refused(mamba1(), "d_model", [&](auto& a) { a.d_model = bad; });
        expect_refused(mamba1(), "d_inner", [&](auto& a) { a.d_inner = bad; });
        expect_refused(mamba1(), "d_state", [&](auto& a) { a.d_state = bad; });
        expect_refused(mamba1(), "d_conv", [&](auto& a) { a.d_conv = bad; });
        expect_refused(mamba1(), "dt_rank", [&](auto& a) { a.dt_rank = bad; });
        expect_refused(mamba1(), "vocab_size", [&](auto& a) { a.vocab_size = bad; });
        expect_refused(mamba1(), "training_length", [&](auto& a) { a.training_length = bad; });
        expect_refused(mamba2(), "n_heads", [&](auto& a) { a.n_heads = bad; });
        expect_refused(mamba2(), "head_dim", [&](auto& a) { a.head_dim = bad; });
        expect_refused(mamba2(), "n_groups", [&](auto& a) { a.n_groups = bad; });
    }
    expect_refused(mamba1(), "end_of_text", [](auto& a) { a.end_of_text = 100; });
    expect_refused(mamba1(), "family", [](auto& a) { a.family = static_cast<Family>(0); });
}

TEST(Validate, RefusesProductsAndFloatsThatDoNotFit) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    constexpr float infinity = std::numeric_limits<float>::infinity();
    expect_refused(mamba2(), "n_heads * head_dim", [](auto& a) { a.head_dim = 17; });
    expect_refused(mamba2(), "multiple of n_groups", [](auto& a) { a.n_groups = 3; });
    for (const float bad : {0.0F, -1.0F, nan, infinity}) {
        expect_refused(mamba1(), "norm_eps", [&](auto& a) { a.norm_eps = bad; });
    }
    for (const float bad : {0.0F, -1.0F, 1.0F, nan}) {
        expect_refused(falcon_mamba(), "mixer_rms_eps", [&](auto& a) { a.mixer_rms_eps = bad; });
    }
    expect_refused(mamba1(), "mixer_rms_eps", [](auto& a) { a.mixer_rms_eps = 1e-6F; });
    expect_refused(mamba2(), "delta", [](auto& a) { a.delta_min = nan; });
    expect_refused(mamba2(), "delta", [](auto& a) { a.delta_max = infinity; });
    expect_refused(mamba2(), "delta", [](auto& a) { a.delta_min = 2, a.delta_max = 1; });
}

}  // namespace
}  // namespace sipo
