#include "import/mamba_ssm_config.hpp"

#include <algorithm>
#include <array>

#include "base/checked.hpp"
#include "base/error.hpp"
#include "base/quote.hpp"
#include "import/config_fields.hpp"

namespace sipo {
namespace {

Family family_of_layer(const JsonObject& ssm) {
    const std::string layer = ssm.text("layer", "Mamba1");
    if (layer == "Mamba1") return Family::mamba1;
    if (layer == "Mamba2") return Family::mamba2;
    unsupported_setting(ssm, "layer", quote(layer), R"("Mamba1" and "Mamba2")");
}

void require_no_elements(const JsonObject& config, const char* key) {
    if (!config.has(key) || config.array(key).empty()) return;
    unsupported_setting(config, key, "not empty", "models of Mamba layers alone");
}

// Arguments of the layers' constructors: what the engine reads, and what matters only to training
// and to the choice of a kernel. Any other might change the arithmetic.
void check_arguments(const JsonObject& ssm) {
    static constexpr std::array known = {
        "layer",        "d_state",          "d_conv",     "expand",        "dt_rank",
        "headdim",      "ngroups",          "conv_bias",  "bias",          "dt_limit",
        "rmsnorm",      "norm_before_gate", "D_has_hdim", "d_ssm",         "activation",
        "dt_min",       "dt_max",           "dt_init",    "dt_scale",      "dt_init_floor",
        "A_init_range", "conv_init",        "chunk_size", "use_fast_path", "use_mem_eff_path"};
    for (const auto& item : ssm.value().items()) {
        if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
            fail(Code::unsupported, ssm.source(), " has ", quote(item.key()),
                 ", which this engine does not know");
        }
    }
}

void read_mamba2_arguments(const JsonObject& ssm, Architecture& a) {
    require_setting(ssm, "rmsnorm", true);
    require_setting(ssm, "norm_before_gate", false);
    require_setting(ssm, "D_has_hdim", false);
    if (const std::string activation = ssm.text("activation", "swish");
        activation != "swish" && activation != "silu") {
        unsupported_setting(ssm, "activation", quote(activation), R"("swish")");
    }
    if (const std::int64_t d_ssm = ssm.integer("d_ssm", a.d_inner); d_ssm != a.d_inner) {
        unsupported_setting(ssm, "d_ssm", std::to_string(d_ssm), "layers without an MLP inside");
    }
    a.head_dim = ssm.integer("headdim", 64);
    a.n_heads = a.head_dim < 1 ? 0 : a.d_inner / a.head_dim;
    a.n_groups = ssm.integer("ngroups", 1);
    read_delta_limits(ssm, "dt_limit", a);
}

// Rows of the embedding: the vocabulary, rounded up.
std::int64_t padded_vocabulary(const JsonObject& config) {
    constexpr std::int64_t limit = std::int64_t{1} << 24;
    const std::int64_t tokens = config.integer("vocab_size");
    const std::int64_t multiple = config.integer("pad_vocab_size_multiple", 8);
    if (tokens < 1 || tokens > limit || multiple < 1 || multiple > limit) {
        fail(Code::unsupported, config.source(), R"(: "vocab_size" is )", tokens,
             R"( and "pad_vocab_size_multiple" )", multiple, "; both must be 1 to ", limit);
    }
    return round_up(tokens, multiple);
}

}  // namespace

bool is_mamba_ssm_config(std::string_view text, const std::string& source) {
    const Json json = parse_config(text, source);
    const JsonObject config(json, source);
    return !config.has("model_type") && config.has("d_model");
}

// The fallbacks are those of mamba_ssm's MambaConfig, Mamba and Mamba2.
Architecture parse_mamba_ssm_config(std::string_view text, const std::string& source) {
    const Json json = parse_config(text, source);
    const JsonObject config(json, source);
    const Json no_arguments = Json::object();
    const Json* const given = config.find("ssm_cfg");
    const JsonObject ssm(given != nullptr ? *given : no_arguments, source + ": \"ssm_cfg\"");
    check_arguments(ssm);
    require_setting(config, "rms_norm", true);
    require_no_elements(config, "attn_layer_idx");
    if (const std::int64_t mlp = config.integer("d_intermediate", 0); mlp != 0) {
        unsupported_setting(config, "d_intermediate", std::to_string(mlp),
                            "0, models of Mamba layers alone");
    }
    Architecture a;
    a.family = family_of_layer(ssm);
    a.n_layers = config.integer("n_layer");
    a.d_model = config.integer("d_model");
    a.d_inner = expanded(ssm, a.d_model, "d_model");
    a.d_state = ssm.integer("d_state", a.is_mamba1() ? 16 : 128);
    a.d_conv = ssm.integer("d_conv", 4);
    a.vocab_size = padded_vocabulary(config);
    a.tied_head = config.boolean("tie_embeddings", true);
    a.conv_bias = ssm.boolean("conv_bias", true);
    a.linear_bias = ssm.boolean("bias", false);
    a.training_length = config.integer("training_length", a.training_length);
    if (a.is_mamba1()) {
        a.dt_rank = dt_rank_of(ssm, "dt_rank", a.d_model);
    } else {
        read_mamba2_arguments(ssm, a);
    }
    validate_config(a, source);
    return a;
}

}  // namespace sipo
