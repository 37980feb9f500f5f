/* sipo ablate: LongMamba's choices one by one, on passkeys: which channels are filtered, in which
 * layers, above which threshold, with which clamp. */
#include <math.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "calibrating.h"
#include "commands.h"
#include "eval_report.h"
#include "loading.h"
#include "passkey_task.h"
#include "report.h"
#include "session_flags.h"
#include "shared_options.h"

enum { most_calibrations = 16 };

typedef struct {
    const char* model;
    const char* noise;
    const char* calibrate_with;
    const char* what;
    const char* thresholds_text;
    const char* clamps_text;
    const char* layers_text;
    int64_t random_seeds;
    int64_t sequences;
    double threshold;
    EvalOutput output;
    PasskeyTask passkey;
    const char* backend;
    int64_t threads;
    RealList thresholds;
    RealList clamps;
    IntegerList layer_counts;
} AblateArguments;

/* What is compared, and what it is made of. */
typedef struct {
    const Command* command;
    const AblateArguments* arguments;
    const sipo_model* model;
    SessionFlags plain;
    Variant variants[eval_most_variants];
    size_t count;
    sipo_calibration* calibrations[most_calibrations]; /* the first is without a clamp */
    size_t calibration_count;
    char* layer_lists[list_capacity];
    size_t layer_list_count;
} Ablation;

static Variant* add(Ablation* ablation, int64_t method) {
    Variant* variant = &ablation->variants[ablation->count++];
    *variant = (Variant){"", ablation->plain, NULL};
    variant->session.context = method;
    if (method == SIPO_CONTEXT_LONGMAMBA) {
        variant->calibration = ablation->calibrations[0];
        variant->session.global_threshold = ablation->arguments->threshold;
    }
    return variant;
}

static void add_channels(Ablation* ablation) {
    static const struct {
        const char* name;
        int64_t channels;
    } kinds[] = {{"global channels", SIPO_CHANNELS_GLOBAL},
                 {"local channels", SIPO_CHANNELS_LOCAL}};
    for (size_t i = 0; i < COUNT_OF(kinds); ++i) {
        Variant* variant = add(ablation, SIPO_CONTEXT_LONGMAMBA);
        variant->session.filtered_channels = kinds[i].channels;
        snprintf(variant->name, sizeof variant->name, "%s", kinds[i].name);
    }
    for (int64_t seed = 0; seed < ablation->arguments->random_seeds; ++seed) {
        Variant* variant = add(ablation, SIPO_CONTEXT_LONGMAMBA);
        variant->session.filtered_channels = SIPO_CHANNELS_RANDOM;
        variant->session.channel_seed = seed;
        snprintf(variant->name, sizeof variant->name, "random channels, seed %d", (int)seed);
    }
}

static int add_layers(Ablation* ablation) {
    const char* command = ablation->command->name;
    const IntegerList* counts = &ablation->arguments->layer_counts;
    const int64_t n_layers = model_integer(ablation->model, SIPO_MODEL_LAYERS);
    int32_t* layers = allocate((size_t)n_layers, sizeof *layers);
    if (layers == NULL) return report_no_memory(command, "the layers");
    int code = layers_by_decay(command, ablation->model, ablation->calibrations[0], layers);
    for (size_t i = 0; i < counts->count && code == exit_ok; ++i) {
        if (counts->items[i] > n_layers) {
            code = report_failure(command, "the model has %d layers, fewer than --top-layers %d",
                                  (int)n_layers, (int)counts->items[i]);
            break;
        }
        char** list = &ablation->layer_lists[ablation->layer_list_count++];
        code = layer_list(command, layers, (size_t)counts->items[i], list);
        if (code != exit_ok) break;
        Variant* variant = add(ablation, SIPO_CONTEXT_LONGMAMBA);
        variant->session.layers = *list;
        snprintf(variant->name, sizeof variant->name, "layers %.40s", *list);
    }
    free(layers);
    if (code != exit_ok) return code;
    Variant* all = add(ablation, SIPO_CONTEXT_LONGMAMBA);
    all->session.layers = "all";
    snprintf(all->name, sizeof all->name, "all layers");
    return exit_ok;
}

