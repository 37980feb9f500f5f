#include "import/import_checkpoint.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "format/container.hpp"
#include "import/convert.hpp"
#include "import/hf_config.hpp"
#include "import/mamba_ssm_config.hpp"
#include "import/presets.hpp"
#include "import/safetensors.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

template <typename Action>
void expect_error(Code code, const std::string& part, const Action& action) {
    try {
        action();
        FAIL() << "no error; expected one about " << part;
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

struct Tensor {
    std::string dtype;
    std::vector<std::int64_t> shape;
    Bytes data;
};
using Tensors = std::map<std::string, Tensor>;

Tensor floats(std::vector<std::int64_t> shape, float value) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    const std::vector<float> values(count, value);
    const auto bytes = std::as_bytes(std::span(values));
    return {"F32", std::move(shape), {bytes.begin(), bytes.end()}};
}

Tensor halves(const std::string& dtype, std::vector<std::int64_t> shape, std::uint16_t bits) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    const std::vector<std::uint16_t> values(count, bits);
    const auto bytes = std::as_bytes(std::span(values));
    return {dtype, std::move(shape), {bytes.begin(), bytes.end()}};
}

Json small_config() {
    return {{"model_type", "mamba"}, {"hidden_size", 8},  {"num_hidden_layers", 1},
            {"state_size", 4},       {"vocab_size", 10},  {"expand", 2},
            {"conv_kernel", 4},      {"eos_token_id", 0}, {"tie_word_embeddings", true}};
}

Tensors small_tensors() {
    const std::string layer = "backbone.layers.0.";
    return {{"backbone.embeddings.weight", halves("BF16", {10, 8}, 0x3f80)},
            {layer + "norm.weight", floats({8}, 1.0F)},
            {layer + "mixer.in_proj.weight", halves("BF16", {32, 8}, 0x3f00)},
            {layer + "mixer.conv1d.weight", halves("BF16", {16, 1, 4}, 0x3e80)},
            {layer + "mixer.conv1d.bias", floats({16}, 0.5F)},
            {layer + "mixer.x_proj.weight", halves("BF16", {9, 16}, 0x3f80)},
            {layer + "mixer.dt_proj.weight", halves("BF16", {16, 1}, 0x3f80)},
            {layer + "mixer.dt_proj.bias", floats({16}, -4.0F)},
            {layer + "mixer.A_log", floats({16, 4}, 0.25F)},
            {layer + "mixer.D", floats({16}, 1.0F)},
            {layer + "mixer.out_proj.weight", halves("BF16", {8, 16}, 0x3f80)},
            {"backbone.norm_f.weight", floats({8}, 1.0F)}};
}

