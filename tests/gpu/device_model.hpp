// Tests that run the two reference checkpoints on the device, once for each.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "checkpoints.hpp"
#include "device.hpp"
#include "golden.hpp"
#include "session/session.hpp"

namespace sipo::parity {

class OnDevice : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (device_backend() == nullptr) GTEST_SKIP() << "this machine has no " << device_name();
        model_ = open(DType::f32);
    }

    [[nodiscard]] std::shared_ptr<const OpenModel> open(DType weights) const {
        return open_checkpoint(GetParam(), weights, device_name());
    }

    // The options of a golden case.
    [[nodiscard]] SessionOptions options(const Json& golden) const {
        SessionOptions result;
        result.context = context_options(golden);
        result.calibration = golden_profile(*model_, GetParam());
        return result;
    }

    [[nodiscard]] std::vector<std::int32_t> ids(const std::string& length) const {
        return golden_array<std::int32_t>(family_name(GetParam()) + "_" + length + "_ids");
    }

    std::shared_ptr<const OpenModel> model_;
};

}  // namespace sipo::parity

// Once for each checkpoint, named after its family.
#define SIPO_FOR_EVERY_CHECKPOINT(suite)                                                   \
    INSTANTIATE_TEST_SUITE_P(                                                              \
        Of, suite,                                                                         \
        testing::Values(sipo::parity::mamba1_checkpoint, sipo::parity::mamba2_checkpoint), \
        sipo::parity::checkpoint_test_name)
