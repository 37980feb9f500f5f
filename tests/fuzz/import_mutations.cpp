// Damages the files of a checkpoint in thousands of ways, always the same ones. Whatever happens,
// the importer writes a container that opens, or throws an Error and writes nothing.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "format/container.hpp"
#include "import/hf_config.hpp"
#include "import/import_checkpoint.hpp"
#include "import/safetensors.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, std::string_view text) {
    fs::remove(path);  // some file systems flush a file that is truncated and written anew
    std::ofstream(path, std::ios::binary) << text;
}

class ImportMutations : public testing::Test {
protected:
    ImportMutations() {
        put(directory_ / "tokenizer.json", "{}");
        put(directory_ / "config.json", config_);
        make_weights();
        put(directory_ / "model.safetensors", weights_);
    }

    void make_weights() {
        const Architecture a = parse_hf_config(config_, "config.json");
        Json header;
        std::size_t end = 0;
        for (const TensorSpec& spec : tensor_specs(a)) {
            std::size_t bytes = spec.matrix ? 2 : 4;
            for (const std::int64_t size : spec.shape) bytes *= static_cast<std::size_t>(size);
            header[spec.name] = {{"dtype", spec.matrix ? "BF16" : "F32"},
                                 {"shape", spec.shape},
                                 {"data_offsets", {end, end + bytes}}};
            end += bytes;
        }
        const std::string text = header.dump();
        const std::uint64_t length = text.size();
        weights_.resize(sizeof length);
        std::memcpy(weights_.data(), &length, sizeof length);
        weights_ += text + std::string(end, '\x11');
        header_end_ = sizeof length + text.size();
    }

    // One of the kinds of damage that text suffers: bits, digits, structure, cuts and repeats.
    static std::string damaged(std::string text, std::size_t begin, std::size_t end,
                               std::mt19937_64& random) {
        constexpr std::string_view marks = "{}[]\",:0123456789eE+-.\\ntf\0\xff";
        for (std::size_t change = 0; change < 1 + random() % 3; ++change) {
            const std::size_t at = begin + random() % (end - begin);
            switch (random() % 5) {
                case 0: text[at] = static_cast<char>(text[at] ^ (1 << (random() % 8))); break;
                case 1: text[at] = marks[random() % marks.size()]; break;
                case 2: text[at] = static_cast<char>('0' + random() % 10); break;
                case 3:
                    text.insert(at, text.substr(begin + random() % (end - begin), random() % 40));
                    break;
                default: text.erase(at, random() % 20);
            }
            end = std::min(end, text.size());
            if (begin >= end) break;
        }
        return text;
    }

    void survives() const {
        try {
            import_checkpoint(directory_, out_, {});
            static_cast<void>(Container::open(out_));
            fs::remove(out_);
        } catch (const Error&) {
            EXPECT_FALSE(fs::exists(out_));
        }
    }

    writers::TemporaryDirectory temporary_{"import_mutations"};
    fs::path directory_ = temporary_.path();
    fs::path out_ = directory_ / "out.sipo";
    std::string config_ =
        R"({"model_type": "mamba", "hidden_size": 8, "num_hidden_layers": 1, "state_size": 4, "vocab_size": 10,
            "expand": 2, "conv_kernel": 4, "time_step_rank": "auto", "eos_token_id": [0, 1], "rms_norm": true,
            "layer_norm_epsilon": 1e-05, "tie_word_embeddings": true, "time_step_limit": [0.0, Infinity]})";
    std::string weights_;
    std::size_t header_end_ = 0;
};

TEST_F(ImportMutations, OfTheConfig) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 2000; ++i) {
        std::string text = damaged(config_, 0, config_.size(), random);
        if (i % 2 == 0) {
            const std::size_t at = text.find("\"mamba\"");
            if (at != std::string::npos) text.replace(at, 7, "\"mamba2\"");
        }
        put(directory_ / "config.json", text);
        survives();
    }
}

TEST_F(ImportMutations, OfTheSafetensorsHeader) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 3000; ++i) {
        std::string text = damaged(weights_, 8, header_end_, random);
        // The length follows the header, so that its end is not what gives the damage away.
        if (i % 4 != 0 && text.size() >= weights_.size() - header_end_ + 8) {
            const std::uint64_t length = text.size() - (weights_.size() - header_end_) - 8;
            std::memcpy(text.data(), &length, sizeof length);
        }
        put(directory_ / "model.safetensors", text);
        survives();
    }
}

TEST_F(ImportMutations, OfTheSafetensorsLengthAndSize) {
    std::mt19937_64 random(3);
    for (std::size_t i = 0; i < 1000; ++i) {
        std::string text = weights_;
        if (i % 2 == 0) {
            const std::uint64_t length = random() >> (random() % 64);
            std::memcpy(text.data(), &length, sizeof length);
        } else {
            text.resize(random() % text.size());
        }
        put(directory_ / "model.safetensors", text);
        survives();
    }
}

TEST_F(ImportMutations, OfTheIndex) {
    std::mt19937_64 random(4);
    fs::rename(directory_ / "model.safetensors", directory_ / "a.safetensors");
    Json map;
    for (const TensorSpec& spec : tensor_specs(parse_hf_config(config_, "c"))) {
        map[spec.name] = "a.safetensors";
    }
    const std::string index = Json{{"weight_map", map}}.dump();
    for (int i = 0; i < 2000; ++i) {
        put(directory_ / "model.safetensors.index.json", damaged(index, 0, index.size(), random));
        survives();
    }
}

}  // namespace
}  // namespace sipo
