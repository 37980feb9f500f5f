/* sipo score: how likely a model finds given tokens, and its logits, as raw files. */
#include <math.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>

#include "allocate.h"
#include "args.h"
#include "commands.h"
#include "files.h"
#include "json.h"
#include "loading.h"
#include "progress.h"
#include "report.h"
#include "session_flags.h"
#include "shared_options.h"
#include "text.h"

typedef struct {
    const char* model;
    const char* ids;
    const char* text;
    int64_t last;
    const char* logits;
    const char* nll;
    int64_t scored;
    const char* kept;
    SessionFlags session;
} ScoreArguments;

typedef struct {
    size_t scored; /* 0 when nothing was */
    double mean_nll;
} Score;

/* How many tokens to score: --scored, or as many as can be. */
static int count_scored(const char* command, const ScoreArguments* arguments, size_t tokens,
                        size_t* scored) {
    if (tokens < 2) return report_failure(command, "scoring takes two tokens or more");
    *scored = tokens - 1;
    if (arguments->scored != NOT_GIVEN) {
        *scored = (size_t)arguments->scored;
    } else if (arguments->session.context == SIPO_CONTEXT_DECIMAMBA) {
        const int64_t tail = arguments->session.protected_tail;
        if (tail == NOT_GIVEN || tail < 2) {
            return report_failure(command,
                                  "decimamba drops tokens that would be scored; set "
                                  "--protected-tail to one more than are to be");
        }
        if ((size_t)tail - 1 < *scored) *scored = (size_t)tail - 1;
    }
    return exit_ok;
}

static int score_tokens(const char* command, const ScoreArguments* arguments, sipo_session* session,
                        const Tokens* tokens, Score* score) {
    size_t scored = 0;
    int code = count_scored(command, arguments, tokens->count, &scored);
    if (code != exit_ok) return code;
    float* nll = allocate(scored, sizeof *nll);
    if (nll == NULL) return report_no_memory(command, "the scores");
    code = report_status(command,
                         sipo_session_score(session, tokens->ids, tokens->count, scored, nll));
    if (code == exit_ok) {
        double sum = 0;
        for (size_t i = 0; i < scored; ++i) sum += (double)nll[i];
        score->scored = scored;
        score->mean_nll = sum / (double)scored;
        code = file_write_reals(command, arguments->nll, nll, scored);
    }
    free(nll);
    return code;
}

static int write_logits(const char* command, const ScoreArguments* arguments,
                        const sipo_model* model, sipo_session* session, const Tokens* tokens) {
    const size_t last = (size_t)arguments->last;
    const size_t vocabulary = (size_t)model_integer(model, SIPO_MODEL_VOCAB_SIZE);
    if (last > tokens->count) {
        return report_failure(command, "--last %zu is more than the %zu tokens there are", last,
                              tokens->count);
    }
    float* logits =
        last > SIZE_MAX / vocabulary ? NULL : allocate(last * vocabulary, sizeof *logits);
    if (logits == NULL) return report_no_memory(command, "the logits");
    int code =
        report_status(command, sipo_session_prefill_logits(session, tokens->ids, tokens->count,
                                                           last, logits, last * vocabulary));
    if (code == exit_ok) {
        code = file_write_reals(command, arguments->logits, logits, last * vocabulary);
    }
    free(logits);
    return code;
}

/* Writes which tokens of the last pass reached the last layer. */
static int write_kept(const char* command, const char* path, const sipo_session* session) {
    size_t count = 0;
    sipo_status status = sipo_session_kept_tokens(session, NULL, 0, &count);
    if (status != SIPO_OK) return report_status(command, status);
    int code = exit_failure;
    int64_t* indices = allocate(count, sizeof *indices);
    int32_t* narrow = allocate(count, sizeof *narrow);
    if (indices == NULL || narrow == NULL) {
        report_no_memory(command, "the kept tokens");
    } else {
        status = sipo_session_kept_tokens(session, indices, count, &count);
        /* At most 2^30 bytes of a file are read, so that an index fits. */
        for (size_t i = 0; status == SIPO_OK && i < count; ++i) narrow[i] = (int32_t)indices[i];
        code = report_status(command, status);
        if (code == exit_ok) code = file_write_integers(command, path, narrow, count);
    }
    free(narrow);
    free(indices);
    return code;
}

