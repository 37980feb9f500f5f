#include "import/hf_config.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"

namespace sipo {
namespace {

// Python writes an infinite time_step_limit as the bare word Infinity, which is no JSON. A huge
// number of the same width takes its place, so that positions in messages stay true.
std::string without_infinity(std::string_view text) {
    constexpr std::string_view word = "Infinity";
    constexpr std::string_view number = "1e308   ";
    std::string result(text);
    bool in_string = false;
    for (std::size_t i = 0; i < result.size(); ++i) {
        if (in_string && result[i] == '\\') {
            ++i;
        } else if (result[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && result.compare(i, word.size(), word) == 0) {
            result.replace(i, word.size(), number);
        }
    }
    return result;
}

[[noreturn]] void unsupported(const JsonObject& config, std::string_view key,
                              const std::string& value, const char* wanted) {
    fail(Code::unsupported, config.source(), ": \"", key, "\" is ", value, "; this engine runs ",
         wanted);
}

Family family_of(const JsonObject& config) {
    if (!config.has("model_type") && config.has("ssm_cfg")) {
        fail(Code::unsupported, config.source(), " is that of an original mamba_ssm checkpoint; ",
             "convert it to the Hugging Face layout first");
    }
    const std::string type = config.text("model_type");
    if (type == "mamba") return Family::mamba1;
    if (type == "mamba2") return Family::mamba2;
    unsupported(config, "model_type", quote(type), R"("mamba" and "mamba2")");
}

// Settings that change the arithmetic and that the engine knows in one value only.
void check_settings(const JsonObject& config, Family family) {
    const std::string act = config.text("hidden_act", "silu");
    if (act != "silu" && act != "swish") unsupported(config, "hidden_act", quote(act), R"("silu")");
    if (!config.boolean("rms_norm", true)) unsupported(config, "rms_norm", "false", "true");
    if (family == Family::mamba2 && config.boolean("norm_before_gate", false)) {
        unsupported(config, "norm_before_gate", "true", "false");
    }
    if (config.has("quantization_config")) {
        fail(Code::unsupported, config.source(), " has a \"quantization_config\"; ",
             "import the checkpoint it was quantised from");
    }
}

std::int64_t d_inner_of(const JsonObject& config, std::int64_t d_model) {
    if (config.has("intermediate_size")) return config.integer("intermediate_size");
    constexpr double too_large = 0x1p40;
    const double product = config.number("expand", 2.0) * static_cast<double>(d_model);
    if (!(std::abs(product) < too_large) || product != std::floor(product)) {
        fail(Code::unsupported, config.source(), R"(: "expand" times "hidden_size" is )", product,
             ", which is no size");
    }
    return static_cast<std::int64_t>(product);
}

std::int64_t dt_rank_of(const JsonObject& config, std::int64_t d_model) {
    const Json* const rank = config.find("time_step_rank");
    if (rank != nullptr && !(rank->is_string() && config.text("time_step_rank") == "auto")) {
        return config.integer("time_step_rank");
    }
    return d_model < 1 ? d_model : (d_model - 1) / 16 + 1;
}

float limit_of(const JsonObject& config, const Json& value) {
    constexpr float largest = Architecture{}.delta_max;
    if (!value.is_number()) {
        fail(Code::corrupt_file, config.source(), ": \"time_step_limit\" is not two numbers");
    }
    return static_cast<float>(std::min(value.get<double>(), static_cast<double>(largest)));
}

void read_time_step_limit(const JsonObject& config, Architecture& a) {
    if (!config.has("time_step_limit")) return;
    const Json& limit = config.array("time_step_limit");
    if (limit.size() != 2) {
        fail(Code::corrupt_file, config.source(), ": \"time_step_limit\" is not two numbers");
    }
    a.delta_min = limit_of(config, limit[0]);
    a.delta_max = limit_of(config, limit[1]);
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

// The fallbacks are those of transformers' MambaConfig and Mamba2Config.
Architecture read_common(const JsonObject& config, Family family) {
    Architecture a;
    a.family = family;
    a.n_layers = config.integer("num_hidden_layers");
    a.d_model = config.integer("hidden_size");
    a.d_inner = d_inner_of(config, a.d_model);
    a.d_state = config.integer("state_size", family == Family::mamba1 ? 16 : 128);
    a.d_conv = config.integer("conv_kernel", 4);
    a.vocab_size = config.integer("vocab_size");
    a.norm_eps = static_cast<float>(config.number("layer_norm_epsilon", 1e-5));
    a.tied_head = config.boolean("tie_word_embeddings", family == Family::mamba1);
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
    read_time_step_limit(config, a);
}

}  // namespace

Architecture parse_hf_config(std::string_view text, const std::string& source) {
    const Json json = parse_json(without_infinity(text), source);
    const JsonObject config(json, source);
    const Family family = family_of(config);
    check_settings(config, family);
    Architecture a = read_common(config, family);
    if (family == Family::mamba1) a.dt_rank = dt_rank_of(config, a.d_model);
    if (family == Family::mamba2) read_mamba2(config, a);
    try {
        validate(a);
    } catch (const Error& error) {
        fail(error.code(), source, ": ", error.what());
    }
    return a;
}

}  // namespace sipo
