// Small random checkpoints of every architecture against the logits that Hugging Face transformers
// gave for them (tests/tools/make_parity_checkpoints.py), in every layout they come in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>

#include "base/file.hpp"
#include "base/json.hpp"
#include "checkpoints.hpp"
#include "format/container_writer.hpp"
#include "format/widen.hpp"
#include "golden.hpp"
#include "import/config_fields.hpp"
#include "import/export_checkpoint.hpp"
#include "import/presets.hpp"
#include "import/safetensors.hpp"
#include "import/torch_bin/torch_file.hpp"
#include "session/session.hpp"
#include "writers/gguf_writer.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo::parity {
namespace {

namespace fs = std::filesystem;

constexpr double tolerance = 1e-5;       // relative L2 of logits, f32
constexpr double gguf_tolerance = 1e-6;  // the logarithm of A is rounded twice

fs::path checkpoint_folder(const std::string& name) {
    return fs::path(SIPO_TESTS_DIR) / "data" / "checkpoints" / name;
}

std::shared_ptr<const OpenModel> open(const fs::path& path) {
    OpenOptions options;
    options.backend = "cpu";
    return std::make_shared<OpenModel>(path, options);
}

SessionOptions plain_options() {
    SessionOptions options;
    options.threads = 2;
    return options;
}

// The logits of the last `count` ids.
std::vector<float> logits_of(const fs::path& path, std::span<const std::int32_t> ids,
                             std::size_t count) {
    const auto model = open(path);
    Session session(model, plain_options());
    std::vector<float> logits(count * static_cast<std::size_t>(model->architecture().vocab_size));
    session.prefill_logits(ids, static_cast<std::int64_t>(count), logits);
    return logits;
}

class Transformers : public testing::TestWithParam<std::string> {
protected:
    Transformers() { std::ofstream(tokenizer_.path()) << byte_tokenizer(); }

    void import(const fs::path& from, const fs::path& to, DType weights = DType::f32) const {
        import_checkpoint(from, to, {.weights = weights, .tokenizer = tokenizer_.path()});
    }
    [[nodiscard]] std::vector<std::int32_t> ids() const {
        return read_array<std::int32_t>(checkpoint_folder(GetParam()) / "ids.bin");
    }
    [[nodiscard]] std::vector<float> all_logits(const fs::path& path) const {
        return logits_of(path, ids(), ids().size());
    }
    [[nodiscard]] std::vector<float> expected() const {
        return read_array<float>(checkpoint_folder(GetParam()) / "logits.bin");
    }

    TemporaryFile tokenizer_{"tokenizer.json"};
    TemporaryFile first_{"first.sipo"};
    TemporaryFile second_{"second.sipo"};
};

std::string model_name(const testing::TestParamInfo<std::string>& model) {
    std::string name = model.param;
    std::erase(name, '-');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Transformers,
                         testing::Values("mamba1", "mamba2", "mamba2-groups", "falcon-mamba"),
                         model_name);

TEST_P(Transformers, AgreesOnEveryLogit) {
    import(checkpoint_folder(GetParam()), first_.path());
    const std::vector<float> logits = all_logits(first_.path());
    ASSERT_EQ(logits.size(), expected().size());
    const double difference = relative_l2(logits, expected());
    EXPECT_LE(difference, tolerance);
    RecordProperty("relative_l2", std::to_string(difference));
    std::printf("%s: relative L2 %.2e\n", GetParam().c_str(), difference);
}

TEST_P(Transformers, AgreesTokenByToken) {
    import(checkpoint_folder(GetParam()), first_.path());
    const auto model = open(first_.path());
    const auto vocab = static_cast<std::size_t>(model->architecture().vocab_size);
    const std::vector<float> wanted = expected();
    Session session(model, plain_options());
    std::size_t token = 0;
    for (const std::int32_t id : ids()) {
        session.decode(id);
        const auto row = std::span(wanted).subspan(token++ * vocab, vocab);
        ASSERT_LE(relative_l2(session.logits(), row), tolerance) << "token " << token - 1;
    }
}

TEST_P(Transformers, StaysNearInBf16) {
    import(checkpoint_folder(GetParam()), first_.path(), DType::bf16);
    EXPECT_LE(relative_l2(all_logits(first_.path()), expected()), 3e-2);
}

// The weights of a container, whatever it says about where they come from.
void expect_same_model(const Container& left, const Container& right) {
    EXPECT_EQ(left.architecture(), right.architecture());
    ASSERT_EQ(left.tensors().size(), right.tensors().size());
    ThreadPool pool(1);
    for (const TensorEntry& entry : left.tensors()) {
        const TensorEntry& other = right.require(entry.name, entry.shape);
        EXPECT_EQ(entry.dtype, other.dtype) << entry.name;
        EXPECT_TRUE(left.read(entry, pool) == right.read(other, pool)) << entry.name;
    }
}

// As pytorch_model.bin, whole and in shards, with tensors in two bytes, strides and shared storages.
class OriginalLayout : public Transformers {};

INSTANTIATE_TEST_SUITE_P(Models, OriginalLayout,
                         testing::Values("mamba1", "mamba2", "mamba2-groups"), model_name);

TEST_P(OriginalLayout, IsTheSameModel) {
    import(checkpoint_folder(GetParam()), first_.path());
    import(checkpoint_folder(GetParam() + "-original"), second_.path());
    expect_same_model(Container::open(first_.path()), Container::open(second_.path()));
}

TEST(TorchFile, OfBeforeTorch16IsRefused) {
    try {
        static_cast<void>(open_torch_file(checkpoint_folder("legacy.bin")));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unsupported);
        EXPECT_NE(std::string(error.what()).find("before torch 1.6"), std::string::npos);
    }
}

