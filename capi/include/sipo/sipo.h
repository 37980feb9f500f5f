/* Sipo: Mamba language models far beyond the length they were trained on.
 *
 * This header is the library's only promise: C99, a stable binary interface, no other header of the
 * project behind it. A program needs three objects:
 *
 *   sipo_model    the weights and the tokenizer of one .sipo file. Immutable; any number of threads
 *                 and sessions may share it.
 *   sipo_session  one sequence: its recurrent state (a few megabytes, whatever the length of the
 *                 prompt) and the method that extends its context. One thread at a time.
 *   *_options     what a model, a session, a sampler or a conversion is made with. Every setter
 *                 checks its value at once and the message of an error says the legal range.
 *
 *     sipo_model_open("model.sipo", NULL, &model);
 *     sipo_model_tokenize(model, text, strlen(text), ids, capacity, &count);
 *     sipo_session_options_create(model, &options);
 *     sipo_session_options_set_context(options, SIPO_CONTEXT_LONGMAMBA);
 *     sipo_session_create(options, &session);
 *     sipo_session_prefill(session, ids, count);
 *     sipo_session_generate(session, NULL, 100, on_token, user, &generated);
 *
 * Rules that hold everywhere
 *
 *   Errors     A call that can fail returns a sipo_status. On anything but SIPO_OK the
 *              out-parameters are untouched, nothing is left to free, and
 *              sipo_last_error_message() says in one line what was wrong with which value. NULL
 *              where an object, an array or an out-parameter is asked for gives
 *              SIPO_INVALID_ARGUMENT; every call may also return SIPO_OUT_OF_MEMORY or
 *              SIPO_INTERNAL.
 *   Ownership  What a *_create, *_open or calibrate call returns is the caller's and is released by
 *              the *_free of its type, which takes NULL. An object keeps what it was made from
 *              alive: freeing a model before its sessions is safe. Arrays are only read during a call.
 *   Text       UTF-8 with a length in bytes; it may hold NUL. Paths and names end with NUL.
 *   Results    A function that fills an array takes (pointer, capacity, &count). With a NULL pointer
 *              and capacity 0 it only tells the count; a capacity that is too small gives
 *              SIPO_BUFFER_TOO_SMALL and writes nothing.
 *   Callbacks  Called on the thread that made the call, with the user pointer that was given beside
 *              them. A nonzero return cancels the call, which then gives SIPO_CANCELLED. A callback
 *              must not use the session it is called from, except for sipo_session_cancel().
 *   Threads    Functions on different objects may run at the same time. A session that is used by
 *              two threads at once refuses the second with SIPO_INVALID_STATE.
 */
#ifndef SIPO_SIPO_H_
#define SIPO_SIPO_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the library exports. */
#if defined(__GNUC__)
#define SIPO_API __attribute__((visibility("default")))
#else
#define SIPO_API
#endif

/* ---- Version --------------------------------------------------------------------------------- */

/* The version of this header. The binary interface is compatible within a major version (and, while
 * that is 0, within the soname libsipo.so.0). */
#define SIPO_VERSION_MAJOR 0
#define SIPO_VERSION_MINOR 1 /* raised when something is added */
#define SIPO_VERSION_PATCH 0 /* raised when only defects are mended */
/* The same as one number: 102 is 0.1.2. */
#define SIPO_VERSION_NUMBER \
    (SIPO_VERSION_MAJOR * 10000 + SIPO_VERSION_MINOR * 100 + SIPO_VERSION_PATCH)

/* Version of the library that runs, as SIPO_VERSION_NUMBER. Since 0.1. */
SIPO_API int32_t sipo_version_number(void);

/* The same as text, "0.1.0"; static storage. Since 0.1. */
SIPO_API const char* sipo_version_string(void);

/* ---- Status ---------------------------------------------------------------------------------- */

/* Result of a call. The numbers never change; unknown ones are errors. Since 0.1. */
typedef int32_t sipo_status;
enum {
    SIPO_OK = 0,
    SIPO_INVALID_ARGUMENT = 100, /* NULL, a malformed name, arguments that contradict each other */
    SIPO_OUT_OF_RANGE = 110,     /* a number outside its legal range, NaN included */
    SIPO_INVALID_STATE = 120,    /* not now: logits before a token, a session in use elsewhere */
    SIPO_BUFFER_TOO_SMALL = 130,
    SIPO_BUSY = 140,      /* the scheduler's queue is full: try again later */
    SIPO_TIMED_OUT = 150, /* nothing came within the time that was given */
    SIPO_NOT_FOUND = 200, /* no such file, calibration profile or token */
    SIPO_IO_ERROR = 210,
    SIPO_CORRUPT_FILE = 300,
    SIPO_UNSUPPORTED = 310, /* well-formed, but not something this version runs */
    SIPO_OUT_OF_MEMORY = 400,
    SIPO_BACKEND_ERROR = 410, /* the device or its driver failed */
    SIPO_CANCELLED = 500,     /* by a callback or by sipo_session_cancel() */
    SIPO_INTERNAL = 900       /* a defect of this library; please report it */
};

/* Name of a status ("SIPO_OUT_OF_RANGE"); static storage, never NULL. Since 0.1. */
SIPO_API const char* sipo_status_name(sipo_status status);

/* One line about the last call of this thread that failed; empty if none did. Valid until the next
 * failing call of the same thread. Since 0.1. */
SIPO_API const char* sipo_last_error_message(void);

/* ---- Objects and callbacks ------------------------------------------------------------------- */

/* The weights and the tokenizer of one .sipo file. */
typedef struct sipo_model sipo_model;
/* How a model is opened. */
typedef struct sipo_model_options sipo_model_options;
/* One sequence. */
typedef struct sipo_session sipo_session;
/* How a session computes and goes beyond the training length. */
typedef struct sipo_session_options sipo_session_options;
/* How tokens are chosen. */
typedef struct sipo_sampling_options sipo_sampling_options;
/* How a file is written. */
typedef struct sipo_import_options sipo_import_options;
/* What LongMamba needs to know of a model. */
typedef struct sipo_calibration sipo_calibration;
/* How that is measured. */
typedef struct sipo_calibration_options sipo_calibration_options;
/* Threads and working memory that sessions share. */
typedef struct sipo_workers sipo_workers;
/* A saved session in memory. */
typedef struct sipo_snapshot sipo_snapshot;
/* States after prefixes of prompts. */
typedef struct sipo_cache sipo_cache;
/* Where they are kept, and how many. */
typedef struct sipo_cache_options sipo_cache_options;
/* Many generations at once. */
typedef struct sipo_scheduler sipo_scheduler;
/* How many, with which threads. */
typedef struct sipo_scheduler_options sipo_scheduler_options;
/* One of these generations. */
typedef struct sipo_request sipo_request;
/* How a session is saved. */
typedef struct sipo_snapshot_options sipo_snapshot_options;
/* What the channels of a model remember of a prompt. */
typedef struct sipo_analysis sipo_analysis;
/* What is measured of it. */
typedef struct sipo_analysis_options sipo_analysis_options;

/* Progress of long work: `done` of `total` units (tokens in a prefill, bytes in an import, layers
 * times sequences in a calibration). Nonzero cancels. Since 0.1. */
typedef int (*sipo_progress_fn)(void* user, uint64_t done, uint64_t total);

/* A generated token and the text that is certain after it: whole code points, `text_length` bytes, not
 * NUL-terminated, possibly none; valid during the call. A sequence of bytes that is not UTF-8 comes
 * as U+FFFD. Text that may be the start of a stop sequence is held back until that is decided; what
 * is still held back when the end of text comes follows in a last call with token -1. Nonzero stops
 * the generation. Since 0.1. */
