/* sipo eval passkey: does the model find a number hidden in a text? By method, length and depth. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "evaluation.h"
#include "passkey_task.h"
#include "report.h"
#include "shared_options.h"

typedef struct {
    const char* noise;
    PasskeyTask passkey;
    Evaluation evaluation;
} PasskeyArguments;

static void write_facts(Json* json, const void* user) {
    const PasskeyArguments* a = user;
    json_string(json, "model", a->evaluation.path);
    json_string(json, "protocol", a->passkey.protocol == passkey_paper ? "paper" : "sipo");
    json_integer(json, "samples", a->passkey.samples);
    json_integer(json, "seed", a->passkey.seed);
}

static int run(const Command* command, PasskeyArguments* a) {
    EvalTask task;
    int code = evaluation_open(command, &a->evaluation);
    if (code == exit_ok) {
        code = passkey_task_open_file(command->name, a->evaluation.model, a->noise, &a->passkey,
                                      &task);
    }
    if (code == exit_ok) code = evaluation_run(command, &a->evaluation, &task, write_facts, a);
    passkey_task_free(&a->passkey);
    evaluation_close(&a->evaluation);
    return code;
}

int eval_passkey(int argc, char** argv) {
    PasskeyArguments a = {.noise = NULL};
    const Option options[] = {noise_option(&a.noise)};
    Command command = {
        .name = "eval passkey",
        .usage = "MODEL --noise TEXT [options]",
        .about =
            "Hides \"The pass key is 73914. Remember it.\" with a random number at the end of\n"
            "a sentence of a text, asks for it, and prints the share of answers with all five\n"
            "digits right, with its 95 % interval (Wilson). All methods get the same prompts.",
        .example =
            "  sipo eval passkey mamba.sipo --noise book.txt --lengths 4096,16384 \\\n"
            "      --methods none,decimamba,longmamba --samples 10",
        .positionals = {{"MODEL", 0, &a.evaluation.path}},
        .positional_count = 1,
        .groups = {{"Text", options, COUNT_OF(options)},
                   passkey_group(&a.passkey, "2048,4096,8192", 4),
                   evaluation_group(&a.evaluation, asks_answers_by_depth),
                   session_flags_group(&a.evaluation.session)},
        .group_count = 4,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.noise == NULL) return report_usage(command.name, "--noise TEXT is missing");
    return run(&command, &a);
}
