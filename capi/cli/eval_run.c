/* Puts cases to variants. */
#include "eval_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "clock.h"
#include "eval_state.h"
#include "interrupt.h"
#include "random.h"
#include "report.h"

typedef struct {
    const EvalTask* task;
    size_t index;
    const EvalCase* asked;
    char text[answer_size];
    size_t length;
    int enough;
} Answer;

int variants_of_methods(const char* command, const char* methods, const SessionFlags* session,
                        Variant* variants, size_t* count) {
    IntegerList list;
    const int code = parse_methods(command, methods, session, &list);
    if (code != exit_ok) return code;
    if (list.count > method_count) {
        return report_usage(command, "--methods takes at most %d methods", (int)method_count);
    }
    for (size_t i = 0; i < list.count; ++i) {
        variants[i] = (Variant){"", *session, NULL};
        variants[i].session.context = list.items[i];
        snprintf(variants[i].name, sizeof variants[i].name, "%s", method_name(list.items[i]));
    }
    *count = list.count;
    return exit_ok;
}

CaseResult* eval_results(const EvalRun* run, size_t variant) {
    return run->results + variant * run->task->cases;
}

static int open_session(const EvalRun* run, size_t variant, Progress* progress,
                        sipo_session** session) {
    const Variant* v = &run->variants[variant];
    sipo_session_options* options = NULL;
    int code = session_options_open(run->command, &v->session, v->session.context, run->model,
                                    progress, &options);
    if (code == exit_ok && v->calibration != NULL) {
        code = report_status(run->command->name,
                             sipo_session_options_set_calibration(options, v->calibration));
    }
    if (code == exit_ok) {
        code = report_status(run->command->name, sipo_session_create(options, session));
    }
    sipo_session_options_free(options);
    return code;
}

/* Gathers the answer and stops when it is long enough. */
static int on_token(void* user, int32_t token, const char* text, size_t length) {
    Answer* answer = user;
    (void)token;
    const size_t room = sizeof answer->text - 1 - answer->length;
    const size_t taken = length < room ? length : room;
    if (taken > 0) memcpy(answer->text + answer->length, text, taken);
    answer->length += taken;
    answer->text[answer->length] = '\0';
    answer->enough = taken < length ||
                     (answer->task->stop != NULL &&
                      answer->task->stop(answer->task, answer->index, answer->asked, answer->text));
    return interrupted() || answer->enough;
}

static sipo_status score_tail(sipo_session* session, const EvalCase* asked, double* value) {
    float* nll = allocate(asked->scored, sizeof *nll);
    if (nll == NULL) return SIPO_OUT_OF_MEMORY;
    const sipo_status status =
        sipo_session_score(session, asked->prompt.ids, asked->prompt.count, asked->scored, nll);
    double sum = 0;
    for (size_t i = 0; i < asked->scored && status == SIPO_OK; ++i) sum += (double)nll[i];
    *value = sum / (double)asked->scored;
    free(nll);
    return status;
}

static sipo_status generate_answer(sipo_session* session, Answer* answer) {
    size_t generated = 0;
    const sipo_status status = sipo_session_generate(session, NULL, answer->asked->max_tokens,
                                                     on_token, answer, &generated);
    return status == SIPO_CANCELLED && answer->enough ? SIPO_OK : status;
}

/* Reads the prompt and writes down what came of it. */
static sipo_status put(sipo_session* session, Answer* answer, CaseResult* result) {
    const EvalCase* asked = answer->asked;
    sipo_status status = sipo_session_reset(session);
    const double start = clock_seconds();
    if (status == SIPO_OK && asked->scored > 0) {
        status = score_tail(session, asked, &result->value);
    } else if (status == SIPO_OK) {
        status = sipo_session_prefill(session, asked->prompt.ids, asked->prompt.count);
    }
    result->seconds = clock_seconds() - start;
    result->tokens = (double)asked->prompt.count;
    if (status != SIPO_OK || asked->scored > 0) return status;
    status = generate_answer(session, answer);
    result->value = answer->task->score(answer->task, answer->index, asked, answer->text);
    return status;
}

