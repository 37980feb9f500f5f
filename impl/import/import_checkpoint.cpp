#include "import/import_checkpoint.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/quote.hpp"
#include "import/checkpoint.hpp"
#include "import/convert.hpp"
#include "import/quantize.hpp"

namespace sipo {
namespace {

namespace fs = std::filesystem;

// A tensor the model needs as the checkpoint has it.
struct Match {
    TensorSpec spec;
    const SourceTensor* source;
};

std::string text_of(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (const std::int64_t size : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(size);
    return text + "]";
}

bool same_shape(const TensorSpec& spec, const std::vector<std::int64_t>& found) {
    if (found == spec.shape) return true;
    // A depthwise convolution has one input channel a group: [channels, 1, d_conv].
    return spec.name.ends_with("conv1d.weight") && found.size() == 3 && found[1] == 1 &&
           found[0] == spec.shape[0] && found[2] == spec.shape[1];
}

Match match(const Checkpoint& checkpoint, const TensorSpec& spec) {
    const auto found = checkpoint.tensors.find(spec.name);
    if (found == checkpoint.tensors.end()) {
        fail(Code::corrupt_file, "the checkpoint has no tensor ", quote(spec.name));
    }
    const SourceTensor& source = found->second;
    if (!same_shape(spec, source.shape)) {
        fail(Code::corrupt_file, "tensor ", quote(spec.name), " has the shape ",
             text_of(source.shape), "; ", checkpoint.description, " asks for ",
             text_of(spec.shape));
    }
    if (!source.elements) {
        fail(Code::unsupported, "tensor ", quote(spec.name), " has the dtype ", quote(source.dtype),
             "; F32, BF16 and F16 are read");
    }
    return {spec, &source};
}

// A tensor that no equation uses means that the model is not what its description says.
void check_nothing_left(const Checkpoint& checkpoint, const std::vector<Match>& matches) {
    std::set<std::string_view> used;
    for (const Match& item : matches) used.insert(item.spec.name);
    // A copy of the embedding, by the description's word.
    if (checkpoint.architecture.tied_head) used.insert("lm_head.weight");
    for (const auto& [name, entry] : checkpoint.tensors) {
        if (!used.contains(name)) {
            fail(Code::unsupported, "the checkpoint has a tensor ", quote(name),
                 " that a model of this ", checkpoint.description, " does not use");
        }
    }
}

std::vector<Match> match_all(const Checkpoint& checkpoint) {
    std::vector<Match> matches;
    for (const TensorSpec& spec : tensor_specs(checkpoint.architecture))
        matches.push_back(match(checkpoint, spec));
    check_nothing_left(checkpoint, matches);
    return matches;
}

DType default_weights(const std::vector<Match>& matches) {
    const bool two_bytes = std::all_of(matches.begin(), matches.end(), [](const Match& item) {
        return !item.spec.matrix || item.source->dtype != "F32";
    });
    return two_bytes ? DType::bf16 : DType::f32;
}

void check_options(const ImportOptions& options) {
    if (options.weights == DType::f16) {
        fail(Code::invalid_argument, "weights are stored as f32, bf16, q8 or q4, not f16");
    }
}

void write_tensors(ContainerWriter& writer, const std::vector<Match>& matches, DType weights,
                   const Architecture& architecture, ThreadPool& pool, const ProgressFn& progress) {
    std::uint64_t total = 0;
    for (const Match& item : matches) total += item.source->file_bytes;
    std::uint64_t done = 0;
    report(progress, done, total);
    for (const Match& item : matches) {
        const DType dtype = stored_type(item.spec, weights);
        // Quantised from f32, so that it does not matter what the checkpoint has.
        const DType first = is_quantised(dtype) ? DType::f32 : dtype;
        const auto bytes = convert_tensor(item.spec.name, *item.source, first);
        add_weights(writer, item.spec, dtype, bytes, architecture, pool);
        done += item.source->file_bytes;
        report(progress, done, total);
    }
}

}  // namespace

void import_checkpoint(const fs::path& path, const fs::path& out, const ImportOptions& options,
                       const ProgressFn& progress) {
    check_options(options);
    Checkpoint checkpoint = open_checkpoint(path, options.tokenizer);
    if (options.training_length) checkpoint.architecture.training_length = *options.training_length;
    const std::vector<Match> matches = match_all(checkpoint);

    ContainerWriter writer(out, {.store = options.store, .threads = options.threads});
    writer.set_architecture(checkpoint.architecture);
    writer.set_provenance(
        {.source = checkpoint.name, .importer = "sipo " SIPO_VERSION, .note = checkpoint.note});
    writer.set_tokenizer(checkpoint.tokenizer);
    ThreadPool pool(options.threads);
    write_tensors(writer, matches, options.weights.value_or(default_weights(matches)),
                  checkpoint.architecture, pool, progress);
    writer.commit();
}

}  // namespace sipo
