/* sipo calibrate: measures what LongMamba needs to know of a model and saves it in its file. */
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "calibrating.h"
#include "clock.h"
#include "commands.h"
#include "files.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "report.h"
#include "shared_options.h"
#include "text.h"

typedef struct {
    const char* model;
    const char* ids;
    const char* text;
    int64_t length;
    int64_t sequences;
    double clamp;
    const char* profile;
    const char* log_decay;
    const char* table;
    const char* backend;
    int64_t threads;
} CalibrateArguments;

/* Takes the sequences of a file of ids as they lie there. */
static int take_sequences(const char* command, const CalibrateArguments* arguments,
                          Sample* sample) {
    const size_t count = sample->tokens.count;
    if (count % sample->length != 0) {
        return report_failure(command, "%s has %zu ids, which is not a multiple of --length %zu",
                              arguments->ids, count, sample->length);
    }
    sample->sequences = count / sample->length;
    if (arguments->sequences == NOT_GIVEN) return exit_ok;
    if ((size_t)arguments->sequences > sample->sequences) {
        return report_failure(command, "%s has %zu sequences, fewer than --sequences %zu",
                              arguments->ids, sample->sequences, (size_t)arguments->sequences);
    }
    sample->sequences = (size_t)arguments->sequences;
    return exit_ok;
}

static int read_sample(const char* command, const CalibrateArguments* arguments,
                       const sipo_model* model, Sample* sample) {
    const int64_t length = arguments->length != NOT_GIVEN
                               ? arguments->length
                               : model_integer(model, SIPO_MODEL_TRAINING_LENGTH);
    sample->length = (size_t)length;
    const int code =
        tokens_from_options(command, model, arguments->ids, arguments->text, &sample->tokens);
    if (code != exit_ok) return code;
    if (arguments->ids != NULL) return take_sequences(command, arguments, sample);
    sample->sequences =
        arguments->sequences == NOT_GIVEN ? default_sequences : (size_t)arguments->sequences;
    return spread_sequences(command, arguments->text, sample);
}

typedef sipo_status (*Getter)(const sipo_calibration*, float*, size_t, size_t*);

/* Writes one array of the calibration to a file; nothing when `path` is NULL. */
static int dump(const char* command, const char* path, const sipo_calibration* calibration,
                Getter get) {
    if (path == NULL) return exit_ok;
    size_t count = 0;
    sipo_status status = get(calibration, NULL, 0, &count);
    if (status != SIPO_OK) return report_status(command, status);
    float* values = allocate(count, sizeof *values);
    if (values == NULL) return report_no_memory(command, "the calibration");
    status = get(calibration, values, count, &count);
    int code = report_status(command, status);
    if (code == exit_ok) code = file_write_reals(command, path, values, count);
    free(values);
    return code;
}

static int save(const char* command, const CalibrateArguments* arguments,
                const sipo_calibration* calibration) {
    if (interrupted()) return report_cancelled(command);
    int code = dump(command, arguments->log_decay, calibration, sipo_calibration_log_decay);
    if (code == exit_ok) {
        code = dump(command, arguments->table, calibration, sipo_calibration_threshold_table);
    }
    if (code != exit_ok) return code;
    return report_status(command,
                         sipo_calibration_save(calibration, arguments->model, arguments->profile));
}

static void print_result(const Command* command, const CalibrateArguments* arguments,
                         const Sample* sample, double seconds) {
    if (command->json) {
        Json json = {.out = stdout};
        json_begin_object(&json, NULL);
        json_string(&json, "model", arguments->model);
        json_string(&json, "profile", arguments->profile);
        json_count(&json, "sequences", sample->sequences);
        json_count(&json, "length", sample->length);
        json_real(&json, "clamp", arguments->clamp);
        json_real(&json, "seconds", seconds);
        json_end_object(&json);
    } else if (!command->quiet) {
        printf("Saved profile %s of %zu sequences of %zu tokens into %s in %.1f s.\n",
               arguments->profile, sample->sequences, sample->length, arguments->model, seconds);
    }
}

static int run(const Command* command, const CalibrateArguments* arguments) {
    const double start = clock_seconds();
    sipo_model* model = NULL;
    sipo_calibration* calibration = NULL;
    Sample sample = {{NULL, 0}, 0, 0};
    int code =
        load_model(command, arguments->model, arguments->backend, arguments->threads, &model);
    if (code == exit_ok) code = read_sample(command->name, arguments, model, &sample);
    if (code == exit_ok) {
        code = calibrate_sample(command, model, &sample, arguments->clamp, arguments->threads,
                                &calibration);
    }
    if (code == exit_ok) code = save(command->name, arguments, calibration);
    if (code == exit_ok) print_result(command, arguments, &sample, clock_seconds() - start);
    sipo_calibration_free(calibration);
    tokens_free(&sample.tokens);
    sipo_model_free(model);
    return code;
}

static int check_arguments(const char* command, const CalibrateArguments* arguments) {
    const int code = check_profile_name(command, arguments->profile);
    if (code != exit_ok) return code;
    if (arguments->ids != NULL && arguments->length == NOT_GIVEN) {
        return report_usage(command, "--ids needs --length, the tokens of one sequence");
    }
    return check_ids_or_text(command, arguments->ids, arguments->text);
}

int cmd_calibrate(int argc, char** argv) {
    CalibrateArguments a = {.length = NOT_GIVEN, .sequences = NOT_GIVEN, .profile = "default"};
    const Option options[] = {
        text_option(&a.text, "ordinary text, which is cut into sequences"),
        ids_option(&a.ids),
        option_default(length_option(&a.length, 1 << 20, "tokens of a sequence"),
                       "with --text the training length"),
        option_default(sequences_option(&a.sequences), "with --text 10, with --ids all"),
        option_real("clamp", &a.clamp, 0, 1, "share of the largest deltas that are clamped"),
        profile_option(&a.profile, "what the calibration is called"),
        option_text("dump-log-decay", "FILE", &a.log_decay,
                    "also write log decays, f32 [layers, channels]"),
        option_text("dump-table", "FILE", &a.table,
                    "also write thresholds, f32 [layers, channels, lengths]"),
        backend_option(&a.backend),
        threads_option(&a.threads),
    };
    Command command = {
        .name = "calibrate",
        .usage = "MODEL (--text FILE | --ids FILE.i32 --length L) [options]",
        .about =
            "Measures what LongMamba needs to know of a model and saves it as a profile in\n"
            "the model's file. Ten sequences of the training length are enough. On Ctrl-C the\n"
            "file stays as it was.",
        .example =
            "  sipo calibrate mamba.sipo --text novels.txt\n"
            "  sipo generate mamba.sipo --prompt-file book.txt --context longmamba",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}},
        .group_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    code = check_arguments(command.name, &a);
    return code == exit_ok ? run(&command, &a) : code;
}