/* The passes over the tokens that the options ask for. */
static int run_passes(const char* command, const ScoreArguments* arguments, const sipo_model* model,
                      sipo_session* session, const Tokens* tokens, Score* score) {
    const int wants_score =
        arguments->nll != NULL || (arguments->logits == NULL && arguments->kept == NULL);
    int code = exit_ok;
    if (wants_score) code = score_tokens(command, arguments, session, tokens, score);
    if (code == exit_ok && arguments->logits != NULL) {
        code = report_status(command, sipo_session_reset(session));
        if (code == exit_ok) code = write_logits(command, arguments, model, session, tokens);
    } else if (code == exit_ok && !wants_score) {
        code = report_status(command, sipo_session_prefill(session, tokens->ids, tokens->count));
    }
    if (code == exit_ok && arguments->kept != NULL) {
        code = write_kept(command, arguments->kept, session);
    }
    return code;
}

static void print_result(const Command* command, size_t tokens, const Score* score) {
    if (command->json) {
        Json json = {.out = stdout};
        json_begin_object(&json, NULL);
        json_count(&json, "tokens", tokens);
        json_count(&json, "scored", score->scored);
        if (score->scored > 0) {
            json_real(&json, "mean_nll", score->mean_nll);
            json_real(&json, "perplexity", exp(score->mean_nll));
        }
        json_end_object(&json);
        return;
    }
    printf("tokens      %zu\n", tokens);
    if (score->scored == 0) return;
    printf("scored      %zu\nmean NLL    %.6f nats\nperplexity  %.4f\n", score->scored,
           score->mean_nll, exp(score->mean_nll));
}

static int run(const Command* command, const ScoreArguments* arguments) {
    sipo_model* model = NULL;
    sipo_session* session = NULL;
    Tokens tokens = {NULL, 0};
    Score score = {0, 0};
    Progress progress;
    int code = load_model(command, arguments->model, arguments->session.backend,
                          arguments->session.threads, &model);
    if (code == exit_ok) {
        code = tokens_from_options(command->name, model, arguments->ids, arguments->text, &tokens);
    }
    progress_begin(&progress, "scoring", "tokens", args_silent(command));
    if (code == exit_ok) {
        code = session_open(command, &arguments->session, arguments->session.context, model,
                            &progress, &session);
    }
    if (code == exit_ok) {
        code = run_passes(command->name, arguments, model, session, &tokens, &score);
    }
    progress_clear(&progress);
    if (code == exit_ok) print_result(command, tokens.count, &score);
    sipo_session_free(session);
    tokens_free(&tokens);
    sipo_model_free(model);
    return code;
}

int cmd_score(int argc, char** argv) {
    ScoreArguments a = {.last = 1, .scored = NOT_GIVEN};
    const Option options[] = {
        text_option(&a.text, "text to score"),
        ids_option(&a.ids),
        option_text("nll", "FILE.f32", &a.nll,
                    "write the negative log-likelihoods, f32 [scored], in nats"),
        option_default(scored_option(&a.scored), "all that can be"),
        option_text("logits", "FILE.f32", &a.logits, "write logits, f32 [last, vocabulary]"),
        option_integer("last", &a.last, 1, INT64_C(1) << 40, "logits of so many tokens at the end"),
        option_text("kept", "FILE.i32", &a.kept, "write which tokens decimamba kept, i32 indices"),
    };
    Command command = {
        .name = "score",
        .usage = "MODEL (--text FILE | --ids FILE.i32) [options]",
        .about =
            "Reads tokens and says how likely the model finds each after those before it;\n"
            "mean and perplexity are printed, single values and logits go to raw files.",
        .example =
            "  sipo score mamba.sipo --text book.txt --nll book.f32\n"
            "  sipo score mamba.sipo --ids ids.i32 --last 8 --logits logits.f32",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    code = check_ids_or_text(command.name, a.ids, a.text);
    return code == exit_ok ? run(&command, &a) : code;
}
