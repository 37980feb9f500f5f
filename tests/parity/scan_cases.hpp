// Random scans of both kinds, and the ways to run one: at once, in parts, one token of each of many
// sequences.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "machine.hpp"

namespace sipo::parity {

inline constexpr float keep_all = -std::numeric_limits<float>::infinity();

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
inline void add_filter(Scan& scan, RandomValues& random) {
    scan.filter = true;
    scan.threshold = random(1, scan.delta.cols, 0.2, 0.8);
    scan.scale = random(1, scan.delta.cols, 0.5, 2.0);
    for (std::int64_t c = 0; c < scan.threshold.cols; c += 3) scan.threshold(0, c) = keep_all;
    for (std::int64_t c = 0; c < scan.scale.cols; c += 2) scan.scale(0, c) = 1.0F;
}

inline Scan mamba1_scan(RandomValues& random, std::int64_t tokens, std::int64_t d_inner,
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

inline Scan mamba2_scan(RandomValues& random, std::int64_t tokens,
                        const backend::Mamba2Shape& shape) {
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

// Δ as the model keeps it: of a few heads in f32.
inline View delta_of(const Scan& scan, Machine& machine) {
    return scan.mamba1() ? machine.tokens(scan.delta) : machine.tokens(scan.delta, DType::f32);
}

// Scans visited rows in parts that end at `cuts`, the state carried from one to the next; gives y
// and the last state.
inline std::vector<Values> scan_in_parts(const Scan& scan, const std::vector<std::int64_t>& cuts,
                                         Machine& machine) {
    const View x = machine.tokens(scan.x);
    const View delta = delta_of(scan, machine);
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

inline std::vector<Values> scan_at_once(const Scan& scan, Machine& machine) {
    return scan_in_parts(scan, {scan.visited()}, machine);
}

// One token of each of several sequences at once, or each by itself: the same.
inline std::vector<Values> scan_sequences(const Scan& scan, const std::vector<Values>& states,
                                          bool together, Machine& machine) {
    std::vector<View> carried;
    for (const Values& state : states) carried.push_back(machine.whole(state));
    const View y = machine.tokens(scan.visited(), scan.x.cols);
    backend::ScanInputs in;
    in.a = &machine.table(scan.a);
    in.d = &machine.table(scan.d);
    if (scan.filter) in.filter = {&machine.table(scan.threshold), &machine.table(scan.scale)};
    const View x = machine.tokens(scan.x);
    const View delta = delta_of(scan, machine);
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

}  // namespace sipo::parity
