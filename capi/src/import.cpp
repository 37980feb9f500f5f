// sipo_import() and its options.
#include "arguments.hpp"
#include "base/cpu_count.hpp"
#include "handles.hpp"
#include "import/export_checkpoint.hpp"
#include "import/presets.hpp"
#include "import/quantize.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

extern "C" {

sipo_status sipo_import_options_create(sipo_import_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_import_options{});
    });
}

void sipo_import_options_free(sipo_import_options* options) {
    const std::unique_ptr<sipo_import_options> owned(options);
}

sipo_status sipo_import_options_set_weights(sipo_import_options* options, int32_t weights) {
    return guarded([&] {
        ImportOptions& target = require(options, "options").options;
        switch (weights) {
            case SIPO_WEIGHTS_AUTO: target.weights.reset(); return;
            case SIPO_WEIGHTS_F32: target.weights = DType::f32; return;
            case SIPO_WEIGHTS_BF16: target.weights = DType::bf16; return;
            case SIPO_WEIGHTS_Q8: target.weights = DType::q8; return;
            case SIPO_WEIGHTS_Q4: target.weights = DType::q4; return;
            default:
                fail(Code::out_of_range, "weights is ", weights,
                     "; legal are SIPO_WEIGHTS_AUTO (0), SIPO_WEIGHTS_F32 (100), SIPO_WEIGHTS_BF16 "
                     "(110), SIPO_WEIGHTS_Q8 (120) and SIPO_WEIGHTS_Q4 (130)");
        }
    });
}

sipo_status sipo_import_options_set_store(sipo_import_options* options, int32_t store) {
    return guarded([&] {
        ImportOptions& target = require(options, "options").options;
        switch (store) {
            case SIPO_STORE_ZSTD: target.store = Store::zstd; return;
            case SIPO_STORE_RAW: target.store = Store::raw; return;
            default:
                fail(Code::out_of_range, "store is ", store,
                     "; legal are SIPO_STORE_ZSTD (100) and SIPO_STORE_RAW (110)");
        }
    });
}

sipo_status sipo_import_options_set_threads(sipo_import_options* options, int32_t threads) {
    return guarded([&] { require(options, "options").options.threads = thread_count(threads); });
}

sipo_status sipo_import_options_set_training_length(sipo_import_options* options, int64_t tokens) {
    return guarded([&] {
        require(options, "options").options.training_length =
            in_range<std::int64_t>(tokens, 1, INT32_MAX, "training_length");
    });
}

sipo_status sipo_import_options_set_progress(sipo_import_options* options, sipo_progress_fn fn,
                                             void* user) {
    return guarded([&] { require(options, "options").progress = make_progress(fn, user); });
}

sipo_status sipo_import_options_set_tokenizer(sipo_import_options* options, const char* path) {
    return guarded([&] {
        ImportOptions& target = require(options, "options").options;
        if (path == nullptr) {
            target.tokenizer.reset();
        } else {
            target.tokenizer = require_text(path, "path");
        }
    });
}

sipo_status sipo_export(const char* path, const char* directory,
                        const sipo_import_options* options) {
    return guarded([&] {
        const std::string from = require_text(path, "path");
        const std::string to = require_text(directory, "directory");
        const sipo_import_options chosen = options != nullptr ? *options : sipo_import_options{};
        export_checkpoint(from, to, resolve_threads(chosen.options.threads), chosen.progress);
    });
}

sipo_status sipo_import(const char* path, const char* output, const sipo_import_options* options) {
    return guarded([&] {
        const std::string from = require_text(path, "path");
        const std::string to = require_text(output, "output");
        const sipo_import_options chosen = options != nullptr ? *options : sipo_import_options{};
        ImportOptions resolved = chosen.options;
        resolved.threads = resolve_threads(resolved.threads);
        import_checkpoint(from, to, resolved, chosen.progress);
    });
}

sipo_status sipo_write_preset(const char* preset, const char* output,
                              const sipo_import_options* options) {
    return guarded([&] {
        const std::string name = require_text(preset, "preset");
        const std::string to = require_text(output, "output");
        const sipo_import_options chosen = options != nullptr ? *options : sipo_import_options{};
        ImportOptions resolved = chosen.options;
        resolved.threads = resolve_threads(resolved.threads);
        write_preset(name, to, resolved, chosen.progress);
    });
}

sipo_status sipo_quantize(const char* path, const char* output,
                          const sipo_import_options* options) {
    return guarded([&] {
        const std::string from = require_text(path, "path");
        const std::string to = require_text(output, "output");
        const sipo_import_options chosen = options != nullptr ? *options : sipo_import_options{};
        const DType weights = chosen.options.weights.value_or(DType::q8);
        if (!is_quantised(weights)) {
            fail(Code::invalid_argument, "weights to quantise to are ", dtype_name(weights),
                 "; legal are q8 and q4");
        }
        quantize_container(from, to,
                           {.weights = weights,
                            .store = chosen.options.store,
                            .threads = resolve_threads(chosen.options.threads)},
                           chosen.progress);
    });
}

}  // extern "C"
