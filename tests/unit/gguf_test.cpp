#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "import/convert.hpp"
#include "import/gguf/gguf_blocks.hpp"
#include "import/gguf/gguf_checkpoint.hpp"
#include "import/gguf/gguf_file.hpp"
#include "import/presets.hpp"
#include "tokenizer/tokenizer.hpp"
#include "writers/gguf_writer.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;
using writers::GgufWriter;

Architecture small() {
    Architecture a;
    a.n_layers = 1;
    a.d_model = 8;
    a.d_inner = 16;
    a.d_state = 4;
    a.dt_rank = 1;
    a.vocab_size = 10;
    return a;
}

// The 256 bytes, and after them a few tokens of each kind.
void add_tokenizer(GgufWriter& out) {
    const Json bytes = parse_json(byte_tokenizer(), "bytes")["model"]["vocab"];
    std::vector<std::string> tokens(256);
    for (const auto& [token, id] : bytes.items()) tokens[id.get<std::size_t>()] = token;
    std::vector<std::int32_t> types(256, 1);
    const std::string space = tokens[' '];
    const auto add = [&](const std::string& token, std::int32_t type) {
        tokens.push_back(token);
        types.push_back(type);
    };
    add("<end>", 3);
    add("ab", 1);
    add(space + "ab", 1);
    add("<x>", 4);
    add("[PAD260]", 5);
    out.text("tokenizer.ggml.model", "gpt2");
    out.text("tokenizer.ggml.pre", "olmo");
    out.texts("tokenizer.ggml.tokens", tokens);
    out.i32s("tokenizer.ggml.token_type", types);
    out.texts("tokenizer.ggml.merges", {"a b", space + " ab"});
}

// Every tensor of the architecture, filled with 0.5 (A with -0.5).
void add_tensors(GgufWriter& out, const Architecture& a) {
    for (const TensorSpec& spec : tensor_specs(a)) {
        std::size_t count = 1;
        for (const std::int64_t size : spec.shape) count *= static_cast<std::size_t>(size);
        const float value = spec.name.ends_with("A_log") ? -0.5F : 0.5F;
        out.tensor(writers::gguf_name(spec.name), writers::gguf_shape(spec, a), 0,
                   writers::bytes_of(std::vector<float>(count, value)));
    }
}

class GgufFiles : public testing::Test {
protected:
    Checkpoint open(const std::string& bytes) const {
        writers::put_file(path_, bytes);
        return open_gguf(path_, std::nullopt);
    }
    static std::string intact(const Architecture& a = small()) {
        GgufWriter out = writers::gguf_metadata(a);
        add_tokenizer(out);
        add_tensors(out, a);
        return out.file();
    }
    void expect_refused(Code code, const std::string& part, const std::string& bytes) const {
        try {
            static_cast<void>(open(bytes));
            ADD_FAILURE() << "no error; expected one about " << part;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), code) << error.what();
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
        }
    }

    writers::TemporaryDirectory temporary_{"gguf"};
    fs::path path_ = temporary_.path() / "model.gguf";
};

TEST_F(GgufFiles, DescribeTheModel) {
    const Checkpoint mamba1 = open(intact());
    Architecture expected = small();
    EXPECT_EQ(mamba1.architecture, expected);
    EXPECT_EQ(mamba1.name, "a model");
    for (const TensorSpec& spec : tensor_specs(expected)) {
        ASSERT_TRUE(mamba1.tensors.contains(spec.name)) << spec.name;
        EXPECT_EQ(mamba1.tensors.at(spec.name).shape, spec.shape) << spec.name;
    }
    EXPECT_EQ(mamba1.tensors.size(), tensor_specs(expected).size());

    Architecture falcon = small();
    falcon.family = Family::falcon_mamba;
    falcon.mixer_rms_eps = falcon.norm_eps;
    falcon.tied_head = false;
    falcon.conv_bias = false;
    falcon.end_of_text = 3;
    EXPECT_EQ(open(intact(falcon)).architecture, falcon);

    Architecture mamba2 = small();
    mamba2.family = Family::mamba2;
    mamba2.dt_rank = 0;
    mamba2.n_heads = 8;
    mamba2.head_dim = 2;
    mamba2.n_groups = 4;
    const Checkpoint second = open(intact(mamba2));
    EXPECT_EQ(second.architecture, mamba2);
    for (const TensorSpec& spec : tensor_specs(mamba2)) {
        ASSERT_TRUE(second.tensors.contains(spec.name)) << spec.name;
        EXPECT_EQ(second.tensors.at(spec.name).shape, spec.shape) << spec.name;
    }
}

