#include "import/import_checkpoint.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/quote.hpp"
#include "format/layout.hpp"
#include "import/checkpoint_files.hpp"
#include "import/convert.hpp"
#include "import/hf_config.hpp"
#include "import/quantize.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_config_bytes = std::size_t{1} << 20;

using Tensors = std::map<std::string, const SafetensorsEntry*, std::less<>>;

// A tensor the model needs and where the checkpoint has it.
struct Match {
    TensorSpec spec;
    std::string name;  // in the checkpoint
    const SafetensorsEntry* entry;
};

std::string text_of(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (const std::int64_t size : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(size);
    return text + "]";
}

// The embedding lost its plural in some exports.
std::string name_in(const Tensors& tensors, const std::string& name) {
    if (!tensors.contains(name) && name == "backbone.embeddings.weight") {
        return "backbone.embedding.weight";
    }
    return name;
}

bool same_shape(const TensorSpec& spec, const std::vector<std::int64_t>& found) {
    if (found == spec.shape) return true;
    // A depthwise convolution has one input channel a group: [channels, 1, d_conv].
    return spec.name.ends_with("conv1d.weight") && found.size() == 3 && found[1] == 1 &&
           found[0] == spec.shape[0] && found[2] == spec.shape[1];
}

Match match(const Tensors& tensors, const TensorSpec& spec) {
    const std::string name = name_in(tensors, spec.name);
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
        fail(Code::corrupt_file, "the checkpoint has no tensor ", quote(spec.name));
    }
    const SafetensorsEntry& entry = *found->second;
    if (!same_shape(spec, entry.shape)) {
        fail(Code::corrupt_file, "tensor ", quote(name), " has the shape ", text_of(entry.shape),
             "; config.json asks for ", text_of(spec.shape));
    }
    if (!dtype_of(entry.dtype)) {
        fail(Code::unsupported, "tensor ", quote(name), " has the dtype ", quote(entry.dtype),
             "; F32, BF16 and F16 are read");
    }
    return {spec, name, &entry};
}

// A tensor that no equation uses means that the model is not what config.json says.
void check_nothing_left(const Tensors& tensors, const std::vector<Match>& matches, bool tied_head) {
    std::set<std::string_view> used;
    for (const Match& item : matches) used.insert(item.name);
    if (tied_head) used.insert("lm_head.weight");  // a copy of the embedding, by the config's word
    for (const auto& [name, entry] : tensors) {
        if (!used.contains(name)) {
            fail(Code::unsupported, "the checkpoint has a tensor ", quote(name),
                 " that a model of this config.json does not use");
        }
    }
}

std::vector<Match> match_all(const Tensors& tensors, const Architecture& architecture) {
    std::vector<Match> matches;
    for (const TensorSpec& spec : tensor_specs(architecture))
        matches.push_back(match(tensors, spec));
    check_nothing_left(tensors, matches, architecture.tied_head);
    return matches;
}

DType default_weights(const std::vector<Match>& matches) {
    const bool two_bytes = std::all_of(matches.begin(), matches.end(), [](const Match& item) {
        return !item.spec.matrix || dtype_of(item.entry->dtype) != DType::f32;
    });
    return two_bytes ? DType::bf16 : DType::f32;
}

// The directory's own name, also when it was given as "." or with a slash at the end.
std::string name_of(const fs::path& directory) {
    std::error_code ignored;
    return fs::canonical(directory, ignored).filename().string();
}

void check_options(const ImportOptions& options) {
    if (options.weights == DType::f16) {
        fail(Code::invalid_argument, "weights are stored as f32, bf16, q8 or q4, not f16");
    }
}

void write_tensors(ContainerWriter& writer, const std::vector<Match>& matches, DType weights,
                   const Architecture& architecture, ThreadPool& pool, const ProgressFn& progress) {
    std::uint64_t total = 0;
    for (const Match& item : matches) total += item.entry->data.size();
    std::uint64_t done = 0;
    report(progress, done, total);
    for (const Match& item : matches) {
        const DType dtype = stored_type(item.spec, weights);
        // Quantised from f32, so that it does not matter what the checkpoint has.
        const DType first = is_quantised(dtype) ? DType::f32 : dtype;
        const auto bytes = convert_tensor(item.name, *item.entry, first);
        add_weights(writer, item.spec, dtype, bytes, architecture, pool);
        done += item.entry->data.size();
        report(progress, done, total);
    }
}

}  // namespace

void import_checkpoint(const fs::path& directory, const fs::path& out, const ImportOptions& options,
                       const ProgressFn& progress) {
    check_options(options);
    const fs::path config = directory / "config.json";
    Architecture architecture =
        parse_hf_config(read_text_file(config, max_config_bytes), config.string());
    if (options.training_length) architecture.training_length = *options.training_length;
    const std::string tokenizer = read_text_file(directory / "tokenizer.json", max_blob_bytes);
    const CheckpointFiles files(directory);
    const std::vector<Match> matches = match_all(files.tensors(), architecture);

    ContainerWriter writer(out, {.store = options.store, .threads = options.threads});
    writer.set_architecture(architecture);
    writer.set_provenance({.source = name_of(directory),
                           .importer = "sipo " SIPO_VERSION,
                           .note = "imported from a Hugging Face checkpoint"});
    writer.set_tokenizer(tokenizer);
    ThreadPool pool(options.threads);
    write_tensors(writer, matches, options.weights.value_or(default_weights(matches)), architecture,
                  pool, progress);
    writer.commit();
}

}  // namespace sipo
