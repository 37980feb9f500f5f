#include "session/open_model.hpp"

#include <future>
#include <utility>

#include "backend/registry.hpp"
#include "base/cpu_count.hpp"
#include "base/error.hpp"
#include "session/memory.hpp"

namespace sipo {
namespace {

backend::BackendPtr make_backend(const OpenOptions& options) {
    const auto note = [&](const std::string& why) {
        if (options.log) options.log(2, why);
    };
    return backend::make_backend(options.backend, note, options.device_memory_limit);
}

}  // namespace

struct OpenModel::Start {
    backend::BackendPtr backend;
    std::future<Tokenizer> tokenizer;
};

// A vocabulary of 50,000 takes as long to read as the weights of 130 M parameters, so both go at
// once.
OpenModel::Start OpenModel::start(const Container& container, const OpenOptions& options) {
    backend::BackendPtr backend = make_backend(options);
    if (options.memory_limit > 0) {
        check_memory("the model", model_memory(container, *backend), options.memory_limit);
    }
    return {std::move(backend),
            std::async([json = container.tokenizer_json()] { return Tokenizer::from_json(json); })};
}

OpenModel::OpenModel(const std::filesystem::path& path, const OpenOptions& options)
    : OpenModel(Container::open(path), options) {}

OpenModel::OpenModel(const Container& container, const OpenOptions& options)
    : OpenModel(container, options, start(container, options)) {}

OpenModel::OpenModel(const Container& container, const OpenOptions& options, Start started)
    : model_(container, std::move(started.backend), resolve_threads(options.threads),
             options.progress),
      tokenizer_(started.tokenizer.get()),
      provenance_(container.provenance()),
      fingerprint_(fingerprint_of(container.contents())),
      profile_names_(container.profile_names()),
      log_(options.log) {
    for (const std::string& name : profile_names_) {
        profiles_.emplace(name, std::make_shared<CalibrationProfile>(container.profile(name)));
    }
    log(3, join("opened a ", family_name(architecture().family), " model of ", model_.parameters(),
                " parameters on ", model_.backend().name()));
}

std::shared_ptr<const CalibrationProfile> OpenModel::profile(std::string_view name) const {
    const auto found = profiles_.find(name);
    if (found != profiles_.end()) return found->second;
    std::string names;
    for (const std::string& known : profile_names_) names += (names.empty() ? "" : ", ") + known;
    fail(Code::not_found, "no calibration profile '", name, "' in the model; there ",
         names.empty() ? "is none: calibrate it first" : "are: " + names);
}

void OpenModel::check_ids(std::span<const std::int32_t> ids) const {
    const std::int64_t vocab = architecture().vocab_size;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] < 0 || ids[i] >= vocab) {
            fail(Code::out_of_range, "token ", i, " has id ", ids[i], "; legal are 0 to ",
                 vocab - 1);
        }
    }
}

std::int64_t OpenModel::state_bytes() const {
    const Architecture& arch = architecture();
    const std::int64_t floats =
        arch.conv_channels() * (arch.d_conv - 1) + arch.d_inner * arch.d_state;
    return arch.n_layers * floats * std::int64_t{sizeof(float)};
}

void OpenModel::log(int level, const std::string& line) const {
    if (log_) log_(level, line);
}

}  // namespace sipo
