// The scans in the shapes of the public models: lengths around every border of a parallel scan,
// realistic and long memory, many sequences at once, cuts anywhere, and NaN.
#include <cmath>
#include <limits>

#include "backend/registry.hpp"
#include "device.hpp"
#include "scan_cases.hpp"

namespace sipo::parity {
namespace {

constexpr backend::Mamba2Shape mamba2_27b{80, 64, 1, 128};
constexpr backend::Mamba2Shape mamba2_130m{24, 64, 1, 128};
constexpr backend::Mamba2Shape eight_groups{80, 64, 8, 128};
constexpr backend::Mamba2Shape few_states{6, 64, 2, 64};
constexpr backend::Mamba2Shape narrow_groups{6, 48, 2, 64};  // no multiple of a block's columns

// Δ and A as trained models have them, so that a state remembers thousands of tokens where the
// random cases forget after a few: Δ log-uniform in [1e-3, 0.1], A = -1 .. -16.
void remember(Scan& scan, RandomValues& random) {
    scan.delta = random(scan.delta.rows, scan.delta.cols, std::log(1e-3),
                        std::log(scan.mamba1() ? 0.1 : 0.5));
    for (float& delta : scan.delta.data) delta = std::exp(delta);
    if (scan.mamba1()) {
        for (std::int64_t n = 0; n < scan.a.rows; ++n) {
            for (std::int64_t c = 0; c < scan.a.cols; ++c)
                scan.a(n, c) = static_cast<float>(-1 - n);
        }
    } else {
        scan.a = random(1, scan.a.cols, -16.0, -0.05);
    }
}

// A filter that stops about `share` of all Δ, as LongMamba's does in its global channels.
void filter_most(Scan& scan, double share) {
    scan.filter = true;
    std::vector<float> sorted(scan.delta.data);
    const auto rank = static_cast<std::ptrdiff_t>(share * static_cast<double>(sorted.size()));
    std::nth_element(sorted.begin(), sorted.begin() + rank, sorted.end());
    scan.threshold = Values(1, scan.delta.cols, sorted[static_cast<std::size_t>(rank)]);
    scan.scale = Values(1, scan.delta.cols, 1.0F);
    for (std::int64_t c = 0; c < scan.threshold.cols; c += 3) scan.threshold(0, c) = keep_all;
}

class DeviceScans : public EverySubject {
protected:
    // Large scans are judged by the CPU backend, which the parity tests hold to the reference.
    void expect_the_cpus(const Operation& operation) const {
        const backend::BackendPtr cpu = backend::make_backend("cpu");
        expect_close(run_subject(operation), run(operation, cpu, 0, subject_.activations),
                     subject_.tolerances.scan);
    }

    // Every row goes on with a state of its own.
    void expect_the_cpus_step(const Scan& scan) {
        std::vector<Values> states;
        for (std::int64_t i = 0; i < scan.x.rows; ++i) {
            states.push_back(random_(scan.state.rows, scan.state.cols));
        }
        expect_the_cpus([&](Machine& m) { return scan_sequences(scan, states, true, m); });
    }

    // Forgetful, remembering, filtered, and with a subset of rows.
    void expect_all_kinds(Scan scan) {
        const auto expect_kind = [&](const char* kind) {
            SCOPED_TRACE(join(scan.x.rows, " tokens, ", kind));
            expect_the_cpus([&](Machine& machine) { return scan_at_once(scan, machine); });
        };
        expect_kind("forgetful");
        if (HasFatalFailure()) return;
        remember(scan, random_);
        expect_kind("remembering");
        if (HasFatalFailure()) return;
        filter_most(scan, 0.9);
        expect_kind("filtered");
        if (HasFatalFailure()) return;
        scan.rows = random_.subset(scan.x.rows);
        expect_kind("filtered, a subset of rows");
    }

    [[nodiscard]] std::vector<Scan> model_scans(std::int64_t tokens) {
        std::vector<Scan> scans{
            mamba1_scan(random_, tokens, 5120, 16), mamba2_scan(random_, tokens, mamba2_27b),
            mamba2_scan(random_, tokens, eight_groups), mamba2_scan(random_, tokens, few_states),
            mamba2_scan(random_, tokens, narrow_groups)};
        for (Scan& scan : scans) remember(scan, random_);
        return scans;
    }

