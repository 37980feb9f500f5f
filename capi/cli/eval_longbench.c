/* sipo eval longbench: prompts with references, scored as LongBench does. */
#include <sipo/sipo.h>
#include <stddef.h>

#include "args.h"
#include "commands.h"
#include "eval_report.h"
#include "loading.h"
#include "longbench_task.h"
#include "report.h"
#include "session_flags.h"

typedef struct {
    const char* model;
    const char* methods;
    EvalOutput output;
    LongbenchTask longbench;
    SessionFlags session;
} LongbenchArguments;

static void write_facts(Json* json, const void* user) {
    const LongbenchArguments* a = user;
    json_string(json, "model", a->model);
    json_string(json, "cases", a->longbench.path);
}

static int run(const Command* command, LongbenchArguments* a) {
    Variant variants[method_count];
    size_t count = 0;
    sipo_model* model = NULL;
    EvalTask task;
    int code = variants_of_methods(command->name, a->methods, &a->session, variants, &count);
    if (code == exit_ok) code = longbench_task_read(command->name, &a->longbench);
    if (code == exit_ok) {
        code = load_model(command, a->model, a->session.backend, a->session.threads, &model);
    }
    if (code == exit_ok) code = longbench_task_open(command->name, model, &a->longbench, &task);
    if (code == exit_ok) {
        code =
            eval_run_and_report(command, model, &task, variants, count, &a->output, write_facts, a);
    }
    longbench_task_free(&a->longbench);
    sipo_model_free(model);
    return code;
}

int eval_longbench(int argc, char** argv) {
    LongbenchArguments a = {.model = NULL};
    const Option options[] = {
        eval_methods_option(&a.methods),
        option_flag("show", &a.output.show, "print each answer on standard error"),
        eval_svg_option(&a.output),
        eval_state_option(&a.output),
    };
    Command command = {
        .name = "eval longbench",
        .usage = "MODEL --cases FILE.jsonl [options]",
        .about =
            "Puts prompts with references, one JSON object a line as LongBench has them, to\n"
            "the model, greedily, and prints the mean of a measure by dataset with a\n"
            "bootstrapped 95 % interval.",
        .example =
            "  sipo eval longbench mamba.sipo --cases hotpotqa.jsonl --metric f1 --max-tokens 32 "
            "\\\n"
            "      --template '{context} Question: {input} Answer:' --methods none,longmamba",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {longbench_group(&a.longbench, "cases"),
                   {"Options", options, COUNT_OF(options)},
                   session_flags_group(&a.session)},
        .group_count = 3,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.longbench.path == NULL) return report_usage(command.name, "--cases FILE is missing");
    return run(&command, &a);
}
