#include "import/export_checkpoint.hpp"

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"
#include "format/container.hpp"
#include "import/checkpoint.hpp"
#include "import/hf_config.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

void make_empty_directory(const fs::path& directory) {
    std::error_code error;
    fs::create_directory(directory, error);
    if (!fs::is_directory(directory, error)) {
        fail(Code::io_error, "cannot make the directory ", directory.string());
    }
    if (!fs::is_empty(directory, error) || error) {
        fail(Code::invalid_argument, directory.string(), " is not empty; name a new directory");
    }
}

// A depthwise convolution has one input channel a group.
std::vector<std::int64_t> checkpoint_shape(const TensorSpec& spec) {
    if (!spec.name.ends_with("conv1d.weight")) return spec.shape;
    return {spec.shape[0], 1, spec.shape[1]};
}

const TensorEntry& plain_tensor(const Container& container, const TensorSpec& spec) {
    const TensorEntry& entry = container.require(spec.name, spec.shape);
    if (is_quantised(entry.dtype)) {
        fail(Code::unsupported, "the weights are ", dtype_name(entry.dtype),
             "; export the f32 or bf16 file that they were quantised from");
    }
    return entry;
}

// Eight bytes of length, then what lies where; padded so that the tensors are aligned.
std::string safetensors_header(const Container& container, const std::vector<TensorSpec>& specs) {
    Json header = {{"__metadata__", {{"format", "pt"}}}};
    std::uint64_t end = 0;
    for (const TensorSpec& spec : specs) {
        const TensorEntry& entry = plain_tensor(container, spec);
        const std::uint64_t begin = end;
        end += entry.payload.raw_bytes;
        header[spec.name] = {{"dtype", entry.dtype == DType::bf16 ? "BF16" : "F32"},
                             {"shape", checkpoint_shape(spec)},
                             {"data_offsets", {begin, end}}};
    }
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
}

void write_text(const fs::path& path, std::string_view text) {
    AtomicFile file(path);
    file.write(std::as_bytes(std::span(text)));
    file.commit();
}

void write_weights(const Container& container, const fs::path& path, int threads,
                   const ProgressFn& progress) {
    const std::vector<TensorSpec> specs = tensor_specs(container.architecture());
    const std::string header = safetensors_header(container, specs);
    const std::uint64_t length = header.size();
    std::uint64_t total = 0;
    for (const TensorSpec& spec : specs) total += plain_tensor(container, spec).payload.raw_bytes;
    std::uint64_t done = 0;
    report(progress, done, total);
    ThreadPool pool(threads);
    AtomicFile file(path);
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(std::as_bytes(std::span(header)));
    for (const TensorSpec& spec : specs) {
        const TensorEntry& entry = plain_tensor(container, spec);
        file.write(container.read(entry, pool));
        done += entry.payload.raw_bytes;
        report(progress, done, total);
    }
    file.commit();
}

}  // namespace

void export_checkpoint(const fs::path& model, const fs::path& directory, int threads,
                       const ProgressFn& progress) {
    const Container container = Container::open(model);
    const std::vector<TensorSpec> specs = tensor_specs(container.architecture());
    for (const TensorSpec& spec : specs) static_cast<void>(plain_tensor(container, spec));
    make_empty_directory(directory);
    write_weights(container, directory / "model.safetensors", threads, progress);
    write_text(directory / "tokenizer.json", container.tokenizer_json());
    const DType weights = plain_tensor(container, specs.front()).dtype;
    Json config = hf_config_of(container.architecture(), weights);
    config[exported_from_key] = {{"source", container.provenance().source},
                                 {"note", container.provenance().note}};
    write_text(directory / "config.json",
               config.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace sipo
