// The two scans, CPU against reference: every size of state and head, with and without the filter
// of Δ and a subset of rows, and the rules of the recurrence that all methods rely on.
//
// Tolerance: the recurrence forgets, so that its rounding errors do not pile up with the tokens;
// what is left is the exponential's 2e-7, the float32 rounding of h, and the sum over the states.
#include <limits>

#include "machine.hpp"

namespace sipo::parity {
namespace {

constexpr double tolerance = 5e-6;
constexpr std::int64_t token_counts[] = {1, 2, 3, 7, 64, 257};
constexpr float keep_all = -std::numeric_limits<float>::infinity();

// The inputs of a scan; the shape is empty for Mamba-1.
struct Scan {
    Values x, delta, b, c, z, a, d, threshold, scale, state;
    backend::Mamba2Shape shape;
    bool filter = false;
    std::optional<std::vector<std::int64_t>> rows;

    [[nodiscard]] std::int64_t visited() const {
        return rows ? static_cast<std::int64_t>(rows->size()) : x.rows;
    }
    [[nodiscard]] bool mamba1() const { return shape.n_heads == 0; }
};

// About half of the filtered channels' Δ pass; some channels are not filtered.
void add_filter(Scan& scan, RandomValues& random) {
    scan.filter = true;
    scan.threshold = random(1, scan.delta.cols, 0.2, 0.8);
    scan.scale = random(1, scan.delta.cols, 0.5, 2.0);
    for (std::int64_t c = 0; c < scan.threshold.cols; c += 3) scan.threshold(0, c) = keep_all;
    for (std::int64_t c = 0; c < scan.scale.cols; c += 2) scan.scale(0, c) = 1.0F;
}

Scan mamba1_scan(RandomValues& random, std::int64_t tokens, std::int64_t d_inner,
                 std::int64_t d_state) {
    return {.x = random(tokens, d_inner),
            .delta = random(tokens, d_inner, 0.0, 1.0),
            .b = random(tokens, d_state),
            .c = random(tokens, d_state),
            .z = random(tokens, d_inner, -4.0, 4.0),
            .a = random(d_state, d_inner, -4.0, -0.01),
            .d = random(1, d_inner),
            .threshold = Values(1, d_inner),
            .scale = Values(1, d_inner),
            .state = random(d_state, d_inner),
            .shape = {},
            .filter = false,
            .rows = {}};
}

Scan mamba2_scan(RandomValues& random, std::int64_t tokens, const backend::Mamba2Shape& shape) {
    const std::int64_t d_inner = shape.n_heads * shape.head_dim;
    const std::int64_t width = shape.n_groups * shape.d_state;
    return {.x = random(tokens, d_inner),
            .delta = random(tokens, shape.n_heads, 0.0, 1.0),
            .b = random(tokens, width),
            .c = random(tokens, width),
            .z = Values(0, 0),
            .a = random(1, shape.n_heads, -4.0, -0.01),
            .d = random(1, shape.n_heads),
            .threshold = Values(1, shape.n_heads),
            .scale = Values(1, shape.n_heads),
            .state = random(shape.n_heads * shape.d_state, shape.head_dim),
            .shape = shape,
            .filter = false,
            .rows = {}};
}

// Scans visited rows in parts that end at `cuts`, the state carried from one to the next; gives y
// and the last state.
std::vector<Values> scan_in_parts(const Scan& scan, const std::vector<std::int64_t>& cuts,
                                  Machine& machine) {
    const View x = machine.tokens(scan.x);
    const View delta = machine.tokens(scan.delta);
    const View b = machine.tokens(scan.b);
    const View c = machine.tokens(scan.c);
    const View z = scan.mamba1() ? machine.tokens(scan.z) : View();
    const View state = machine.whole(scan.state);
    const View y = machine.tokens(scan.visited(), scan.x.cols);
    backend::ScanInputs in;
    in.a = &machine.table(scan.a);
    in.d = &machine.table(scan.d);
    if (scan.filter) in.filter = {&machine.table(scan.threshold), &machine.table(scan.scale)};
    std::int64_t first = 0;
    for (const std::int64_t end : cuts) {
        const std::int64_t count = end - first;
        std::vector<std::int64_t> rows;
        if (scan.rows) {
            rows.assign(scan.rows->begin() + first, scan.rows->begin() + end);
            in.rows = &rows;
        }
        // A subset counts its rows in the whole; without one, the part is cut out.
        const auto part = [&](const View& view) {
            return scan.rows ? view : view.row_range(first, count);
        };
        in.x = part(x);
        in.delta = part(delta);
        in.b = part(b);
        in.c = part(c);
        const View out = y.row_range(first, count);
        if (scan.mamba1()) {
            machine->selective_scan(in, part(z), {&state, 1}, out);
        } else {
            machine->head_scan(in, scan.shape, {&state, 1}, out);
        }
        first = end;
    }
    return {machine.values(y), machine.values(state)};
}

std::vector<Values> scan_at_once(const Scan& scan, Machine& machine) {
    return scan_in_parts(scan, {scan.visited()}, machine);
}

class Scans : public EveryInstructionSet {
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
                              tolerance);
                if (HasFatalFailure()) return;
            }
        }
    }

    RandomValues random_{2};
};