static void add_thresholds(Ablation* ablation) {
    const RealList* thresholds = &ablation->arguments->thresholds;
    for (size_t i = 0; i < thresholds->count; ++i) {
        Variant* variant = add(ablation, SIPO_CONTEXT_LONGMAMBA);
        variant->session.global_threshold = thresholds->items[i];
        snprintf(variant->name, sizeof variant->name, "threshold %g", thresholds->items[i]);
    }
}

static void add_clamps(Ablation* ablation) {
    const RealList* clamps = &ablation->arguments->clamps;
    for (size_t i = 0; i < clamps->count; ++i) {
        Variant* variant = add(ablation, SIPO_CONTEXT_LONGMAMBA);
        variant->calibration = ablation->calibrations[1 + i];
        snprintf(variant->name, sizeof variant->name, "clamp %g", clamps->items[i]);
    }
}

static int wants(const AblateArguments* a, const char* what) {
    if (strcmp(a->what, "all") == 0) return 1;
    const size_t length = strlen(what);
    for (const char* at = strstr(a->what, what); at != NULL; at = strstr(at + 1, what)) {
        if ((at == a->what || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return 1;
    }
    return 0;
}

static int calibrate_all(Ablation* ablation) {
    const AblateArguments* a = ablation->arguments;
    const char* command = ablation->command->name;
    Sample sample = {{NULL, 0}, (size_t)a->sequences, 0};
    sample.length = (size_t)model_integer(ablation->model, SIPO_MODEL_TRAINING_LENGTH);
    int code = tokens_from_text_file(command, ablation->model, a->calibrate_with, &sample.tokens);
    if (code == exit_ok) code = spread_sequences(command, a->calibrate_with, &sample);
    const size_t clamps = wants(a, "clamps") ? a->clamps.count : 0;
    for (size_t i = 0; i <= clamps && code == exit_ok; ++i) {
        const double clamp = i == 0 ? 0 : a->clamps.items[i - 1];
        code = calibrate_sample(ablation->command, ablation->model, &sample, clamp, a->threads,
                                &ablation->calibrations[i]);
        ++ablation->calibration_count;
    }
    tokens_free(&sample.tokens);
    return code;
}

static int make_variants(Ablation* ablation) {
    const AblateArguments* a = ablation->arguments;
    Variant* plain = add(ablation, SIPO_CONTEXT_NONE);
    snprintf(plain->name, sizeof plain->name, "plain");
    if (wants(a, "channels")) add_channels(ablation);
    if (wants(a, "thresholds")) add_thresholds(ablation);
    if (wants(a, "clamps")) add_clamps(ablation);
    return wants(a, "layers") ? add_layers(ablation) : exit_ok;
}

static void free_ablation(Ablation* ablation) {
    for (size_t i = 0; i < most_calibrations; ++i) {
        sipo_calibration_free(ablation->calibrations[i]);
    }
    for (size_t i = 0; i < ablation->layer_list_count; ++i) free(ablation->layer_lists[i]);
}

static void write_facts(Json* json, const void* user) {
    const AblateArguments* a = user;
    json_string(json, "model", a->model);
    json_real(json, "global_threshold", a->threshold);
    json_integer(json, "samples", a->passkey.samples);
    json_integer(json, "seed", a->passkey.seed);
}

static int run(const Command* command, AblateArguments* a) {
    Ablation* ablation = allocate_zeroed(1, sizeof *ablation);
    if (ablation == NULL) return report_no_memory(command->name, "the ablation");
    ablation->command = command;
    ablation->arguments = a;
    session_flags_group(&ablation->plain); /* its defaults */
    ablation->plain.threads = a->threads;
    sipo_model* model = NULL;
    EvalTask task;
    int code = load_model(command, a->model, a->backend, a->threads, &model);
    ablation->model = model;
    if (code == exit_ok) {
        code = passkey_task_open_file(command->name, model, a->noise, &a->passkey, &task);
    }
    if (code == exit_ok) code = calibrate_all(ablation);
    if (code == exit_ok) code = make_variants(ablation);
    if (code == exit_ok) {
        code = eval_run_and_report(command, model, &task, ablation->variants, ablation->count,
                                   &a->output, write_facts, a);
    }
    free_ablation(ablation);
    free(ablation);
    passkey_task_free(&a->passkey);
    sipo_model_free(model);
    return code;
}

static int check_arguments(const char* command, AblateArguments* a) {
    if (a->noise == NULL) return report_usage(command, "--noise TEXT is missing");
    if (a->calibrate_with == NULL) {
        return report_usage(command, "--calibrate-with TEXT is missing");
    }
    int code = parse_real_list(command, "thresholds", a->thresholds_text, 0, 1, &a->thresholds);
    if (code == exit_ok)
        code = parse_real_list(command, "clamps", a->clamps_text, 0, 1, &a->clamps);
    if (code == exit_ok) {
        code = parse_integer_list(command, "top-layers", a->layers_text, 1, 4096, &a->layer_counts);
    }
    if (code != exit_ok) return code;
    if (a->clamps.count >= most_calibrations || a->thresholds.count > 16 ||
        a->layer_counts.count > 16) {
        return report_usage(command, "at most 15 clamps, 16 thresholds and 16 --top-layers");
    }
    if (wants(a, "channels") || wants(a, "layers") || wants(a, "thresholds") ||
        wants(a, "clamps")) {
        return exit_ok;
    }
    return report_usage(command, "--what takes all, or some of channels,layers,thresholds,clamps");
}

int cmd_ablate(int argc, char** argv) {
    AblateArguments a = {.what = "all",
                         .thresholds_text = "1e-1,1e-2,1e-5,1e-10,1e-30",
                         .clamps_text = ".05,.1,.2",
                         .layers_text = "1,2,4",
                         .random_seeds = 2,
                         .sequences = default_sequences,
                         .threshold = 1e-2};
    const Option options[] = {
        noise_option(&a.noise),
        calibrate_with_option(&a.calibrate_with),
        sequences_option(&a.sequences),
        option_text("what", "LIST", &a.what,
                    "what to vary: channels,layers,thresholds,clamps or all"),
        global_threshold_option(&a.threshold),
        option_text("thresholds", "LIST", &a.thresholds_text, "global-channel thresholds"),
        option_text("clamps", "LIST", &a.clamps_text, "clamps of the calibration"),
        option_text(
            "top-layers", "LIST", &a.layers_text,
            "how many of the layers with the highest mean decay; all layers are compared too"),
        option_integer("random-seeds", &a.random_seeds, 0, 16, "draws of random channels"),
        backend_option(&a.backend),
        threads_option(&a.threads),
        eval_svg_option(&a.output),
        eval_state_option(&a.output),
    };
    Command command = {
        .name = "ablate",
        .usage = "MODEL --noise TEXT --calibrate-with TEXT [options]",
        .about =
            "The ablations of the LongMamba paper on passkeys: filters global, local or as\n"
            "many random channels; acts in the layers with the highest mean decay or in all;\n"
            "sweeps the threshold and the clamp. One is varied at a time; else it is global\n"
            "channels by --global-threshold, all layers and no clamp. The model's file is\n"
            "left alone.",
        .example =
            "  sipo ablate mamba.sipo --noise book.txt --calibrate-with other.txt \\\n"
            "      --lengths 16384 --what channels,layers --svg ablations.svg",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)}, passkey_group(&a.passkey, "8192", 4)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    code = check_arguments(command.name, &a);
    return code == exit_ok ? run(&command, &a) : code;
}
