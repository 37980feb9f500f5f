/* Sipo for C++11 and later: sipo.h with owners that free themselves and exceptions instead of
 * statuses. Header-only: the binary interface stays that of sipo.h.
 *
 *     sipo::Model model = sipo::Model::open("model.sipo");
 *     sipo::SessionOptions options(model);
 *     options.context(sipo::Context::longmamba);
 *     sipo::Session session(options);
 *     session.prefill(model.tokenize(text));
 *     session.generate(100, [](std::int32_t, const std::string& piece) {
 *         std::cout << piece;
 *         return true;
 *     });
 *
 * Rules that hold everywhere
 *
 *   Errors     Every call may throw sipo::Error, whose status() is that of the C function, and
 *              std::bad_alloc. After an exception the objects are as they were before, unless the
 *              call says otherwise.
 *   Ownership  Objects are moved, not copied. One that was moved from answers every call with
 *              SIPO_INVALID_ARGUMENT. An object keeps alive what it was made from, callbacks
 *              included.
 *   Callbacks  Run on the thread that made the call; `true` goes on, `false` cancels it, which then
 *              throws an Error with SIPO_CANCELLED. An exception of a callback cancels it too and
 *              comes out of the call itself.
 *   Numbers    Sizes of arrays are size_t; counts of tokens and facts are long long.
 *   Threads    As in sipo.h: different objects at will, a Model from all threads, any other object
 *              from one thread at a time. Objects made from the same options share its callbacks.
 */
#ifndef SIPO_SIPO_HPP_
#define SIPO_SIPO_HPP_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sipo.h"

