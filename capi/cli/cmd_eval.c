/* sipo eval: chooses the evaluation. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "report.h"

static const struct {
    const char* name;
    int (*run)(int argc, char** argv);
} evaluations[] = {{"passkey", eval_passkey},
                   {"perplexity", eval_perplexity},
                   {"retrieval", eval_retrieval},
                   {"keyvalue", eval_keyvalue},
                   {"longbench", eval_longbench}};

static const char names[] = "passkey, perplexity, retrieval, keyvalue and longbench";

static const char help[] =
    "usage: sipo eval (passkey | perplexity | retrieval | keyvalue | longbench) MODEL ...\n\n"
    "Measures context methods side by side:\n"
    "  passkey     does the model find a number in a text of a given length?\n"
    "  perplexity  how well does it predict the end of a window of a given length?\n"
    "  retrieval   which of many documents answers a question?\n"
    "  keyvalue    what is the value of one key among many?\n"
    "  longbench   prompts with references of one's own, and LongBench's measures\n\n"
    "Each gives 95 % intervals, draws its results (--svg) and goes on where it was\n"
    "interrupted (--state).\n\n"
    "Example:\n"
    "  sipo eval passkey mamba.sipo --noise book.txt --methods none,decimamba,longmamba\n\n"
    "'sipo eval passkey --help' and so on explain them.\n";

int cmd_eval(int argc, char** argv) {
    if (argc == 0) return report_usage("eval", "name an evaluation; there are %s", names);
    for (size_t i = 0; i < COUNT_OF(evaluations); ++i) {
        if (strcmp(argv[0], evaluations[i].name) == 0) {
            return evaluations[i].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        fputs(help, stdout);
        return exit_ok;
    }
    return report_usage("eval", "unknown evaluation '%s'; there are %s", argv[0], names);
}
