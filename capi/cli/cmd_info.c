/* sipo info: what is in a .sipo file. */
#include <inttypes.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>

#include "allocate.h"
#include "args.h"
#include "commands.h"
#include "json.h"
#include "loading.h"
#include "report.h"

typedef struct {
    const char* key;
    int32_t property;
} Fact;

static const Fact texts[] = {{"family", SIPO_MODEL_FAMILY},
                             {"weights_type", SIPO_MODEL_WEIGHTS_TYPE},
                             {"backend", SIPO_MODEL_BACKEND},
                             {"source", SIPO_MODEL_SOURCE}};
static const Fact numbers[] = {{"layers", SIPO_MODEL_LAYERS},
                               {"d_model", SIPO_MODEL_D_MODEL},
                               {"d_inner", SIPO_MODEL_D_INNER},
                               {"d_state", SIPO_MODEL_D_STATE},
                               {"vocab_size", SIPO_MODEL_VOCAB_SIZE},
                               {"delta_channels", SIPO_MODEL_DELTA_CHANNELS},
                               {"training_length", SIPO_MODEL_TRAINING_LENGTH},
                               {"end_of_text", SIPO_MODEL_END_OF_TEXT},
                               {"parameters", SIPO_MODEL_PARAMETERS},
                               {"weight_bytes", SIPO_MODEL_WEIGHT_BYTES},
                               {"state_bytes", SIPO_MODEL_STATE_BYTES}};

/* A text of the model: a property, or the name of a profile when `property` is 0. */
static sipo_status get_text(const sipo_model* model, int32_t property, int64_t profile, char* text,
                            size_t capacity, size_t* length) {
    if (property != 0) return sipo_model_get_text(model, property, text, capacity, length);
    return sipo_model_profile_name(model, profile, text, capacity, length);
}

/* Shows that text, as a JSON member when `json` is not NULL; the exit code. */
static int show_text(const char* command, const sipo_model* model, const Fact* fact,
                     int64_t profile, Json* json) {
    size_t length = 0;
    sipo_status status = get_text(model, fact->property, profile, NULL, 0, &length);
    if (status != SIPO_OK) return report_status(command, status);
    const size_t capacity = length + 1;
    char* text = allocate(capacity, 1);
    if (text == NULL) return report_no_memory(command, "a text of the model");
    status = get_text(model, fact->property, profile, text, capacity, &length);
    if (status == SIPO_OK && json != NULL) json_text(json, fact->key, text, length);
    if (status == SIPO_OK && json == NULL) {
        printf("%-16s %.*s\n", fact->key == NULL ? "profile" : fact->key, (int)length, text);
    }
    free(text);
    return report_status(command, status);
}

static int show_number(const char* command, const sipo_model* model, const Fact* fact, Json* json) {
    int64_t value = 0;
    const sipo_status status = sipo_model_get_integer(model, fact->property, &value);
    if (status != SIPO_OK) return report_status(command, status);
    if (json != NULL) {
        json_integer(json, fact->key, value);
    } else {
        printf("%-16s %" PRId64 "\n", fact->key, value);
    }
    return exit_ok;
}

static int show_all(const char* command, const sipo_model* model, Json* json) {
    int code = exit_ok;
    for (size_t i = 0; i < COUNT_OF(texts) && code == exit_ok; ++i) {
        code = show_text(command, model, &texts[i], 0, json);
    }
    for (size_t i = 0; i < COUNT_OF(numbers) && code == exit_ok; ++i) {
        code = show_number(command, model, &numbers[i], json);
    }
    const Fact profile = {NULL, 0};
    const int64_t profiles = model_integer(model, SIPO_MODEL_PROFILES);
    if (json != NULL) json_begin_array(json, "profiles");
    for (int64_t i = 0; i < profiles && code == exit_ok; ++i) {
        code = show_text(command, model, &profile, i, json);
    }
    if (json != NULL) {
        json_end_array(json);
    } else if (profiles == 0) {
        puts("profiles         none; LongMamba needs one, see 'sipo calibrate --help'");
    }
    return code;
}

int cmd_info(int argc, char** argv) {
    const char* path = NULL;
    Command command = {
        .name = "info",
        .usage = "MODEL [options]",
        .about =
            "Says what is in a .sipo file: its architecture, sizes in memory and calibration\n"
            "profiles.",
        .example = "  sipo info mamba.sipo --json",
        .positionals = {{"MODEL", 0, &path}},
        .positional_count = 1,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    sipo_model* model = NULL;
    code = load_model(&command, path, NULL, 0, &model);
    if (code != exit_ok) return code;
    if (command.json) {
        Json json = {.out = stdout};
        json_begin_object(&json, NULL);
        code = show_all(command.name, model, &json);
        json_end_object(&json);
    } else {
        code = show_all(command.name, model, NULL);
    }
    sipo_model_free(model);
    return code;
}