TEST_F(GgufFiles, HoldTheLogarithmOfMinusA) {
    const Checkpoint checkpoint = open(intact());
    const std::string name = "backbone.layers.0.mixer.A_log";
    const auto bytes = convert_tensor(name, checkpoint.tensors.at(name), DType::f32);
    float value = 0.0F;
    std::memcpy(&value, bytes.data(), sizeof value);
    EXPECT_FLOAT_EQ(value, std::log(0.5F));
    GgufWriter positive = writers::gguf_metadata(small());
    add_tokenizer(positive);
    positive.tensor("token_embd.weight", {10, 8}, 0, writers::bytes_of(std::vector<float>(80)));
    positive.tensor("blk.0.ssm_a", {16, 4}, 0, writers::bytes_of(std::vector<float>(64, 0.5F)));
    const Checkpoint broken = open(positive.file());
    EXPECT_THROW(convert_tensor(name, broken.tensors.at(name), DType::f32), Error);
}

TEST_F(GgufFiles, BringTheirTokenizer) {
    const Tokenizer tokenizer = Tokenizer::from_json(open(intact()).tokenizer);
    EXPECT_EQ(tokenizer.encode("ab ab<end>a<x>"),
              (std::vector<std::int32_t>{257, 258, 256, 'a', 259}));
    EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{257, 258, 256}, true), "ab ab");
    EXPECT_EQ(tokenizer.id_of("[PAD260]"), std::nullopt);
    GgufWriter other = writers::gguf_metadata(small());
    other.text("tokenizer.ggml.model", "llama");
    add_tensors(other, small());
    expect_refused(Code::unsupported, "\"llama / default\"", other.file());
    const fs::path beside = temporary_.path() / "another.json";
    writers::put_file(beside, "{}");
    EXPECT_EQ(open_gguf(path_, beside).tokenizer, "{}");
}

TEST_F(GgufFiles, RefuseWhatTheEngineDoesNotRun) {
    const auto refuse = [&](Code code, const std::string& part,
                            const std::function<void(GgufWriter&)>& add) {
        GgufWriter out;
        add(out);
        expect_refused(code, part, out.file());
    };
    refuse(Code::corrupt_file, "general.architecture", [](GgufWriter&) {});
    refuse(Code::unsupported, "\"llama\"",
           [](GgufWriter& out) { out.text("general.architecture", "llama"); });
    refuse(Code::corrupt_file, "mamba.block_count",
           [](GgufWriter& out) { out.text("general.architecture", "mamba"); });
    refuse(Code::corrupt_file, "not an integer", [](GgufWriter& out) {
        out.text("general.architecture", "mamba");
        out.f32("mamba.block_count", 1.0F);
    });
    refuse(Code::corrupt_file, "twice", [](GgufWriter& out) {
        out.text("x", "1");
        out.text("x", "2");
    });
    refuse(Code::unsupported, "type 13", [](GgufWriter& out) {
        out.tensor("token_embd.weight", {1, 256}, 13, std::string(176, '\0'));
    });
    refuse(Code::corrupt_file, "no whole blocks", [](GgufWriter& out) {
        out.tensor("token_embd.weight", {32, 33}, 8, std::string(34 * 33, '\0'));
    });
    refuse(Code::corrupt_file, "no place in", [](GgufWriter& out) {
        out.tensor("token_embd.weight", {1000, 1000}, 0, std::string(64, '\0'));
    });
    refuse(Code::out_of_range, "overflow", [](GgufWriter& out) {
        out.tensor("token_embd.weight", {INT64_MAX, INT64_MAX}, 0, "");
    });
    refuse(Code::corrupt_file, "dimension",
           [](GgufWriter& out) { out.tensor("token_embd.weight", {-1}, 0, ""); });
    expect_refused(Code::corrupt_file, "neither a directory nor a GGUF", "GGU");
    std::string old = intact();
    old[4] = 1;
    expect_refused(Code::unsupported, "version 1", old);
    std::string counts = intact();
    std::memset(counts.data() + 8, 0xff, 8);
    expect_refused(Code::unsupported, "tensors", counts);
    expect_refused(Code::corrupt_file, "bytes are due", intact().substr(0, 200));
}