SIPO_FOR_EVERY_INSTRUCTION_SET(Scans);

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

SIPO_FOR_EVERY_INSTRUCTION_SET(BothScans);

TEST_P(BothScans, GiveTheSameBitsHoweverTheRowsAreCut) {
    constexpr std::int64_t tokens = 300;
    for_both(tokens, [&](Scan& scan) {
        for (const bool some_rows : {false, true}) {
            scan.rows.reset();
            if (some_rows) scan.rows = random_.subset(tokens);
            const auto in_parts = [&](std::vector<std::int64_t> cuts) {
                cuts.push_back(scan.visited());
                return run([&](Machine& m) { return scan_in_parts(scan, cuts, m); }, cpu_, 1);
            };
            const std::vector<Values> at_once = in_parts({});
            expect_same_bits(in_parts({1, 2, 3, 10, 77}), at_once);
            expect_same_bits(in_parts({64, 128}), at_once);
        }
    });
}

TEST_P(BothScans, LeaveTheStateAsItWasWhereDeltaIsZero) {
    for_both(70, [&](Scan& scan) {
        std::fill(scan.delta.data.begin(), scan.delta.data.end(), 0.0F);
        const std::vector<Values> out =
            run([&](Machine& m) { return scan_at_once(scan, m); }, cpu_);
        expect_same_bits(out[1], scan.state);
    });
}

TEST_P(BothScans, LeaveTheStateAsItWasWhereTheFilterStopsEveryDelta) {
    for_both(70, [&](Scan& scan) {
        scan.filter = true;
        std::fill(scan.threshold.data.begin(), scan.threshold.data.end(), 1.0F);
        std::fill(scan.scale.data.begin(), scan.scale.data.end(), 1.0F);
        const std::vector<Values> out =
            run([&](Machine& m) { return scan_at_once(scan, m); }, cpu_);
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
            return run([&](Machine& m) { return scan_at_once(scan, m); }, cpu_)[1];
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
            return run([&](Machine& m) { return scan_at_once(scan, m); }, cpu_)[1];
        };
        const Values filtered = state_after();
        scan.rows = passing;
        expect_same_bits(filtered, state_after());
    });
}

// One token of each of several sequences at once, or each by itself: the same bits.
std::vector<Values> scan_sequences(const Scan& scan, const std::vector<Values>& states,
                                   bool together, Machine& machine) {
    std::vector<View> carried;
    for (const Values& state : states) carried.push_back(machine.whole(state));
    const View y = machine.tokens(scan.visited(), scan.x.cols);
    backend::ScanInputs in;
    in.a = &machine.table(scan.a);
    in.d = &machine.table(scan.d);
    const View x = machine.tokens(scan.x);
    const View delta = machine.tokens(scan.delta);
    const View b = machine.tokens(scan.b);
    const View c = machine.tokens(scan.c);
    const View z = scan.mamba1() ? machine.tokens(scan.z) : View();
    const std::int64_t step = together ? y.rows : 1;
    for (std::int64_t first = 0; first < y.rows; first += step) {
        const auto part = [&](const View& view) { return view.row_range(first, step); };
        in.x = part(x);
        in.delta = part(delta);
        in.b = part(b);
        in.c = part(c);
        const backend::States own(carried.data() + first, static_cast<std::size_t>(step));
        if (scan.mamba1()) {
            machine->selective_scan(in, part(z), own, part(y));
        } else {
            machine->head_scan(in, scan.shape, own, part(y));
        }
    }
    std::vector<Values> out{machine.values(y)};
    for (const View& state : carried) out.push_back(machine.values(state));
    return out;
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
            return run(
                [&](Machine& machine) { return scan_sequences(scan, states, together, machine); },
                cpu_);
        };
        const std::vector<Values> alone = run_as(false);
        const std::vector<Values> together = run_as(true);
        for (std::size_t i = 0; i < alone.size(); ++i) expect_same_bits(together[i], alone[i]);
    }
}

}  // namespace
}  // namespace sipo::parity
