/* Results in a file. */
#include "eval_state.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocate.h"
#include "files.h"
#include "report.h"

static const char first_line[] = "sipo evaluation 3\n";

static void mix_bytes(uint64_t* hash, const void* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        *hash = (*hash ^ ((const unsigned char*)bytes)[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
    }
}

static void mix_text(uint64_t* hash, const char* text) { mix_bytes(hash, text, strlen(text) + 1); }

/* Everything that a result depends on, but for the machine: the snapshot of a session that has read nothing
 * tells weights, method, options, calibration and version. */
int eval_state_key(const EvalTask* task, const sipo_session* session, uint64_t cases,
                   uint64_t* key) {
    sipo_snapshot* snapshot = NULL;
    const void* bytes = NULL;
    size_t size = 0;
    sipo_status status = sipo_session_save_memory(session, NULL, &snapshot);
    if (status == SIPO_OK) status = sipo_snapshot_bytes(snapshot, &bytes, &size);
    *key = UINT64_C(0xCBF29CE484222325);
    if (status == SIPO_OK) mix_bytes(key, bytes, size);
    sipo_snapshot_free(snapshot);
    mix_bytes(key, &cases, sizeof cases);
    mix_text(key, task->name);
    mix_text(key, task->result);
    return report_status(task->command, status);
}

static int add(EvalState* state, const KeptResult* kept) {
    if (state->count == state->room) {
        const size_t room = 2 * state->room + 64;
        KeptResult* grown = reallocate(state->kept, room, sizeof *grown);
        if (grown == NULL) return report_no_memory(state->command, "the results");
        state->kept = grown;
        state->room = room;
    }
    state->kept[state->count++] = *kept;
    return exit_ok;
}

int eval_state_keep(EvalState* state, const KeptResult* kept) {
    TextFile file;
    int code = add(state, kept);
    if (code != exit_ok || state->path == NULL) return code;
    code = text_file_begin(state->command, &file);
    if (code != exit_ok) return code;
    fputs(first_line, file.out);
    for (size_t i = 0; i < state->count; ++i) {
        const KeptResult* k = &state->kept[i];
        fprintf(file.out, "%016" PRIx64 " %zu %.17g %.17g %.6f\n", k->key, k->index,
                k->result.value, k->result.tokens, k->result.seconds);
    }
    return text_file_finish(state->command, &file, state->path, exit_ok);
}

/* One result; 0 when the line is not one. */
static int parse_line(const char* line, KeptResult* kept) {
    CaseResult* r = &kept->result;
    memset(kept, 0, sizeof *kept);
    if (sscanf(line, "%16" SCNx64 " %zu %lf %lf %lf", &kept->key, &kept->index, &r->value,
               &r->tokens, &r->seconds) != 5) {
        return 0;
    }
    r->done = 1;
    return isfinite(r->value) && r->tokens >= 0 && r->tokens < 1e12 && r->seconds >= 0;
}

static int parse(EvalState* state, char* data, size_t size) {
    const size_t head = strlen(first_line);
    if (size < head || memcmp(data, first_line, head) != 0) {
        return report_failure(state->command, "%s holds no results; name another --state",
                              state->path);
    }
    for (char* line = data + head; line < data + size;) {
        KeptResult kept;
        char* end = memchr(line, '\n', (size_t)(data + size - line));
        if (end != NULL) *end = '\0';
        if (end == NULL || !parse_line(line, &kept)) {
            return report_failure(state->command, "%s is damaged; remove it", state->path);
        }
        const int code = add(state, &kept);
        if (code != exit_ok) return code;
        line = end + 1;
    }
    return exit_ok;
}

int eval_state_open(const char* command, const char* path, EvalState* state) {
    *state = (EvalState){command, path, NULL, 0, 0};
    if (path == NULL || (access(path, F_OK) != 0 && errno == ENOENT)) return exit_ok;
    char* data = NULL;
    size_t size = 0;
    int code = file_read(command, path, &data, &size);
    if (code == exit_ok) code = parse(state, data, size);
    free(data);
    return code;
}

void eval_state_close(EvalState* state) {
    free(state->kept);
    state->kept = NULL;
    state->count = state->room = 0;
}

static int is_of(const KeptResult* kept, const EvalRun* run, size_t variant) {
    return kept->key == run->keys[variant] && kept->index < run->task->cases;
}

int eval_state_is_of(const EvalState* state, const EvalRun* run) {
    for (size_t i = 0; i < state->count; ++i) {
        size_t v = 0;
        while (v < run->variant_count && !is_of(&state->kept[i], run, v)) ++v;
        if (v == run->variant_count) return 0;
    }
    return 1;
}

void eval_state_take(const EvalState* state, EvalRun* run, size_t variant) {
    for (size_t i = 0; i < state->count; ++i) {
        const KeptResult* kept = &state->kept[i];
        if (is_of(kept, run, variant)) eval_results(run, variant)[kept->index] = kept->result;
    }
}
