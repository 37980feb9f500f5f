// Models: opening, facts, and the tokenizer.
#include "arguments.hpp"
#include "backend/registry.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

const OpenModel& opened(const sipo_model* model) { return *require(model, "model").model; }

std::int64_t integer_property(const OpenModel& model, std::int32_t property) {
    const Architecture& arch = model.architecture();
    switch (property) {
        case SIPO_MODEL_LAYERS: return arch.n_layers;
        case SIPO_MODEL_D_MODEL: return arch.d_model;
        case SIPO_MODEL_D_INNER: return arch.d_inner;
        case SIPO_MODEL_D_STATE: return arch.d_state;
        case SIPO_MODEL_VOCAB_SIZE: return arch.vocab_size;
        case SIPO_MODEL_DELTA_CHANNELS: return arch.delta_channels();
        case SIPO_MODEL_TRAINING_LENGTH: return arch.training_length;
        case SIPO_MODEL_END_OF_TEXT: return arch.end_of_text;
        case SIPO_MODEL_PARAMETERS: return model.model().parameters();
        case SIPO_MODEL_WEIGHT_BYTES: return model.model().weight_bytes();
        case SIPO_MODEL_STATE_BYTES: return model.state_bytes();
        case SIPO_MODEL_PROFILES: return static_cast<std::int64_t>(model.profile_names().size());
        default: fail(Code::out_of_range, "no whole-number property ", property, " of a model");
    }
}

std::string text_property(const OpenModel& model, std::int32_t property) {
    switch (property) {
        case SIPO_MODEL_FAMILY: return family_name(model.architecture().family);
        case SIPO_MODEL_WEIGHTS_TYPE: return dtype_name(model.model().weights_type());
        case SIPO_MODEL_BACKEND: return model.model().backend().name();
        case SIPO_MODEL_SOURCE: return model.provenance().source;
        default: fail(Code::out_of_range, "no text property ", property, " of a model");
    }
}

}  // namespace

extern "C" {

sipo_status sipo_model_options_create(sipo_model_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_model_options{});
    });
}

void sipo_model_options_free(sipo_model_options* options) {
    const std::unique_ptr<sipo_model_options> owned(options);
}

sipo_status sipo_model_options_set_backend(sipo_model_options* options, const char* name) {
    return guarded([&] {
        OpenOptions& target = require(options, "options").options;
        std::string wanted = require_text(name, "name");
        backend::check_backend_name(wanted);
        target.backend = std::move(wanted);
    });
}

sipo_status sipo_model_options_set_threads(sipo_model_options* options, int32_t threads) {
    return guarded([&] { require(options, "options").options.threads = thread_count(threads); });
}

sipo_status sipo_model_options_set_progress(sipo_model_options* options, sipo_progress_fn fn,
                                            void* user) {
    return guarded([&] { require(options, "options").options.progress = make_progress(fn, user); });
}

sipo_status sipo_model_options_set_log(sipo_model_options* options, sipo_log_fn fn, void* user) {
    return guarded([&] {
        LogFn log;
        if (fn != nullptr) {
            log = [fn, user](int level, const std::string& line) {
                (void)fn(user, level, line.data(), line.size());
            };
        }
        require(options, "options").options.log = std::move(log);
    });
}

sipo_status sipo_model_open(const char* path, const sipo_model_options* options,
                            sipo_model** model) {
    return guarded([&] {
        const std::string file = require_text(path, "path");
        require(model, "model");
        const OpenOptions chosen = options != nullptr ? options->options : OpenOptions{};
        give(model, sipo_model{std::make_shared<const OpenModel>(file, chosen)});
    });
}

void sipo_model_free(sipo_model* model) { const std::unique_ptr<sipo_model> owned(model); }

sipo_status sipo_model_get_integer(const sipo_model* model, int32_t property, int64_t* value) {
    return guarded([&] {
        const std::int64_t found = integer_property(opened(model), property);
        require(value, "value") = found;
    });
}

sipo_status sipo_model_get_text(const sipo_model* model, int32_t property, char* text,
                                size_t capacity, size_t* length) {
    return guarded([&] {
        write_text(text_property(opened(model), property), text, capacity, length, "text");
    });
}

sipo_status sipo_model_profile_name(const sipo_model* model, int64_t index, char* name,
                                    size_t capacity, size_t* length) {
    return guarded([&] {
        const std::vector<std::string>& names = opened(model).profile_names();
        const auto count = static_cast<std::int64_t>(names.size());
        if (index < 0 || index >= count) {
            fail(Code::out_of_range, "no profile ", index, "; the model has ", count);
        }
        write_text(names[static_cast<std::size_t>(index)], name, capacity, length, "name");
    });
}

sipo_status sipo_model_tokenize(const sipo_model* model, const char* text, size_t text_length,
                                int32_t* ids, size_t capacity, size_t* count) {
    return guarded([&] {
        const OpenModel& source = opened(model);
        const auto bytes = require_array(text, text_length, "text");
        require(count, "count");
        const std::vector<std::int32_t> tokens =
            source.tokenizer().encode({bytes.data(), bytes.size()});
        write_results(std::span<const std::int32_t>(tokens), ids, capacity, count, "ids");
    });
}

sipo_status sipo_model_detokenize(const sipo_model* model, const int32_t* ids, size_t count,
                                  char* text, size_t capacity, size_t* length) {
    return guarded([&] {
        const OpenModel& source = opened(model);
        const auto tokens = require_array(ids, count, "ids");
        source.check_ids(tokens);
        write_text(source.tokenizer().decode(tokens), text, capacity, length, "text");
    });
}

}  // extern "C"