    // A prompt that a device may cut into segments to scan them side by side.
    [[nodiscard]] Scan long_scan() { return mamba1_scan(random_, 9000, 512, 16); }

    [[nodiscard]] std::vector<Scan> model_scans_and_a_long_one(std::int64_t tokens) {
        std::vector<Scan> scans = model_scans(tokens);
        scans.push_back(long_scan());
        return scans;
    }

    RandomValues random_{12};
};

SIPO_FOR_EVERY_SUBJECT(DeviceScans);

TEST_P(DeviceScans, SelectiveScanOfAModelsWidthMatchesTheCpu) {
    for (const std::int64_t d_inner : {1536, 5120}) {
        SCOPED_TRACE(join(d_inner, " channels"));
        for (const std::int64_t tokens : {1, 2, 15, 16, 17, 63, 129, 511, 1000}) {
            expect_all_kinds(mamba1_scan(random_, tokens, d_inner, 16));
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(DeviceScans, HeadScanOfAModelsWidthMatchesTheCpu) {
    for (const backend::Mamba2Shape& shape :
         {mamba2_130m, mamba2_27b, eight_groups, narrow_groups}) {
        SCOPED_TRACE(join(shape.n_heads, " heads, ", shape.n_groups, " groups"));
        for (const std::int64_t tokens : {1, 3, 64, 65, 127, 128, 129, 257, 1000}) {
            expect_all_kinds(mamba2_scan(random_, tokens, shape));
            if (HasFatalFailure()) return;
        }
    }
}

TEST_P(DeviceScans, ManyThousandTokensMatchTheCpu) {
    expect_all_kinds(mamba1_scan(random_, 4097, 1536, 16));
    expect_all_kinds(mamba2_scan(random_, 4097, mamba2_130m));
}

TEST_P(DeviceScans, PromptsLongEnoughToBeCutIntoSegmentsMatchTheCpu) {
    for (const std::int64_t d_inner : {512, 300}) {
        SCOPED_TRACE(join(d_inner, " channels"));
        for (const std::int64_t tokens : {8192, 20001}) {
            expect_all_kinds(mamba1_scan(random_, tokens, d_inner, 16));
            if (HasFatalFailure()) return;
        }
    }
}

// Small enough for compute-sanitizer.
TEST_P(DeviceScans, ANarrowPromptCutIntoSegmentsMatchesTheCpu) {
    expect_all_kinds(mamba1_scan(random_, 8200, 33, 16));
}

TEST_P(DeviceScans, CutAnywhereGiveWhatTheyGiveAtOnce) {
    constexpr std::int64_t tokens = 1000;
    for (Scan& scan : model_scans(tokens)) {
        for (const bool filtered : {false, true}) {
            SCOPED_TRACE(join("mamba1 ", scan.mamba1(), ", filtered ", filtered));
            if (filtered) filter_most(scan, 0.9);
            const auto in_parts = [&](std::vector<std::int64_t> cuts) {
                cuts.push_back(tokens);
                return run_subject([&](Machine& m) { return scan_in_parts(scan, cuts, m); });
            };
            const std::vector<Values> at_once = in_parts({});
            for (const std::vector<std::int64_t>& cuts :
                 {std::vector<std::int64_t>{1}, {999}, {1, 2, 65, 640}, {128, 256, 511}}) {
                expect_close(in_parts(cuts), at_once, subject_.tolerances.scan);
                if (HasFatalFailure()) return;
            }
        }
    }
}

TEST_P(DeviceScans, OneTokenOfEachOfManySequencesMatchesTheCpu) {
    for (const std::int64_t sequences : {2, 3, 65}) {
        for (const Scan& scan : model_scans(sequences)) {
            SCOPED_TRACE(join(sequences, " sequences, mamba1 ", scan.mamba1()));
            expect_the_cpus_step(scan);
            if (HasFatalFailure()) return;
        }
    }
}

// Rows on 16-byte borders and not, of as many channels as warps take and not, other numbers of states.
TEST_P(DeviceScans, OneTokenOfEachOfManySequencesMatchesTheCpuInAnyWidth) {
    for (const auto& [d_inner, d_state] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {1536, 16}, {1544, 16}, {1542, 16}, {37, 16}, {300, 8}, {64, 24}}) {
        for (const std::int64_t sequences : {7, 46, 64}) {
            Scan scan = mamba1_scan(random_, sequences, d_inner, d_state);
            remember(scan, random_);
            for (const bool filtered : {false, true}) {
                SCOPED_TRACE(join(sequences, " sequences, ", d_inner, " channels, ", d_state,
                                  " states, filtered ", filtered));
                if (filtered) filter_most(scan, 0.5);
                expect_the_cpus_step(scan);
                if (HasFatalFailure()) return;
            }
        }
    }
}

TEST_P(DeviceScans, LeaveALargeStateAsItWasWhereDeltaIsZero) {
    for (Scan& scan : model_scans_and_a_long_one(777)) {
        SCOPED_TRACE(join("mamba1 ", scan.mamba1()));
        std::fill(scan.delta.data.begin(), scan.delta.data.end(), 0.0F);
        expect_same_bits(run_subject([&](Machine& m) { return scan_at_once(scan, m); })[1],
                         scan.state);
    }
}

TEST_P(DeviceScans, LeaveALargeStateAsItWasWhereTheFilterStopsEverything) {
    for (Scan& scan : model_scans_and_a_long_one(777)) {
        SCOPED_TRACE(join("mamba1 ", scan.mamba1()));
        scan.filter = true;
        std::fill(scan.threshold.data.begin(), scan.threshold.data.end(), 1e9F);
        std::fill(scan.scale.data.begin(), scan.scale.data.end(), 1.0F);
        expect_same_bits(run_subject([&](Machine& m) { return scan_at_once(scan, m); })[1],
                         scan.state);
    }
}

// A NaN in x at (t, channel) shows in that channel's y from t on and in its state, and in no other.
TEST_P(DeviceScans, ANanStaysVisibleToTheEndAndInItsChannel) {
    constexpr std::int64_t token = 300;
    constexpr std::int64_t channel = 77;
    for (Scan& scan : model_scans_and_a_long_one(700)) {
        const std::int64_t tokens = scan.x.rows;
        SCOPED_TRACE(join("mamba1 ", scan.mamba1(), ", ", tokens, " tokens"));
        scan.x(token, channel) = std::numeric_limits<float>::quiet_NaN();
        const std::vector<Values> out =
            run_subject([&](Machine& m) { return scan_at_once(scan, m); });
        const Values& y = out[0];
        for (std::int64_t t = 0; t < tokens; ++t) {
            for (std::int64_t c = 0; c < y.cols; ++c) {
                if (c == channel && t < token) continue;
                ASSERT_EQ(std::isnan(y(t, c)), c == channel) << "token " << t << ", channel " << c;
            }
        }
        const std::int64_t column = scan.mamba1() ? channel : channel % scan.shape.head_dim;
        const std::int64_t row =
            scan.mamba1() ? 0 : channel / scan.shape.head_dim * scan.shape.d_state;
        EXPECT_TRUE(std::isnan(out[1](row, column)));
        EXPECT_FALSE(std::isnan(out[1](row, column + 1)));
    }
}

// What a NaN is followed by cannot reach back.
TEST_P(DeviceScans, ANanDoesNotReachTheTokensBeforeItsCut) {
    constexpr std::int64_t tokens = 200;
    for (Scan& scan : model_scans(tokens)) {
        SCOPED_TRACE(join("mamba1 ", scan.mamba1()));
        scan.delta(tokens - 1, 3) = std::numeric_limits<float>::quiet_NaN();
        const std::vector<Values> out = run_subject([&](Machine& m) {
            return scan_in_parts(scan, {tokens - 1, tokens}, m);
        });
        const std::int64_t channel = scan.mamba1() ? 3 : 3 * scan.shape.head_dim;
        for (std::int64_t t = 0; t + 1 < tokens; ++t) ASSERT_FALSE(std::isnan(out[0](t, channel)));
        EXPECT_TRUE(std::isnan(out[0](tokens - 1, channel)));
    }
}

}  // namespace
}  // namespace sipo::parity
