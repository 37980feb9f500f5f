/* The whole way in plain C: a checkpoint becomes a model, the model is calibrated, and text goes in
 * and comes out. Output like TAP; exit 1 when a step fails.
 *
 *   story_test CHECKPOINT CALIBRATION_TEXT OUTPUT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sipo/sipo.h"

static int count = 0;
static int failures = 0;

static void step(int passed, const char* name) {
    ++count;
    printf("%s %d - %s\n", passed ? "ok" : "not ok", count, name);
    if (passed) return;
    ++failures;
    printf("# last message: %s\n", sipo_last_error_message());
}

/* A step without which the others make no sense. */
static void need(int passed, const char* name) {
    step(passed, name);
    if (!passed) exit(1);
}

static void* take(size_t size) {
    void* const memory = malloc(size > 0 ? size : 1);
    need(memory != NULL, "memory");
    --count;
    return memory;
}

static char* read_text(const char* path, size_t most, size_t* length) {
    char* const text = take(most);
    FILE* const file = fopen(path, "rb");
    *length = file != NULL ? fread(text, 1, most, file) : 0;
    if (file != NULL) fclose(file);
    return text;
}

static int is_utf8(const char* text, size_t length) {
    size_t i = 0;
    while (i < length) {
        const unsigned char first = (unsigned char)text[i];
        size_t more = 0;
        if (first >= 0x80) {
            if (first < 0xc2 || first > 0xf4) return 0;
            more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        }
        if (length - i <= more) return 0;
        for (++i; more > 0; --more, ++i) {
            if (((unsigned char)text[i] & 0xc0) != 0x80) return 0;
        }
    }
    return 1;
}

/* ---- Import and calibration -------------------------------------------------------------------
 */

static int count_calls(void* user, uint64_t done, uint64_t total) {
    ++*(int*)user;
    return done > total;
}

static void import_checkpoint(const char* checkpoint, const char* output) {
    sipo_import_options* options = NULL;
    int calls = 0;
    need(sipo_import_options_create(&options) == SIPO_OK, "import options");
    step(sipo_import_options_set_weights(options, SIPO_WEIGHTS_F32) == SIPO_OK, "weights in f32");
    step(sipo_import_options_set_store(options, SIPO_STORE_RAW) == SIPO_OK, "stored raw");
    step(sipo_import_options_set_training_length(options, 512) == SIPO_OK, "a training length");
    step(sipo_import_options_set_progress(options, count_calls, &calls) == SIPO_OK,
         "with progress");
    need(sipo_import(checkpoint, output, options) == SIPO_OK, "a checkpoint is imported");
    step(calls > 0, "its progress is told");
    sipo_import_options_free(options);
}

static sipo_model* open_model(const char* path) {
    sipo_model_options* options = NULL;
    sipo_model* model = NULL;
    need(sipo_model_options_create(&options) == SIPO_OK, "model options");
    step(sipo_model_options_set_backend(options, "cpu") == SIPO_OK, "the cpu");
    need(sipo_model_open(path, options, &model) == SIPO_OK, "the model opens");
    sipo_model_options_free(options);
    return model;
}

static int64_t integer(const sipo_model* model, int32_t property) {
    int64_t value = -1;
    step(sipo_model_get_integer(model, property, &value) == SIPO_OK, "a fact about the model");
    return value;
}

static int32_t* tokenize(const sipo_model* model, const char* text, size_t length, size_t* n) {
    int32_t* const ids = take(length * sizeof *ids);
    need(sipo_model_tokenize(model, text, length, ids, length, n) == SIPO_OK,
         "text becomes tokens");
    return ids;
}

static void calibrate(const char* path, const char* text_path) {
    sipo_model* const model = open_model(path);
    const size_t length = (size_t)integer(model, SIPO_MODEL_TRAINING_LENGTH);
    size_t text_length = 0;
    char* const text = read_text(text_path, 20000, &text_length);
    size_t n = 0;
    int32_t* const ids = tokenize(model, text, text_length, &n);
    sipo_calibration* calibration = NULL;
    size_t channels = 0;
    step(length == 512, "the training length is the one given");
    need(n >= 2 * length, "there is text enough to calibrate");
    need(sipo_calibrate(model, ids, 2, length, NULL, &calibration) == SIPO_OK, "it is calibrated");
    step(sipo_calibration_log_decay(calibration, NULL, 0, &channels) == SIPO_OK &&
             channels == 8 * 512,
         "a decay for every channel");
    step(sipo_calibration_save(calibration, path, "story") == SIPO_OK, "the calibration is saved");
    step(integer(model, SIPO_MODEL_PROFILES) == 0, "the open model is as it was");
    sipo_calibration_free(calibration);
    free(ids);
    free(text);
    sipo_model_free(model);
}

/* ---- Text -------------------------------------------------------------------------------------
 */

static void round_trip(const sipo_model* model, const char* text, size_t length, const char* name) {
    size_t n = 0;
    size_t back_length = 0;
    int32_t* const ids = tokenize(model, text, length, &n);
    char* const back = take(length);
    step(sipo_model_detokenize(model, ids, n, back, length, &back_length) == SIPO_OK &&
             back_length == length && memcmp(back, text, length) == 0,
         name);
    free(back);
    free(ids);
}

static void round_trips(const sipo_model* model) {
    static const char nul[] = "before\0after\0\0end";
    static const char wide[] =
        "\xf0\x9d\x84\x9e clef, \xf0\x9f\x98\x80 face, \xe6\xbc\xa2 han, "
        "caf\xc3\xa9 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac";
    round_trip(model, nul, sizeof nul - 1, "NUL goes round");
    round_trip(model, wide, sizeof wide - 1, "characters beyond the first plane go round");
    round_trip(model, " \t\r\n  two  ", 11, "white space goes round");
}

