/* sipo eval perplexity: the PG-19 protocol of DeciMamba (arXiv 2406.14528). Up to 11 windows of a
 * text, of which only the last 100 tokens are scored. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "evaluation.h"
#include "perplexity_task.h"
#include "report.h"
#include "shared_options.h"

typedef struct {
    const char* text;
    PerplexityTask perplexity;
    Evaluation evaluation;
} PerplexityArguments;

static void write_facts(Json* json, const void* user) {
    const PerplexityArguments* a = user;
    json_string(json, "model", a->evaluation.path);
    json_integer(json, "scored", a->perplexity.scored);
}

static int run(const Command* command, PerplexityArguments* a) {
    Evaluation* e = &a->evaluation;
    Tokens text = {NULL, 0};
    EvalTask task;
    /* Scored tokens must not be dropped, nor the one before them. */
    if (e->session.protected_tail == NOT_GIVEN) {
        e->session.protected_tail = a->perplexity.scored + 1;
    }
    int code = evaluation_open(command, e);
    if (code == exit_ok) code = tokens_from_text_file(command->name, e->model, a->text, &text);
    if (code == exit_ok) code = perplexity_task_open(command->name, &text, &a->perplexity, &task);
    if (code == exit_ok) code = evaluation_run(command, e, &task, write_facts, a);
    tokens_free(&text);
    evaluation_close(e);
    return code;
}

int eval_perplexity(int argc, char** argv) {
    PerplexityArguments a = {.text = NULL};
    const Option options[] = {text_option(&a.text, "text to predict")};
    Command command = {
        .name = "eval perplexity",
        .usage = "MODEL --text FILE [options]",
        .about =
            "Prints how well the model predicts the last tokens of windows of a text, by\n"
            "length of the window and context method, with a bootstrapped 95 % interval. The\n"
            "protected tail of decimamba is one token more than are scored unless given.",
        .example =
            "  sipo eval perplexity mamba.sipo --text book.txt --lengths 2048,16384 \\\n"
            "      --methods none,longmamba",
        .positionals = {{"MODEL", 0, &a.evaluation.path}},
        .positional_count = 1,
        .groups = {{"Text", options, COUNT_OF(options)},
                   perplexity_group(&a.perplexity),
                   evaluation_group(&a.evaluation, asks_nothing),
                   session_flags_group(&a.evaluation.session)},
        .group_count = 4,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.text == NULL) return report_usage(command.name, "--text FILE is missing");
    return run(&command, &a);
}
