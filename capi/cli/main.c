/* The sipo tool: finds the command. */
#include <errno.h>
#include <fcntl.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "commands.h"
#include "interrupt.h"
#include "report.h"

typedef struct {
    const char* name;
    int (*run)(int argc, char** argv);
    const char* about;
} Entry;

static const Entry entries[] = {
    {"import", cmd_import, "convert a checkpoint into a .sipo file"},
    {"export", cmd_export, "write a .sipo file as a Hugging Face directory"},
    {"quantize", cmd_quantize, "write a .sipo file again with smaller weights"},
    {"info", cmd_info, "say what is in a .sipo file"},
    {"calibrate", cmd_calibrate, "measure what LongMamba needs, into the .sipo file"},
    {"generate", cmd_generate, "go on with a prompt of any length"},
    {"score", cmd_score, "negative log-likelihood and logits of given tokens"},
    {"eval", cmd_eval, "measure the methods: passkeys, perplexity, documents, keys, LongBench"},
    {"analyze", cmd_analyze, "what the channels remember of a text, with pictures"},
    {"ablate", cmd_ablate, "LongMamba's choices one by one: channels, layers, threshold, clamp"},
    {"tune", cmd_tune, "search the options that serve a text best, into the .sipo file"},
    {"bench", cmd_bench, "measure the speed"},
};

static void print_usage(FILE* out) {
    fputs(
        "usage: sipo COMMAND ...\n\n"
        "Runs Mamba language models far beyond the length they were trained on.\n\nCommands:\n",
        out);
    for (size_t i = 0; i < COUNT_OF(entries); ++i) {
        fprintf(out, "  %-11s %s\n", entries[i].name, entries[i].about);
    }
    fputs(
        "\n"
        "From a checkpoint to an answer about a long text:\n\n"
        "  1. Convert the checkpoint, once:\n"
        "       sipo import ./mamba-1.4b-hf mamba.sipo\n"
        "  2. Calibrate it with ordinary text, once (LongMamba only):\n"
        "       sipo calibrate mamba.sipo --text novels.txt\n"
        "  3. Generate; the prompt may be many times the training length:\n"
        "       sipo generate mamba.sipo --prompt-file book.txt --context longmamba\n\n"
        "'sipo COMMAND --help' explains a command; 'sipo --version' prints the version.\n",
        out);
}

static const Entry* find_entry(const char* name) {
    for (size_t i = 0; i < COUNT_OF(entries); ++i) {
        if (strcmp(entries[i].name, name) == 0) return &entries[i];
    }
    return NULL;
}

static int report_unknown_command(const char* name) {
    const Entry* meant = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < COUNT_OF(entries); ++i) {
        const size_t distance = likely_meant(name, entries[i].name);
        if (distance == 0 || distance >= least) continue;
        least = distance;
        meant = &entries[i];
    }
    if (meant == NULL) return report_usage("", "unknown command '%s'", name);
    return report_usage("", "unknown command '%s'; did you mean '%s'?", name, meant->name);
}

static int print_version(void) {
    printf("sipo %s\n", sipo_version_string());
    return exit_ok;
}

static int print_help(void) {
    print_usage(stdout);
    return exit_ok;
}

/* `sipo help` and `sipo help COMMAND`. */
static int explain(const char* name) {
    char option[] = "--help";
    char* arguments[] = {option};
    if (name == NULL) return print_help();
    const Entry* entry = find_entry(name);
    return entry == NULL ? report_unknown_command(name) : entry->run(1, arguments);
}

static int run_command(int argc, char** argv) {
    if (argc < 2) {
        print_usage(stderr);
        return exit_usage;
    }
    const char* name = argv[1];
    if (strcmp(name, "--version") == 0) return print_version();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) return print_help();
    if (strcmp(name, "help") == 0) return explain(argc > 2 ? argv[2] : NULL);
    if (*name == '-') return report_usage("", "unknown option %s; a command comes first", name);
    const Entry* entry = find_entry(name);
    return entry == NULL ? report_unknown_command(name) : entry->run(argc - 2, argv + 2);
}

/* Keeps a file that is opened later from becoming a standard stream that was closed; what is
 * written to that stream then fails, and is noticed. */
static void occupy_standard_streams(void) {
    for (int fd = 0; fd <= 2; ++fd) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) return;
    }
}

/* The disk may be full, or the reader gone. */
static int finish_output(int code) {
    const int failed = ferror(stdout);
    errno = 0;
    if (fclose(stdout) == 0 && !failed) return code;
    const int error = errno;
    report_failure("", "cannot write to standard output%s%s", error == 0 ? "" : ": ",
                   error == 0 ? "" : strerror(error));
    return code == exit_ok ? exit_failure : code;
}

int main(int argc, char** argv) {
    occupy_standard_streams();
    interrupt_install();
    return finish_output(run_command(argc, argv));
}
