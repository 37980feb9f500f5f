// Damages pytorch_model.bin in thousands of ways, always the same ones. Whatever happens, the reader
// gives tensors that can be read or an Error. SIPO_TEST_MUTATIONS=100000 for the long run.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "fuzz/damage.hpp"
#include "import/torch_bin/torch_file.hpp"
#include "writers/temporary_directory.hpp"
#include "writers/torch_writer.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

class TorchMutations : public testing::Test {
protected:
    static std::string written_by_torch() {
        std::ifstream in(
            fs::path(SIPO_TESTS_DIR) / "data/checkpoints/mamba2-original" / "pytorch_model.bin",
            std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    // Few enough bytes that most of the damage meets something that is read.
    static writers::TorchWriter small() {
        writers::TorchWriter writer;
        writer.add("a", "FloatStorage", 4, {2, 3}, std::string(24, '\1'));
        writer.add("b", "BFloat16Storage", 2, {4}, std::string(8, '\2'));
        writer.tensors["c"] = writer.tensors["a"];
        writer.tensors["c"].shape = {3, 2};
        writer.tensors["c"].strides = {1, 3};
        return writer;
    }

    // True when the file was read, false when it was refused.
    bool survives(const std::string& bytes) const {
        writers::put_file(path_, bytes);
        try {
            std::uint64_t sum = 0;
            for (const auto& [name, tensor] : open_torch_file(path_)) {
                std::vector<std::byte> room;
                for (const std::byte byte : tensor.read(room))
                    sum += std::to_integer<unsigned>(byte);
            }
            static_cast<void>(sum);
            return true;
        } catch (const Error&) {
            return false;
        }
    }

    writers::TemporaryDirectory temporary_{"torch_mutations"};
    fs::path path_ = temporary_.path() / "model.bin";
};

TEST_F(TorchMutations, OfTheWholeFile) {
    const std::string intact = small().file();
    ASSERT_TRUE(survives(intact));
    std::mt19937_64 random(1);
    int refused = 0;
    const int count = mutation_count(3000);
    for (int i = 0; i < count; ++i) {
        if (!survives(damaged_bytes(intact, 0, intact.size(), random))) ++refused;
    }
    EXPECT_GT(refused, count / 10);
    RecordProperty("refused", refused);
}

// The archive stays sound, so that all of the damage reaches the machine that reads the pickle.
TEST_F(TorchMutations, OfTheProgram) {
    const writers::TorchWriter writer = small();
    const std::string program = writer.program();
    std::mt19937_64 random(2);
    int refused = 0;
    const int count = mutation_count(3000);
    for (int i = 0; i < count; ++i) {
        if (!survives(writer.file_with(damaged_bytes(program, 0, program.size(), random)))) {
            ++refused;
        }
    }
    EXPECT_GT(refused, count / 2);
    RecordProperty("refused", refused);
}

TEST_F(TorchMutations, OfTheArchivesDirectory) {
    const std::string intact = small().file();
    const std::size_t directory = intact.find("PK\1\2");
    std::mt19937_64 random(3);
    for (int i = 0; i < mutation_count(3000); ++i) {
        survives(damaged_bytes(intact, directory, intact.size(), random));
    }
}

TEST_F(TorchMutations, OfAFileThatTorchWrote) {
    const std::string intact = written_by_torch();
    ASSERT_TRUE(survives(intact));
    const std::size_t program = intact.find("\x80\2");
    std::mt19937_64 random(4);
    for (int i = 0; i < mutation_count(500); ++i) {
        const std::size_t begin = i % 2 == 0 ? program : intact.rfind("PK\1\2") / 2;
        const std::size_t end = i % 2 == 0 ? program + 4000 : intact.size();
        survives(damaged_bytes(intact, begin, end, random));
    }
}

}  // namespace
}  // namespace sipo