void put(const fs::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

std::string safetensors_text(const std::string& header, std::string_view data) {
    const std::uint64_t length = header.size();
    std::string text(sizeof length, '\0');
    std::memcpy(text.data(), &length, sizeof length);
    return text + header + std::string(data);
}

void put_safetensors(const fs::path& path, const Tensors& tensors) {
    Json header = {{"__metadata__", {{"format", "pt"}}}};
    std::string data;
    for (const auto& [name, tensor] : tensors) {
        const std::size_t begin = data.size();
        data.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
        header[name] = {{"dtype", tensor.dtype},
                        {"shape", tensor.shape},
                        {"data_offsets", {begin, data.size()}}};
    }
    put(path, safetensors_text(header.dump(), data));
}

class Imports : public testing::Test {
protected:
    Imports() {
        put(directory_ / "tokenizer.json", "{\"a tokenizer\": \"\xc3\xa9\"}");
        put(directory_ / "config.json", small_config().dump());
        put_safetensors(directory_ / "model.safetensors", small_tensors());
    }

    Container import(const ImportOptions& options = {}) const {
        import_checkpoint(directory_, out_, options);
        return Container::open(out_);
    }
    void expect_refused(Code code, const std::string& part) const {
        expect_error(code, part, [&] { import_checkpoint(directory_, out_, {}); });
        EXPECT_FALSE(fs::exists(out_));
    }
    void with_config(const std::function<void(Json&)>& change) const {
        Json config = small_config();
        change(config);
        put(directory_ / "config.json", config.dump());
    }
    void with_tensors(const std::function<void(Tensors&)>& change) const {
        Tensors tensors = small_tensors();
        change(tensors);
        put_safetensors(directory_ / "model.safetensors", tensors);
    }
    static std::vector<float> values_of(const Container& container, const std::string& name) {
        ThreadPool pool(1);
        const TensorEntry* const entry = container.find(name);
        const Bytes bytes = container.read(*entry, pool);
        std::vector<float> values(bytes.size() / dtype_size(entry->dtype));
        for (std::size_t i = 0; i < values.size(); ++i) {
            std::uint16_t bits = 0;
            if (entry->dtype == DType::f32) {
                std::memcpy(&values[i], bytes.data() + 4 * i, 4);
            } else {
                std::memcpy(&bits, bytes.data() + 2 * i, 2);
                values[i] = bf16_to_float(bits);
            }
        }
        return values;
    }

    writers::TemporaryDirectory temporary_{"import_test"};
    fs::path directory_ = temporary_.path();
    fs::path out_ = directory_ / "out.sipo";
    const std::string mixer_ = "backbone.layers.0.mixer.";
};

// Both reference checkpoints, in both weight types and both stores: every tensor's bytes are those
// of the checkpoint, converted.
class ReferenceCheckpoints : public testing::TestWithParam<std::tuple<const char*, DType, Store>> {
};

TEST_P(ReferenceCheckpoints, KeepEveryByte) {
    const auto [model, weights, store] = GetParam();
    const fs::path directory = fs::path(SIPO_TESTS_DIR) / "models" / model;
    const writers::TemporaryDirectory temporary("import_reference");
    const fs::path out = temporary.path() / "model.sipo";
    import_checkpoint(directory, out, {.weights = weights, .store = store, .threads = 2});
    const Container container = Container::open(out);
    EXPECT_EQ(container.architecture().training_length, 2048);
    EXPECT_EQ(container.provenance().source, model);
    EXPECT_EQ(container.tokenizer_json(), read_text_file(directory / "tokenizer.json", 1 << 20));
    const auto specs = tensor_specs(container.architecture());
    ASSERT_EQ(container.tensors().size(), specs.size());
    const SafetensorsFile file(directory / "model.safetensors");
    const SourceTensors tensors = open_safetensors(directory / "model.safetensors");
    ThreadPool pool(2);
    for (const TensorSpec& spec : specs) {
        const TensorEntry& entry = container.require(spec.name, spec.shape);
        EXPECT_EQ(entry.dtype, spec.matrix ? weights : DType::f32);
        const auto& source = file.entries().find(spec.name)->second;
        EXPECT_TRUE(container.read(entry, pool) ==
                    convert_tensor(spec.name, tensors.at(spec.name), entry.dtype));
        if (source.dtype == "BF16" && entry.dtype == DType::bf16) {
            const Bytes bytes = container.read(entry, pool);
            EXPECT_TRUE(
                std::equal(bytes.begin(), bytes.end(), source.data.begin(), source.data.end()));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceCheckpoints,
                         testing::Combine(testing::Values("passkey-mamba1", "passkey-mamba2"),
                                          testing::Values(DType::bf16, DType::f32),
                                          testing::Values(Store::zstd, Store::raw)));

TEST(ReferenceCheckpoint, OfMamba1HasItsArchitecture) {
    const fs::path path = fs::path(SIPO_TESTS_DIR) / "models/passkey-mamba1/config.json";
    const Architecture a = parse_hf_config(read_text_file(path, 10000), "config.json");
    Architecture expected;
    expected.n_layers = 8;
    expected.d_model = 256;
    expected.d_inner = 512;
    expected.d_state = 16;
    expected.dt_rank = 16;
    expected.vocab_size = 4096;
    EXPECT_EQ(a, expected);
}

TEST(ReferenceCheckpoint, OfMamba2HasItsArchitecture) {
    const fs::path path = fs::path(SIPO_TESTS_DIR) / "models/passkey-mamba2/config.json";
    const Architecture a = parse_hf_config(read_text_file(path, 10000), "config.json");
    Architecture expected;
    expected.family = Family::mamba2;
    expected.n_layers = 8;
    expected.d_model = 256;
    expected.d_inner = 512;
    expected.d_state = 64;
    expected.n_heads = 8;
    expected.head_dim = 64;
    expected.n_groups = 1;
    expected.delta_max = 1e30F;
    expected.vocab_size = 4096;
    EXPECT_EQ(a, expected);
}

TEST(HfConfig, FillsInWhatTransformersFillsIn) {
    const Architecture a = parse_hf_config(
        R"({"model_type": "mamba", "hidden_size": 40, "num_hidden_layers": 1, "vocab_size": 9,
            "time_step_rank": "auto", "eos_token_id": [7, 8], "training_length": 4096})",
        "c");
    EXPECT_EQ(a.d_inner, 80);
    EXPECT_EQ(a.dt_rank, 3);
    EXPECT_EQ(a.d_state, 16);
    EXPECT_EQ(a.d_conv, 4);
    EXPECT_EQ(a.end_of_text, 7);
    EXPECT_EQ(a.training_length, 4096);
    EXPECT_TRUE(a.tied_head);
}

TEST(HfConfig, ReadsPythonsInfinity) {
    const Architecture a = parse_hf_config(
        R"({"model_type": "mamba2", "hidden_size": 64, "num_hidden_layers": 1, "vocab_size": 9, "note": "\"Infinity",
            "num_heads": 2, "head_dim": 64, "n_groups": 1, "time_step_limit": [0.0, Infinity]})",
        "c");
    EXPECT_EQ(a.delta_min, 0.0F);
    EXPECT_EQ(a.delta_max, Architecture{}.delta_max);
    EXPECT_FALSE(a.tied_head);
}