namespace sipo {

/* A call that failed; what() is the library's one line about it. Since 0.1. */
class Error : public std::runtime_error {
public:
    Error(sipo_status status, const std::string& message)
        : std::runtime_error(message), status_(status) {}
    /* One of SIPO_INVALID_ARGUMENT and the others; never SIPO_OK. Since 0.1. */
    sipo_status status() const noexcept { return status_; }

private:
    sipo_status status_;
};

/* `done` of `total` units of long work; false cancels. Since 0.1. */
using ProgressFunction = std::function<bool(long long done, long long total)>;

/* A generated token and the text it completes, whole code points and possibly none; false stops.
 * Since 0.1. */
using TokenFunction = std::function<bool(std::int32_t token, const std::string& text)>;

/* A generated token with its log probability in nats, and the likeliest tokens of its place with
 * theirs, likeliest first; false stops. Since 0.1. */
using LogProbabilitiesFunction = std::function<bool(std::int32_t token, float log_probability,
                                                    const std::vector<std::int32_t>& likeliest,
                                                    const std::vector<float>& log_probabilities)>;

/* A line for the log. Levels: 1 error, 2 warning, 3 information. Possibly from several threads at
 * once. Since 0.1. */
using LogFunction = std::function<void(int level, const std::string& line)>;

/* What stands behind the classes; not for use. */
namespace detail {

inline void check(sipo_status status) {
    if (status != SIPO_OK) throw Error(status, sipo_last_error_message());
}

/* A call that runs callbacks, on the stack of the thread that made it. What a callback throws waits
 * here until the C function has returned. */
class Call {
public:
    Call() : outer_(current()) { current() = this; }
    ~Call() { current() = outer_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    void check(sipo_status status) const {
        if (thrown_) std::rethrow_exception(thrown_);
        detail::check(status);
    }

    /* Inside a catch clause. */
    static void remember() noexcept {
        Call* const call = current();
        if (call != nullptr && !call->thrown_) call->thrown_ = std::current_exception();
    }

private:
    static Call*& current() {
        static thread_local Call* call = nullptr;
        return call;
    }

    Call* outer_;
    std::exception_ptr thrown_;
};

inline int on_progress(void* user, std::uint64_t done, std::uint64_t total) noexcept {
    try {
        const ProgressFunction& function = *static_cast<const ProgressFunction*>(user);
        return function(static_cast<long long>(done), static_cast<long long>(total)) ? 0 : 1;
    } catch (...) {
        Call::remember();
        return 1;
    }
}

inline int on_token(void* user, std::int32_t token, const char* text, std::size_t length) noexcept {
    try {
        const TokenFunction& function = *static_cast<const TokenFunction*>(user);
        return function(token, std::string(text, length)) ? 0 : 1;
    } catch (...) {
        Call::remember();
        return 1;
    }
}

inline int on_log_probabilities(void* user, std::int32_t token, float log_probability,
                                const std::int32_t* likeliest, const float* log_probabilities,
                                std::size_t count) noexcept {
    try {
        const LogProbabilitiesFunction& function =
            *static_cast<const LogProbabilitiesFunction*>(user);
        return function(token, log_probability,
                        std::vector<std::int32_t>(likeliest, likeliest + count),
                        std::vector<float>(log_probabilities, log_probabilities + count))
                   ? 0
                   : 1;
    } catch (...) {
        Call::remember();
        return 1;
    }
}

inline int on_log(void* user, std::int32_t level, const char* line, std::size_t length) noexcept {
    try {
        (*static_cast<const LogFunction*>(user))(level, std::string(line, length));
    } catch (...) {
        Call::remember();
    }
    return 0;
}

/* The copy of a callback that everything made with it shares; none when it is empty. */
template <typename Function>
std::shared_ptr<Function> share(Function function) {
    return function ? std::make_shared<Function>(std::move(function)) : nullptr;
}

inline sipo_progress_fn progress_or_null(const std::shared_ptr<ProgressFunction>& function) {
    return function ? &on_progress : nullptr;
}

template <typename Object, void (*Free)(Object*)>
struct Freer {
    void operator()(Object* object) const noexcept { Free(object); }
};

template <typename Object, void (*Free)(Object*)>
using Owner = std::unique_ptr<Object, Freer<Object, Free>>;

/* All results of a function that fills an array: asks how many there are, then for them. */
template <typename Element, typename Fill>
std::vector<Element> fetch(const Fill& fill) {
    std::size_t count = 0;
    check(fill(nullptr, 0, &count));
    std::vector<Element> values(count);
    if (count > 0) check(fill(values.data(), count, &count));
    return values;
}

template <typename Fill>
std::string fetch_text(const Fill& fill) {
    const std::vector<char> text = fetch<char>(fill);
    return std::string(text.begin(), text.end());
}

}  // namespace detail

/* Version of the library that runs, as SIPO_VERSION_NUMBER. Since 0.1. */
inline int version_number() { return sipo_version_number(); }

/* The same as text, "0.1.0". Since 0.1. */
inline std::string version() { return sipo_version_string(); }

/* How matrices are stored and multiplied; see SIPO_WEIGHTS_*. Since 0.1. */
enum class Weights : std::int32_t {
    automatic = SIPO_WEIGHTS_AUTO,
    f32 = SIPO_WEIGHTS_F32,
    bf16 = SIPO_WEIGHTS_BF16,
    q8 = SIPO_WEIGHTS_Q8,
    q4 = SIPO_WEIGHTS_Q4
};

/* How tensors lie in a .sipo file; see SIPO_STORE_*. Since 0.1. */
enum class Store : std::int32_t { zstd = SIPO_STORE_ZSTD, raw = SIPO_STORE_RAW };

/* How a session goes beyond the training length; see SIPO_CONTEXT_*. Since 0.1. */
enum class Context : std::int32_t {
    none = SIPO_CONTEXT_NONE,
    decimamba = SIPO_CONTEXT_DECIMAMBA,
    longmamba = SIPO_CONTEXT_LONGMAMBA
};

/* Which channels LongMamba filters; see SIPO_CHANNELS_*. Since 0.1. */
enum class Channels : std::int32_t {
    global = SIPO_CHANNELS_GLOBAL,
    local = SIPO_CHANNELS_LOCAL,
    random = SIPO_CHANNELS_RANDOM
};

/* Options of import_checkpoint(). Defaults: Weights::automatic, Store::zstd, all processors.
 * Since 0.1. */
class ImportOptions {
public:
    ImportOptions() {
        sipo_import_options* options = nullptr;
        detail::check(sipo_import_options_create(&options));
        options_.reset(options);
    }
    /* How matrices are stored and multiplied. Since 0.1. */
    ImportOptions& weights(Weights weights) {
        detail::check(sipo_import_options_set_weights(get(), static_cast<std::int32_t>(weights)));
        return *this;
    }
    /* How tensors lie in the file. Since 0.1. */
    ImportOptions& store(Store store) {
        detail::check(sipo_import_options_set_store(get(), static_cast<std::int32_t>(store)));
        return *this;
    }
    /* 1 to 256; 0 takes as many as the process may use. Since 0.1. */
    ImportOptions& threads(int threads) {
        detail::check(sipo_import_options_set_threads(get(), threads));
        return *this;
    }
    /* Length in tokens that the model was trained with, where config.json does not say it: 1 to
     * 2^31-1. Since 0.1. */
    ImportOptions& training_length(long long tokens) {
        detail::check(sipo_import_options_set_training_length(get(), tokens));
        return *this;
    }
    /* Path of a tokenizer.json to take instead of the checkpoint's. Since 0.1. */
    ImportOptions& tokenizer(const std::string& path) {
        detail::check(sipo_import_options_set_tokenizer(get(), path.c_str()));
        return *this;
    }
    /* Progress in bytes of weights; an empty function for none. Since 0.1. */
    ImportOptions& progress(ProgressFunction function) {
        std::shared_ptr<ProgressFunction> shared = detail::share(std::move(function));
        detail::check(sipo_import_options_set_progress(get(), detail::progress_or_null(shared),
                                                       shared.get()));
        progress_ = std::move(shared);
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_import_options* get() const noexcept { return options_.get(); }

private:
    std::shared_ptr<ProgressFunction> progress_;
    detail::Owner<sipo_import_options, &sipo_import_options_free> options_;
};

/* Converts a checkpoint (a directory of Hugging Face's or mamba_ssm's layout, or a GGUF file) into a
 * .sipo file, which appears only when it is complete; see sipo_import(). Errors: SIPO_NOT_FOUND,
 * SIPO_IO_ERROR, SIPO_CORRUPT_FILE, SIPO_UNSUPPORTED, SIPO_CANCELLED. Since 0.1. */
inline void import_checkpoint(const std::string& path, const std::string& output,
                              const ImportOptions& options = ImportOptions()) {
    const detail::Call call;
    call.check(sipo_import(path.c_str(), output.c_str(), options.get()));
}

/* Writes a model with f32 or bf16 weights as a Hugging Face directory, which is made or must be
 * empty; see sipo_export(). Errors: as import_checkpoint(); SIPO_INVALID_ARGUMENT when the directory
 * holds something. Since 0.1. */
inline void export_checkpoint(const std::string& path, const std::string& directory,
                              const ImportOptions& options = ImportOptions()) {
    const detail::Call call;
    call.check(sipo_export(path.c_str(), directory.c_str(), options.get()));
}

/* Writes a model with f32 or bf16 weights again with q8 (the default) or q4 ones; see
 * sipo_quantize(). Errors: as import_checkpoint(); SIPO_UNSUPPORTED when they are quantised
 * already. Since 0.1. */
inline void quantize(const std::string& path, const std::string& output,
                     const ImportOptions& options = ImportOptions()) {
    const detail::Call call;
    call.check(sipo_quantize(path.c_str(), output.c_str(), options.get()));
}

/* Writes a model of random weights in the shape of a public one, such as "mamba-130m"; see
 * sipo_write_preset(). Errors: SIPO_NOT_FOUND names the presets. Since 0.1. */
inline void write_preset(const std::string& preset, const std::string& output,
                         const ImportOptions& options = ImportOptions()) {
    const detail::Call call;
    call.check(sipo_write_preset(preset.c_str(), output.c_str(), options.get()));
}

/* Options of Model::open(). Defaults: backend "auto", all processors for loading, silent.
 * Since 0.1. */
class ModelOptions {
public:
    ModelOptions() {
        sipo_model_options* options = nullptr;
        detail::check(sipo_model_options_create(&options));
        options_.reset(options);
    }
    /* "auto" or "cpu"; SIPO_NOT_FOUND names the ones there are. Since 0.1. */
    ModelOptions& backend(const std::string& name) {
        detail::check(sipo_model_options_set_backend(get(), name.c_str()));
        return *this;
    }
    /* Threads that load: 1 to 256; 0 takes as many as the process may use. Since 0.1. */
    ModelOptions& threads(int threads) {
        detail::check(sipo_model_options_set_threads(get(), threads));
        return *this;
    }
    /* Progress of loading in bytes of weights; an empty function for none. Since 0.1. */
    ModelOptions& progress(ProgressFunction function) {
        std::shared_ptr<ProgressFunction> shared = detail::share(std::move(function));
        detail::check(
            sipo_model_options_set_progress(get(), detail::progress_or_null(shared), shared.get()));
        progress_ = std::move(shared);
        return *this;
    }
    /* Where the model and its sessions write log lines, possibly from several threads at once; an
     * empty function for silence. Since 0.1. */
    ModelOptions& log(LogFunction function) {
        std::shared_ptr<LogFunction> shared = detail::share(std::move(function));
        detail::check(
            sipo_model_options_set_log(get(), shared ? &detail::on_log : nullptr, shared.get()));
        log_ = std::move(shared);
        return *this;
    }
    /* The most bytes of weights of a model that is opened, else SIPO_OUT_OF_MEMORY before anything is
     * allocated; 0 for no limit. Since 0.1. */
    ModelOptions& memory_limit(long long bytes) {
        detail::check(sipo_model_options_set_memory_limit(get(), bytes));
        return *this;
    }
    /* The most that the model and all its sessions may take together of a GPU's memory; 0 for no
     * limit. Since 0.1. */
    ModelOptions& device_memory_limit(long long bytes) {
        detail::check(sipo_model_options_set_device_memory_limit(get(), bytes));
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_model_options* get() const noexcept { return options_.get(); }

private:
    friend class Model;
    std::shared_ptr<ProgressFunction> progress_;
    std::shared_ptr<LogFunction> log_;
    detail::Owner<sipo_model_options, &sipo_model_options_free> options_;
};

/* The weights and the tokenizer of one .sipo file; immutable. Any number of threads and sessions
 * may share it. Since 0.1. */
class Model {
public:
    /* Opens a .sipo file, which may be replaced or removed afterwards. Errors: SIPO_NOT_FOUND,
     * SIPO_IO_ERROR, SIPO_CORRUPT_FILE, SIPO_UNSUPPORTED (a newer format), SIPO_BACKEND_ERROR,
     * SIPO_CANCELLED. Since 0.1. */
    static Model open(const std::string& path, const ModelOptions& options = ModelOptions()) {
        const detail::Call call;
        sipo_model* opened = nullptr;
        const sipo_status status = sipo_model_open(path.c_str(), options.get(), &opened);
        Model model(opened, options);
        call.check(status);
        return model;
    }