// --- export -----------------------------------------------------------------------------------

class Exported {
public:
    explicit Exported(const fs::path& model) { export_checkpoint(model, folder(), 2); }
    [[nodiscard]] const fs::path& folder() const { return temporary_.path(); }

private:
    writers::TemporaryDirectory temporary_{"exported"};
};

bool same_bytes(const fs::path& left, const fs::path& right) {
    const MappedFile first(left);
    const MappedFile second(right);
    return std::equal(first.bytes().begin(), first.bytes().end(), second.bytes().begin(),
                      second.bytes().end());
}

TEST_P(Transformers, AnExportIsImportedAsTheSameFile) {
    for (const DType weights : {DType::f32, DType::bf16}) {
        import(checkpoint_folder(GetParam()), first_.path(), weights);
        const Exported exported(first_.path());
        import_checkpoint(exported.folder(), second_.path(), {});
        EXPECT_TRUE(same_bytes(first_.path(), second_.path())) << dtype_name(weights);
    }
}

TEST_P(OriginalLayout, IsExportedAndImportedAsTheSameFile) {
    import(checkpoint_folder(GetParam() + "-original"), first_.path());
    const Exported exported(first_.path());
    import_checkpoint(exported.folder(), second_.path(), {});
    EXPECT_TRUE(same_bytes(first_.path(), second_.path()));
}

TEST_P(Transformers, AnExportSaysWhatTransformersWrote) {
    import(checkpoint_folder(GetParam()), first_.path());
    const Exported exported(first_.path());
    const auto config_in = [](const fs::path& folder) {
        return parse_config(read_text_file(folder / "config.json", 1 << 20), "config.json");
    };
    const Json written = config_in(checkpoint_folder(GetParam()));
    const Json ours = config_in(exported.folder());
    for (const auto& [key, value] : ours.items()) {
        if (written.contains(key)) {
            EXPECT_EQ(value, written[key]) << key;
        }
    }
    const auto file = exported.folder() / "model.safetensors";
    const SourceTensors left = open_safetensors(file);
    const SourceTensors right = open_safetensors(checkpoint_folder(GetParam()) / file.filename());
    ASSERT_EQ(left.size(), right.size());
    for (const auto& [name, tensor] : left) {
        ASSERT_TRUE(right.contains(name)) << name;
        EXPECT_EQ(tensor.shape, right.at(name).shape) << name;
    }
}

TEST_P(Transformers, AnExportNeedsPlainWeightsAndAnEmptyDirectory) {
    const auto refusal = [](const std::function<void()>& action) {
        try {
            action();
        } catch (const Error& error) {
            return error.code();
        }
        return Code::internal;
    };
    import(checkpoint_folder(GetParam()), first_.path(), DType::q8);
    const writers::TemporaryDirectory temporary("exports");
    const fs::path fresh = temporary.path() / "fresh";
    EXPECT_EQ(refusal([&] { export_checkpoint(first_.path(), fresh, 1); }), Code::unsupported);
    EXPECT_FALSE(fs::exists(fresh));
    import(checkpoint_folder(GetParam()), first_.path());
    EXPECT_EQ(refusal([&] { export_checkpoint(first_.path(), first_.path(), 1); }), Code::io_error);
    const fs::path full = temporary.path() / "full";
    fs::create_directory(full);
    fs::copy_file(first_.path(), full / "model.sipo");
    EXPECT_EQ(refusal([&] { export_checkpoint(first_.path(), full, 1); }), Code::invalid_argument);
}

// --- GGUF -------------------------------------------------------------------------------------