typedef int (*sipo_token_fn)(void* user, int32_t token, const char* text, size_t text_length);

/* A generated token, just before sipo_token_fn gets it: its log probability in nats, and the
 * `count` likeliest tokens of its place, likeliest first. All are of the model's own distribution,
 * before bias, penalty and temperature. The arrays are valid during the call. Nonzero stops the
 * generation, and the token is not read. Since 0.1. */
typedef int (*sipo_log_probabilities_fn)(void* user, int32_t token, float log_probability,
                                         const int32_t* likeliest, const float* log_probabilities,
                                         size_t count);

/* A line for the host's log. Levels: 1 error, 2 warning, 3 information. The return is ignored.
 * Since 0.1. */
typedef int (*sipo_log_fn)(void* user, int32_t level, const char* message, size_t length);

/* The longest array or text a call takes: 2^40 elements. Since 0.1. */
#define SIPO_MAX_COUNT ((int64_t)1 << 40)

/* ---- Import ---------------------------------------------------------------------------------- */

/* How matrices are stored and multiplied. Vectors, A, the convolution and the state are always f32.
 * Since 0.1. */
enum {
    SIPO_WEIGHTS_AUTO = 0, /* f32 from an f32 checkpoint, else bf16 */
    SIPO_WEIGHTS_F32 = 100,
    SIPO_WEIGHTS_BF16 = 110,
    SIPO_WEIGHTS_Q8 = 120, /* 8 bits and a scale for every 32; the path of Δ stays bf16 */
    SIPO_WEIGHTS_Q4 = 130  /* 4 bits, a scale and an offset for every 32; likewise */
};

/* How tensors lie in a .sipo file. Since 0.1. */
enum {
    SIPO_STORE_ZSTD = 100, /* compressed in byte planes: smaller */
    SIPO_STORE_RAW = 110   /* as they are: larger, loads a little faster */
};

/* Options of sipo_import(); defaults: SIPO_WEIGHTS_AUTO, SIPO_STORE_ZSTD, all processors.
 * Since 0.1. */