    /* Blocks. Since 0.1. */
    long long layers() const { return integer(SIPO_MODEL_LAYERS); }
    /* Width of the residual stream. Since 0.1. */
    long long d_model() const { return integer(SIPO_MODEL_D_MODEL); }
    /* Channels inside a block. Since 0.1. */
    long long d_inner() const { return integer(SIPO_MODEL_D_INNER); }
    /* States a channel. Since 0.1. */
    long long d_state() const { return integer(SIPO_MODEL_D_STATE); }
    /* Length of the logits; may exceed the tokenizer's. Since 0.1. */
    long long vocab_size() const { return integer(SIPO_MODEL_VOCAB_SIZE); }
    /* Per layer: d_inner in Mamba-1, heads in Mamba-2. Since 0.1. */
    long long delta_channels() const { return integer(SIPO_MODEL_DELTA_CHANNELS); }
    /* In tokens. Since 0.1. */
    long long training_length() const { return integer(SIPO_MODEL_TRAINING_LENGTH); }
    /* Token id. Since 0.1. */
    std::int32_t end_of_text() const {
        return static_cast<std::int32_t>(integer(SIPO_MODEL_END_OF_TEXT));
    }
    /* Numbers in the weights. Since 0.1. */
    long long parameters() const { return integer(SIPO_MODEL_PARAMETERS); }
    /* Held in memory by the model. Since 0.1. */
    long long weight_bytes() const { return integer(SIPO_MODEL_WEIGHT_BYTES); }
    /* Recurrent state of one session. Since 0.1. */
    long long state_bytes() const { return integer(SIPO_MODEL_STATE_BYTES); }
    /* "mamba1", "mamba2" or "falcon_mamba". Since 0.1. */
    std::string family() const { return text(SIPO_MODEL_FAMILY); }
    /* "f32" or "bf16". Since 0.1. */
    std::string weights_type() const { return text(SIPO_MODEL_WEIGHTS_TYPE); }
    /* Where it runs, such as "cpu (avx512)". Since 0.1. */
    std::string backend() const { return text(SIPO_MODEL_BACKEND); }
    /* The checkpoint that it was imported from. Since 0.1. */
    std::string source() const { return text(SIPO_MODEL_SOURCE); }

    /* Names of the calibration profiles in the file. Since 0.1. */
    std::vector<std::string> profiles() const {
        std::vector<std::string> names;
        const long long count = integer(SIPO_MODEL_PROFILES);
        for (long long index = 0; index < count; ++index) {
            names.push_back(
                detail::fetch_text([&](char* name, std::size_t capacity, std::size_t* length) {
                    return sipo_model_profile_name(get(), index, name, capacity, length);
                }));
        }
        return names;
    }

    /* UTF-8 text, which may hold NUL, to token ids. Special tokens in the text are recognised;
     * nothing is added. Bytes that are not UTF-8 count as U+FFFD. Since 0.1. */
    std::vector<std::int32_t> tokenize(const std::string& text) const {
        std::vector<std::int32_t> ids(text.size());
        std::size_t count = 0;
        const sipo_status status =
            sipo_model_tokenize(get(), text.data(), text.size(), ids.data(), ids.size(), &count);
        if (status == SIPO_BUFFER_TOO_SMALL) {
            /* Normalisation made the text longer. */
            return detail::fetch<std::int32_t>([&](std::int32_t* data, std::size_t capacity,
                                                   std::size_t* needed) {
                return sipo_model_tokenize(get(), text.data(), text.size(), data, capacity, needed);
            });
        }
        detail::check(status);
        ids.resize(count);
        return ids;
    }

    /* Token ids to text, special tokens included. Errors: SIPO_OUT_OF_RANGE for an id outside 0 to
     * vocab_size() - 1. Since 0.1. */
    std::string detokenize(const std::int32_t* ids, std::size_t count) const {
        return detail::fetch_text([&](char* text, std::size_t capacity, std::size_t* length) {
            return sipo_model_detokenize(get(), ids, count, text, capacity, length);
        });
    }
    std::string detokenize(const std::vector<std::int32_t>& ids) const {
        return detokenize(ids.data(), ids.size());
    }

    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_model* get() const noexcept { return model_.get(); }

private:
    friend class SessionOptions;
    friend class Cache;
    friend class SchedulerOptions;

    Model(sipo_model* model, const ModelOptions& options) : log_(options.log_), model_(model) {}

    long long integer(std::int32_t property) const {
        std::int64_t value = 0;
        detail::check(sipo_model_get_integer(get(), property, &value));
        return value;
    }
    std::string text(std::int32_t property) const {
        return detail::fetch_text([&](char* data, std::size_t capacity, std::size_t* length) {
            return sipo_model_get_text(get(), property, data, capacity, length);
        });
    }

    std::shared_ptr<LogFunction> log_;
    detail::Owner<sipo_model, &sipo_model_free> model_;
};

/* Options of Calibration::measure(). Defaults: no clamp, all processors. Since 0.1. */
class CalibrationOptions {
public:
    CalibrationOptions() {
        sipo_calibration_options* options = nullptr;
        detail::check(sipo_calibration_options_create(&options));
        options_.reset(options);
    }
    /* Share of the largest delta that are clamped to the smallest of them: 0 (off) to below 1.
     * Since 0.1. */
    CalibrationOptions& clamp(double share) {
        detail::check(sipo_calibration_options_set_clamp(get(), share));
        return *this;
    }
    /* 1 to 256; 0 takes as many as the process may use. Since 0.1. */
    CalibrationOptions& threads(int threads) {
        detail::check(sipo_calibration_options_set_threads(get(), threads));
        return *this;
    }
    /* Progress in layers times sequences; an empty function for none. Since 0.1. */
    CalibrationOptions& progress(ProgressFunction function) {
        std::shared_ptr<ProgressFunction> shared = detail::share(std::move(function));
        detail::check(sipo_calibration_options_set_progress(get(), detail::progress_or_null(shared),
                                                            shared.get()));
        progress_ = std::move(shared);
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_calibration_options* get() const noexcept { return options_.get(); }

private:
    std::shared_ptr<ProgressFunction> progress_;
    detail::Owner<sipo_calibration_options, &sipo_calibration_options_free> options_;
};

/* What LongMamba needs to know of a model; immutable. Since 0.1. */
class Calibration {
public:
    /* Measures a model on `sequences` (1 to 65536; ten are enough) of `length` tokens of ordinary
     * text each (the training length, 2 to 1048576). ids [sequences, length]. Errors:
     * SIPO_OUT_OF_RANGE, SIPO_CANCELLED. Since 0.1. */
    static Calibration measure(const Model& model, const std::int32_t* ids, std::size_t sequences,
                               std::size_t length,
                               const CalibrationOptions& options = CalibrationOptions()) {
        const detail::Call call;
        sipo_calibration* measured = nullptr;
        const sipo_status status =
            sipo_calibrate(model.get(), ids, sequences, length, options.get(), &measured);
        Calibration calibration(measured);
        call.check(status);
        return calibration;
    }
    /* The same with as many sequences as `ids` holds; what is left over is not used. Since 0.1. */
    static Calibration measure(const Model& model, const std::vector<std::int32_t>& ids,
                               std::size_t length,
                               const CalibrationOptions& options = CalibrationOptions()) {
        return measure(model, ids.data(), length > 0 ? ids.size() / length : 0, length, options);
    }

    /* Writes it into the .sipo file at `path`, which must hold a model of the same shape, under
     * `profile` (1 to 64 of a-z A-Z 0-9 . _ -), replacing one of that name. Since 0.1. */
    void save(const std::string& path, const std::string& profile) const {
        detail::check(sipo_calibration_save(get(), path.c_str(), profile.c_str()));
    }

