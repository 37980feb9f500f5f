/* The state of an evaluation. */
#include "eval_state.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "loading.h"
#include "report.h"

static const char first_line[] = "sipo evaluation 1";

static void mix_bytes(uint64_t* hash, const void* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        *hash = (*hash ^ ((const unsigned char*)bytes)[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
    }
}

static void mix_text(uint64_t* hash, const char* text) {
    if (text != NULL) mix_bytes(hash, text, strlen(text));
    mix_bytes(hash, "", 1);
}

static void mix_calibration(uint64_t* hash, const sipo_calibration* calibration) {
    size_t count = 0;
    float* decay = NULL;
    if (calibration == NULL) return;
    if (sipo_calibration_log_decay(calibration, NULL, 0, &count) != SIPO_OK) return;
    decay = malloc(count * sizeof *decay + 1);
    if (decay != NULL && sipo_calibration_log_decay(calibration, decay, count, &count) == SIPO_OK) {
        mix_bytes(hash, decay, count * sizeof *decay);
    }
    free(decay);
}

/* Everything that a result depends on, but for the machine. */
static void mix_variant(uint64_t* hash, const Variant* variant) {
    const SessionFlags* s = &variant->session;
    const int64_t whole[] = {s->context,        s->decimation_capacity, s->decimation_min_tokens,
                             s->protected_tail, s->expected_tokens,     s->filtered_channels,
                             s->channel_seed};
    const double real[] = {isnan(s->decimation_rate) ? -1 : s->decimation_rate,
                           isnan(s->global_threshold) ? -1 : s->global_threshold};
    mix_text(hash, variant->name);
    mix_bytes(hash, whole, sizeof whole);
    mix_bytes(hash, real, sizeof real);
    mix_text(hash, s->layers);
    mix_text(hash, s->profile);
    mix_calibration(hash, variant->calibration);
}

static uint64_t key_of(const EvalRun* run, uint64_t fingerprint) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    char source[256] = "";
    size_t length = 0;
    const int64_t parameters = model_integer(run->model, SIPO_MODEL_PARAMETERS);
    if (sipo_model_get_text(run->model, SIPO_MODEL_SOURCE, source, sizeof source, &length) !=
        SIPO_OK) {
        length = 0;
    }
    mix_bytes(&hash, source, length);
    mix_bytes(&hash, &parameters, sizeof parameters);
    mix_bytes(&hash, &fingerprint, sizeof fingerprint);
    mix_text(&hash, run->task->name);
    for (size_t v = 0; v < run->variant_count; ++v) mix_variant(&hash, &run->variants[v]);
    return hash;
}

int eval_state_save(const EvalRun* run) {
    if (run->state == NULL) return exit_ok;
    const char* command = run->task->command;
    TextFile file;
    const int code = text_file_begin(command, &file);
    if (code != exit_ok) return code;
    fprintf(file.out, "%s %016" PRIx64 "\n", first_line, run->state_key);
    for (size_t v = 0; v < run->variant_count; ++v) {
        for (size_t i = 0; i < run->task->cases; ++i) {
            const CaseResult* r = &eval_results(run, v)[i];
            if (!r->done) continue;
            fprintf(file.out, "%zu %zu %.17g %.17g %.6f\n", v, i, r->value, r->tokens, r->seconds);
        }
    }
    return text_file_finish(command, &file, run->state, exit_ok);
}

/* One result; 0 when the line is not one. */
static int take_line(EvalRun* run, const char* line) {
    size_t variant = 0;
    size_t index = 0;
    CaseResult result = {1, 0, 0, 0};
    if (sscanf(line, "%zu %zu %lf %lf %lf", &variant, &index, &result.value, &result.tokens,
               &result.seconds) != 5) {
        return 0;
    }
    const int sound =
        isfinite(result.value) && result.tokens >= 0 && result.tokens < 1e12 && result.seconds >= 0;
    if (variant >= run->variant_count || index >= run->task->cases || !sound) return 0;
    eval_results(run, variant)[index] = result;
    return 1;
}

int eval_state_open(EvalRun* run, uint64_t fingerprint) {
    if (run->state == NULL) return exit_ok;
    const char* command = run->task->command;
    run->state_key = key_of(run, fingerprint);
    if (access(run->state, F_OK) != 0 && errno == ENOENT) return exit_ok;
    char* data = NULL;
    size_t size = 0;
    int code = file_read(command, run->state, &data, &size);
    if (code != exit_ok) return code;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%s %016" PRIx64 "\n", first_line, run->state_key);
    const size_t head = strlen(wanted);
    if (size < head || memcmp(data, wanted, head) != 0) {
        code = report_failure(command,
                              "%s is the state of another evaluation; remove it or name another "
                              "--state",
                              run->state);
    }
    for (char* line = data + head; code == exit_ok && line < data + size;) {
        char* end = memchr(line, '\n', (size_t)(data + size - line));
        if (end != NULL) *end = '\0';
        if (end == NULL || !take_line(run, line)) {
            code = report_failure(command, "%s is damaged; remove it", run->state);
        }
        line = end == NULL ? line : end + 1;
    }
    free(data);
    return code;
}
