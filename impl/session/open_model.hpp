// An opened .sipo file: weights on a backend, tokenizer and calibration profiles. Immutable and
// shared by the sessions made from it.
//
// This folder turns a model into sequences. It asks impl/context what a method wants and calls
// impl/model; capi/ is its only user.
//   open_model, machinery       what sessions share: weights; threads and working memory
//   recurrent_state, session_state   what a sequence remembers
//   prefill, prompt_run         the pipeline over chunks and segments; a prompt of a session
//   generation, sampler, stop_matcher   from logits to tokens and text
//   session, choose             one sequence, and the calls that make it read and write
//   snapshot                    a session's state as bytes
//   prefix_cache, state_directory, state_writer    states after prefixes that were read before
//   scheduler, request          many sequences fed from many threads
//   memory, calibrate           what will be allocated; LongMamba's measurements
//   analyze, layer_record       what channels remember of a prompt
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.hpp"
#include "format/calibration_profile.hpp"
#include "format/contents.hpp"
#include "format/fingerprint.hpp"
#include "model/model.hpp"
#include "tokenizer/tokenizer.hpp"

namespace sipo {

// Levels: 1 error, 2 warning, 3 information.
using LogFn = std::function<void(int level, const std::string& line)>;

struct OpenOptions {
    std::string backend = "auto";
    int threads = 0;  // that load; 0: all there are
    ProgressFn progress;
    LogFn log;
    std::int64_t memory_limit = 0;         // bytes; 0: none
    std::int64_t device_memory_limit = 0;  // bytes; 0: none
};

class OpenModel {
public:
    OpenModel(const std::filesystem::path& path, const OpenOptions& options);

    [[nodiscard]] const Model& model() const { return model_; }
    [[nodiscard]] const Architecture& architecture() const { return model_.architecture(); }
    [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
    [[nodiscard]] const Provenance& provenance() const { return provenance_; }
    [[nodiscard]] const Fingerprint& fingerprint() const { return fingerprint_; }
    [[nodiscard]] const std::vector<std::string>& profile_names() const { return profile_names_; }
    // Throws Code::not_found naming the profiles there are.
    [[nodiscard]] std::shared_ptr<const CalibrationProfile> profile(std::string_view name) const;
    // Throws Code::out_of_range naming the first id outside the vocabulary.
    void check_ids(std::span<const std::int32_t> ids) const;
    // Recurrent state of one session, in bytes.
    [[nodiscard]] std::int64_t state_bytes() const;
    void log(int level, const std::string& line) const;

private:
    // What is under way once the model is known to be within the limit of memory.
    struct Start;
    [[nodiscard]] static Start start(const Container& container, const OpenOptions& options);

    OpenModel(const Container& container, const OpenOptions& options);
    OpenModel(const Container& container, const OpenOptions& options, Start started);

    Model model_;
    Tokenizer tokenizer_;
    Provenance provenance_;
    Fingerprint fingerprint_;
    std::vector<std::string> profile_names_;
    std::map<std::string, std::shared_ptr<const CalibrationProfile>, std::less<>> profiles_;
    LogFn log_;
};

}  // namespace sipo