    /* Keeps with it the context method, threshold, layers, rate and capacity of `options`, for
     * SessionOptions::use_profile() of the profile that it is saved as. Since 0.1. */
    template <typename Options>
    void settings(const Options& options) {
        detail::check(sipo_calibration_set_settings(get(), options.get()));
    }

    /* [layers, delta channels]: sum over the tokens of ln of the mean decay. Since 0.1. */
    std::vector<float> log_decay() const {
        return detail::fetch<float>([&](float* data, std::size_t capacity, std::size_t* count) {
            return sipo_calibration_log_decay(get(), data, capacity, count);
        });
    }
    /* [layers, delta channels, lengths]: the threshold of delta. Since 0.1. */
    std::vector<float> threshold_table() const {
        return detail::fetch<float>([&](float* data, std::size_t capacity, std::size_t* count) {
            return sipo_calibration_threshold_table(get(), data, capacity, count);
        });
    }
    /* The lengths of the table in tokens, ascending. Since 0.1. */
    std::vector<long long> lengths() const {
        const std::vector<std::int64_t> lengths = detail::fetch<std::int64_t>(
            [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
                return sipo_calibration_lengths(get(), data, capacity, count);
            });
        return std::vector<long long>(lengths.begin(), lengths.end());
    }

    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_calibration* get() const noexcept { return calibration_.get(); }

private:
    explicit Calibration(sipo_calibration* calibration) : calibration_(calibration) {}

    detail::Owner<sipo_calibration, &sipo_calibration_free> calibration_;
};

/* Threads and working memory that sessions share; see sipo_workers_create(). Since 0.1. */
class Workers {
public:
    /* 1 to 256 threads; 0 takes as many as the process may use. Since 0.1. */
    explicit Workers(const Model& model, int threads = 0) {
        sipo_workers* workers = nullptr;
        detail::check(sipo_workers_create(model.get(), threads, &workers));
        workers_.reset(workers);
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_workers* get() const noexcept { return workers_.get(); }

private:
    detail::Owner<sipo_workers, &sipo_workers_free> workers_;
};

/* Options of the sessions of a model. Defaults: no context method, chunks as the backend likes, all
 * processors; DeciMamba with rate 0.5, capacity the training length, minimum 20, protected tail 1,
 * in the middle layer; LongMamba with threshold 1e-2, profile "default", in all layers. Since 0.1.
 */
class SessionOptions {
public:
    /* The options keep the model alive. Since 0.1. */
    explicit SessionOptions(const Model& model) : log_(model.log_) {
        sipo_session_options* options = nullptr;
        detail::check(sipo_session_options_create(model.get(), &options));
        options_.reset(options);
        vocab_size_ = static_cast<std::size_t>(model.vocab_size());
    }