// The checkpoint with one eps for all norms: GGUF has no other for those of FalconMamba's mixer.
class OneEps {
public:
    explicit OneEps(const fs::path& original) {
        Json config = parse_json(read_text_file(original / "config.json", 1 << 20), "config.json");
        if (config.contains("mixer_rms_eps"))
            config["mixer_rms_eps"] = config["layer_norm_epsilon"];
        std::ofstream(folder() / "config.json") << config.dump();
        fs::copy_file(original / "model.safetensors", folder() / "model.safetensors",
                      fs::copy_options::overwrite_existing);
    }
    [[nodiscard]] const fs::path& folder() const { return temporary_.path(); }

private:
    writers::TemporaryDirectory temporary_{"one_eps"};
};

// The two that need nothing that the format lacks: biases of projections, limits of delta.
class GgufLayout : public Transformers {};

INSTANTIATE_TEST_SUITE_P(Models, GgufLayout, testing::Values("mamba2-groups", "falcon-mamba"),
                         model_name);

TEST_P(GgufLayout, GivesTheSameLogits) {
    const OneEps checkpoint(checkpoint_folder(GetParam()));
    import(checkpoint.folder(), first_.path());
    const Container container = Container::open(first_.path());
    const Architecture& a = container.architecture();
    const TemporaryFile gguf("model.gguf");
    writers::put_file(gguf.path(), writers::gguf_of(container, writers::gguf_metadata(a)));
    import(gguf.path(), second_.path());
    EXPECT_EQ(Container::open(second_.path()).architecture(), a);
    EXPECT_LE(relative_l2(all_logits(second_.path()), all_logits(first_.path())), gguf_tolerance);
}

// The trained checkpoints, whose rows have whole blocks.
class TrainedGguf : public testing::TestWithParam<std::string> {
protected:
    [[nodiscard]] std::vector<std::int32_t> ids() const {
        auto all = golden_array<std::int32_t>(family_name(GetParam()) + "_short_ids");
        all.resize(64);
        return all;
    }
    [[nodiscard]] std::vector<float> last_logits(const fs::path& path) const {
        return logits_of(path, ids(), 8);
    }
    // `container` as a GGUF file, imported again.
    void round_trip(const std::string& bytes) const {
        const TemporaryFile gguf("model.gguf");
        writers::put_file(gguf.path(), bytes);
        import_checkpoint(
            gguf.path(), back_.path(),
            {.weights = DType::f32,
             .store = Store::raw,
             .tokenizer = fs::path(SIPO_TESTS_DIR) / "models" / GetParam() / "tokenizer.json"});
    }

    TemporaryFile back_{"back.sipo"};
};

INSTANTIATE_TEST_SUITE_P(Models, TrainedGguf, testing::Values(mamba1_checkpoint, mamba2_checkpoint),
                         checkpoint_test_name);

TEST_P(TrainedGguf, InF32GivesTheSameLogits) {
    const fs::path& path = imported(GetParam(), DType::f32);
    const Container container = Container::open(path);
    round_trip(writers::gguf_of(container, writers::gguf_metadata(container.architecture())));
    const double difference = relative_l2(last_logits(back_.path()), last_logits(path));
    EXPECT_LE(difference, gguf_tolerance);
    std::printf("%s: relative L2 %.2e\n", GetParam().c_str(), difference);
}

TEST_P(TrainedGguf, InQ8GivesTheLogitsOfTheWeightsItStandsFor) {
    const Container container = Container::open(imported(GetParam(), DType::f32));
    std::vector<std::pair<std::string, std::vector<float>>> changed;
    round_trip(writers::gguf_of(container, writers::gguf_metadata(container.architecture()), true,
                                &changed));
    ASSERT_GT(changed.size(), 16U);
    const TemporaryFile dequantised("dequantised.sipo");
    ContainerWriter writer(dequantised.path(), {.store = Store::raw});
    writer.set_architecture(container.architecture());
    writer.set_tokenizer(container.tokenizer_json());
    ThreadPool pool(1);
    for (const TensorEntry& entry : container.tensors()) {
        const auto found = std::find_if(changed.begin(), changed.end(),
                                        [&](const auto& item) { return item.first == entry.name; });
        if (found == changed.end()) {
            writer.add_tensor(entry.name, entry.dtype, entry.shape, container.read(entry, pool));
        } else {
            writer.add_tensor(entry.name, DType::f32, entry.shape,
                              std::as_bytes(std::span(found->second)));
        }
    }
    writer.commit();
    const double difference =
        relative_l2(last_logits(back_.path()), last_logits(dequantised.path()));
    EXPECT_LE(difference, gguf_tolerance);
    std::printf("%s: relative L2 %.2e\n", GetParam().c_str(), difference);
    EXPECT_GE(relative_l2(last_logits(back_.path()), last_logits(imported(GetParam(), DType::f32))),
              1e-4);  // so that it is the quantised file that was read
}

}  // namespace
}  // namespace sipo::parity