TEST_F(Imports, TakeTheTypeOfTheCheckpoint) {
    EXPECT_EQ(import().find(mixer_ + "in_proj.weight")->dtype, DType::bf16);
    with_tensors([&](Tensors& t) { t[mixer_ + "in_proj.weight"] = floats({32, 8}, 0.5F); });
    EXPECT_EQ(import().find(mixer_ + "in_proj.weight")->dtype, DType::f32);
    EXPECT_EQ(import({.weights = DType::bf16}).find(mixer_ + "in_proj.weight")->dtype, DType::bf16);
    expect_error(Code::invalid_argument, "f16", [&] { import({.weights = DType::f16}); });
}

TEST_F(Imports, ConvertEveryType) {
    with_tensors([&](Tensors& t) {
        t[mixer_ + "in_proj.weight"] = halves("F16", {32, 8}, 0x3555);  // 0.333251953125
        t[mixer_ + "D"] = halves("BF16", {16}, 0xc000);
        t[mixer_ + "conv1d.weight"] = floats({16, 4}, 0.1F);
    });
    const Container f32 = import({.weights = DType::f32});
    EXPECT_EQ(values_of(f32, mixer_ + "in_proj.weight")[5], 0.333251953125F);
    EXPECT_EQ(values_of(f32, mixer_ + "D")[5], -2.0F);
    EXPECT_EQ(values_of(f32, mixer_ + "conv1d.weight")[5], 0.1F);
    EXPECT_EQ(f32.find(mixer_ + "conv1d.weight")->shape, (std::vector<std::int64_t>{16, 4}));
    EXPECT_EQ(values_of(import(), mixer_ + "in_proj.weight")[5], 0.333984375F);
}

TEST_F(Imports, ReportProgressAndStopWhenAsked) {
    std::uint64_t last = 0;
    std::uint64_t whole = 0;
    import_checkpoint(directory_, out_, {}, [&](std::uint64_t done, std::uint64_t total) {
        EXPECT_GE(done, last);
        last = done;
        whole = total;
        return 0;
    });
    EXPECT_EQ(last, whole);
    EXPECT_GT(whole, 1000U);
    const auto before = fs::last_write_time(out_);
    expect_error(Code::cancelled, "cancelled", [&] {
        import_checkpoint(directory_, out_, {},
                          [](std::uint64_t done, std::uint64_t) { return done > 0; });
    });
    EXPECT_EQ(fs::last_write_time(out_), before);
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 4);
}

TEST_F(Imports, IgnoreTheCopyOfATiedHead) {
    with_tensors([](Tensors& t) { t["lm_head.weight"] = floats({10, 8}, 0.0F); });
    EXPECT_EQ(import().find("lm_head.weight"), nullptr);
}

TEST_F(Imports, NeedTheHeadThatIsNotTied) {
    with_config([](Json& c) { c["tie_word_embeddings"] = false; });
    expect_refused(Code::corrupt_file, "\"lm_head.weight\"");
    with_tensors([](Tensors& t) { t["lm_head.weight"] = floats({10, 8}, 0.0F); });
    EXPECT_NE(import().find("lm_head.weight"), nullptr);
}

