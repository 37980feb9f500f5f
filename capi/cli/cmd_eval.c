/* sipo eval: chooses the evaluation. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "report.h"

static const char help[] =
    "usage: sipo eval (passkey | perplexity) MODEL ...\n\n"
    "Measures context methods side by side:\n"
    "  passkey     does the model find a number in a text of a given length?\n"
    "  perplexity  how well does it predict the end of a window of a given length?\n\n"
    "Example:\n"
    "  sipo eval passkey mamba.sipo --noise book.txt --methods none,decimamba,longmamba\n\n"
    "'sipo eval passkey --help' and 'sipo eval perplexity --help' explain them.\n";

int cmd_eval(int argc, char** argv) {
    if (argc == 0) return report_usage("eval", "name an evaluation: passkey or perplexity");
    if (strcmp(argv[0], "passkey") == 0) return eval_passkey(argc - 1, argv + 1);
    if (strcmp(argv[0], "perplexity") == 0) return eval_perplexity(argc - 1, argv + 1);
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        fputs(help, stdout);
        return exit_ok;
    }
    return report_usage("eval", "unknown evaluation '%s'; there are passkey and perplexity",
                        argv[0]);
}
