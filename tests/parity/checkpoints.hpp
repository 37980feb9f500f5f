// The reference checkpoints of tests/models as .sipo files and opened models.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "import/import_checkpoint.hpp"
#include "session/open_model.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo::parity {

inline constexpr const char* mamba1_checkpoint = "passkey-mamba1";
inline constexpr const char* mamba2_checkpoint = "passkey-mamba2";

// A path in a directory of its own, removed with the object.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& name)
        : directory_(name), path_(directory_.path() / name) {}
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    writers::TemporaryDirectory directory_;
    std::filesystem::path path_;
};

// The elements that a file is made of.
template <typename Element>
std::vector<Element> read_array(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    std::vector<Element> values(bytes.size() / sizeof(Element));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(Element));
    return values;
}

// The checkpoint as a container, imported at most once a process.
inline const std::filesystem::path& imported(const std::string& checkpoint, DType weights) {
    static std::map<std::string, std::unique_ptr<TemporaryFile>> files;
    std::unique_ptr<TemporaryFile>& file = files[checkpoint + dtype_name(weights)];
    if (file == nullptr) {
        file = std::make_unique<TemporaryFile>(join(checkpoint, "_", dtype_name(weights), ".sipo"));
        ImportOptions options;
        options.weights = weights;
        options.store = Store::raw;
        import_checkpoint(std::filesystem::path(SIPO_TESTS_DIR) / "models" / checkpoint,
                          file->path(), options);
    }
    return file->path();
}

inline std::shared_ptr<const OpenModel> open_checkpoint(const std::string& checkpoint,
                                                        DType weights = DType::f32,
                                                        const std::string& backend = "cpu") {
    OpenOptions options;
    options.backend = backend;
    return std::make_shared<OpenModel>(imported(checkpoint, weights), options);
}

}  // namespace sipo::parity