TEST_F(Imports, TakeTheEmbeddingsOlderName) {
    with_tensors([](Tensors& t) {
        auto node = t.extract("backbone.embeddings.weight");
        node.key() = "backbone.embedding.weight";
        t.insert(std::move(node));
    });
    EXPECT_NE(import().find("backbone.embeddings.weight"), nullptr);
}

TEST_F(Imports, ReadShards) {
    Tensors first = small_tensors();
    Tensors second;
    second.insert(first.extract(mixer_ + "D"));
    second.insert(first.extract("backbone.norm_f.weight"));
    fs::remove(directory_ / "model.safetensors");
    put_safetensors(directory_ / "model-00001-of-00002.safetensors", first);
    put_safetensors(directory_ / "model-00002-of-00002.safetensors", second);
    Json map;
    for (const auto& item : first) map[item.first] = "model-00001-of-00002.safetensors";
    for (const auto& item : second) map[item.first] = "model-00002-of-00002.safetensors";
    const auto put_index = [&] {
        put(directory_ / "model.safetensors.index.json",
            Json{{"metadata", {}}, {"weight_map", map}}.dump());
    };
    put_index();
    EXPECT_EQ(values_of(import(), mixer_ + "D")[3], 1.0F);
    fs::remove(out_);

    map[mixer_ + "D"] = "model-00001-of-00002.safetensors";
    put_index();
    expect_refused(Code::corrupt_file, mixer_ + "D");
    map[mixer_ + "D"] = "absent.safetensors";
    put_index();
    expect_refused(Code::not_found, "absent.safetensors");
    for (const char* bad : {"../x.safetensors", "/etc/passwd", "sub/x", "..", ".", ""}) {
        map[mixer_ + "D"] = bad;
        put_index();
        expect_refused(Code::corrupt_file, std::string("\"") + bad + "\"");
    }
    map[mixer_ + "D"] = 5;
    put_index();
    expect_refused(Code::corrupt_file, "not a string");
    put(directory_ / "model.safetensors.index.json", "{}");
    expect_refused(Code::corrupt_file, "weight_map");
}

TEST_F(Imports, NameTheMissingFile) {
    for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
        fs::rename(directory_ / name, directory_ / "aside");
        expect_refused(Code::not_found, name);
        fs::rename(directory_ / "aside", directory_ / name);
    }
    fs::remove(directory_ / "model.safetensors");
    put(directory_ / "pytorch_model.bin", "x");
    expect_refused(Code::corrupt_file, "pytorch_model.bin");
    expect_error(Code::not_found, "nowhere",
                 [&] { import_checkpoint(directory_ / "nowhere", out_, {}); });
}

TEST_F(Imports, RefuseModelsTheEngineDoesNotRun) {
    const auto expect_config = [&](const std::string& key, const Json& value,
                                   const std::string& part) {
        with_config([&](Json& c) { c[key] = value; });
        expect_refused(Code::unsupported, part);
    };
    expect_config("model_type", "gpt2", "\"gpt2\"");
    expect_config("hidden_act", "gelu", "\"gelu\"");
    expect_config("rms_norm", false, "rms_norm");
    expect_config("quantization_config", {{"bits", 4}}, "quantization_config");
    expect_config("hidden_size", 0, "d_model is 0");
    expect_config("vocab_size", -5, "vocab_size is -5");
    expect_config("num_hidden_layers", INT64_MAX, "n_layers");
    expect_config("expand", 1.3, "expand");
    expect_config("expand", 1e300, "expand");
}

TEST_F(Imports, RefuseOriginalConfigsTheEngineDoesNotRun) {
    const auto expect_config = [&](const std::string& key, const Json& value,
                                   const std::string& part) {
        Json config = {{"d_model", 8}, {"n_layer", 1}, {"vocab_size", 10}};
        config[key] = value;
        put(directory_ / "config.json", config.dump());
        expect_refused(Code::unsupported, part);
    };
    expect_config("rms_norm", false, "rms_norm");
    expect_config("attn_layer_idx", {3}, "attn_layer_idx");
    expect_config("d_intermediate", 64, "d_intermediate");
    expect_config("vocab_size", 0, "vocab_size");
    expect_config("vocab_size", INT64_MAX, "vocab_size");
    expect_config("pad_vocab_size_multiple", 0, "pad_vocab_size_multiple");
    expect_config("d_model", 0, "d_model is 0");
    expect_config("ssm_cfg", {{"layer", "Mamba3"}}, "\"Mamba3\"");
    expect_config("ssm_cfg", {{"surprise", 1}}, "\"surprise\"");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"rmsnorm", false}}, "rmsnorm");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"norm_before_gate", true}}, "norm_before_gate");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"D_has_hdim", true}}, "D_has_hdim");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"d_ssm", 8}}, "d_ssm");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"activation", "relu"}}, "\"relu\"");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"headdim", 0}}, "n_heads");
    expect_config("ssm_cfg", {{"layer", "Mamba2"}, {"headdim", 7}}, "n_heads * head_dim");
}