    /* The method that extends the context. Since 0.1. */
    SessionOptions& context(Context method) {
        detail::check(sipo_session_options_set_context(get(), static_cast<std::int32_t>(method)));
        return *this;
    }
    /* DeciMamba: layer number s of the layer scope keeps capacity * rate^s tokens. (0, 1].
     * Since 0.1. */
    SessionOptions& decimation_rate(double rate) {
        detail::check(sipo_session_options_set_decimation_rate(get(), rate));
        return *this;
    }
    /* DeciMamba: tokens that the first layer of the scope keeps, 1 to 2^40. Since 0.1. */
    SessionOptions& decimation_capacity(long long tokens) {
        detail::check(sipo_session_options_set_decimation_capacity(get(), tokens));
        return *this;
    }
    /* DeciMamba: never keep fewer tokens than this, 1 to 2^40. Since 0.1. */
    SessionOptions& decimation_min_tokens(long long tokens) {
        detail::check(sipo_session_options_set_decimation_min_tokens(get(), tokens));
        return *this;
    }
    /* DeciMamba: tokens at the end of the prompt that are always kept, 1 to 2^40. Since 0.1. */
    SessionOptions& protected_tail(long long tokens) {
        detail::check(sipo_session_options_set_protected_tail(get(), tokens));
        return *this;
    }
    /* Layer scope of the method: different layers, each 0 to Model::layers() - 1, in any order.
     * Since 0.1. */
    SessionOptions& layers(const std::vector<std::int32_t>& layers) {
        detail::check(sipo_session_options_set_layers(get(), layers.data(), layers.size()));
        return *this;
    }
    /* Layer scope: every layer. Since 0.1. */
    SessionOptions& all_layers() {
        detail::check(sipo_session_options_set_all_layers(get()));
        return *this;
    }
    /* LongMamba: a channel is global when its cumulative decay at the training length exceeds this.
     * (0, 1). Since 0.1. */
    SessionOptions& global_channel_threshold(double threshold) {
        detail::check(sipo_session_options_set_global_channel_threshold(get(), threshold));
        return *this;
    }
    /* LongMamba: which channels are filtered; `seed`, any number, chooses the random ones.
     * Since 0.1. */
    SessionOptions& filtered_channels(Channels channels, long long seed = 0) {
        detail::check(sipo_session_options_set_filtered_channels(
            get(), static_cast<std::int32_t>(channels), static_cast<std::uint64_t>(seed)));
        return *this;
    }
    /* LongMamba: calibration profile of the file; SIPO_NOT_FOUND names the ones there are.
     * Since 0.1. */
    SessionOptions& profile(const std::string& name) {
        detail::check(sipo_session_options_set_profile(get(), name.c_str()));
        return *this;
    }
    /* That profile with the settings that it was saved with: context method, threshold, layers, rate
     * and capacity. SIPO_NOT_FOUND when it holds none. Since 0.1. */
    SessionOptions& use_profile(const std::string& name) {
        detail::check(sipo_session_options_use_profile(get(), name.c_str()));
        return *this;
    }
    /* LongMamba: this calibration instead of a profile of the file. Since 0.1. */
    SessionOptions& calibration(const Calibration& calibration) {
        detail::check(sipo_session_options_set_calibration(get(), calibration.get()));
        return *this;
    }
    /* LongMamba: the total length S whatever the prompt's, 0 (what was seen) to 2^40. Since 0.1. */
    SessionOptions& expected_tokens(long long tokens) {
        detail::check(sipo_session_options_set_expected_tokens(get(), tokens));
        return *this;
    }
    /* Threads of the computation, the caller's included: 1 to 256; 0 takes as many as the process
     * may use. The results do not depend on it. Since 0.1. */
    SessionOptions& threads(int threads) {
        detail::check(sipo_session_options_set_threads(get(), threads));
        return *this;
    }
    /* Threads and working memory that are shared, instead of threads of the session's own; see
     * sipo_session_options_set_workers(). Since 0.1. */
    SessionOptions& workers(const Workers& workers) {
        detail::check(sipo_session_options_set_workers(get(), workers.get()));
        return *this;
    }
    /* The most bytes that a session may take, else SIPO_OUT_OF_MEMORY before anything is allocated;
     * 0 for no limit. Since 0.1. */
    SessionOptions& memory_limit(long long bytes) {
        detail::check(sipo_session_options_set_memory_limit(get(), bytes));
        return *this;
    }
    /* The most bytes that a session of these options takes for prompts of up to `prompt_tokens`, 1
     * to 2^40; what comes on top, sipo_session_memory() says. Since 0.1. */
    long long session_memory(long long prompt_tokens) const {
        std::int64_t bytes = 0;
        detail::check(sipo_session_memory(get(), prompt_tokens, &bytes));
        return bytes;
    }
    /* Tokens of the prompt that go through the model together, 1 to 65536. The results do not
     * depend on it. Since 0.1. */
    SessionOptions& chunk_tokens(long long tokens) {
        detail::check(sipo_session_options_set_chunk_tokens(get(), tokens));
        return *this;
    }
    /* Progress of prefill and score in tokens of the prompt; an empty function for none. Since 0.1.
     */
    SessionOptions& progress(ProgressFunction function) {
        std::shared_ptr<ProgressFunction> shared = detail::share(std::move(function));
        detail::check(sipo_session_options_set_progress(get(), detail::progress_or_null(shared),
                                                        shared.get()));
        progress_ = std::move(shared);
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_session_options* get() const noexcept { return options_.get(); }

private:
    friend class Session;
    friend class Scheduler;
    std::shared_ptr<ProgressFunction> progress_;
    std::shared_ptr<LogFunction> log_;
    std::size_t vocab_size_ = 0;
    detail::Owner<sipo_session_options, &sipo_session_options_free> options_;
};

/* Options of Session::generate(). Default: greedy, stopping at the end of text. Since 0.1. */
class SamplingOptions {
public:
    SamplingOptions() {
        sipo_sampling_options* options = nullptr;
        detail::check(sipo_sampling_options_create(&options));
        options_.reset(options);
    }
    /* 0 (greedy, the default) to 100. Since 0.1. */
    SamplingOptions& temperature(double temperature) {
        detail::check(sipo_sampling_options_set_temperature(get(), temperature));
        return *this;
    }
    /* Sample among the k most likely tokens: 0 (all, the default) to 2^24. Since 0.1. */
    SamplingOptions& top_k(int k) {
        detail::check(sipo_sampling_options_set_top_k(get(), k));
        return *this;
    }
    /* Sample among the likeliest tokens that together reach probability p: (0, 1], default 1.
     * Since 0.1. */
    SamplingOptions& top_p(double p) {
        detail::check(sipo_sampling_options_set_top_p(get(), p));
        return *this;
    }
    /* Drop tokens less likely than p times the likeliest: [0, 1], default 0. Since 0.1. */
    SamplingOptions& min_p(double p) {
        detail::check(sipo_sampling_options_set_min_p(get(), p));
        return *this;
    }
    /* Make the tokens of the last `window` generated less likely: penalty (0, 100], 1 (the default)
     * is off; window 0 to 2^24. Since 0.1. */
    SamplingOptions& repetition_penalty(double penalty, long long window = 64) {
        detail::check(sipo_sampling_options_set_repetition_penalty(get(), penalty, window));
        return *this;
    }
    /* Any number; the same seed gives the same tokens. Default 0. Since 0.1. */
    SamplingOptions& seed(long long seed) {
        detail::check(sipo_sampling_options_set_seed(get(), static_cast<std::uint64_t>(seed)));
        return *this;
    }
    /* Go on past the end of text. Default false. Since 0.1. */
    SamplingOptions& ignore_end_of_text(bool ignore) {
        detail::check(sipo_sampling_options_set_ignore_end_of_text(get(), ignore ? 1 : 0));
        return *this;
    }
    /* Go on where the session's last generation stopped, not from the seed. Default false. Since
     * 0.1. */
    SamplingOptions& resume(bool resume) {
        detail::check(sipo_sampling_options_set_resume(get(), resume ? 1 : 0));
        return *this;
    }
    /* One more text that ends a generation: 1 to 65536 bytes of UTF-8, 256 of them at most. Since
     * 0.1. */
    SamplingOptions& stop(const std::string& text) {
        detail::check(sipo_sampling_options_add_stop(get(), text.data(), text.size()));
        return *this;
    }
    /* Adds biases[i] to the logit of ids[i]; minus infinity rules a token out. Since 0.1. */
    SamplingOptions& logit_bias(const std::int32_t* ids, const float* biases, std::size_t count) {
        detail::check(sipo_sampling_options_set_logit_bias(get(), ids, biases, count));
        return *this;
    }
    SamplingOptions& logit_bias(const std::vector<std::int32_t>& ids,
                                const std::vector<float>& biases) {
        const bool same_length = ids.size() == biases.size();
        return logit_bias(ids.data(), same_length ? biases.data() : nullptr, ids.size());
    }
    /* Reports the log probability of each token and of the `likeliest` (0 to 1024) of its place; an
     * empty function for none. Since 0.1. */
    SamplingOptions& log_probabilities(int likeliest, LogProbabilitiesFunction function) {
        std::shared_ptr<LogProbabilitiesFunction> shared = detail::share(std::move(function));
        detail::check(sipo_sampling_options_set_log_probabilities(
            get(), likeliest, shared ? &detail::on_log_probabilities : nullptr, shared.get()));
        log_probabilities_ = std::move(shared);
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_sampling_options* get() const noexcept { return options_.get(); }

private:
    friend class Scheduler;
    std::shared_ptr<LogProbabilitiesFunction> log_probabilities_;
    detail::Owner<sipo_sampling_options, &sipo_sampling_options_free> options_;
};

/* How snapshots are written; see sipo_snapshot_options_create(). Since 0.1. */
class SnapshotOptions {
public:
    SnapshotOptions() {
        sipo_snapshot_options* options = nullptr;
        detail::check(sipo_snapshot_options_create(&options));
        options_.reset(options);
    }
    /* Store::raw (the default, fastest) or Store::zstd. Since 0.1. */
    SnapshotOptions& store(Store store) {
        detail::check(sipo_snapshot_options_set_store(get(), static_cast<std::int32_t>(store)));
        return *this;
    }
    /* Whether a file that was saved survives a power cut. Default true. Since 0.1. */
    SnapshotOptions& flush(bool flush) {
        detail::check(sipo_snapshot_options_set_flush(get(), flush ? 1 : 0));
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_snapshot_options* get() const noexcept { return options_.get(); }

private:
    detail::Owner<sipo_snapshot_options, &sipo_snapshot_options_free> options_;
};

/* Options of a Cache. Defaults: 256 MiB of memory, no directory, 2048 tokens. Since 0.1. */
class CacheOptions {
public:
    CacheOptions() {
        sipo_cache_options* options = nullptr;
        detail::check(sipo_cache_options_create(&options));
        options_.reset(options);
    }
    /* Bytes of entries in memory; 0 for none. Since 0.1. */
    CacheOptions& memory(long long bytes) {
        detail::check(sipo_cache_options_set_memory(get(), bytes));
        return *this;
    }
    /* Keep entries in this directory too, up to that many bytes. Since 0.1. */
    CacheOptions& directory(const std::string& path, long long bytes) {
        detail::check(sipo_cache_options_set_directory(get(), path.c_str(), bytes));
        return *this;
    }
    /* Tokens from one kept state of a prompt to the next: 64 to 2^40. Since 0.1. */
    CacheOptions& interval(long long tokens) {
        detail::check(sipo_cache_options_set_interval(get(), tokens));
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_cache_options* get() const noexcept { return options_.get(); }

private:
    detail::Owner<sipo_cache_options, &sipo_cache_options_free> options_;
};

/* States after prefixes of prompts that were read before; see sipo_cache_create(). From all threads.
 * Since 0.1. */
class Cache {
public:
    explicit Cache(const Model& model, const CacheOptions& options = CacheOptions())
        : log_(model.log_) {
        sipo_cache* cache = nullptr;
        detail::check(sipo_cache_create(model.get(), options.get(), &cache));
        cache_.reset(cache);
    }
    /* One of SIPO_CACHE_*. Since 0.1. */
    long long statistic(int id) const {
        std::int64_t value = 0;
        detail::check(sipo_cache_get_statistic(get(), id, &value));
        return value;
    }
    /* Removes all entries of the model. Since 0.1. */
    void clear() { detail::check(sipo_cache_clear(get())); }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_cache* get() const noexcept { return cache_.get(); }

private:
    std::shared_ptr<LogFunction> log_;
    detail::Owner<sipo_cache, &sipo_cache_free> cache_;
};

/* One sequence: its recurrent state and the method that extends its context. One thread at a time,
 * a second is refused with SIPO_INVALID_STATE; cancel() alone may come from any thread. A callback
 * must not use the session it is called from, except for cancel(). Since 0.1. */
class Session {
public:
    /* A session at position 0; the options may be changed afterwards. Errors: SIPO_NOT_FOUND when
     * LongMamba has neither its profile nor a calibration, SIPO_BACKEND_ERROR. Since 0.1. */
    explicit Session(const SessionOptions& options)
        : progress_(options.progress_), log_(options.log_), vocab_size_(options.vocab_size_) {
        const detail::Call call;
        sipo_session* session = nullptr;
        const sipo_status status = sipo_session_create(options.get(), &session);
        session_.reset(session);
        call.check(status);
    }