/* Puts one case to a session. */
static int ask(EvalRun* run, sipo_session* session, size_t variant, size_t index) {
    const EvalTask* task = run->task;
    CaseResult* result = &eval_results(run, variant)[index];
    EvalCase asked;
    memset(&asked, 0, sizeof asked);
    Answer* answer = allocate_zeroed(1, sizeof *answer);
    if (answer == NULL) return report_no_memory(task->command, "an answer");
    answer->task = task;
    answer->index = index;
    answer->asked = &asked;
    int code = task->make(task, index, &asked);
    if (code == exit_ok) code = report_status(task->command, put(session, answer, result));
    run->progress.before += asked.prompt.count;
    if (code == exit_ok) {
        result->done = 1;
        if (run->state != NULL) {
            code = eval_state_keep(run->state, &(KeptResult){run->keys[variant], index, *result});
        }
    }
    if (code == exit_ok && run->show && asked.scored == 0) {
        progress_clear(&run->progress);
        fprintf(stderr, "%s, case %zu: %s, answer '%s'\n", run->variants[variant].name, index,
                asked.right, answer->text);
    }
    free(answer);
    tokens_free(&asked.prompt);
    return code;
}

static int run_variant(EvalRun* run, size_t variant) {
    sipo_session* session = NULL;
    if (run->state != NULL) eval_state_take(run->state, run, variant);
    int code = open_session(run, variant, &run->progress, &session);
    for (size_t i = 0; i < run->task->cases && code == exit_ok; ++i) {
        const CaseResult* result = &eval_results(run, variant)[i];
        if (run->deadline > 0 && clock_seconds() > run->deadline) break;
        if (run->is_settled != NULL && run->is_settled(run, variant, run->user)) break;
        if (result->done) {
            run->progress.before += (uint64_t)result->tokens;
        } else {
            code = ask(run, session, variant, i);
        }
    }
    sipo_session_free(session);
    return code;
}

static int mix_case(const EvalTask* task, const EvalCase* asked, Random* cases) {
    uint64_t prompt = 0;
    const sipo_status status = sipo_token_hash(asked->prompt.ids, asked->prompt.count, &prompt);
    random_mix(cases, prompt);
    random_mix(cases, asked->max_tokens);
    random_mix(cases, asked->scored);
    for (const char* c = asked->right; *c != '\0'; ++c) random_mix(cases, (unsigned char)*c);
    return report_status(task->command, status);
}

/* Makes every case and every session once, so that what cannot work shows before hours of what can,
 * and it is known which kept results are of these cases. */
static int prepare(EvalRun* run) {
    const EvalTask* task = run->task;
    uint64_t whole = 0;
    Random cases = {task->answers};
    int code = exit_ok;
    for (size_t i = 0; i < task->cases && code == exit_ok; ++i) {
        EvalCase asked;
        memset(&asked, 0, sizeof asked);
        code = task->make(task, i, &asked);
        if (code == exit_ok) code = mix_case(task, &asked, &cases);
        run->places[i] = (CasePlace){asked.row, asked.part};
        whole += asked.prompt.count;
        tokens_free(&asked.prompt);
        if (interrupted() && code == exit_ok) code = report_cancelled(task->command);
    }
    for (size_t v = 0; v < run->variant_count && code == exit_ok; ++v) {
        sipo_session* session = NULL;
        code = open_session(run, v, NULL, &session);
        if (code == exit_ok && run->state != NULL) {
            code = eval_state_key(task, session, cases.state, &run->keys[v]);
        }
        sipo_session_free(session);
    }
    run->progress.whole = whole * run->variant_count;
    return code;
}

/* A file named by mistake must not grow two evaluations. */
static int check_state(const EvalRun* run) {
    if (run->state == NULL || run->shared_state || eval_state_is_of(run->state, run)) {
        return exit_ok;
    }
    return report_failure(
        run->task->command,
        "%s is the state of another evaluation; remove it or name another --state",
        run->state->path);
}

int eval_run(EvalRun* run) {
    progress_begin(&run->progress, run->task->name, "tokens", args_silent(run->command));
    run->results = allocate_zeroed(run->variant_count * run->task->cases, sizeof *run->results);
    run->places = allocate_zeroed(run->task->cases, sizeof *run->places);
    run->keys = allocate_zeroed(run->variant_count, sizeof *run->keys);
    if (run->results == NULL || run->places == NULL || run->keys == NULL) {
        return report_no_memory(run->task->command, "results");
    }
    int code = prepare(run);
    if (code == exit_ok) code = check_state(run);
    for (size_t v = 0; v < run->variant_count && code == exit_ok; ++v) code = run_variant(run, v);
    progress_clear(&run->progress);
    return code;
}

void eval_free(EvalRun* run) {
    free(run->results);
    free(run->places);
    free(run->keys);
    run->results = NULL;
    run->places = NULL;
    run->keys = NULL;
}