TEST(MambaSsmConfig, IsReadWithItsDefaults) {
    const Architecture mamba1 = parse_mamba_ssm_config(
        R"({"d_model": 768, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {}, "rms_norm": true,
            "residual_in_fp32": true, "fused_add_norm": true, "pad_vocab_size_multiple": 8})",
        "c");
    EXPECT_EQ(mamba1, preset_architecture("mamba-130m"));
    const Architecture mamba2 = parse_mamba_ssm_config(
        R"({"d_model": 768, "d_intermediate": 0, "n_layer": 24, "vocab_size": 50277,
            "ssm_cfg": {"layer": "Mamba2"}, "attn_layer_idx": [], "attn_cfg": {}, "rms_norm": true,
            "residual_in_fp32": true, "fused_add_norm": true, "pad_vocab_size_multiple": 16,
            "tie_embeddings": true})",
        "c");
    EXPECT_EQ(mamba2, preset_architecture("mamba2-130m"));
}

TEST(HfConfig, ReadsFalconMamba) {
    const Architecture a = parse_hf_config(
        R"({"model_type": "falcon_mamba", "hidden_size": 4096, "num_hidden_layers": 64, "vocab_size": 65024,
            "intermediate_size": 8192, "state_size": 16, "time_step_rank": 256, "eos_token_id": 11,
            "mixer_rms_eps": 1e-06, "tie_word_embeddings": false})",
        "c");
    EXPECT_EQ(a.family, Family::falcon_mamba);
    EXPECT_EQ(a.mixer_rms_eps, 1e-6F);
    EXPECT_FALSE(a.tied_head);
}

// Codestral Mamba's says that its norm comes before the gate; transformers never looks.
TEST(HfConfig, ReadsSeveralGroupsAndTransformersNewerInfinity) {
    const Architecture a = parse_hf_config(
        R"({"model_type": "mamba2", "hidden_size": 4096, "num_hidden_layers": 64, "vocab_size": 32768,
            "num_heads": 128, "head_dim": 64, "n_groups": 8, "norm_before_gate": true,
            "time_step_limit": [0.0, {"__float__": "Infinity"}], "tie_word_embeddings": false})",
        "c");
    EXPECT_EQ(a.n_groups, 8);
    EXPECT_EQ(a.delta_max, Architecture{}.delta_max);
    EXPECT_FALSE(a.tied_head);
}

TEST_F(Imports, RefuseAMalformedConfig) {
    const auto expect_config = [&](const std::string& key, const Json& value) {
        with_config([&](Json& c) { c[key] = value; });
        expect_refused(Code::corrupt_file, key);
    };
    expect_config("hidden_size", "8");
    expect_config("hidden_size", nullptr);
    expect_config("num_hidden_layers", 1.5);
    expect_config("tie_word_embeddings", 1);
    expect_config("layer_norm_epsilon", "small");
    expect_config("time_step_rank", "many");
    expect_config("eos_token_id", "zero");
    for (const char* text : {"", "[]", "{", "null", R"({"model_type": "mamba"})"}) {
        put(directory_ / "config.json", text);
        expect_refused(Code::corrupt_file, "config.json");
    }
    put(directory_ / "config.json", std::string(100000, '['));
    expect_refused(Code::corrupt_file, "nested");
    put(directory_ / "config.json", std::string(2 << 20, ' '));
    expect_refused(Code::unsupported, "limit");
}

TEST_F(Imports, RefuseTensorsThatDoNotFit) {
    const std::string name = mixer_ + "D";
    with_tensors([&](Tensors& t) { t.erase(name); });
    expect_refused(Code::corrupt_file, name);
    with_tensors([&](Tensors& t) { t[name] = floats({4, 4}, 1.0F); });
    expect_refused(Code::corrupt_file, "[4, 4]; config.json asks for [16]");
    with_tensors([&](Tensors& t) { t[mixer_ + "conv1d.weight"] = floats({16, 2, 4}, 1.0F); });
    expect_refused(Code::corrupt_file, "conv1d.weight");
    with_tensors([&](Tensors& t) { t["backbone.extra"] = floats({1}, 1.0F); });
    expect_refused(Code::unsupported, "\"backbone.extra\"");
    with_tensors([&](Tensors& t) { t[name] = {"F64", {16}, Bytes(128)}; });
    expect_refused(Code::unsupported, "\"F64\"");
    with_tensors([&](Tensors& t) { t[name] = {"I64", {16}, Bytes(128)}; });
    expect_refused(Code::unsupported, name);
}