// --- blocks -----------------------------------------------------------------------------------

TEST(GgufBlocks, OfQ8ArePlainProducts) {
    std::vector<float> values(64);
    std::mt19937 random(3);
    for (float& value : values) value = static_cast<float>(random() % 2000) / 500.0F - 2.0F;
    const std::string bytes = writers::quantised_q8_0(values);
    EXPECT_EQ(dequantize(*find_ggml_type(8), std::as_bytes(std::span(bytes))), values);
}

// Packs eight scales and offsets of 6 bits as the format wants them.
std::array<std::uint8_t, 12> six_bit_pairs(const std::array<unsigned, 8>& scales,
                                           const std::array<unsigned, 8>& offsets) {
    std::array<std::uint8_t, 12> packed{};
    for (std::size_t i = 0; i < 4; ++i) {
        packed[i] = static_cast<std::uint8_t>(scales[i] | (scales[i + 4] >> 4) << 6);
        packed[i + 4] = static_cast<std::uint8_t>(offsets[i] | (offsets[i + 4] >> 4) << 6);
        packed[i + 8] =
            static_cast<std::uint8_t>((scales[i + 4] & 15) | (offsets[i + 4] & 15) << 4);
    }
    return packed;
}

TEST(GgufBlocks, OfQ4HaveScalesAndOffsets) {
    std::mt19937 random(4);
    std::array<unsigned, 8> scales{};
    std::array<unsigned, 8> offsets{};
    for (auto& value : scales) value = random() % 64;
    for (auto& value : offsets) value = random() % 64;
    std::array<unsigned, 256> codes{};
    for (auto& value : codes) value = random() % 16;
    std::string block;
    writers::append(block, writers::float_to_f16(0.125F));
    writers::append(block, writers::float_to_f16(0.0625F));
    for (const std::uint8_t byte : six_bit_pairs(scales, offsets)) writers::append(block, byte);
    for (std::size_t i = 0; i < 256; i += 64) {
        for (std::size_t lane = 0; lane < 32; ++lane) {
            writers::append(block,
                            static_cast<std::uint8_t>(codes[i + lane] | codes[i + 32 + lane] << 4));
        }
    }
    const auto values = dequantize(*find_ggml_type(12), std::as_bytes(std::span(block)));
    ASSERT_EQ(values.size(), 256U);
    for (std::size_t i = 0; i < 256; ++i) {
        EXPECT_EQ(values[i], 0.125F * static_cast<float>(scales[i / 32] * codes[i]) -
                                 0.0625F * static_cast<float>(offsets[i / 32]))
            << i;
    }
}

TEST(GgufBlocks, OfQ6HaveSignedScales) {
    std::mt19937 random(5);
    std::array<int, 256> codes{};
    for (auto& value : codes) value = static_cast<int>(random() % 64) - 32;
    std::array<int, 16> scales{};
    for (auto& value : scales) value = static_cast<int>(random() % 256) - 128;
    std::array<std::uint8_t, 128> low{};
    std::array<std::uint8_t, 64> high{};
    for (std::size_t i = 0; i < 256; ++i) {
        const auto code = static_cast<unsigned>(codes[i] + 32);
        const std::size_t half = i / 128;
        const std::size_t at = i % 128;
        low[half * 64 + at % 64] |= static_cast<std::uint8_t>((code & 15) << (at / 64 * 4));
        high[half * 32 + at % 32] |= static_cast<std::uint8_t>((code >> 4) << (at / 32 * 2));
    }
    std::string block;
    for (const std::uint8_t byte : low) writers::append(block, byte);
    for (const std::uint8_t byte : high) writers::append(block, byte);
    for (const int scale : scales) writers::append(block, static_cast<std::int8_t>(scale));
    writers::append(block, writers::float_to_f16(0.25F));
    const auto values = dequantize(*find_ggml_type(14), std::as_bytes(std::span(block)));
    ASSERT_EQ(values.size(), 256U);
    for (std::size_t i = 0; i < 256; ++i) {
        EXPECT_EQ(values[i], 0.25F * static_cast<float>(scales[i / 16] * codes[i])) << i;
    }
}

}  // namespace
}  // namespace sipo
