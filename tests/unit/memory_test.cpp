// What is told of memory before it is taken, against every allocation: never less, and hardly more.
#include "session/memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "arena.hpp"
#include "backend/registry.hpp"
#include "base/error.hpp"
#include "import/presets.hpp"
#include "import/quantize.hpp"
#include "session/analyze.hpp"
#include "session/scheduler.hpp"
#include "writers/counted_memory.hpp"
#include "writers/temporary_directory.hpp"

namespace sipo {
namespace {

using writers::taken_by;
using Ids = std::vector<std::int32_t>;
using ModelPtr = std::shared_ptr<const OpenModel>;

constexpr std::int64_t vocabulary = 2048;

// Small models of odd sizes: no buffer is a multiple of anything.
Architecture architecture_of(Family family) {
    Architecture arch;
    arch.family = family;
    arch.n_layers = 4;
    arch.d_model = 200;
    arch.d_inner = 400;
    arch.vocab_size = vocabulary;
    arch.training_length = 100;
    if (family == Family::mamba2) {
        arch.d_state = 48;
        arch.head_dim = 20;
        arch.n_heads = 20;
        arch.n_groups = 2;
    } else {
        arch.d_state = 16;
        arch.dt_rank = 13;
    }
    if (family == Family::falcon_mamba) {
        arch.mixer_rms_eps = 1e-6F;
        arch.tied_head = false;
    }
    return arch;
}

void write_model(const Architecture& arch, DType weights, const std::filesystem::path& path) {
    ThreadPool pool(2);
    ContainerWriter writer(path, {.store = Store::raw, .threads = 2});
    writer.set_architecture(arch);
    writer.set_tokenizer(byte_tokenizer());
    for (const TensorSpec& spec : tensor_specs(arch)) {
        const std::vector<float> values = random_tensor(spec, arch, 1, pool);
        const DType type = stored_type(spec, weights);
        std::vector<std::uint16_t> halves;
        auto bytes = std::as_bytes(std::span(values));
        if (type == DType::bf16) {
            for (const float value : values) halves.push_back(float_to_bf16(value));
            bytes = std::as_bytes(std::span(halves));
        }
        add_weights(writer, spec, type, bytes, arch, pool);
    }
    writer.commit();
}

OpenOptions on_cpu() {
    OpenOptions options;
    options.backend = "cpu";
    options.threads = 2;
    return options;
}

// A container of random weights.
class ModelFile {
public:
    ModelFile(const Architecture& arch, DType weights)
        : directory_("memory"), path_(directory_.path() / "model.sipo") {
        write_model(arch, weights, path_);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    writers::TemporaryDirectory directory_;
    std::filesystem::path path_;
};

using Kind = std::tuple<Family, DType>;

ModelPtr opened(const Kind& kind) {
    static std::map<Kind, ModelPtr> models;
    ModelPtr& model = models[kind];
    if (!model) {
        const ModelFile file(architecture_of(std::get<0>(kind)), std::get<1>(kind));
        model = std::make_shared<OpenModel>(file.path(), on_cpu());
    }
    return model;
}

Ids random_ids(std::int64_t count, std::uint64_t seed) {
    SplitMix64 random(seed);
    Ids ids(static_cast<std::size_t>(count));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(256));
    return ids;
}

// Draws that look at every logit.
SamplingOptions lively() {
    SamplingOptions sampling;
    sampling.temperature = 5.0;
    sampling.top_p = 0.99;
    sampling.repetition_penalty = 1.1;
    sampling.ignore_end_of_text = true;
    return sampling;
}

// Never told less than taken, and at most a fifth more.
void expect_told(std::int64_t told, std::int64_t taken, const std::string& what) {
    EXPECT_GE(told, taken) << what;
    EXPECT_LE(told * 5, taken * 6) << what;
    if (std::getenv("SIPO_TEST_FIGURES") == nullptr) return;
    std::printf("told / taken %.3f of %lld bytes: %s\n",
                static_cast<double>(told) / static_cast<double>(taken),
                static_cast<long long>(taken), what.c_str());
}

template <typename Call>
void expect_no_memory(const Call& call) {
    try {
        call();
        ADD_FAILURE() << "it fitted";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::out_of_memory) << error.what();
    }
}

// The bytes that a refusal names.
template <typename Call>
std::int64_t told_by_refusal(const Call& call) {
    try {
        call();
    } catch (const Error& error) {
        const std::string text = error.what();
        const std::string before = "would take ";
        const std::size_t at = text.find(before);
        if (at != std::string::npos) return std::stoll(text.substr(at + before.size()));
    }
    ADD_FAILURE() << "no refusal with a number";
    return 0;
}

class Memory : public testing::TestWithParam<Kind> {
protected:
    ModelPtr model_ = opened(GetParam());