/* ---- Generation -------------------------------------------------------------------------------
 */

struct stream {
    int32_t tokens[256];
    size_t n;
    char text[65536];
    size_t length;
    int whole; /* every piece was UTF-8 by itself */
};

static int on_token(void* user, int32_t token, const char* text, size_t length) {
    struct stream* const stream = user;
    if (stream->n == 256 || length > sizeof stream->text - stream->length) return 1;
    stream->tokens[stream->n++] = token;
    memcpy(stream->text + stream->length, text, length);
    stream->length += length;
    stream->whole = stream->whole && is_utf8(text, length);
    return 0;
}

static void compare(const sipo_model* model, const struct stream* stream, size_t generated) {
    char* const whole = take(sizeof stream->text);
    size_t length = 0;
    step(generated == stream->n, "every token was told");
    step(stream->whole, "every piece is UTF-8");
    step(sipo_model_detokenize(model, stream->tokens, stream->n, whole, sizeof stream->text,
                               &length) == SIPO_OK &&
             length == stream->length && memcmp(whole, stream->text, length) == 0,
         "the pieces together are the text of the tokens");
    free(whole);
}

/* Hot enough for tokens that are parts of characters, or of none. */
static void generate_wildly(const sipo_model* model, sipo_session* session, struct stream* stream) {
    sipo_sampling_options* options = NULL;
    size_t generated = 0;
    uint64_t seed;
    need(sipo_sampling_options_create(&options) == SIPO_OK, "sampling options");
    step(sipo_sampling_options_set_temperature(options, 100.0) == SIPO_OK, "hot");
    step(sipo_sampling_options_set_ignore_end_of_text(options, 1) == SIPO_OK, "without an end");
    for (seed = 0; seed < 4; ++seed) {
        memset(stream, 0, sizeof *stream);
        stream->whole = 1;
        step(sipo_sampling_options_set_seed(options, seed) == SIPO_OK, "a seed");
        need(sipo_session_generate(session, options, 200, on_token, stream, &generated) == SIPO_OK,
             "wild text is generated");
        compare(model, stream, generated);
    }
    sipo_sampling_options_free(options);
}

static sipo_session* make_session(const sipo_model* model, int32_t method) {
    sipo_session_options* options = NULL;
    sipo_session* session = NULL;
    need(sipo_session_options_create(model, &options) == SIPO_OK, "session options");
    step(sipo_session_options_set_context(options, method) == SIPO_OK, "a context method");
    step(sipo_session_options_set_decimation_capacity(options, 100) == SIPO_OK, "a capacity");
    step(sipo_session_options_set_profile(options, "story") == SIPO_OK, "the saved profile");
    step(sipo_session_options_set_threads(options, 2) == SIPO_OK, "two threads");
    need(sipo_session_create(options, &session) == SIPO_OK, "a session");
    sipo_session_options_free(options);
    return session;
}

static void generate(const sipo_model* model, const int32_t* ids, size_t n, int32_t method) {
    struct stream* const stream = take(sizeof *stream);
    sipo_session* const session = make_session(model, method);
    size_t kept = 0;
    size_t generated = 0;
    int64_t position = 0;
    memset(stream, 0, sizeof *stream);
    stream->whole = 1;
    need(sipo_session_prefill(session, ids, n) == SIPO_OK, "the prompt is read");
    step(sipo_session_kept_tokens(session, NULL, 0, &kept) == SIPO_OK &&
             (method == SIPO_CONTEXT_DECIMAMBA ? kept == 101 : kept == n),
         "as many tokens are kept as the method says");
    need(sipo_session_generate(session, NULL, 40, on_token, stream, &generated) == SIPO_OK,
         "text is generated");
    compare(model, stream, generated);
    step(sipo_session_position(session, &position) == SIPO_OK &&
             position == (int64_t)(n + generated),
         "the session stands behind it");
    generate_wildly(model, session, stream);
    step(sipo_session_reset(session) == SIPO_OK, "the session starts again");
    sipo_session_free(session);
    free(stream);
}

static void tell(const char* path, const char* text_path) {
    static const int32_t methods[] = {SIPO_CONTEXT_NONE, SIPO_CONTEXT_DECIMAMBA,
                                      SIPO_CONTEXT_LONGMAMBA};
    sipo_model* const model = open_model(path);
    char name[16];
    size_t length = 0;
    size_t n = 0;
    size_t i;
    char* const text = read_text(text_path, 3000, &length);
    int32_t* const ids = tokenize(model, text, length, &n);
    step(integer(model, SIPO_MODEL_PROFILES) == 1, "the model has a profile now");
    step(sipo_model_profile_name(model, 0, name, sizeof name, &length) == SIPO_OK && length == 5 &&
             memcmp(name, "story", 5) == 0,
         "it has its name");
    round_trips(model);
    for (i = 0; i < sizeof methods / sizeof methods[0]; ++i) generate(model, ids, n, methods[i]);
    free(ids);
    free(text);
    sipo_model_free(model);
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: story_test CHECKPOINT CALIBRATION_TEXT OUTPUT\n");
        return 2;
    }
    step(sipo_version_number() == SIPO_VERSION_NUMBER, "the library is the header's");
    import_checkpoint(argv[1], argv[3]);
    calibrate(argv[3], argv[2]);
    tell(argv[3], argv[2]);
    remove(argv[3]);
    printf("1..%d\n", count);
    return failures > 0;
}
