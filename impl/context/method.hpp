// Context methods: what carries a model beyond its training length.
//
// A method is one file in this folder and one line in method.cpp's registry. Before a prefill it is
// asked, by plan(), what it wants of each layer; the session does it. A method sees the request and
// the calibration, never the model's blocks: everything it can do is in LayerPlan.
//
// Used by impl/session. Depends on impl/format (architecture, calibration profile) and impl/base.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/architecture.hpp"
#include "format/calibration_profile.hpp"

namespace sipo::context {

enum class Method : std::int32_t { none = 0, decimamba = 100, longmamba = 110 };

// Which channels LongMamba filters; all but global are the paper's ablations.
enum class Channels : std::int32_t { global = 0, local = 100, random = 110 };

// The options of all methods; each reads its own. Ranges: sipo.h.
struct Options {
    Method method = Method::none;
    std::optional<std::vector<std::int32_t>> layers;  // ascending; not given: the method's default
    double decimation_rate = 0.5;
    std::optional<std::int64_t> decimation_capacity;  // not given: the training length
    std::int64_t decimation_min_tokens = 20;
    std::int64_t protected_tail = 1;
    double global_channel_threshold = 1e-2;
    Channels filtered_channels = Channels::global;
    std::uint64_t channel_seed = 0;
    std::int64_t expected_tokens = 0;  // S; 0: what the session has read with this prompt
};

struct Request {
    const Architecture& architecture;
    const Options& options;
    const CalibrationProfile* profile;  // where the method needs one
    std::int64_t tokens;                // of this prefill
    std::int64_t position;              // tokens the session has read before
};

// What a method asks of one layer.
struct LayerPlan {
    // Δ ← Δ > delta_threshold ? Δ · delta_scale : 0, per channel. Empty: Δ as it is.
    std::vector<float> delta_threshold;
    std::vector<float> delta_scale;
    // Keep this many tokens with the highest ‖Δ‖ beside the protected tail; not given: keep all.
    std::optional<std::int64_t> kept_tokens;
    std::int64_t protected_tail = 0;
};

using Plan = std::vector<LayerPlan>;  // one a layer

// Whether a layer of the plan drops tokens. Then what a prefill leaves depends on the whole prompt.
[[nodiscard]] bool drops_tokens(const Plan& plan);
// Equal for equal plans. Two prompts of the same plan that drops no tokens leave the same state
// after tokens that they share, bit for bit; nothing else is promised.
[[nodiscard]] std::uint64_t key_of(const Plan& plan);

struct MethodEntry {
    Method method;
    std::string_view name;
    bool needs_profile;
    Plan (*plan)(const Request& request);
    // The options that the method reads, on one line: sessions whose descriptions differ may not
    // go on with each other's state. Ignores tokens and position.
    std::string (*describe)(const Request& request);
};

[[nodiscard]] std::span<const MethodEntry> methods();
// Throws Code::out_of_range naming the methods there are.
[[nodiscard]] const MethodEntry& find_method(std::int32_t number);

// The layers a method acts on: those of the options, else `standard`.
[[nodiscard]] std::vector<std::int32_t> layer_scope(const Options& options,
                                                    const std::vector<std::int32_t>& standard);
[[nodiscard]] std::vector<std::int32_t> all_layers(const Architecture& architecture);

// For descriptions: "4, 5", and the shortest decimal that reads back as the same number.
[[nodiscard]] std::string text_of(std::span<const std::int32_t> layers);
[[nodiscard]] std::string text_of(double value);

}  // namespace sipo::context