    /* Reads a prompt: 1 to 2^40 tokens, each 0 to Model::vocab_size() - 1, after what was read
     * before. The context method acts here. If it fails or is cancelled, the session is as it was.
     * Errors: SIPO_OUT_OF_RANGE (which token), SIPO_CANCELLED. Since 0.1. */
    void prefill(const std::int32_t* ids, std::size_t count) {
        const detail::Call call;
        call.check(sipo_session_prefill(get(), ids, count));
    }
    void prefill(const std::vector<std::int32_t>& ids) { prefill(ids.data(), ids.size()); }

    /* Prefill that also gives the logits at the last `last` tokens, 1 to `count`, as
     * [last, Model::vocab_size()]. With DeciMamba the protected tail has to reach that far.
     * Since 0.1. */
    std::vector<float> prefill_logits(const std::int32_t* ids, std::size_t count,
                                      std::size_t last) {
        const detail::Call call;
        std::vector<float> logits(room(last, count) * vocab_size_);
        call.check(
            sipo_session_prefill_logits(get(), ids, count, last, logits.data(), logits.size()));
        return logits;
    }
    std::vector<float> prefill_logits(const std::vector<std::int32_t>& ids, std::size_t last) {
        return prefill_logits(ids.data(), ids.size(), last);
    }

    /* Prefill that also gives the negative log-likelihood, in nats, of each of the last `scored`
     * tokens: 1 to `count` - 1 (to `count` if the session has read tokens before). With DeciMamba
     * the protected tail has to be `scored` + 1 or more. Since 0.1. */
    std::vector<float> score(const std::int32_t* ids, std::size_t count, std::size_t scored) {
        const detail::Call call;
        std::vector<float> nll(room(scored, count));
        call.check(sipo_session_score(get(), ids, count, scored, nll.data()));
        return nll;
    }
    std::vector<float> score(const std::vector<std::int32_t>& ids, std::size_t scored) {
        return score(ids.data(), ids.size(), scored);
    }

    /* Reads one token by the plain recurrence, whatever the context method. Since 0.1. */
    void decode(std::int32_t token) { detail::check(sipo_session_decode(get(), token)); }

    /* Logits after the last token, [Model::vocab_size()]. Errors: SIPO_INVALID_STATE before the
     * first token. Since 0.1. */
    std::vector<float> logits() const {
        return detail::fetch<float>([&](float* data, std::size_t capacity, std::size_t* count) {
            return sipo_session_logits(get(), data, capacity, count);
        });
    }

    /* The token with the largest of these logits, known without them: the greedy choice. Errors:
     * SIPO_INVALID_STATE before the first token, SIPO_BACKEND_ERROR when the largest is not a
     * finite number. Since 0.1. */
    std::int32_t likeliest() const {
        std::int32_t token = 0;
        detail::check(sipo_session_likeliest(get(), &token));
        return token;
    }

    /* Generates up to `max_tokens` (1 to 2^40) tokens from where the session stands and reads each.
     * The end of text stops it and is neither reported nor read. An empty function is not called.
     * Returns how many tokens there were. Errors: SIPO_INVALID_STATE before the first token,
     * SIPO_CANCELLED; then, and when `function` throws, the tokens it was called with have been
     * read. Since 0.1. */
    std::size_t generate(std::size_t max_tokens, const TokenFunction& function = TokenFunction(),
                         const SamplingOptions& options = SamplingOptions()) {
        const detail::Call call;
        TokenFunction* const user = const_cast<TokenFunction*>(&function);
        std::size_t generated = 0;
        call.check(sipo_session_generate(get(), options.get(), max_tokens,
                                         function ? &detail::on_token : nullptr, user, &generated));
        return generated;
    }

    /* Tokens read so far. Since 0.1. */
    long long position() const {
        std::int64_t position = 0;
        detail::check(sipo_session_position(get(), &position));
        return position;
    }

    /* Which tokens of the last prefill reached the last layer: indices into its ids, ascending.
     * Since 0.1. */
    std::vector<long long> kept_tokens() const {
        const std::vector<std::int64_t> kept = detail::fetch<std::int64_t>(
            [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
                return sipo_session_kept_tokens(get(), data, capacity, count);
            });
        return std::vector<long long>(kept.begin(), kept.end());
    }

    /* As prefill(), with the help of a cache of the same model; statistic(
     * SIPO_SESSION_REUSED_TOKENS) tells what it had. Since 0.1. */
    void prefill_cached(const Cache& cache, const std::int32_t* ids, std::size_t count) {
        const detail::Call call;
        call.check(sipo_session_prefill_cached(get(), cache.get(), ids, count));
    }
    void prefill_cached(const Cache& cache, const std::vector<std::int32_t>& ids) {
        prefill_cached(cache, ids.data(), ids.size());
    }

    /* Reads the text that follows best, each taken as a whole, and returns its number;
     * `log_probabilities` gets that of each, in nats. Errors: SIPO_INVALID_STATE before the first
     * token, SIPO_CANCELLED. Since 0.1. */
    std::size_t choose(const std::vector<std::string>& texts,
                       std::vector<float>* log_probabilities = nullptr) {
        std::vector<const char*> starts;
        std::vector<std::size_t> lengths;
        for (const std::string& text : texts) {
            starts.push_back(text.data());
            lengths.push_back(text.size());
        }
        std::vector<float> values(texts.size());
        std::size_t chosen = 0;
        detail::check(sipo_session_choose(get(), starts.data(), lengths.data(), texts.size(),
                                          values.data(), &chosen));
        if (log_probabilities != nullptr) log_probabilities->swap(values);
        return chosen;
    }

    /* One of SIPO_SESSION_*, about the last prompt and generation. Since 0.1. */
    double statistic(int id) const {
        double value = 0.0;
        detail::check(sipo_session_get_statistic(get(), id, &value));
        return value;
    }

    /* A hash of all tokens read so far, as sipo_token_hash() gives. Since 0.1. */
    long long token_hash() const {
        std::uint64_t hash = 0;
        detail::check(sipo_session_token_hash(get(), &hash));
        return static_cast<long long>(hash);
    }

    /* A session that stands where this one stands. The two share threads. Since 0.1. */
    Session fork() const {
        Session copy(*this, nullptr);
        sipo_session* session = nullptr;
        detail::check(sipo_session_fork(get(), &session));
        copy.session_.reset(session);
        return copy;
    }