    [[nodiscard]] std::shared_ptr<const CalibrationProfile> profile() const {
        CalibrationProfile profile;
        profile.name = "test";
        profile.training_length = 100;
        profile.sequences = 1;
        profile.layers = model_->architecture().n_layers;
        profile.channels = model_->architecture().delta_channels();
        profile.lengths = {100, 1000};
        const auto channels = static_cast<std::size_t>(profile.layers * profile.channels);
        profile.log_decay.assign(channels, 0.0F);
        profile.threshold_table.assign(2 * channels, 0.01F);
        return std::make_shared<const CalibrationProfile>(std::move(profile));
    }

    [[nodiscard]] SessionOptions options(context::Method method, int threads,
                                         std::int64_t chunk) const {
        SessionOptions options;
        options.threads = threads;
        options.chunk_tokens = chunk;
        options.context.method = method;
        options.context.layers = {1, 2};
        options.context.decimation_capacity = 120;
        if (method == context::Method::longmamba) options.calibration = profile();
        return options;
    }

    // What a session takes for two prompts of so many tokens and what comes after.
    [[nodiscard]] std::int64_t conversation(const SessionOptions& options,
                                            std::int64_t tokens) const {
        const Ids first = random_ids(tokens, 1);
        const Ids second = random_ids(tokens, 2);
        const SamplingOptions sampling = lively();
        return taken_by([&] {
            Session session(model_, options);
            session.prefill(first);
            session.prefill(second);
            EXPECT_EQ(session.generate(sampling, 3, {}), 3U);
            session.decode(1);
        });
    }
};

std::string name_of(const testing::TestParamInfo<Kind>& kind) {
    return std::string(family_name(std::get<0>(kind.param))) + "_" +
           dtype_name(std::get<1>(kind.param));
}

INSTANTIATE_TEST_SUITE_P(
    Models, Memory,
    testing::Combine(testing::Values(Family::mamba1, Family::mamba2, Family::falcon_mamba),
                     testing::Values(DType::f32, DType::bf16, DType::q8, DType::q4)),
    name_of);

TEST_P(Memory, OfASessionIsToldForEveryMethod) {
    for (const auto& method : context::methods()) {
        for (const int threads : {1, 2}) {
            const SessionOptions chosen = options(method.method, threads, 150);
            expect_told(session_memory(*model_, chosen, {.tokens = 500}), conversation(chosen, 500),
                        join(method.name, ", ", threads, " threads"));
        }
    }
}

TEST_P(Memory, OfASessionGrowsWithItsChunks) {
    for (const auto& [chunk, tokens] : {std::pair{1, 30}, {70, 200}, {1024, 600}}) {
        const SessionOptions chosen = options(context::Method::none, 1, chunk);
        expect_told(session_memory(*model_, chosen, {.tokens = tokens}),
                    conversation(chosen, tokens), join("chunks of ", chunk));
    }
}

// Layers that keep many tokens, one after the other.
TEST_P(Memory, OfAPromptWhoseTokensAreDroppedGrowsWithIt) {
    SessionOptions chosen = options(context::Method::decimamba, 1, 64);
    chosen.context.decimation_capacity = 1000;
    expect_told(session_memory(*model_, chosen, {.tokens = 1500}), conversation(chosen, 1500),
                "many dropped");
}

TEST_P(Memory, OfLogitsThatAreAskedForIsToldAndWithinTheLimit) {
    constexpr std::int64_t tokens = 100;
    constexpr std::int64_t last = 80;
    const Ids ids = random_ids(tokens, 1);
    std::vector<float> results(last * vocabulary);
    SessionOptions chosen = options(context::Method::none, 1, 100);
    const Demand scores{.tokens = tokens, .logits = last, .results = last - 1};
    const Demand logits{.tokens = tokens, .logits = last, .results = last * vocabulary};
    expect_told(session_memory(*model_, chosen, scores), taken_by([&] {
                    Session session(model_, chosen);
                    session.score(ids, last - 1, std::span(results).first(last - 1));
                }),
                "scores");
    expect_told(session_memory(*model_, chosen, logits), taken_by([&] {
                    Session session(model_, chosen);
                    session.prefill_logits(ids, last, results);
                }),
                "logits of a prompt");

    chosen.memory_limit = session_memory(*model_, chosen, scores);
    Session session(model_, chosen);
    expect_no_memory([&] { session.prefill_logits(ids, last, results); });
    EXPECT_EQ(session.position(), 0);
    session.score(ids, last - 1, std::span(results).first(last - 1));
    --chosen.memory_limit;
    Session smaller(model_, chosen);
    expect_no_memory([&] { smaller.score(ids, last - 1, std::span(results).first(last - 1)); });
    smaller.prefill(ids);
    // The rows of logits stay, so that what comes later has less left.
    smaller.checkpoint("fits");
    expect_no_memory([&] { session.checkpoint("does not"); });
}

TEST_P(Memory, OfABatchIsToldAndWithinTheLimit) {
    constexpr std::int64_t count = 12;
    const Ids ids = random_ids(40, 1);
    const auto told = [&](const SessionOptions& chosen) {
        return session_memory(*model_, chosen, {.tokens = 40, .sessions = count});
    };
    const auto decode = [&](const SessionOptions& first, const SessionOptions& others) {
        std::vector<std::unique_ptr<Session>> sessions;
        std::vector<Session*> together;
        for (std::int64_t i = 0; i < count; ++i) {
            sessions.push_back(std::make_unique<Session>(model_, i == 0 ? first : others));
            sessions.back()->prefill(ids);
            together.push_back(sessions.back().get());
        }
        const Ids tokens(count, 1);
        Session::decode_together(together, tokens);
        EXPECT_EQ(sessions.back()->position(), 41);
    };
    SessionOptions sharing = options(context::Method::none, 2, 100);
    const auto taken = taken_by([&] {
        sharing.machinery = std::make_shared<Machinery>(model_->model(), 2);
        decode(sharing, sharing);
        sharing.machinery.reset();
    });
    expect_told(told(sharing) + (count - 1) * resting_memory(*model_), taken, "a batch");

    // A larger one is decoded in groups.
    EXPECT_EQ(session_memory(*model_, sharing, {.sessions = 5000}),
              session_memory(*model_, sharing, {.sessions = head_rows}));

    const SessionOptions unlimited = options(context::Method::none, 1, 100);
    SessionOptions limited = unlimited;
    limited.memory_limit = told(limited);
    decode(limited, unlimited);
    --limited.memory_limit;
    expect_no_memory([&] { decode(limited, unlimited); });
}

// Generations that are all worked on at once, however slow the machine: nothing is read before all are
// submitted, and all end when each has got its second token, so that their first ones were decoded together.
class Together {
public:
    Together(Scheduler& scheduler, const Ids& ids, std::size_t count) : tokens_(count) {
        SessionOptions options;
        options.progress = [this](std::uint64_t, std::uint64_t) {
            all_submitted_.wait();
            return 0;
        };
        for (std::size_t i = 0; i < count; ++i) {
            SamplingOptions sampling = lively();
            sampling.on_log_probabilities = [this, i](const auto&, const auto&) {
                note_token(i);
                return 0;
            };
            requests_.push_back(scheduler.submit(options, sampling, ids, SIZE_MAX));
        }
        all_submitted_.count_down();
    }

