/* sipo eval perplexity: the PG-19 protocol of DeciMamba (arXiv 2406.14528). Up to 11 windows of a
 * text, of which only the last 100 tokens are scored. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "eval_report.h"
#include "loading.h"
#include "perplexity_task.h"
#include "report.h"
#include "session_flags.h"

typedef struct {
    const char* model;
    const char* text;
    const char* methods;
    EvalOutput output;
    PerplexityTask perplexity;
    SessionFlags session;
} PerplexityArguments;

static void write_facts(Json* json, const void* user) {
    const PerplexityArguments* a = user;
    json_string(json, "model", a->model);
    json_integer(json, "scored", a->perplexity.scored);
}

static int run(const Command* command, PerplexityArguments* a) {
    Variant variants[method_count];
    size_t count = 0;
    sipo_model* model = NULL;
    Tokens text = {NULL, 0};
    EvalTask task;
    /* Scored tokens must not be dropped, nor the one before them. */
    if (a->session.protected_tail == NOT_GIVEN) {
        a->session.protected_tail = a->perplexity.scored + 1;
    }
    int code = variants_of_methods(command->name, a->methods, &a->session, variants, &count);
    if (code == exit_ok) {
        code = load_model(command, a->model, a->session.backend, a->session.threads, &model);
    }
    if (code == exit_ok) code = tokens_from_text_file(command->name, model, a->text, &text);
    if (code == exit_ok) code = perplexity_task_open(command->name, &text, &a->perplexity, &task);
    if (code == exit_ok) {
        code =
            eval_run_and_report(command, model, &task, variants, count, &a->output, write_facts, a);
    }
    tokens_free(&text);
    sipo_model_free(model);
    return code;
}

int eval_perplexity(int argc, char** argv) {
    PerplexityArguments a = {
        .perplexity = {.lengths_text = "2048,8192", .windows = 11, .scored = 100}};
    const Option options[] = {
        option_text("text", "FILE", &a.text, "text to predict"),
        option_text("lengths", "LIST", &a.perplexity.lengths_text, "tokens of the windows"),
        option_integer("windows", &a.perplexity.windows, 1, 100000,
                       "at most so many, spread over the text"),
        option_integer("scored", &a.perplexity.scored, 1, 1 << 20,
                       "tokens scored at the end of a window"),
        eval_methods_option(&a.methods),
        eval_svg_option(&a.output),
        eval_state_option(&a.output),
    };
    Command command = {
        .name = "eval perplexity",
        .usage = "MODEL --text FILE [options]",
        .about =
            "Prints how well the model predicts the last tokens of windows of a text, by\n"
            "length of the window and context method, with a bootstrapped 95 % interval. The\n"
            "protected tail of decimamba is one token more than are scored, unless it is given.",
        .example =
            "  sipo eval perplexity mamba.sipo --text book.txt --lengths 2048,16384 \\\n"
            "      --methods none,longmamba",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.text == NULL) return report_usage(command.name, "--text FILE is missing");
    return run(&command, &a);
}