    /* Keeps where the session stands under a name, in memory. Since 0.1. */
    void checkpoint(const std::string& name) {
        detail::check(sipo_session_checkpoint(get(), name.c_str()));
    }
    /* Back to that checkpoint; SIPO_NOT_FOUND names the ones there are. Since 0.1. */
    void rewind(const std::string& name) {
        detail::check(sipo_session_rewind(get(), name.c_str()));
    }
    void drop_checkpoint(const std::string& name) {
        detail::check(sipo_session_drop_checkpoint(get(), name.c_str()));
    }

    /* Saves the session to a file, which appears complete or not at all. Errors: SIPO_IO_ERROR.
     * Since 0.1. */
    void save(const std::string& path, const SnapshotOptions& options = SnapshotOptions()) const {
        detail::check(sipo_session_save(get(), path.c_str(), options.get()));
    }
    /* Goes on where the session of a snapshot stood; see sipo_session_load(). Since 0.1. */
    void load(const std::string& path) { detail::check(sipo_session_load(get(), path.c_str())); }
    /* The same to and from memory. Since 0.1. */
    std::vector<unsigned char> save_memory(
        const SnapshotOptions& options = SnapshotOptions()) const {
        sipo_snapshot* made = nullptr;
        detail::check(sipo_session_save_memory(get(), options.get(), &made));
        const detail::Owner<sipo_snapshot, &sipo_snapshot_free> snapshot(made);
        const void* bytes = nullptr;
        std::size_t length = 0;
        detail::check(sipo_snapshot_bytes(snapshot.get(), &bytes, &length));
        const unsigned char* const first = static_cast<const unsigned char*>(bytes);
        return std::vector<unsigned char>(first, first + length);
    }
    void load_memory(const unsigned char* bytes, std::size_t length) {
        detail::check(sipo_session_load_memory(get(), bytes, length));
    }
    void load_memory(const std::vector<unsigned char>& bytes) {
        load_memory(bytes.data(), bytes.size());
    }

    /* Back to position 0. Since 0.1. */
    void reset() { detail::check(sipo_session_reset(get())); }

    /* Makes the call that runs in the session, if one does, fail with SIPO_CANCELLED within a chunk
     * or a token. The one method that another thread may call on a session in use. Since 0.1. */
    void cancel() { detail::check(sipo_session_cancel(get())); }

    /* Where the session computes, such as "cpu (avx512), 2 threads". Since 0.1. */
    std::string backend_name() const {
        return detail::fetch_text([&](char* name, std::size_t capacity, std::size_t* length) {
            return sipo_session_backend_name(get(), name, capacity, length);
        });
    }

    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_session* get() const noexcept { return session_.get(); }

private:
    /* Everything but the session itself. */
    Session(const Session& original, std::nullptr_t)
        : progress_(original.progress_), log_(original.log_), vocab_size_(original.vocab_size_) {}

    /* Results to make room for; a number that is refused anyway must not become an allocation. */
    static std::size_t room(std::size_t wanted, std::size_t count) {
        return std::max<std::size_t>(1, std::min(wanted, count));
    }

