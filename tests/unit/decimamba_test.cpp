// methods.md section 2: P = trunc(max(min(L − R, L_base · β^s), m)), at most L − R.
#include "context/decimamba.hpp"

#include <gtest/gtest.h>

namespace sipo::context {
namespace {

constexpr std::int64_t training_length = 2000;

Options options(double rate, std::int64_t minimum, std::int64_t tail) {
    Options result;
    result.method = Method::decimamba;
    result.decimation_rate = rate;
    result.decimation_min_tokens = minimum;
    result.protected_tail = tail;
    return result;
}

Architecture eight_layers() {
    Architecture architecture;
    architecture.n_layers = 8;
    architecture.training_length = training_length;
    return architecture;
}

Plan plan_of(const Options& wish, std::int64_t tokens) {
    const Architecture architecture = eight_layers();
    return plan_decimamba({.architecture = architecture,
                           .options = wish,
                           .profile = nullptr,
                           .tokens = tokens,
                           .position = 0});
}

// (layer, kept, tail) of the layers that drop tokens.
using Cut = std::tuple<int, std::int64_t, std::int64_t>;
std::vector<Cut> cuts_of(const Plan& plan) {
    std::vector<Cut> cuts;
    for (std::size_t layer = 0; layer < plan.size(); ++layer) {
        EXPECT_TRUE(plan[layer].delta_threshold.empty());
        if (!plan[layer].kept_tokens) continue;
        cuts.emplace_back(static_cast<int>(layer), *plan[layer].kept_tokens,
                          plan[layer].protected_tail);
    }
    return cuts;
}

TEST(DecimatedLength, IsTheCapacityTimesAPowerOfTheRate) {
    EXPECT_EQ(decimated_length(6000, 0, options(0.5, 20, 1), 2000), 2000);
    EXPECT_EQ(decimated_length(2001, 1, options(0.5, 20, 1), 2000), 1000);
    EXPECT_EQ(decimated_length(1001, 2, options(0.5, 20, 1), 2000), 500);
    EXPECT_EQ(decimated_length(6000, 7, options(1.0, 20, 1), 4000), 4000);
}

TEST(DecimatedLength, IsTruncated) {
    EXPECT_EQ(decimated_length(9000, 3, options(0.83, 20, 1), 8000), 4574);  // 4574.296
    EXPECT_EQ(decimated_length(9000, 1, options(0.999, 20, 1), 1001), 999);  // 999.999
}

TEST(DecimatedLength, KeepsAtLeastTheMinimum) {
    EXPECT_EQ(decimated_length(6000, 10, options(0.5, 20, 1), 2000), 20);  // 1.95
    EXPECT_EQ(decimated_length(6000, 0, options(0.5, 300, 1), 200), 300);
    EXPECT_EQ(decimated_length(6000, 10, options(0.5, 0, 1), 2000), 1);
}

TEST(DecimatedLength, IsAtMostWhatIsNotProtected) {
    EXPECT_EQ(decimated_length(100, 0, options(0.5, 20, 1), 2000), 99);
    EXPECT_EQ(decimated_length(2001, 0, options(0.5, 20, 1), 2000), 2000);  // P = L − R
    EXPECT_EQ(decimated_length(2002, 0, options(0.5, 20, 1), 2000), 2000);
    EXPECT_EQ(decimated_length(15, 0, options(0.5, 20, 1), 2000), 14);  // below the minimum
    EXPECT_EQ(decimated_length(110, 0, options(0.5, 20, 101), 2000), 9);
}

TEST(DecimatedLength, IsZeroWhenAllIsProtected) {
    EXPECT_EQ(decimated_length(50, 0, options(0.5, 20, 50), 2000), 0);
    EXPECT_EQ(decimated_length(49, 0, options(0.5, 20, 50), 2000), 0);
    EXPECT_EQ(decimated_length(1, 0, options(0.5, 20, 101), 2000), 0);
}

TEST(DeciMambaPlan, CountsItsStepsInTheScopeAndItsLengthsFromLayerToLayer) {
    Options wish = options(0.5, 20, 1);
    wish.layers = {2, 3, 6};
    wish.decimation_capacity = 1000;
    EXPECT_EQ(cuts_of(plan_of(wish, 5000)),
              (std::vector<Cut>{{2, 1000, 1}, {3, 500, 1}, {6, 250, 1}}));
}

TEST(DeciMambaPlan, ALayerThatDropsNothingStillCountsAsAStep) {
    Options wish = options(0.5, 20, 1);
    wish.layers = {1, 4, 5};
    wish.decimation_capacity = 1000;
    // 800 tokens fit step 0 (1000), not step 1 (500).
    EXPECT_EQ(cuts_of(plan_of(wish, 800)), (std::vector<Cut>{{4, 500, 1}, {5, 250, 1}}));
}

TEST(DeciMambaPlan, StopsDroppingWhenTheMinimumIsReached) {
    Options wish = options(0.5, 300, 10);
    wish.layers = {0, 1, 2, 3};
    wish.decimation_capacity = 1000;
    EXPECT_EQ(cuts_of(plan_of(wish, 5000)),
              (std::vector<Cut>{{0, 1000, 10}, {1, 500, 10}, {2, 300, 10}}));
}

TEST(DeciMambaPlan, LeavesAShortPromptAlone) {
    Options wish = options(0.5, 20, 1);
    EXPECT_TRUE(cuts_of(plan_of(wish, training_length + 1)).empty());
    EXPECT_EQ(cuts_of(plan_of(wish, training_length + 2)).size(), 1U);
}

TEST(DeciMambaPlan, ActsInTheMiddleWithTheTrainingLengthWhenNothingIsSaid) {
    EXPECT_EQ(cuts_of(plan_of(options(0.5, 20, 1), 6000)),
              (std::vector<Cut>{{4, training_length, 1}}));
}

TEST(DeciMambaPlan, LeavesAPromptAloneThatIsAllProtected) {
    EXPECT_TRUE(cuts_of(plan_of(options(0.5, 20, 7000), 6000)).empty());
}

}  // namespace
}  // namespace sipo::context
