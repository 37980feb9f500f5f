// Damages GGUF files in thousands of ways, always the same ones. Whatever happens, the reader gives
// a checkpoint whose tensors can be read or an Error. SIPO_TEST_MUTATIONS=100000 for the long run.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.hpp"
#include "fuzz/damage.hpp"
#include "import/gguf/gguf_checkpoint.hpp"
#include "writers/gguf_writer.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

class GgufMutations : public testing::Test {
protected:
    GgufMutations() {
        Architecture a;
        a.n_layers = 1;
        a.d_model = 8;
        a.d_inner = 16;
        a.d_state = 4;
        a.dt_rank = 1;
        a.vocab_size = 10;
        writers::GgufWriter out = writers::gguf_metadata(a);
        out.text("tokenizer.ggml.model", "gpt2");
        out.texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<end>"});
        out.i32s("tokenizer.ggml.token_type", {1, 1, 1, 3});
        out.texts("tokenizer.ggml.merges", {"a b"});
        out.tensor("quantised", {2, 32}, 8, std::string(68, '\x11'));
        out.tensor("super blocks", {1, 256}, 12, std::string(144, '\x11'));
        for (const TensorSpec& spec : tensor_specs(a)) {
            std::size_t count = 1;
            for (const std::int64_t size : spec.shape) count *= static_cast<std::size_t>(size);
            out.tensor(writers::gguf_name(spec.name), spec.shape, 0,
                       writers::bytes_of(std::vector<float>(count, -0.5F)));
        }
        intact_ = out.file();
        header_end_ = intact_.find(std::string(34, '\x11'));
    }

    // True when the file was read, false when it was refused.
    bool survives(const std::string& bytes) const {
        writers::put_file(path_, bytes);
        try {
            const Checkpoint checkpoint = open_gguf(path_, std::nullopt);
            for (const auto& [name, tensor] : checkpoint.tensors) {
                std::vector<std::byte> room;
                static_cast<void>(tensor.read(room));
            }
            return true;
        } catch (const Error&) {
            return false;
        }
    }

    writers::TemporaryDirectory temporary_{"gguf_mutations"};
    fs::path path_ = temporary_.path() / "model.gguf";
    std::string intact_;
    std::size_t header_end_ = 0;
};

TEST_F(GgufMutations, OfTheHeader) {
    ASSERT_TRUE(survives(intact_));
    std::mt19937_64 random(1);
    int refused = 0;
    const int count = mutation_count(4000);
    for (int i = 0; i < count; ++i) {
        if (!survives(damaged_bytes(intact_, 0, header_end_, random))) ++refused;
    }
    EXPECT_GT(refused, count / 4);
    RecordProperty("refused", refused);
}

TEST_F(GgufMutations, OfTheWholeFile) {
    std::mt19937_64 random(2);
    for (int i = 0; i < mutation_count(2000); ++i) {
        survives(damaged_bytes(intact_, 0, intact_.size(), random));
    }
}

}  // namespace
}  // namespace sipo
