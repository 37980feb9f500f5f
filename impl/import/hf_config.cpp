#include "import/hf_config.hpp"

#include "base/error.hpp"
#include "base/quote.hpp"
#include "import/config_fields.hpp"

namespace sipo {
namespace {

Family family_of(const JsonObject& config) {
    const std::string type = config.text("model_type");
    if (type == "mamba") return Family::mamba1;
    if (type == "mamba2") return Family::mamba2;
    if (type == "falcon_mamba") return Family::falcon_mamba;
    unsupported_setting(config, "model_type", quote(type),
                        R"("mamba", "mamba2" and "falcon_mamba")");
}

// Settings that change the arithmetic and that the engine knows in one value only. The
// "norm_before_gate" of some Mamba-2 files is not among them: transformers never read it.
void check_settings(const JsonObject& config) {
    const std::string act = config.text("hidden_act", "silu");
    if (act != "silu" && act != "swish") {
        unsupported_setting(config, "hidden_act", quote(act), R"("silu")");
    }
    require_setting(config, "rms_norm", true);
    if (config.has("quantization_config")) {
        fail(Code::unsupported, config.source(), " has a \"quantization_config\"; ",
             "import the checkpoint it was quantised from");
    }
}

std::int32_t end_of_text_of(const JsonObject& config) {
    const Json* id = config.find("eos_token_id");
    if (id == nullptr) return 0;
    if (id->is_array() && !id->empty())
        id = &id->front();  // several may end a text; the first is it
    const std::int64_t value = json_integer(*id, config.source() + ": \"eos_token_id\"");
    if (value < 0 || value > INT32_MAX) {
        fail(Code::unsupported, config.source(), ": \"eos_token_id\" is ", value);
    }
    return static_cast<std::int32_t>(value);
}

// The fallbacks are those of transformers' MambaConfig, Mamba2Config and FalconMambaConfig.
Architecture read_common(const JsonObject& config, Family family) {
    Architecture a;
    a.family = family;
    a.n_layers = config.integer("num_hidden_layers");
    a.d_model = config.integer("hidden_size");
    a.d_inner = config.has("intermediate_size") ? config.integer("intermediate_size")
                                                : expanded(config, a.d_model, "hidden_size");
    a.d_state = config.integer("state_size", a.is_mamba1() ? 16 : 128);
    a.d_conv = config.integer("conv_kernel", 4);
    a.vocab_size = config.integer("vocab_size");
    a.norm_eps = static_cast<float>(config.number("layer_norm_epsilon", 1e-5));
    a.tied_head = config.boolean("tie_word_embeddings", a.is_mamba1());
    a.conv_bias = config.boolean("use_conv_bias", true);
    a.linear_bias = config.boolean("use_bias", false);
    a.end_of_text = end_of_text_of(config);
    a.training_length = config.integer("training_length", a.training_length);
    return a;
}

void read_mamba2(const JsonObject& config, Architecture& a) {
    a.n_heads = config.integer("num_heads", 128);
    a.head_dim = config.integer("head_dim", 64);
    a.n_groups = config.integer("n_groups", 8);
    read_delta_limits(config, "time_step_limit", a);
}

}  // namespace

Architecture parse_hf_config(std::string_view text, const std::string& source) {
    const Json json = parse_config(text, source);
    const JsonObject config(json, source);
    const Family family = family_of(config);
    check_settings(config);
    Architecture a = read_common(config, family);
    if (a.is_mamba1()) a.dt_rank = dt_rank_of(config, "time_step_rank", a.d_model);
    if (family == Family::falcon_mamba) {
        a.mixer_rms_eps = static_cast<float>(config.number("mixer_rms_eps", 1e-6));
    }
    if (family == Family::mamba2) read_mamba2(config, a);
    validate_config(a, source);
    return a;
}

}  // namespace sipo