    void wait() {
        for (const auto& request : requests_) request->wait_for_callbacks();
        EXPECT_TRUE(all_decoded()) << "a request failed before its second token";
    }

private:
    [[nodiscard]] bool all_decoded() const {
        return *std::min_element(tokens_.begin(), tokens_.end()) >= 2;
    }
    // By the scheduler's thread.
    void note_token(std::size_t of) {
        ++tokens_[of];
        if (!all_decoded()) return;
        for (const auto& request : requests_) request->cancel();
    }

    std::latch all_submitted_{1};
    std::vector<int> tokens_;
    std::vector<std::shared_ptr<Request>> requests_;
};

TEST_P(Memory, OfASchedulerIsTold) {
    SchedulerOptions chosen;
    chosen.threads = 2;
    chosen.sessions = 12;
    chosen.chunk_tokens = 80;
    const std::int64_t told = told_by_refusal([&] {
        SchedulerOptions limited = chosen;
        limited.memory_limit = 1;
        const Scheduler scheduler(model_, limited);
    });
    chosen.memory_limit = told;
    const Ids ids = random_ids(200, 1);
    expect_told(told, taken_by([&] {
                    Scheduler scheduler(model_, chosen);
                    Together together(scheduler, ids, 12);
                    together.wait();
                }),
                "a scheduler");
}

TEST_P(Memory, OfAnAnalysisIsTold) {
    const Ids ids = random_ids(300, 1);
    for (const auto method : {context::Method::none, context::Method::decimamba}) {
        const SessionOptions chosen = options(method, 2, 100);
        AnalyzeOptions how;
        how.points = 20;
        how.map_size = 20;
        expect_told(analysis_memory(*model_, chosen, 300, how),
                    taken_by([&] { (void)analyze(*model_, chosen, ids, how); }), "an analysis");
    }
}

TEST_P(Memory, OfAModelIsTold) {
    const auto [family, weights] = GetParam();
    const ModelFile file(architecture_of(family), weights);
    const std::int64_t told =
        model_memory(Container::open(file.path()), *backend::make_backend("cpu"));
    std::int64_t before = writers::touched_bytes();
    const Tokenizer tokenizer = Tokenizer::from_json(byte_tokenizer());
    const std::int64_t without = writers::touched_bytes() - before;
    before = writers::touched_bytes();
    const OpenModel model(file.path(), on_cpu());
    expect_told(told, writers::touched_bytes() - before - without, "a model");

    OpenOptions limited = on_cpu();
    limited.memory_limit = told - 1;
    expect_no_memory([&] { OpenModel(file.path(), limited); });
    ++limited.memory_limit;
    EXPECT_EQ(OpenModel(file.path(), limited).model().weight_bytes(), model.model().weight_bytes());
}

// Pieces of one block after the other, whatever their order; the huge pages that they lie on.
TEST(MemoryOfMatrices, CountsWholeHugePages) {
    constexpr std::int64_t page = std::int64_t{2} << 20;
    SplitMix64 random(1);
    for (const int count : {1, 5, 40, 200}) {
        cpu::Arena arena;
        std::vector<std::int64_t> sizes;
        std::vector<cpu::Memory> pieces;
        std::set<std::int64_t> pages;
        for (int i = 0; i < count; ++i) {
            sizes.push_back(
                static_cast<std::int64_t>(1 + random.below(i % 9 == 0 ? 1 << 25 : 1 << 22)));
            pieces.push_back(arena.allocate(sizes.back()));
            const auto first = reinterpret_cast<std::intptr_t>(pieces.back().get());
            for (std::int64_t at = first / page; at <= (first + sizes.back() - 1) / page; ++at) {
                pages.insert(at);
            }
        }
        expect_told(cpu::Arena::bytes(sizes), std::ssize(pages) * page, join(count, " pieces"));
    }
}

}  // namespace
}  // namespace sipo
