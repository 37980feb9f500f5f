/* sipo eval longbench: prompts with references, scored as LongBench does. */
#include <sipo/sipo.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "evaluation.h"
#include "longbench_task.h"
#include "report.h"

typedef struct {
    LongbenchTask longbench;
    Evaluation evaluation;
} LongbenchArguments;

static void write_facts(Json* json, const void* user) {
    const LongbenchArguments* a = user;
    json_string(json, "model", a->evaluation.path);
    json_string(json, "cases", a->longbench.path);
}

static int run(const Command* command, LongbenchArguments* a) {
    EvalTask task;
    int code = longbench_task_read(command->name, &a->longbench);
    if (code == exit_ok) code = evaluation_open(command, &a->evaluation);
    if (code == exit_ok) {
        code = longbench_task_open(command->name, a->evaluation.model, &a->longbench, &task);
    }
    if (code == exit_ok) code = evaluation_run(command, &a->evaluation, &task, write_facts, a);
    longbench_task_free(&a->longbench);
    evaluation_close(&a->evaluation);
    return code;
}

int eval_longbench(int argc, char** argv) {
    LongbenchArguments a;
    memset(&a, 0, sizeof a);
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
        .positionals = {{"MODEL", 0, &a.evaluation.path}},
        .positional_count = 1,
        .groups = {longbench_group(&a.longbench, "cases"),
                   evaluation_group(&a.evaluation, asks_answers),
                   session_flags_group(&a.evaluation.session)},
        .group_count = 3,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.longbench.path == NULL) return report_usage(command.name, "--cases FILE is missing");
    return run(&command, &a);
}
