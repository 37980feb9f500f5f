/* What sipo tune tells. */
#include <stdio.h>

#include "json.h"
#include "report.h"
#include "table.h"
#include "tune.h"

static const char* role_of(size_t trial) {
    static const char* const roles[first_searched] = {"", " (default)", " (the paper's)"};
    return trial < first_searched ? roles[trial] : "";
}

static int has_text(const Tuner* tuner) { return tuner->arguments->text != NULL; }

static void add_head(const Tuner* tuner, Table* table, const char* name) {
    table->columns = has_text(tuner) ? 7 : 4;
    table_cell(table, "%s", name);
    table_cell(table, "%s", tuner->tuning.task.result);
    table_cell(table, "95 %%");
    if (has_text(tuner)) {
        table_cell(table, "perplexity");
        table_cell(table, "cost %%");
        table_cell(table, "95 %%");
    }
    table_cell(table, "score");
}

static void add_outcome(const Tuner* tuner, Table* table, const Outcome* outcome) {
    if (outcome->done) {
        table_cell(table, "%.3f", outcome->task.value);
        table_cell(table, "%.2f-%.2f", outcome->task.low, outcome->task.high);
    } else if (outcome->given_up) {
        table_cell(table, "<= %.3f", outcome->at_most);
        table_cell(table, "-");
    } else {
        table_cell(table, "-");
        table_cell(table, "-");
    }
    if (has_text(tuner) && outcome->nll != NULL) {
        table_cell(table, "%.2f", outcome->perplexity.value);
        table_cell(table, "%+.1f", 100 * outcome->cost);
        table_cell(table, "%+.1f to %+.1f", 100 * outcome->cost_low, 100 * outcome->cost_high);
    } else if (has_text(tuner)) {
        for (int i = 0; i < 3; ++i) table_cell(table, "-");
    }
    if (outcome->done) {
        table_cell(table, "%.3f", outcome->score);
    } else {
        table_cell(table, "-");
    }
}

static void add_trial(const Tuner* tuner, Table* table, size_t trial, int is_test) {
    const Trial* t = &tuner->trials[trial];
    table_cell(table, "%s%s", t->variant.name, role_of(trial));
    add_outcome(tuner, table, is_test ? &t->test : &t->tuning);
}

static void print_end(const Tuner* tuner, int saved) {
    const char* profile = tuner->arguments->profile;
    const Trial* winner = &tuner->trials[tuner->winner];
    if (tuner->cut_short) {
        printf("\nThe budget was over before all was tried.%s\n",
               tuner->arguments->state == NULL ? "" : " Run it again with the same --state.");
    }
    if (saved) {
        printf("\nSaved as profile %s: sipo generate MODEL --context profile --profile %s ...\n",
               profile, profile);
    } else if (tuner->winner == default_trial) {
        printf("\nNothing that was tried beats the default; no profile was written.\n");
    } else if (!winner->test.done || !tuner->trials[default_trial].test.done) {
        printf("\nThe budget was over before %s was tested; no profile was written.%s\n",
               winner->variant.name,
               tuner->arguments->state == NULL ? "" : " Run it again with the same --state.");
    } else {
        printf(
            "\nThe best on the tuned half does not beat the default on the other; no profile "
            "was written.\n");
    }
}

static int print_tables(const Tuner* tuner, int saved) {
    Table tuning = {.columns = 0};
    add_head(tuner, &tuning, "tuned on");
    for (size_t i = 0; i < tuner->count; ++i) add_trial(tuner, &tuning, i, 0);
    int code = table_finish(&tuning, tuner->command->name, stdout);
    putchar('\n');
    Table tested = {.columns = 0};
    add_head(tuner, &tested, "tested on the other half");
    for (size_t i = 0; i < first_searched; ++i) add_trial(tuner, &tested, i, 1);
    if (tuner->winner >= first_searched) add_trial(tuner, &tested, tuner->winner, 1);
    if (code == exit_ok) code = table_finish(&tested, tuner->command->name, stdout);
    print_end(tuner, saved);
    return code;
}

static void write_outcome(Json* json, const Tuner* tuner, const char* key, const Outcome* outcome) {
    json_begin_object(json, key);
    if (outcome->done) {
        json_real(json, tuner->tuning.task.result, outcome->task.value);
        json_real(json, "low", outcome->task.low);
        json_real(json, "high", outcome->task.high);
        json_real(json, "score", outcome->score);
    } else if (outcome->given_up) {
        json_real(json, "at_most", outcome->at_most);
    }
    if (outcome->nll != NULL) {
        json_real(json, "perplexity", outcome->perplexity.value);
        json_real(json, "cost", outcome->cost);
        json_real(json, "cost_low", outcome->cost_low);
        json_real(json, "cost_high", outcome->cost_high);
    }
    json_end_object(json);
}

static void print_json(const Tuner* tuner, int saved) {
    const TuneArguments* a = tuner->arguments;
    Json json = {.out = stdout};
    json_begin_object(&json, NULL);
    json_string(&json, "model", a->model);
    json_string(&json, "measure", tuner->tuning.task.result);
    json_string(&json, "default", tuner->trials[default_trial].variant.name);
    json_string(&json, "winner", tuner->trials[tuner->winner].variant.name);
    json_string(&json, "profile", saved ? a->profile : "");
    json_integer(&json, "all_tried", !tuner->cut_short);
    json_begin_array(&json, "trials");
    for (size_t i = 0; i < tuner->count; ++i) {
        const Trial* trial = &tuner->trials[i];
        json_begin_object(&json, NULL);
        json_string(&json, "name", trial->variant.name);
        write_outcome(&json, tuner, "tuning", &trial->tuning);
        write_outcome(&json, tuner, "test", &trial->test);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

int tune_report(const Tuner* tuner, int saved) {
    if (!tuner->command->json) return print_tables(tuner, saved);
    print_json(tuner, saved);
    return exit_ok;
}
