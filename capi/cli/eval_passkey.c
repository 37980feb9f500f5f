/* sipo eval passkey: does the model find a number hidden in a text? By method, length and depth. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "eval_report.h"
#include "loading.h"
#include "passkey_task.h"
#include "report.h"
#include "session_flags.h"

typedef struct {
    const char* model;
    const char* noise;
    const char* methods;
    EvalOutput output;
    PasskeyTask passkey;
    SessionFlags session;
} PasskeyArguments;

static void write_facts(Json* json, const void* user) {
    const PasskeyArguments* a = user;
    json_string(json, "model", a->model);
    json_string(json, "protocol", a->passkey.protocol == passkey_paper ? "paper" : "sipo");
    json_integer(json, "samples", a->passkey.samples);
    json_integer(json, "seed", a->passkey.seed);
}

static int run(const Command* command, PasskeyArguments* a) {
    Variant variants[method_count];
    size_t count = 0;
    sipo_model* model = NULL;
    Tokens noise = {NULL, 0};
    EvalTask task;
    int code = variants_of_methods(command->name, a->methods, &a->session, variants, &count);
    if (code == exit_ok) {
        code = load_model(command, a->model, a->session.backend, a->session.threads, &model);
    }
    if (code == exit_ok) code = tokens_from_text_file(command->name, model, a->noise, &noise);
    if (code == exit_ok) {
        code = passkey_task_open(command->name, model, &noise, &a->passkey, &task);
    }
    if (code == exit_ok) {
        code =
            eval_run_and_report(command, model, &task, variants, count, &a->output, write_facts, a);
    }
    tokens_free(&noise);
    passkey_task_free(&a->passkey);
    sipo_model_free(model);
    return code;
}

int eval_passkey(int argc, char** argv) {
    PasskeyArguments a = {.model = NULL};
    const Option options[] = {
        option_text("noise", "TEXT", &a.noise, "file of ordinary text that hides the number"),
        eval_methods_option(&a.methods),
        option_flag("by-depth", &a.output.by_part, "a column for each depth"),
        option_flag("show", &a.output.show, "print each answer on standard error"),
        eval_svg_option(&a.output),
        eval_state_option(&a.output),
    };
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
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)},
                   passkey_group(&a.passkey, "2048,4096,8192", 4),
                   session_flags_group(&a.session)},
        .group_count = 3,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.noise == NULL) return report_usage(command.name, "--noise TEXT is missing");
    return run(&command, &a);
}