    std::shared_ptr<ProgressFunction> progress_;
    std::shared_ptr<LogFunction> log_;
    std::size_t vocab_size_ = 0;
    detail::Owner<sipo_session, &sipo_session_free> session_;
};

/* Reads one token in each of several different sessions of one model, in one pass over the weights;
 * see sipo_batch_decode(). Errors: SIPO_INVALID_ARGUMENT when the lists differ in length or a
 * session is of another model, SIPO_INVALID_STATE when a session stands twice or is in use. Since
 * 0.1. */
inline void batch_decode(const std::vector<Session*>& sessions,
                         const std::vector<std::int32_t>& tokens) {
    std::vector<sipo_session*> handles;
    for (const Session* session : sessions) {
        handles.push_back(session != nullptr ? session->get() : nullptr);
    }
    const bool same_length = handles.size() == tokens.size();
    detail::check(
        sipo_batch_decode(handles.data(), same_length ? tokens.data() : nullptr, handles.size()));
}

/* The most bytes that the weights of the .sipo file at `path` take on the CPU, from its header.
 * Since 0.1. */
inline long long model_memory(const std::string& path) {
    std::int64_t bytes = 0;
    detail::check(sipo_model_memory(path.c_str(), &bytes));
    return bytes;
}

/* The hash that a session has which has read these tokens. Since 0.1. */
inline long long token_hash(const std::int32_t* ids, std::size_t count) {
    std::uint64_t hash = 0;
    detail::check(sipo_token_hash(ids, count, &hash));
    return static_cast<long long>(hash);
}
inline long long token_hash(const std::vector<std::int32_t>& ids) {
    return token_hash(ids.data(), ids.size());
}

/* Options of a Scheduler. Defaults: all processors, 64 sessions, a queue of 1024, a budget of 128
 * tokens, no cache. Since 0.1. */
class SchedulerOptions {
public:
    explicit SchedulerOptions(const Model& model) : log_(model.log_) {
        sipo_scheduler_options* options = nullptr;
        detail::check(sipo_scheduler_options_create(model.get(), &options));
        options_.reset(options);
    }
    /* 1 to 256; 0 takes as many as the process may use. Since 0.1. */
    SchedulerOptions& threads(int threads) {
        detail::check(sipo_scheduler_options_set_threads(get(), threads));
        return *this;
    }
    /* Requests that are worked on at once: 1 to 65536. Since 0.1. */
    SchedulerOptions& sessions(long long sessions) {
        detail::check(sipo_scheduler_options_set_sessions(get(), sessions));
        return *this;
    }
    /* Requests that wait at most: 1 to 2^24. Since 0.1. */
    SchedulerOptions& queue(long long requests) {
        detail::check(sipo_scheduler_options_set_queue(get(), requests));
        return *this;
    }
    /* Tokens of prompts that are read a round: 1 to 65536. Since 0.1. */
    SchedulerOptions& chunk_tokens(long long tokens) {
        detail::check(sipo_scheduler_options_set_chunk_tokens(get(), tokens));
        return *this;
    }
    /* The most bytes of the sessions, else SIPO_OUT_OF_MEMORY; 0 for no limit. Since 0.1. */
    SchedulerOptions& memory_limit(long long bytes) {
        detail::check(sipo_scheduler_options_set_memory_limit(get(), bytes));
        return *this;
    }
    /* Reads prompts with the help of this cache. Since 0.1. */
    SchedulerOptions& cache(const Cache& cache) {
        detail::check(sipo_scheduler_options_set_cache(get(), cache.get()));
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_scheduler_options* get() const noexcept { return options_.get(); }

private:
    friend class Scheduler;
    std::shared_ptr<LogFunction> log_;
    detail::Owner<sipo_scheduler_options, &sipo_scheduler_options_free> options_;
};

/* A token that a request gave, and the text that is certain after it. At the end `token` is -1.
 * Since 0.1. */
struct RequestToken {
    std::int32_t token;
    std::string text;
};

/* A generation that a scheduler works on; from all threads. Destroying it cancels it. Since 0.1. */
class Request {
public:
    /* Waits for the next token: 0 to 10^9 milliseconds, -1 for ever. Errors: SIPO_TIMED_OUT,
     * SIPO_CANCELLED, and what the request failed with, after its tokens. Since 0.1. */
    RequestToken next(long long timeout_milliseconds = -1) {
        RequestToken result = {0, std::string()};
        std::vector<char> text(256);
        for (;;) {
            std::size_t length = 0;
            const sipo_status status = sipo_request_next(get(), timeout_milliseconds, &result.token,
                                                         text.data(), text.size(), &length);
            if (status == SIPO_BUFFER_TOO_SMALL) {
                text.resize(4 * text.size());
                continue;
            }
            detail::check(status);
            result.text.assign(text.data(), length);
            return result;
        }
    }
    /* Ends it within a chunk or a token. Since 0.1. */
    void cancel() { detail::check(sipo_request_cancel(get())); }
    /* One of SIPO_REQUEST_*. Since 0.1. */
    double statistic(int id) const {
        double value = 0.0;
        detail::check(sipo_request_get_statistic(get(), id, &value));
        return value;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_request* get() const noexcept { return request_.get(); }

private:
    friend class Scheduler;
    Request(sipo_request* request, const std::shared_ptr<ProgressFunction>& progress,
            const std::shared_ptr<LogProbabilitiesFunction>& log_probabilities)
        : progress_(progress), log_probabilities_(log_probabilities), request_(request) {}
    std::shared_ptr<ProgressFunction> progress_;
    std::shared_ptr<LogProbabilitiesFunction> log_probabilities_;
    detail::Owner<sipo_request, &sipo_request_free> request_; /* the first to go */
};

/* Many generations at once for a server; see sipo_scheduler_create(). From all threads. Callbacks of
 * the options run on the scheduler's thread, where an exception only cancels the request.
 * Destroying it ends all requests. Since 0.1. */
class Scheduler {
public:
    explicit Scheduler(const SchedulerOptions& options) : log_(options.log_) {
        sipo_scheduler* scheduler = nullptr;
        detail::check(sipo_scheduler_create(options.get(), &scheduler));
        scheduler_.reset(scheduler);
    }
    /* Errors: SIPO_BUSY when the queue is full, SIPO_OUT_OF_RANGE. Since 0.1. */
    Request submit(const SessionOptions& session, const SamplingOptions& sampling,
                   const std::int32_t* ids, std::size_t count, std::size_t max_tokens) {
        sipo_request* request = nullptr;
        detail::check(sipo_scheduler_submit(get(), session.get(), sampling.get(), ids, count,
                                            max_tokens, &request));
        return Request(request, session.progress_, sampling.log_probabilities_);
    }
    Request submit(const SessionOptions& session, const SamplingOptions& sampling,
                   const std::vector<std::int32_t>& ids, std::size_t max_tokens) {
        return submit(session, sampling, ids.data(), ids.size(), max_tokens);
    }
    /* One of SIPO_SCHEDULER_*. Since 0.1. */
    double statistic(int id) const {
        double value = 0.0;
        detail::check(sipo_scheduler_get_statistic(get(), id, &value));
        return value;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_scheduler* get() const noexcept { return scheduler_.get(); }

private:
    std::shared_ptr<LogFunction> log_;
    detail::Owner<sipo_scheduler, &sipo_scheduler_free> scheduler_;
};

/* Options of Analysis::measure(); see sipo_analysis_options_create(). Since 0.1. */
class AnalysisOptions {
public:
    AnalysisOptions() {
        sipo_analysis_options* options = nullptr;
        detail::check(sipo_analysis_options_create(&options));
        options_.reset(options);
    }
    /* Places of the prompt that curves are told for, 1 to 4096. Since 0.1. */
    AnalysisOptions& points(long long points) {
        detail::check(sipo_analysis_options_set_points(get(), points));
        return *this;
    }
    /* Rows and columns of an attention map, 0 (no maps) to 256. Since 0.1. */
    AnalysisOptions& map_size(long long size) {
        detail::check(sipo_analysis_options_set_map_size(get(), size));
        return *this;
    }
    /* The channels whose attention is mapped: channels[i] of layer layers[i], as many of the one as
     * of the other; none for a typical one of each layer. Since 0.1. */
    AnalysisOptions& map_channels(const std::vector<std::int32_t>& layers,
                                  const std::vector<std::int32_t>& channels) {
        if (layers.size() != channels.size()) {
            throw Error(SIPO_INVALID_ARGUMENT, "as many layers as channels are needed");
        }
        detail::check(sipo_analysis_options_set_map_channels(get(), layers.data(), channels.data(),
                                                             layers.size()));
        return *this;
    }
    /* The most bytes that an analysis may take, 0 for no limit. Since 0.1. */
    AnalysisOptions& memory_limit(long long bytes) {
        detail::check(sipo_analysis_options_set_memory_limit(get(), bytes));
        return *this;
    }
    /* Progress in tokens times layers; an empty function for none. Since 0.1. */
    AnalysisOptions& progress(ProgressFunction function) {
        std::shared_ptr<ProgressFunction> shared = detail::share(std::move(function));
        detail::check(sipo_analysis_options_set_progress(get(), detail::progress_or_null(shared),
                                                         shared.get()));
        progress_ = std::move(shared);
        return *this;
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_analysis_options* get() const noexcept { return options_.get(); }

private:
    std::shared_ptr<ProgressFunction> progress_;
    detail::Owner<sipo_analysis_options, &sipo_analysis_options_free> options_;
};

/* What the channels of a model remember of a prompt; see sipo_analyze(). Immutable. Since 0.1. */
class Analysis {
public:
    /* Reads `ids`, two or more, as a new session of those options would. Errors: SIPO_OUT_OF_RANGE,
     * SIPO_OUT_OF_MEMORY (the limit), SIPO_CANCELLED. Since 0.1. */
    static Analysis measure(const SessionOptions& session, const std::int32_t* ids,
                            std::size_t count, const AnalysisOptions& options = AnalysisOptions()) {
        const detail::Call call;
        sipo_analysis* measured = nullptr;
        const sipo_status status =
            sipo_analyze(session.get(), ids, count, options.get(), &measured);
        Analysis analysis(measured);
        call.check(status);
        return analysis;
    }
    static Analysis measure(const SessionOptions& session, const std::vector<std::int32_t>& ids,
                            const AnalysisOptions& options = AnalysisOptions()) {
        return measure(session, ids.data(), ids.size(), options);
    }
    /* The most bytes that measuring a prompt of `tokens` tokens takes. Since 0.1. */
    static long long memory(const SessionOptions& session, long long tokens,
                            const AnalysisOptions& options = AnalysisOptions()) {
        std::int64_t bytes = 0;
        detail::check(sipo_analysis_memory(session.get(), options.get(), tokens, &bytes));
        return bytes;
    }
    /* One of SIPO_ANALYSIS_LOG_DECAY and the others below 500, with the shape told there. Since 0.1. */
    std::vector<float> reals(int id) const {
        return detail::fetch<float>([&](float* data, std::size_t capacity, std::size_t* count) {
            return sipo_analysis_get_reals(get(), id, data, capacity, count);
        });
    }
    /* One of SIPO_ANALYSIS_PLACES and the others from 500 on. Since 0.1. */
    std::vector<long long> integers(int id) const {
        const std::vector<std::int64_t> values = detail::fetch<std::int64_t>(
            [&](std::int64_t* data, std::size_t capacity, std::size_t* count) {
                return sipo_analysis_get_integers(get(), id, data, capacity, count);
            });
        return std::vector<long long>(values.begin(), values.end());
    }
    /* The object of sipo.h; still owned by this one. Since 0.1. */
    sipo_analysis* get() const noexcept { return analysis_.get(); }

private:
    explicit Analysis(sipo_analysis* analysis) : analysis_(analysis) {}

    detail::Owner<sipo_analysis, &sipo_analysis_free> analysis_;
};

}  // namespace sipo

#endif /* SIPO_SIPO_HPP_ */