SIPO_API sipo_status sipo_import_options_create(sipo_import_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_import_options_free(sipo_import_options* options);
/* One of SIPO_WEIGHTS_*. Since 0.1. */
SIPO_API sipo_status sipo_import_options_set_weights(sipo_import_options* options, int32_t weights);
/* One of SIPO_STORE_*. Since 0.1. */
SIPO_API sipo_status sipo_import_options_set_store(sipo_import_options* options, int32_t store);
/* 1 to 256; 0 takes as many as the process may use. Since 0.1. */
SIPO_API sipo_status sipo_import_options_set_threads(sipo_import_options* options, int32_t threads);
/* Length in tokens that the model was trained with: 1 to 2^31-1. The default is config.json's
 * "training_length", which the public checkpoints lack, else 2048. It is DeciMamba's default capacity
 * and the usual length of a calibration sequence. Since 0.1. */
SIPO_API sipo_status sipo_import_options_set_training_length(sipo_import_options* options,
                                                             int64_t tokens);
/* Path of a tokenizer.json to take instead of the checkpoint's; NULL for its own. Since 0.1. */
SIPO_API sipo_status sipo_import_options_set_tokenizer(sipo_import_options* options,
                                                       const char* path);
/* Progress in bytes of weights; `fn` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_import_options_set_progress(sipo_import_options* options,
                                                      sipo_progress_fn fn, void* user);

/* Converts a checkpoint of Mamba-1, Mamba-2 or FalconMamba into a .sipo file:
 *   - a Hugging Face directory (config.json, tokenizer.json, model.safetensors),
 *   - a directory of the original mamba_ssm (config.json, pytorch_model.bin, a tokenizer.json beside),
 *   - a GGUF file of llama.cpp's "mamba" and "mamba2".
 * Weights may lie in shards with their index; they are f32, f16 or bf16, in GGUF also Q8_0, Q4_K and
 * Q6_K, which are read as the values they stand for. Nothing in a pytorch_model.bin is executed.
 * The output appears only when it is complete; an existing file is replaced then, and kept if
 * anything fails.
 *   path         of the checkpoint
 *   output       path of the file to write
 *   options      NULL for the defaults
 * Errors: SIPO_NOT_FOUND, SIPO_IO_ERROR, SIPO_CORRUPT_FILE, SIPO_UNSUPPORTED (which tensor or field),
 * SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_import(const char* path, const char* output,
                                 const sipo_import_options* options);

/* Writes the model at `path` as a Hugging Face directory: model.safetensors, tokenizer.json and, last,
 * config.json. Matrices keep their type, everything else is f32. Importing it gives the same file
 * again, without calibration profiles: the layout has no place for them.
 *   directory    is made, or must be empty
 *   options      NULL for the defaults; threads and progress have an effect here
 * Errors: SIPO_UNSUPPORTED when the weights are quantised, SIPO_INVALID_ARGUMENT when the directory
 * holds something, SIPO_NOT_FOUND, SIPO_IO_ERROR, SIPO_CORRUPT_FILE, SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_export(const char* path, const char* directory,
                                 const sipo_import_options* options);

/* Writes the model at `path`, whose weights are f32 or bf16, to `output` with the quantised weights of the
 * options: SIPO_WEIGHTS_Q8 (also for SIPO_WEIGHTS_AUTO) or SIPO_WEIGHTS_Q4. Tokenizer and calibration
 * profiles go along.
 *   options  NULL for the defaults; a training length has no effect here
 * Errors: as sipo_import(); SIPO_UNSUPPORTED when the weights are quantised already. Since 0.1. */
SIPO_API sipo_status sipo_quantize(const char* path, const char* output,
                                   const sipo_import_options* options);

/* Writes a model of random weights in the shape of a public one, for measuring speed: "mamba-130m",
 * "mamba-370m", "mamba-790m", "mamba-1.4b", "mamba-2.8b", "mamba2-130m", "mamba2-370m", "mamba2-780m",
 * "mamba2-1.3b" or "mamba2-2.7b". Its tokenizer has a token for each byte.
 *   options  NULL for the defaults; SIPO_WEIGHTS_AUTO is bf16 here
 * Errors: SIPO_NOT_FOUND names the presets, SIPO_IO_ERROR, SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_write_preset(const char* preset, const char* output,
                                       const sipo_import_options* options);

/* ---- Model ----------------------------------------------------------------------------------- */

/* Options of sipo_model_open(); defaults: backend "auto", all processors for loading, silent.
 * Since 0.1. */
SIPO_API sipo_status sipo_model_options_create(sipo_model_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_model_options_free(sipo_model_options* options);
/* Where the model computes: "auto" or "cpu". SIPO_NOT_FOUND names the ones there are. Since 0.1. */
SIPO_API sipo_status sipo_model_options_set_backend(sipo_model_options* options, const char* name);
/* Threads that load the file: 1 to 256; 0 takes as many as the process may use. Since 0.1. */
SIPO_API sipo_status sipo_model_options_set_threads(sipo_model_options* options, int32_t threads);
/* Progress of loading in bytes of weights; `fn` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_model_options_set_progress(sipo_model_options* options,
                                                     sipo_progress_fn fn, void* user);
/* Where the model, its sessions and its caches write log lines, possibly from several threads at once, also
 * from those of a scheduler and of a cache; NULL for silence. `user` must outlive them all. A call that
 * waits for such a thread, as sipo_cache_free() does, must not be made from there. Since 0.1. */
SIPO_API sipo_status sipo_model_options_set_log(sipo_model_options* options, sipo_log_fn fn,
                                                void* user);

/* Opens a .sipo file. The file is checked before it is believed and may be replaced or removed
 * afterwards.
 * Errors: SIPO_NOT_FOUND, SIPO_IO_ERROR, SIPO_CORRUPT_FILE, SIPO_UNSUPPORTED (a newer format),
 * SIPO_BACKEND_ERROR, SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_model_open(const char* path, const sipo_model_options* options,
                                     sipo_model** model);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_model_free(sipo_model* model);

/* The most bytes that the weights of the .sipo file at `path` will take in memory on the CPU, from its
 * header alone, with what is rounded up to whole pages: SIPO_MODEL_WEIGHT_BYTES and some percent or, of a
 * small model, 2 MiB. The tokenizer and calibrations come on top, and while weights are read a tensor a
 * thread. About as much on a device, where what its driver takes for itself comes on top. Errors: as
 * sipo_model_open(). Since 0.1. */
SIPO_API sipo_status sipo_model_memory(const char* path, int64_t* bytes);
/* The most that the weights of a model that is opened may take, as sipo_model_memory() tells it for the
 * CPU, else SIPO_OUT_OF_MEMORY before anything is allocated for them: 0 (no limit, the default) to
 * 2^63 - 1 bytes. Since 0.1. */
SIPO_API sipo_status sipo_model_options_set_memory_limit(sipo_model_options* options,
                                                         int64_t bytes);
/* The most that the model and all its sessions may take together of the memory of a device that has
 * its own, a GPU: 0 (no limit, the default) to 2^63 - 1 bytes. What would exceed it gives
 * SIPO_OUT_OF_MEMORY; the other sessions go on. The CPU's memory is not counted: see the limits of a
 * model, a session and a scheduler. Since 0.1. */
SIPO_API sipo_status sipo_model_options_set_device_memory_limit(sipo_model_options* options,
                                                                int64_t bytes);

/* Facts about a model that are whole numbers. Since 0.1. */
enum {
    SIPO_MODEL_LAYERS = 100,
    SIPO_MODEL_D_MODEL = 110,
    SIPO_MODEL_D_INNER = 120,
    SIPO_MODEL_D_STATE = 130,
    SIPO_MODEL_VOCAB_SIZE = 140,     /* length of the logits; may exceed the tokenizer's */
    SIPO_MODEL_DELTA_CHANNELS = 150, /* per layer: d_inner in Mamba-1, heads in Mamba-2 */
    SIPO_MODEL_TRAINING_LENGTH = 160,
    SIPO_MODEL_END_OF_TEXT = 170, /* token id */
    SIPO_MODEL_PARAMETERS = 180,
    SIPO_MODEL_WEIGHT_BYTES = 190, /* held in memory by the model */
    SIPO_MODEL_STATE_BYTES = 200,  /* recurrent state of one session */
    SIPO_MODEL_PROFILES = 210      /* calibration profiles in the file */
};
/* `property` is one of the numbers above. Since 0.1. */
SIPO_API sipo_status sipo_model_get_integer(const sipo_model* model, int32_t property,
                                            int64_t* value);

/* Facts about a model that are text. Since 0.1. */
enum {
    SIPO_MODEL_FAMILY = 1000,       /* "mamba1", "mamba2" or "falcon_mamba" */
    SIPO_MODEL_WEIGHTS_TYPE = 1010, /* "f32", "bf16", "q8" or "q4" */
    SIPO_MODEL_BACKEND = 1020,      /* where it runs, such as "cpu (avx512)" */
    SIPO_MODEL_SOURCE = 1030        /* the checkpoint that it was imported from */
};
/* `property` is one of the texts above. Since 0.1. */
SIPO_API sipo_status sipo_model_get_text(const sipo_model* model, int32_t property, char* text,
                                         size_t capacity, size_t* length);

/* Name of the calibration profile number `index`, 0 to SIPO_MODEL_PROFILES - 1. Since 0.1. */
SIPO_API sipo_status sipo_model_profile_name(const sipo_model* model, int64_t index, char* name,
                                             size_t capacity, size_t* length);

/* Text to token ids. Added and special tokens that stand in the text are recognised; nothing is
 * added. Bytes that are not UTF-8 count as U+FFFD.
 *   ids  [capacity] out; at most one id a byte, so a capacity of `text_length` suffices
 *        (normalisation can lengthen rare code points threefold)
 * Since 0.1. */
SIPO_API sipo_status sipo_model_tokenize(const sipo_model* model, const char* text,
                                         size_t text_length, int32_t* ids, size_t capacity,
                                         size_t* count);

/* Token ids to text, special tokens included. Errors: SIPO_OUT_OF_RANGE for an id outside
 * 0 to SIPO_MODEL_VOCAB_SIZE - 1. Since 0.1. */
SIPO_API sipo_status sipo_model_detokenize(const sipo_model* model, const int32_t* ids,
                                           size_t count, char* text, size_t capacity,
                                           size_t* length);

/* ---- Calibration (LongMamba) ------------------------------------------------------------------ */

/* Options of sipo_calibrate(); defaults: no clamp, all processors. Since 0.1. */
SIPO_API sipo_status sipo_calibration_options_create(sipo_calibration_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_calibration_options_free(sipo_calibration_options* options);
/* Share C of the largest Δ that are clamped to the smallest of them, 0 (off) to below 1; the published
 * code takes .05 to .20. Since 0.1. */
SIPO_API sipo_status sipo_calibration_options_set_clamp(sipo_calibration_options* options,
                                                        double clamp);
/* 1 to 256; 0 takes as many as the process may use. Since 0.1. */
SIPO_API sipo_status sipo_calibration_options_set_threads(sipo_calibration_options* options,
                                                          int32_t threads);
/* Progress in layers times sequences; `fn` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_calibration_options_set_progress(sipo_calibration_options* options,
                                                           sipo_progress_fn fn, void* user);

/* Measures what LongMamba needs to know of a model: per layer and channel the cumulative log decay at
 * the training length, and the threshold g(S) of Δ for a table of lengths S. Both are means over the
 * sequences. Source: LongMamba (arXiv 2504.16053), sections 3 and 4.
 *   ids        [sequences, length] tokens of ordinary text
 *   sequences  1 to 65536; ten are enough
 *   length     tokens a sequence: the training length, 2 to 1048576
 *   options    NULL for the defaults
 * Since 0.1. */
SIPO_API sipo_status sipo_calibrate(const sipo_model* model, const int32_t* ids, size_t sequences,
                                    size_t length, const sipo_calibration_options* options,
                                    sipo_calibration** calibration);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_calibration_free(sipo_calibration* calibration);

/* Writes a calibration into the .sipo file at `path` under `profile` (1 to 64 of a-z A-Z 0-9 . _ -),
 * replacing one of that name. The file must hold a model of the same shape. It is replaced in one
 * step; models that are open keep what they have read. Since 0.1. */
SIPO_API sipo_status sipo_calibration_save(const sipo_calibration* calibration, const char* path,
                                           const char* profile);

/* Keeps with a calibration how it is best used: context method, global-channel threshold, layer scope,
 * decimation rate and capacity of `options`; NULL for nothing. Saving it makes them part of the profile;
 * sipo_session_options_use_profile() takes them up. Since 0.1. */
SIPO_API sipo_status sipo_calibration_set_settings(sipo_calibration* calibration,
                                                   const sipo_session_options* options);

/* log_decay [layers, delta channels]: Σ_t ln of the mean decay over the states. Since 0.1. */
SIPO_API sipo_status sipo_calibration_log_decay(const sipo_calibration* calibration,
                                                float* log_decay, size_t capacity, size_t* count);

/* table [layers, delta channels, lengths]: g(S). Since 0.1. */
SIPO_API sipo_status sipo_calibration_threshold_table(const sipo_calibration* calibration,
                                                      float* table, size_t capacity, size_t* count);

/* lengths [25]: the S of the table, ascending. Since 0.1. */
SIPO_API sipo_status sipo_calibration_lengths(const sipo_calibration* calibration, int64_t* lengths,
                                              size_t capacity, size_t* count);

/* ---- Session options -------------------------------------------------------------------------- */

/* How a session goes beyond the training length. Since 0.1. */
enum {
    SIPO_CONTEXT_NONE = 0,
    SIPO_CONTEXT_DECIMAMBA = 100, /* drop the tokens with the smallest Δ (arXiv 2406.14528) */
    SIPO_CONTEXT_LONGMAMBA = 110  /* global channels skip unimportant tokens (arXiv 2504.16053) */
};

/* Which channels LongMamba filters. All but the first are the paper's ablations: local filters the
 * channels that are not global, random as many channels of a layer as are global. Since 0.1. */
enum { SIPO_CHANNELS_GLOBAL = 0, SIPO_CHANNELS_LOCAL = 100, SIPO_CHANNELS_RANDOM = 110 };

/* Options of the sessions of `model`. Defaults: no context method, chunks of 1024 tokens, all
 * processors; DeciMamba with rate 0.5, capacity the training length, minimum 20, protected tail 1, in
 * the middle layer; LongMamba with threshold 1e-2, profile "default", in all layers. Since 0.1. */
SIPO_API sipo_status sipo_session_options_create(const sipo_model* model,
                                                 sipo_session_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_session_options_free(sipo_session_options* options);

/* One of SIPO_CONTEXT_*. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_context(sipo_session_options* options,
                                                      int32_t method);

/* DeciMamba: decimation rate β. Layer number s of the layer scope keeps capacity·β^s tokens.
 * In (0, 1]. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_decimation_rate(sipo_session_options* options,
                                                              double rate);
/* DeciMamba: capacity L_base, the tokens that the first layer of the scope keeps; an absolute number,
 * not a share. 1 to 2^40. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_decimation_capacity(sipo_session_options* options,
                                                                  int64_t tokens);
/* DeciMamba: never keep fewer tokens than this. 1 to 2^40. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_decimation_min_tokens(sipo_session_options* options,
                                                                    int64_t tokens);
/* DeciMamba: how many tokens at the end of the prompt are always kept. 1 to 2^40. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_protected_tail(sipo_session_options* options,
                                                             int64_t tokens);

/* Layer scope of the context method: `count` different layers, each 0 to SIPO_MODEL_LAYERS - 1, in
 * any order; it acts in ascending order. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_layers(sipo_session_options* options,
                                                     const int32_t* layers, size_t count);
/* Layer scope: every layer. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_all_layers(sipo_session_options* options);

/* LongMamba: global-channel threshold Th. A channel is global when its cumulative decay at the
 * training length exceeds it. In (0, 1). Since 0.1. */
SIPO_API sipo_status
sipo_session_options_set_global_channel_threshold(sipo_session_options* options, double threshold);
/* LongMamba: one of SIPO_CHANNELS_*; `seed` chooses the random ones. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_filtered_channels(sipo_session_options* options,
                                                                int32_t channels, uint64_t seed);
/* LongMamba: the calibration profile of the model's file to use. SIPO_NOT_FOUND names the ones there
 * are. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_profile(sipo_session_options* options,
                                                      const char* name);
/* Use that profile of the model's file with the settings that it was saved with (`sipo tune` saves such
 * profiles): context method, global-channel threshold, layer scope, decimation rate and capacity
 * become those of the profile. Errors: SIPO_NOT_FOUND when there is no such profile, or it holds no
 * settings. Since 0.1. */
SIPO_API sipo_status sipo_session_options_use_profile(sipo_session_options* options,
                                                      const char* name);
/* LongMamba: use this calibration instead of a profile of the file. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_calibration(sipo_session_options* options,
                                                          const sipo_calibration* calibration);
/* LongMamba: take this as the total length S whatever the prompt's, so that prompts of several
 * lengths are filtered alike. 0 (default: what the session has seen with the prompt) to 2^40.
 * Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_expected_tokens(sipo_session_options* options,
                                                              int64_t tokens);

/* Threads of a session's computation, the caller's included: 1 to 256; 0 takes as many as the
 * process may use. The results do not depend on it. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_threads(sipo_session_options* options,
                                                      int32_t threads);
/* Compute with these threads and their working memory instead of threads of one's own, so that a
 * session is a few megabytes and starts no thread; NULL for threads of one's own again. Sessions that
 * share workers may be used by different threads at once: they take turns, in the order in which they
 * asked, chunk by chunk and token by token. A callback that runs inside a turn (progress) must not
 * use a session that shares its workers (SIPO_INVALID_STATE). Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_workers(sipo_session_options* options,
                                                      const sipo_workers* workers);
/* The most bytes that a session may take, as sipo_session_memory() counts, with the checkpoints and what
 * single calls take on top: 0 (no limit, the default) to 2^63 - 1. Creating a session, a prompt, a
 * checkpoint, or a batch that this session leads with threads of its own, gives SIPO_OUT_OF_MEMORY before
 * anything is allocated where it would exceed it. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_memory_limit(sipo_session_options* options,
                                                           int64_t bytes);
/* The most bytes that a session of these options takes while it reads prompts of up to
 * `prompt_tokens` tokens (1 to 2^40) and generates: its state, a copy from before the prompt, the
 * working memory of a chunk and of the threads, and with DeciMamba the residual stream of the prompt, all as
 * rounded up to whole pages. On top come
 *   a checkpoint or a fork     a state and its logits
 *   sipo_session_prefill_logits()  min(last, 64) rows of logits, which stay, and `last` until it returns
 *   sipo_session_score()       min(scored + 1, 64) rows of logits, which stay
 *   sipo_batch_decode()        of sessions[0], min(count, 64) rows of logits, which stay
 * With a device most of it lies in its memory, where chunks are longer; recorded work, pinned memory for
 * transfers and what its driver takes come on top. Since 0.1. */
SIPO_API sipo_status sipo_session_memory(const sipo_session_options* options, int64_t prompt_tokens,
                                         int64_t* bytes);
/* Tokens of the prompt that go through the model together: 1 to 65536. Memory grows with it; the
 * results do not depend on it. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_chunk_tokens(sipo_session_options* options,
                                                           int64_t tokens);
/* Progress of prefill and score in tokens of the prompt; `fn` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_session_options_set_progress(sipo_session_options* options,
                                                       sipo_progress_fn fn, void* user);

/* Threads and working memory that sessions of `model` share (sipo_session_options_set_workers()).
 *   threads  1 to 256; 0 takes as many as the process may use
 * Freeing it before its sessions is safe. Since 0.1. */
SIPO_API sipo_status sipo_workers_create(const sipo_model* model, int32_t threads,
                                         sipo_workers** workers);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_workers_free(sipo_workers* workers);

/* ---- Session ---------------------------------------------------------------------------------- */

/* A session at position 0. The options may be changed or freed afterwards.
 * Errors: SIPO_NOT_FOUND when LongMamba is asked for and neither the profile nor a calibration is
 * there, SIPO_BACKEND_ERROR. Since 0.1. */
SIPO_API sipo_status sipo_session_create(const sipo_session_options* options,
                                         sipo_session** session);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_session_free(sipo_session* session);

/* Reads a prompt: `count` tokens, 1 to 2^40, each 0 to SIPO_MODEL_VOCAB_SIZE - 1, after what the
 * session has read before. The context method acts here, and here only. A prompt may follow prompts
 * and generated tokens (a conversation); then without a method the bits are those of one prompt that
 * holds all tokens; DeciMamba selects among the tokens of this call, those before are behind it;
 * LongMamba takes S = all tokens so far (or the expected tokens) for those of this call, those
 * before keep the threshold that they were read with. Work goes in chunks, so memory does not
 * grow with the prompt (with DeciMamba: by d_model floats a token). If it fails or is cancelled, the
 * session is as it was before.
 * Errors: SIPO_OUT_OF_RANGE (which token), SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_session_prefill(sipo_session* session, const int32_t* ids, size_t count);

/* Prefill that also gives the logits at the last `last` tokens, 1 to `count`, which a context method
 * must not drop: with DeciMamba the protected tail has to reach that far.
 *   logits  [last, SIPO_MODEL_VOCAB_SIZE] out; capacity in floats
 * Since 0.1. */
SIPO_API sipo_status sipo_session_prefill_logits(sipo_session* session, const int32_t* ids,
                                                 size_t count, size_t last, float* logits,
                                                 size_t capacity);

/* Prefill that also gives the negative log-likelihood, in nats, of each of the last `scored` tokens
 * given all before it: 1 to `count` - 1 (to `count` if the session has read tokens before). With
 * DeciMamba the protected tail has to be `scored` + 1 or more (101 for PG-19's 100).
 *   nll  [scored] out
 * Since 0.1. */
SIPO_API sipo_status sipo_session_score(sipo_session* session, const int32_t* ids, size_t count,
                                        size_t scored, float* nll);

/* Reads one token by the plain recurrence, whatever the context method. Since 0.1. */
SIPO_API sipo_status sipo_session_decode(sipo_session* session, int32_t token);

/* Reads one token in each of `count` different sessions of one model, 1 to 65536, in one pass over the
 * weights: many sequences for little more time than one. Each session gives the same logits as after
 * sipo_session_decode(). The threads of sessions[0] do the work.
 *   sessions  [count], at any positions and with any options
 *   tokens    [count], the token of each
 * Errors: SIPO_INVALID_STATE when a session is in use or stands twice in the list,
 * SIPO_INVALID_ARGUMENT when they are of different models; then none has read its token. Since 0.1. */
SIPO_API sipo_status sipo_batch_decode(sipo_session* const* sessions, const int32_t* tokens,
                                       size_t count);

/* Logits after the last token. [SIPO_MODEL_VOCAB_SIZE]. They stay where the session computes until
 * they are asked for; then the call waits for its turn where sessions share workers. Errors:
 * SIPO_INVALID_STATE before the first token. Since 0.1. */
SIPO_API sipo_status sipo_session_logits(sipo_session* session, float* logits, size_t capacity,
                                         size_t* count);

/* The token with the largest of these logits, of equal ones the first: the greedy choice, known
 * without the logits. A NaN is never the largest. Errors: SIPO_INVALID_STATE before the first token,
 * SIPO_BACKEND_ERROR when the largest is not a finite number. Since 0.1. */
SIPO_API sipo_status sipo_session_likeliest(const sipo_session* session, int32_t* token);

/* Tokens read so far. Since 0.1. */
SIPO_API sipo_status sipo_session_position(const sipo_session* session, int64_t* position);

/* A hash of all tokens read so far, the same however they were cut into calls; 0 before the first.
 * Equal hashes are a strong hint that the tokens are equal. Since 0.1. */
SIPO_API sipo_status sipo_session_token_hash(const sipo_session* session, uint64_t* hash);
/* What that hash is after these tokens: ids [count], any numbers. Since 0.1. */
SIPO_API sipo_status sipo_token_hash(const int32_t* ids, size_t count, uint64_t* hash);

/* Which tokens of the last prefill reached the last layer: indices into its ids, ascending. All of
 * them unless DeciMamba dropped some. Since 0.1. */
SIPO_API sipo_status sipo_session_kept_tokens(const sipo_session* session, int64_t* indices,
                                              size_t capacity, size_t* count);

/* Back to position 0, as after sipo_session_create(). Since 0.1. */
SIPO_API sipo_status sipo_session_reset(sipo_session* session);

/* Makes the call that runs in the session return SIPO_CANCELLED within a chunk or a token; without
 * one it has no effect. The one function that another thread may call on a session in use.
 * Since 0.1. */
SIPO_API sipo_status sipo_session_cancel(sipo_session* session);

/* Where the session computes, such as "cpu (avx512), 2 threads". Since 0.1. */
SIPO_API sipo_status sipo_session_backend_name(const sipo_session* session, char* name,
                                               size_t capacity, size_t* length);

/* ---- Copies and checkpoints ------------------------------------------------------------------- */

/* A session that stands where `session` stands and then goes its own way; its checkpoints are not
 * copied. The two share threads and working memory, so their calls take turns. Since 0.1. */
SIPO_API sipo_status sipo_session_fork(const sipo_session* session, sipo_session** copy);

/* Keeps in memory where the session stands, under a name of 1 to 255 bytes, in place of an earlier
 * checkpoint of that name: to generate again, to try several ways on, to take work back that was
 * done on speculation. A checkpoint takes SIPO_MODEL_STATE_BYTES and the logits; a session keeps
 * 4096 at most. sipo_session_reset() drops them all. Since 0.1. */
SIPO_API sipo_status sipo_session_checkpoint(sipo_session* session, const char* name);
/* Back to where that checkpoint was made; it stays. Errors: SIPO_NOT_FOUND names the ones there are.
 * Since 0.1. */
SIPO_API sipo_status sipo_session_rewind(sipo_session* session, const char* name);
/* Errors: SIPO_NOT_FOUND. Since 0.1. */
SIPO_API sipo_status sipo_session_drop_checkpoint(sipo_session* session, const char* name);

/* ---- Snapshots -------------------------------------------------------------------------------- */

/* A snapshot is all that a session remembers: recurrent state, logits, position, a hash of its
 * tokens, the kept tokens of its last prompt and the state of its sampler. It can be loaded by any
 * session of the same model and the same context method with the same options (what else they were
 * made with, such as threads, chunks or the backend, does not matter), in this process or another;
 * that session then goes on with the same bits on the same backend. A load that is refused leaves the
 * session as it was: SIPO_INVALID_ARGUMENT for another model or other options, SIPO_UNSUPPORTED for
 * a newer format, SIPO_CORRUPT_FILE for anything damaged, cut short or followed by bytes that are not the
 * snapshot's; each part has a checksum. The same weights stored otherwise (raw or zstd) count as another
 * model. Checkpoints are not saved. */

/* Options of snapshots; defaults: raw, flushed. Since 0.1. */
SIPO_API sipo_status sipo_snapshot_options_create(sipo_snapshot_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_snapshot_options_free(sipo_snapshot_options* options);
/* SIPO_STORE_RAW (the default, fastest) or SIPO_STORE_ZSTD (smaller). Since 0.1. */
SIPO_API sipo_status sipo_snapshot_options_set_store(sipo_snapshot_options* options, int32_t store);
/* Nonzero (the default): a file that was saved survives a power cut; a save takes as long as the device
 * does. 0 leaves it to the system when the file reaches the device: a save that returned survives the end of
 * this process in any way, but after a power cut the file may be missing, the one before, or damaged, which
 * loading refuses. Since 0.1. */
SIPO_API sipo_status sipo_snapshot_options_set_flush(sipo_snapshot_options* options, int32_t flush);

/* Saves the session to the file at `path`, which appears complete or not at all; an existing one is
 * replaced in one step. `options` may be NULL. Errors: SIPO_IO_ERROR. Since 0.1. */
SIPO_API sipo_status sipo_session_save(const sipo_session* session, const char* path,
                                       const sipo_snapshot_options* options);
/* Goes on where the session of the snapshot stood. Takes as much memory as the file while it lasts; files
 * above 256 MiB are mapped instead. Errors: SIPO_NOT_FOUND, SIPO_IO_ERROR, and those above. Since 0.1. */
SIPO_API sipo_status sipo_session_load(sipo_session* session, const char* path);

/* The same to memory; `options` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_session_save_memory(const sipo_session* session,
                                              const sipo_snapshot_options* options,
                                              sipo_snapshot** snapshot);
/* The same from memory: `length` bytes at any address, only read during the call. Since 0.1. */
SIPO_API sipo_status sipo_session_load_memory(sipo_session* session, const void* bytes,
                                              size_t length);
/* The bytes of a snapshot; they belong to it and live as long. Since 0.1. */
SIPO_API sipo_status sipo_snapshot_bytes(const sipo_snapshot* snapshot, const void** bytes,
                                         size_t* length);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_snapshot_free(sipo_snapshot* snapshot);

/* ---- Generation ------------------------------------------------------------------------------- */

/* Options of sipo_session_generate(). Default: greedy, stopping at the end of text. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_create(sipo_sampling_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_sampling_options_free(sipo_sampling_options* options);
/* 0 (greedy, the default) to 100. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_temperature(sipo_sampling_options* options,
                                                           double temperature);
/* Sample among the k most likely tokens only: 0 (all, the default) to 2^24. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_top_k(sipo_sampling_options* options, int32_t k);
/* Sample among the likeliest tokens that together reach probability p: (0, 1], default 1. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_top_p(sipo_sampling_options* options, double p);
/* Drop tokens less likely than p times the likeliest: [0, 1], default 0. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_min_p(sipo_sampling_options* options, double p);
/* Make the tokens of the last `window` generated less likely: positive logits are divided by
 * `penalty`, negative ones multiplied. (0, 100], 1 (the default) is off; window 0 to 2^24, default
 * 64. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_repetition_penalty(sipo_sampling_options* options,
                                                                  double penalty, int64_t window);
/* The same seed gives the same tokens. Default 0. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_seed(sipo_sampling_options* options, uint64_t seed);
/* Nonzero: go on past the end of text. Default 0. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_ignore_end_of_text(sipo_sampling_options* options,
                                                                  int32_t ignore);

/* Nonzero: go on with the random numbers and the penalty's window where the session's last generation
 * stopped, also when a snapshot lies between, instead of starting from the seed. Default 0. Since
 * 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_resume(sipo_sampling_options* options,
                                                      int32_t resume);
/* One more text that ends a generation, wherever tokens begin and end: 1 to 65536 bytes of UTF-8; at
 * most 256 of them. The tokens that complete it are read and counted; its text and what follows it
 * are not reported. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_add_stop(sipo_sampling_options* options,
                                                    const char* text, size_t text_length);
/* Adds biases[i] to the logit of token ids[i], before everything else; minus infinity rules a token
 * out. `count` 0 to 2^24; 0 removes them. A token outside the vocabulary is SIPO_OUT_OF_RANGE when
 * something is generated. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_logit_bias(sipo_sampling_options* options,
                                                          const int32_t* ids, const float* biases,
                                                          size_t count);
/* Reports log probabilities, and those of the `likeliest` (0 to 1024) tokens; `fn` may be NULL for
 * none. A token whose logit is not a number is not among them and weighs nothing. Since 0.1. */
SIPO_API sipo_status sipo_sampling_options_set_log_probabilities(sipo_sampling_options* options,
                                                                 int32_t likeliest,
                                                                 sipo_log_probabilities_fn fn,
                                                                 void* user);

/* Generates up to `max_tokens` (1 to 2^40) tokens from where the session stands and reads each, so
 * that the session can go on afterwards. The end of text stops it and is neither reported nor read.
 *   options    NULL for greedy
 *   fn         called for every token; may be NULL
 *   generated  out: how many tokens there were
 * Errors: SIPO_INVALID_STATE before the first token, SIPO_CANCELLED (the tokens reported before it
 * have been read). Since 0.1. */
SIPO_API sipo_status sipo_session_generate(sipo_session* session,
                                           const sipo_sampling_options* options, size_t max_tokens,
                                           sipo_token_fn fn, void* user, size_t* generated);

/* Which of `count` (1 to 4096) texts follows best, each taken as a whole: the session reads the one
 * with the highest log probability, the first of equal ones. All texts are read together, 16 at a time,
 * in copies of the session.
 *   texts, lengths      [count] UTF-8, each of one token or more
 *   log_probabilities   [count] out, in nats; may be NULL
 *   chosen              out: its number
 * Errors: SIPO_INVALID_STATE before the first token, SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_session_choose(sipo_session* session, const char* const* texts,
                                         const size_t* lengths, size_t count,
                                         float* log_probabilities, size_t* chosen);

/* Why a generation ended. Since 0.1. */
enum {
    SIPO_FINISH_NONE = 0, /* it has not */
    SIPO_FINISH_END_OF_TEXT = 100,
    SIPO_FINISH_STOP_SEQUENCE = 110,
    SIPO_FINISH_TOKEN_LIMIT = 120,
    SIPO_FINISH_CANCELLED = 130,
    SIPO_FINISH_FAILED = 140
};

/* Facts about the last prompt and the last generation of a session. A rate is tokens through seconds.
 * Since 0.1. */
enum {
    SIPO_SESSION_PROMPT_TOKENS = 100,
    SIPO_SESSION_REUSED_TOKENS = 110, /* of the prompt, from a prefix cache */
    SIPO_SESSION_PREFILL_SECONDS = 120,
    SIPO_SESSION_FIRST_TOKEN_SECONDS = 130, /* from the start of the prompt */
    SIPO_SESSION_GENERATED_TOKENS = 140,
    SIPO_SESSION_GENERATION_SECONDS = 150,
    SIPO_SESSION_FINISH = 160 /* SIPO_FINISH_* */
};
/* `id` is one of the facts above. Since 0.1. */
SIPO_API sipo_status sipo_session_get_statistic(const sipo_session* session, int32_t id,
                                                double* value);

/* ---- Prefix cache ----------------------------------------------------------------------------- */

/* States after prefixes of prompts that were read before, so that a prompt which starts with one need
 * not read it again. States are kept at intervals of a prompt, near its end (where questions
 * differ), where it parted from an earlier prompt, and at its end; prefixes below 64 tokens are not
 * worth it. What was used longest ago goes first. A cache may be used by any number of threads, and its
 * directory by any number of processes: a process that is killed loses the entries it has not yet
 * written. A thread of the cache writes them, so nobody waits for a slow disk but who reads a prefix that
 * it has not taken yet; up to 64 MiB of entries, or 8 of them where that is more, wait for it on top of the
 * memory below, and what comes when so much waits is not written.
 *
 * A prompt gets the same bits with a cache and without, or the prefix is not used:
 *   no method   every shared prefix is reused
 *   LongMamba   a prefix is reused when the prompts have the same thresholds: they depend on the
 *               total number of tokens, unless sipo_session_options_set_expected_tokens() fixes it
 *               or it is within the training length
 *   DeciMamba   selects among all tokens of a prompt: only the same whole prompt is reused, and
 *               prompts too short for it to act
 * Tokens that were read before and have to be read again for that reason are counted
 * (SIPO_CACHE_TOKENS_INEXACT) and told in the model's log. */

/* Options of a prefix cache; defaults: 256 MiB of memory, no directory, 2048 tokens. Since 0.1. */
SIPO_API sipo_status sipo_cache_options_create(sipo_cache_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_cache_options_free(sipo_cache_options* options);
/* Bytes of entries in memory: 0 (none) to 2^63 - 1. Since 0.1. */
SIPO_API sipo_status sipo_cache_options_set_memory(sipo_cache_options* options, int64_t bytes);
/* Keep entries in this directory too, which is made where it is missing, up to that many bytes of
 * files: 1 to 2^63 - 1. Since 0.1. */
SIPO_API sipo_status sipo_cache_options_set_directory(sipo_cache_options* options, const char* path,
                                                      int64_t bytes);
/* Tokens from one kept state of a prompt to the next: 64 to 2^40. Since 0.1. */
SIPO_API sipo_status sipo_cache_options_set_interval(sipo_cache_options* options, int64_t tokens);

/* `options` may be NULL. Errors: SIPO_IO_ERROR when the directory cannot be made. Since 0.1. */
SIPO_API sipo_status sipo_cache_create(const sipo_model* model, const sipo_cache_options* options,
                                       sipo_cache** cache);
/* Waits until the directory has what the cache kept, unless a scheduler or options of one still hold it:
 * then freeing the last of them does. NULL is fine. Since 0.1. */
SIPO_API void sipo_cache_free(sipo_cache* cache);

/* As sipo_session_prefill(), with the help of a cache of the same model; what there is in it is told
 * by SIPO_SESSION_REUSED_TOKENS. After other tokens (a session not at position 0) the cache is neither
 * asked nor filled. An entry that cannot be written is counted and logged, no error. Since 0.1. */
SIPO_API sipo_status sipo_session_prefill_cached(sipo_session* session, sipo_cache* cache,
                                                 const int32_t* ids, size_t count);

/* Facts about a cache since it was made. Since 0.1. */
enum {
    SIPO_CACHE_PROMPTS = 100,
    SIPO_CACHE_PROMPTS_REUSING = 110,
    SIPO_CACHE_TOKENS_REUSED = 120,
    SIPO_CACHE_TOKENS_COMPUTED = 130,
    SIPO_CACHE_TOKENS_INEXACT = 140, /* read before, but not exact for this prompt */
    SIPO_CACHE_ENTRIES = 150,        /* in memory now, as the next */
    SIPO_CACHE_BYTES = 160,
    SIPO_CACHE_DIRECTORY_BYTES = 170, /* now, of all processes and models */
    SIPO_CACHE_EVICTIONS = 180,
    SIPO_CACHE_DAMAGED = 190,       /* entries found damaged and removed */
    SIPO_CACHE_WRITE_FAILURES = 200 /* entries that the directory did not take */
};
/* `id` is one of the facts above. Since 0.1. */
SIPO_API sipo_status sipo_cache_get_statistic(const sipo_cache* cache, int32_t id, int64_t* value);

/* Removes all entries, those of this model in the directory too. Since 0.1. */
SIPO_API sipo_status sipo_cache_clear(sipo_cache* cache);

/* ---- Scheduler -------------------------------------------------------------------------------- */

/* Many generations at once for a server: any thread submits requests, and whoever holds a request
 * takes its tokens. One thread of the scheduler computes, in rounds: every decoding session gets a token
 * in one pass over the weights, then prompts are read, in turn, up to a budget of tokens; while
 * sessions decode, no longer than makes the round five times as long as that pass usually takes. So
 * beside a long prompt a stream waits about five times as long as usual for a token, or a budget
 * longer than usual, whichever is sooner. Requests start in the order in which they came. Callbacks of
 * the options (progress, log probabilities) are called on the scheduler's thread and must be quick. */

/* Options of a scheduler; defaults: all processors, 64 sessions, a queue of 1024, a budget of 128
 * tokens, no cache. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_create(const sipo_model* model,
                                                   sipo_scheduler_options** options);
/* NULL is fine. Since 0.1. */
SIPO_API void sipo_scheduler_options_free(sipo_scheduler_options* options);
/* 1 to 256; 0 takes as many as the process may use. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_set_threads(sipo_scheduler_options* options,
                                                        int32_t threads);
/* Requests that are worked on at once: 1 to 65536. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_set_sessions(sipo_scheduler_options* options,
                                                         int64_t sessions);
/* Requests that wait at most: 1 to 2^24. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_set_queue(sipo_scheduler_options* options,
                                                      int64_t requests);
/* Tokens of prompts that are read a round at most: 1 to 65536. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_set_chunk_tokens(sipo_scheduler_options* options,
                                                             int64_t tokens);
/* The most bytes that the sessions and their working memory may take, else sipo_scheduler_create()
 * gives SIPO_OUT_OF_MEMORY: 0 (no limit, the default) to 2^63 - 1. What a context method holds of a prompt
 * comes on top; the session options of a request can limit it. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_set_memory_limit(sipo_scheduler_options* options,
                                                             int64_t bytes);
/* Reads prompts with the help of this cache; NULL for none. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_options_set_cache(sipo_scheduler_options* options,
                                                      const sipo_cache* cache);

/* Starts the scheduler's thread. The options may be changed or freed afterwards. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_create(const sipo_scheduler_options* options,
                                           sipo_scheduler** scheduler);
/* Ends all requests (SIPO_CANCELLED); they can still be read and have to be freed. Since 0.1. */
SIPO_API void sipo_scheduler_free(sipo_scheduler* scheduler);

/* Reads a prompt in a new session and generates after it. From any thread.
 *   session     options of the same model, or NULL; threads, workers and chunks are the scheduler's
 *   sampling    NULL for greedy
 *   ids         [count] the prompt, copied
 *   max_tokens  1 to 2^40
 * Where the scheduler's cache has a directory, the call reads from it what there is of the prompt, so that the
 * others' tokens do not wait for its disk. Errors: SIPO_BUSY when the queue is full, SIPO_OUT_OF_RANGE (which
 * token). What fails later is told by sipo_request_next(). Since 0.1. */
SIPO_API sipo_status sipo_scheduler_submit(sipo_scheduler* scheduler,
                                           const sipo_session_options* session,
                                           const sipo_sampling_options* sampling,
                                           const int32_t* ids, size_t count, size_t max_tokens,
                                           sipo_request** request);

/* Facts about a scheduler since it was made. Since 0.1. */
enum {
    SIPO_SCHEDULER_WAITING = 100, /* requests now, as the next two */
    SIPO_SCHEDULER_READING = 110,
    SIPO_SCHEDULER_DECODING = 120,
    SIPO_SCHEDULER_SUBMITTED = 130,
    SIPO_SCHEDULER_REFUSED = 140, /* for a full queue */
    SIPO_SCHEDULER_FINISHED = 150,
    SIPO_SCHEDULER_CANCELLED = 160,
    SIPO_SCHEDULER_FAILED = 170,
    SIPO_SCHEDULER_PROMPT_TOKENS = 180, /* computed */
    SIPO_SCHEDULER_REUSED_TOKENS = 190,
    SIPO_SCHEDULER_GENERATED_TOKENS = 200,
    SIPO_SCHEDULER_BUSY_SECONDS = 210
};
/* `id` is one of the facts above. Since 0.1. */
SIPO_API sipo_status sipo_scheduler_get_statistic(const sipo_scheduler* scheduler, int32_t id,
                                                  double* value);

/* Waits for the next token and the text that is certain after it. From any thread; each token is
 * given once.
 *   timeout_milliseconds  0 to 10^9; -1 waits for ever
 *   token   out; -1 at the end, also when asked again, with text that was held back
 *   text    [capacity] out, whole code points; 64 bytes suffice for ordinary tokens without stop
 *           sequences
 *   length  out: bytes of it
 * Errors: SIPO_TIMED_OUT, SIPO_BUFFER_TOO_SMALL (the token stays), SIPO_CANCELLED, and what the
 * request failed with, after its tokens. Since 0.1. */
SIPO_API sipo_status sipo_request_next(sipo_request* request, int64_t timeout_milliseconds,
                                       int32_t* token, char* text, size_t capacity, size_t* length);
/* Ends the request within a chunk or a token, from any thread. Since 0.1. */
SIPO_API sipo_status sipo_request_cancel(sipo_request* request);
/* Cancels it too, unless it has ended. Once it returns, no callback of its options runs any more, so
 * it may wait for a chunk; not to be called from such a callback. Since 0.1. */
SIPO_API void sipo_request_free(sipo_request* request);

/* Facts about a request so far. Since 0.1. */
enum {
    SIPO_REQUEST_PROMPT_TOKENS = 100,
    SIPO_REQUEST_PROMPT_DONE = 110, /* of them, reused ones included */
    SIPO_REQUEST_REUSED_TOKENS = 120,
    SIPO_REQUEST_QUEUED_SECONDS = 130,
    SIPO_REQUEST_FIRST_TOKEN_SECONDS = 140, /* from submitting */
    SIPO_REQUEST_GENERATED_TOKENS = 150,
    SIPO_REQUEST_GENERATION_SECONDS = 160,   /* from the first token to the last */
    SIPO_REQUEST_LONGEST_WAIT_SECONDS = 170, /* between two tokens */
    SIPO_REQUEST_FINISH = 180                /* SIPO_FINISH_* */
};
/* `id` is one of the facts above. Since 0.1. */
SIPO_API sipo_status sipo_request_get_statistic(const sipo_request* request, int32_t id,
                                                double* value);

/* ---- Analysis --------------------------------------------------------------------------------- */

/* What the channels of a model remember of a prompt that a context method reads, in the measures of
 * the papers. For each layer: how fast each channel (a head in Mamba-2) forgets, how far back it
 * reaches, what its hidden attention looks at, and how its steps Δ are distributed.
 *
 * Sources: cumulative decay and channel classes as in LongMamba (arXiv 2504.16053), effective
 * receptive field (Mamba mean distance) as in DeciMamba (arXiv 2406.14528), hidden attention as in
 * arXiv 2403.01590. */

/* Options of sipo_analyze(); defaults: 64 points, maps of 64 x 64 of one channel a layer, a limit of
 * 4 GiB. Since 0.1. */
SIPO_API sipo_status sipo_analysis_options_create(sipo_analysis_options** options);
/* NULL is taken. Since 0.1. */
SIPO_API void sipo_analysis_options_free(sipo_analysis_options* options);
/* Places of the prompt that curves are told for, evenly spread: 1 to 4096, and at most one a token.
 * Since 0.1. */
SIPO_API sipo_status sipo_analysis_options_set_points(sipo_analysis_options* options,
                                                      int64_t points);
/* Rows and columns of an attention map: 0 (no maps) to 256, and at most one a token. Since 0.1. */
SIPO_API sipo_status sipo_analysis_options_set_map_size(sipo_analysis_options* options,
                                                        int64_t size);
/* The channels whose attention is mapped, 0 to 4096 of them: channels[i] of layer layers[i]. 0 (the
 * default) takes of each layer the median global one, or the most lasting where none is global. A
 * channel that the model lacks is SIPO_OUT_OF_RANGE in sipo_analyze(). Since 0.1. */
SIPO_API sipo_status sipo_analysis_options_set_map_channels(sipo_analysis_options* options,
                                                            const int32_t* layers,
                                                            const int32_t* channels, size_t count);
/* The most bytes that sipo_analysis_memory() may tell, else SIPO_OUT_OF_MEMORY before anything is
 * allocated: 0 (no limit) to 2^63 - 1. Since 0.1. */
SIPO_API sipo_status sipo_analysis_options_set_memory_limit(sipo_analysis_options* options,
                                                            int64_t bytes);
/* Progress in tokens times layers; `fn` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_analysis_options_set_progress(sipo_analysis_options* options,
                                                        sipo_progress_fn fn, void* user);

/* The most bytes that an analysis of `tokens` (2 to 2^40) tokens allocates: it holds the residual
 * stream of the prompt, and the Δ, B and C of one layer at a time. `options` may be NULL. Since 0.1. */
SIPO_API sipo_status sipo_analysis_memory(const sipo_session_options* session,
                                          const sipo_analysis_options* options, int64_t tokens,
                                          int64_t* bytes);

/* Reads a prompt of `count` tokens, 2 to 2^40, as a new session of the options `session` would, and
 * measures.
 *   options  NULL for the defaults
 * Errors: SIPO_OUT_OF_RANGE (which token), SIPO_OUT_OF_MEMORY (the limit), SIPO_CANCELLED. Since 0.1. */
SIPO_API sipo_status sipo_analyze(const sipo_session_options* session, const int32_t* ids,
                                  size_t count, const sipo_analysis_options* options,
                                  sipo_analysis** analysis);
/* NULL is taken. Since 0.1. */
SIPO_API void sipo_analysis_free(sipo_analysis* analysis);

/* Arrays of real numbers of an analysis. Δ is after softplus. Since 0.1. */
enum {
    /* [layers, delta channels, points]: ln of the cumulative decay through the tokens before each
     * place, Σ_t ln of the mean over the states of exp(Δ A), with Δ as the method leaves it. */
    SIPO_ANALYSIS_LOG_DECAY = 100,
    /* [layers, delta channels]: mean distance in tokens of the prompt that the last token's hidden
     * attention looks back, Σ_j (L - j)|α_Lj| / Σ_j |α_Lj|, with Δ as the method leaves it. */
    SIPO_ANALYSIS_RECEPTIVE_FIELD = 110,
    /* [layers, delta channels]: mean Δ, before the method. */
    SIPO_ANALYSIS_DELTA_MEAN = 120,
    /* [layers, delta channels]: share of the tokens whose Δ the method sets to 0. */
    SIPO_ANALYSIS_DELTA_SKIPPED = 130,
    /* [layers, points]: ‖Δ‖₂ over the channels, DeciMamba's score, before the method; mean over the
     * tokens from the place before to each place, 0 where none is left. */
    SIPO_ANALYSIS_DELTA_NORM = 140,
    /* [bins + 1], ascending: the borders of the histogram's bins. */
    SIPO_ANALYSIS_DELTA_EDGES = 150,
    /* [maps, size, size]: row r is the hidden attention |α_ij| of the last token i before place r,
     * summed over the tokens j from the place before to each place. */
    SIPO_ANALYSIS_MAPS = 160
};
/* `id` is one of the arrays above. Since 0.1. */
SIPO_API sipo_status sipo_analysis_get_reals(const sipo_analysis* analysis, int32_t id,
                                             float* values, size_t capacity, size_t* count);

/* Arrays of whole numbers of an analysis. A place is a number of tokens of the prompt. Since 0.1. */
enum {
    SIPO_ANALYSIS_PLACES = 500,     /* [points], ascending: where the curves are told */
    SIPO_ANALYSIS_MAP_PLACES = 510, /* [size], ascending: where stretches of a map end */
    /* [layers, delta channels]: 1 for a global channel, whose cumulative decay over the training
     * length exceeds the session's global-channel threshold, else 0. The decay is that of the
     * session's calibration or profile, or of this prompt where there is none. */
    SIPO_ANALYSIS_CLASSES = 520,
    SIPO_ANALYSIS_DELTA_HISTOGRAM = 530, /* [layers, 2, bins]: steps of local and global channels */
    SIPO_ANALYSIS_LAYER_TOKENS = 540,    /* [layers]: tokens that the layer's scan visits */
    SIPO_ANALYSIS_KEPT_TOKENS = 550,     /* as sipo_session_kept_tokens() */
    SIPO_ANALYSIS_MAP_LAYERS = 560,      /* [maps] */
    SIPO_ANALYSIS_MAP_CHANNELS = 570     /* [maps] */
};
/* `id` is one of the arrays above. Since 0.1. */
SIPO_API sipo_status sipo_analysis_get_integers(const sipo_analysis* analysis, int32_t id,
                                                int64_t* values, size_t capacity, size_t* count);

#ifdef __cplusplus
}
#endif

#endif /* SIPO_SIPO_H_ */