TEST_F(Imports, RefuseWeightsThatAreNotFinite) {
    const std::string name = mixer_ + "in_proj.weight";
    const auto expect_bits = [&](Tensor tensor, std::uint32_t bits) {
        const std::size_t size = tensor.data.size() / 256;
        std::memcpy(tensor.data.data() + 77 * size, &bits, size);
        with_tensors([&](Tensors& t) { t[name] = tensor; });
        expect_refused(Code::corrupt_file, "element 77");
        expect_refused(Code::corrupt_file, name);
    };
    expect_bits(floats({32, 8}, 1.0F), 0x7fc00000);
    expect_bits(floats({32, 8}, 1.0F), 0xff800000);
    expect_bits(halves("BF16", {32, 8}, 0), 0x7f80);
    expect_bits(halves("BF16", {32, 8}, 0), 0xffff);
    expect_bits(halves("F16", {32, 8}, 0), 0x7c00);
    Tensor large = floats({32, 8}, 1.0F);
    const float value = 3.4e38F;  // finite, but above the largest bf16
    std::memcpy(large.data.data(), &value, 4);
    with_tensors([&](Tensors& t) { t[name] = large; });
    expect_error(Code::corrupt_file, "bf16", [&] { import({.weights = DType::bf16}); });
    EXPECT_NO_THROW(import({.weights = DType::f32}));
}

TEST_F(Imports, RefuseMalformedSafetensors) {
    const fs::path path = directory_ / "model.safetensors";
    const auto expect_text = [&](Code code, const std::string& text, const std::string& part) {
        put(path, text);
        expect_refused(code, part);
    };
    const auto one = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
        return safetensors_text(R"({"name": {"dtype": ")" + dtype + R"(", "shape": )" + shape +
                                    R"(, "data_offsets": )" + offsets + "}}",
                                std::string(64, 'x'));
    };
    const Code corrupt = Code::corrupt_file;
    expect_text(corrupt, "", "0 bytes");
    expect_text(corrupt, "1234567", "7 bytes");
    expect_text(corrupt, std::string(8, '\xff') + "{}", "header");
    expect_text(corrupt, safetensors_text("", ""), "malformed");
    expect_text(corrupt, safetensors_text("[]", ""), "object");
    expect_text(corrupt, safetensors_text("{\"name\": 5}", ""), "\"name\"");
    expect_text(corrupt, safetensors_text(std::string(1 << 20, '['), ""), "nested");
    expect_text(corrupt, safetensors_text(R"({"name": {}, "name": {}})", ""),
                "\"name\" is given twice");
    expect_text(corrupt, one("F32", "[16]", "[0, 68]"), "data_offsets");
    expect_text(corrupt, one("F32", "[16]", "[64, 0]"), "data_offsets");
    expect_text(corrupt, one("F32", "[16]", "[-4, 60]"), "data_offsets");
    expect_text(corrupt, one("F32", "[16]", "[0]"), "data_offsets");
    expect_text(corrupt, one("F32", "[16]", "[0, 18446744073709551615]"), "data_offsets");
    expect_text(corrupt, one("F32", "[15]", "[0, 64]"), "shape");
    expect_text(corrupt, one("F32", "[4611686018427387904, 4]", "[0, 0]"), "shape");
    expect_text(corrupt, one("F32", "[-16]", "[0, 64]"), "shape");
    expect_text(corrupt, one("F32", "[1.5]", "[0, 64]"), "shape");
    expect_text(corrupt, one("F32", "16", "[0, 64]"), "shape");
    expect_text(Code::unsupported, one("F4", "[16]", "[0, 64]"), "\"F4\"");
    expect_text(corrupt,
                safetensors_text(R"({"a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
                                             "b": {"dtype": "U8", "shape": [3], "data_offsets": [2, 5]}})",
                                 "12345"),
                "overlaps");
}

}  // namespace
}  // namespace sipo
