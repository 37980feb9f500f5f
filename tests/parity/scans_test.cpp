// The two scans against the reference: every size of state and head, with and without the filter of
// Δ and a subset of rows, and the rules of the recurrence that all methods rely on.
#include "scan_cases.hpp"

namespace sipo::parity {
namespace {

constexpr std::int64_t token_counts[] = {1, 2, 3, 7, 64, 257};

class Scans : public EverySubject {
protected:
    // Plain, filtered, a subset of rows, and both.
    void expect_all_kinds(Scan scan) {
        for (const bool some_rows : {false, true}) {
            for (const bool filter : {false, true}) {
                SCOPED_TRACE(join("filter ", filter, ", a subset of rows: ", some_rows));
                scan.rows.reset();
                if (some_rows) scan.rows = random_.subset(scan.x.rows);
                scan.filter = false;
                if (filter) add_filter(scan, random_);
                expect_parity([&](Machine& machine) { return scan_at_once(scan, machine); },
                              subject_.tolerances.scan);
                if (HasFatalFailure()) return;
            }
        }
    }

    RandomValues random_{2};
};

SIPO_FOR_EVERY_SUBJECT(Scans);

TEST_P(Scans, SelectiveScanMatchesTheReference) {
    for (const std::int64_t d_state : {4, 16, 24}) {
        for (const std::int64_t d_inner : {5, 33, 80}) {
            for (const std::int64_t tokens : token_counts) {
                SCOPED_TRACE(join(d_state, " states, ", d_inner, " channels, ", tokens, " tokens"));
                expect_all_kinds(mamba1_scan(random_, tokens, d_inner, d_state));
                if (HasFatalFailure()) return;
            }
        }
    }
}

TEST_P(Scans, HeadScanMatchesTheReference) {
    constexpr backend::Mamba2Shape shapes[] = {
        {.n_heads = 3, .head_dim = 64, .n_groups = 1, .d_state = 16},
        {.n_heads = 4, .head_dim = 20, .n_groups = 2, .d_state = 24},
        {.n_heads = 6, .head_dim = 3, .n_groups = 2, .d_state = 4},
        {.n_heads = 2, .head_dim = 84, .n_groups = 1, .d_state = 6}};
    for (const backend::Mamba2Shape& shape : shapes) {
        for (const std::int64_t tokens : token_counts) {
            SCOPED_TRACE(join(shape.n_heads, " heads of ", shape.head_dim, ", ", shape.n_groups,
                              " groups, ", shape.d_state, " states, ", tokens, " tokens"));
            expect_all_kinds(mamba2_scan(random_, tokens, shape));
            if (HasFatalFailure()) return;
        }
    }
}

class BothScans : public Scans {
protected:
    template <typename Check>
    void for_both(std::int64_t tokens, const Check& check) {
        for (const bool filter : {false, true}) {
            SCOPED_TRACE(join("filter ", filter));
            std::vector<Scan> scans{mamba1_scan(random_, tokens, 37, 16),
                                    mamba1_scan(random_, tokens, 37, 6),
                                    mamba2_scan(random_, tokens, {4, 20, 2, 10})};
            for (Scan& scan : scans) {
                if (filter) add_filter(scan, random_);
                check(scan);
                if (HasFatalFailure()) return;
            }
        }
    }
};

SIPO_FOR_EVERY_SUBJECT(BothScans);

TEST_P(BothScans, GiveTheSameHoweverTheRowsAreCut) {
    constexpr std::int64_t tokens = 300;
    for_both(tokens, [&](Scan& scan) {
        for (const bool some_rows : {false, true}) {
            scan.rows.reset();
            if (some_rows) scan.rows = random_.subset(tokens);
            const auto in_parts = [&](std::vector<std::int64_t> cuts) {
                cuts.push_back(scan.visited());
                return run_subject([&](Machine& m) { return scan_in_parts(scan, cuts, m); });
            };
            const std::vector<Values> at_once = in_parts({});
            expect_same(in_parts({1, 2, 3, 10, 77}), at_once, subject_.tolerances.scan);
            expect_same(in_parts({64, 128}), at_once, subject_.tolerances.scan);
        }
    });
}

TEST_P(BothScans, LeaveTheStateAsItWasWhereDeltaIsZero) {
    for_both(70, [&](Scan& scan) {
        std::fill(scan.delta.data.begin(), scan.delta.data.end(), 0.0F);
        const std::vector<Values> out =
            run_subject([&](Machine& m) { return scan_at_once(scan, m); });
        expect_same_bits(out[1], scan.state);
    });
}

TEST_P(BothScans, LeaveTheStateAsItWasWhereTheFilterStopsEveryDelta) {
    for_both(70, [&](Scan& scan) {
        scan.filter = true;
        std::fill(scan.threshold.data.begin(), scan.threshold.data.end(), 1.0F);
        std::fill(scan.scale.data.begin(), scan.scale.data.end(), 1.0F);
        const std::vector<Values> out =
            run_subject([&](Machine& m) { return scan_at_once(scan, m); });
        expect_same_bits(out[1], scan.state);
    });
}

TEST_P(BothScans, FilterOnlyWhatIsStrictlyAboveTheThreshold) {
    for_both(5, [&](Scan& scan) {
        scan.filter = true;
        std::fill(scan.delta.data.begin(), scan.delta.data.end(), 0.25F);
        std::fill(scan.threshold.data.begin(), scan.threshold.data.end(), 0.25F);
        std::fill(scan.scale.data.begin(), scan.scale.data.end(), 1.0F);
        const auto state_after = [&] {
            return run_subject([&](Machine& m) { return scan_at_once(scan, m); })[1];
        };
        expect_same_bits(state_after(), scan.state);
        std::fill(scan.threshold.data.begin(), scan.threshold.data.end(),
                  std::nextafter(0.25F, 0.0F));
        EXPECT_NE(state_after().data, scan.state.data);
    });
}

// What is filtered away is the same as a token that is not there, but for its readout.
TEST_P(BothScans, PassAFilteredTokenLikeOneThatIsNotVisited) {
    for_both(60, [&](Scan& scan) {
        scan.filter = true;
        std::fill(scan.threshold.data.begin(), scan.threshold.data.end(), 0.5F);
        std::fill(scan.scale.data.begin(), scan.scale.data.end(), 1.0F);
        std::vector<std::int64_t> passing;
        for (std::int64_t t = 0; t < scan.x.rows; ++t) {
            const bool passes = t % 3 == 0;
            if (passes) passing.push_back(t);
            for (std::int64_t c = 0; c < scan.delta.cols; ++c)
                scan.delta(t, c) = passes ? 0.75F : 0.5F;
        }
        const auto state_after = [&] {
            return run_subject([&](Machine& m) { return scan_at_once(scan, m); })[1];
        };
        const Values filtered = state_after();
        scan.rows = passing;
        expect_same({filtered}, {state_after()}, subject_.tolerances.scan);
    });
}

TEST_P(Scans, OfManySequencesTogetherGiveWhatEachGivesAlone) {
    constexpr std::int64_t sequences = 7;
    for (const Scan& scan : {mamba1_scan(random_, sequences, 37, 16),
                             mamba2_scan(random_, sequences, {4, 20, 2, 24})}) {
        std::vector<Values> states;
        for (std::int64_t i = 0; i < sequences; ++i) {
            states.push_back(random_(scan.state.rows, scan.state.cols));
        }
        const auto run_as = [&](bool together) {
            return run_subject(
                [&](Machine& m) { return scan_sequences(scan, states, together, m); });
        };
        const std::vector<Values> alone = run_as(false);
        const std::vector<Values> together = run_as(true);
        expect_same(together, alone, subject_.tolerances.scan);
    }
}

}  // namespace
}  // namespace sipo::parity
