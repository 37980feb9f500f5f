/* sipo eval longbench: prompts with references, scored as LongBench does. */
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "commands.h"
#include "eval_report.h"
#include "files.h"
#include "json_read.h"
#include "loading.h"
#include "report.h"
#include "session_flags.h"
#include "text_metrics.h"

enum { most_classes = 4096 };

typedef enum {
    metric_kind_f1,
    metric_kind_rouge,
    metric_kind_class,
    metric_kind_code,
    metric_kind_exact
} MetricKind;

static const Choice metrics[] = {{"f1", metric_kind_f1},
                                 {"rouge-l", metric_kind_rouge},
                                 {"classification", metric_kind_class},
                                 {"code", metric_kind_code},
                                 {"exact", metric_kind_exact},
                                 {NULL, 0}};

typedef struct {
    const char* model;
    const char* cases;
    const char* template_text;
    const char* methods;
    int64_t metric;
    int64_t max_tokens;
    int64_t limit;
    int first_line;
    EvalOutput output;
    SessionFlags session;
} LongbenchArguments;

typedef struct {
    const LongbenchArguments* arguments;
    const sipo_model* model;
    JsonValue* lines;
    size_t count;
    const char** row_names; /* by row */
    size_t* rows;           /* by case */
} Cases;

/* Puts the members that a template names in braces, "{context}", into it. NULL without memory. */
static char* fill_template(const char* text, const JsonValue* line) {
    size_t room = strlen(text) + 1;
    for (size_t i = 0; i < line->count; ++i) {
        /* Each place of a member takes at least its name. */
        room += line->items[i].length * (strlen(text) / (strlen(line->keys[i]) + 2) + 1);
    }
    char* out = allocate(room, 1);
    if (out == NULL) return NULL;
    size_t filled = 0;
    while (*text != '\0') {
        const char* end = *text == '{' ? strchr(text, '}') : NULL;
        size_t member = line->count;
        if (end != NULL) {
            const size_t length = (size_t)(end - text) - 1;
            for (member = 0; member < line->count; ++member) {
                if (strlen(line->keys[member]) == length &&
                    memcmp(line->keys[member], text + 1, length) == 0) {
                    break;
                }
            }
        }
        if (member < line->count && line->items[member].kind == json_string_value) {
            memcpy(out + filled, line->items[member].text, line->items[member].length);
            filled += line->items[member].length;
            text = end + 1;
        } else {
            out[filled++] = *text++;
        }
    }
    out[filled] = '\0';
    return out;
}

static int make(const EvalTask* task, size_t index, EvalCase* made) {
    const Cases* own = task->own;
    const LongbenchArguments* a = own->arguments;
    made->row = own->rows[index];
    made->max_tokens = (size_t)a->max_tokens;
    char* prompt = fill_template(a->template_text, &own->lines[index]);
    if (prompt == NULL) return report_no_memory(task->command, "a prompt");
    int code = tokens_from_text(task->command, own->model, prompt, strlen(prompt), &made->prompt);
    free(prompt);
    if (code == exit_ok && made->prompt.count == 0) {
        code = report_failure(task->command, "case %zu of %s has an empty prompt", index + 1,
                              a->cases);
    }
    return code;
}

static int stop(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    const Cases* own = task->own;
    (void)index, (void)asked;
    const size_t blank = strspn(answer, "\n ");
    return own->arguments->first_line && strchr(answer + blank, '\n') != NULL;
}

static double score_one(const Cases* own, size_t index, const char* answer, const char* reference) {
    const JsonValue* all = json_member(&own->lines[index], "all_classes");
    const char* classes[most_classes];
    size_t count = 0;
    switch ((MetricKind)own->arguments->metric) {
        case metric_kind_rouge: return metric_rouge_l(answer, reference);
        case metric_kind_code: return metric_code_similarity(answer, reference);
        case metric_kind_exact: return metric_exact(answer, reference);
        case metric_kind_class:
            for (size_t i = 0; all != NULL && i < all->count && count < most_classes; ++i) {
                if (all->items[i].kind == json_string_value) classes[count++] = all->items[i].text;
            }
            return metric_classification(answer, reference, classes, count);
        case metric_kind_f1: break;
    }
    return metric_f1(answer, reference);
}

/* The best over the references. */
static double score(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    const Cases* own = task->own;
    const JsonValue* references = json_member(&own->lines[index], "answers");
    double best = 0;
    (void)asked;
    const size_t size = strlen(answer) + 1;
    char* line = allocate(size, 1);
    if (line == NULL) return 0;
    memcpy(line, answer, size);
    char* begin = line + strspn(line, "\n");
    if (own->arguments->first_line) begin[strcspn(begin, "\n")] = '\0';
    for (size_t i = 0; i < references->count; ++i) {
        if (references->items[i].kind != json_string_value) continue;
        const double one = score_one(own, index, begin, references->items[i].text);
        if (one > best) best = one;
    }
    free(line);
    return best;
}

/* Which row the case's "dataset" has; a new one when there is none yet. */
static size_t row_of(Cases* cases, EvalTask* task, const char* dataset) {
    const char* name = dataset == NULL ? "all" : dataset;
    for (size_t row = 0; row < task->rows; ++row) {
        if (strcmp(cases->row_names[row], name) == 0) return row;
    }
    if (task->rows == list_capacity) return list_capacity - 1;
    cases->row_names[task->rows] = name;
    return task->rows++;
}

static int take_line(const char* command, Cases* cases, EvalTask* task, const char* line,
                     size_t length) {
    JsonError error = {"", 0};
    JsonValue* value = &cases->lines[cases->count];
    const char* path = cases->arguments->cases;
    if (!json_parse(line, length, value, &error)) {
        return report_failure(command, "line %zu of %s: %s at byte %zu", cases->count + 1, path,
                              error.what, error.at);
    }
    cases->rows[cases->count++] = row_of(cases, task, json_member_text(value, "dataset"));
    const JsonValue* answers = json_member(value, "answers");
    if (answers != NULL && answers->kind == json_array && answers->count > 0) return exit_ok;
    return report_failure(command, "line %zu of %s has no \"answers\", a list of references",
                          cases->count, path);
}

static int read_cases(const char* command, Cases* cases, EvalTask* task) {
    char* data = NULL;
    size_t size = 0;
    int code = file_read(command, cases->arguments->cases, &data, &size);
    if (code != exit_ok) return code;
    size_t lines = 1;
    for (size_t i = 0; i < size; ++i) lines += data[i] == '\n';
    cases->lines = allocate_zeroed(lines, sizeof *cases->lines);
    cases->rows = allocate_zeroed(lines, sizeof *cases->rows);
    cases->row_names = allocate_zeroed(list_capacity, sizeof *cases->row_names);
    if (cases->lines == NULL || cases->rows == NULL || cases->row_names == NULL) {
        free(data);
        return report_no_memory(command, "the cases");
    }
    const size_t limit =
        cases->arguments->limit == NOT_GIVEN ? lines : (size_t)cases->arguments->limit;
    for (size_t at = 0; at < size && cases->count < limit && code == exit_ok;) {
        const char* end = memchr(data + at, '\n', size - at);
        const size_t length = end == NULL ? size - at : (size_t)(end - data) - at;
        if (length > 0) code = take_line(command, cases, task, data + at, length);
        at += length + 1;
    }
    free(data);
    if (code == exit_ok && cases->count == 0) {
        code = report_failure(command, "%s has no cases", cases->arguments->cases);
    }
    task->cases = cases->count;
    task->row_labels = cases->row_names;
    return code;
}

static void write_facts(Json* json, const void* user) {
    const LongbenchArguments* a = user;
    json_string(json, "model", a->model);
    json_string(json, "cases", a->cases);
}

static int run(const Command* command, const LongbenchArguments* a) {
    Variant variants[method_count];
    size_t count = 0;
    sipo_model* model = NULL;
    Cases cases = {.arguments = a};
    EvalTask task = {.command = command->name,
                     .name = "longbench",
                     .result = metrics[a->metric].name,
                     .measure = measure_mean,
                     .row_name = "dataset",
                     .row_key = "dataset",
                     .parts = 1,
                     .own = &cases,
                     .make = make,
                     .stop = stop,
                     .score = score};
    int code = variants_of_methods(command->name, a->methods, &a->session, variants, &count);
    if (code == exit_ok) code = read_cases(command->name, &cases, &task);
    if (code == exit_ok) {
        code = load_model(command, a->model, a->session.backend, a->session.threads, &model);
    }
    cases.model = model;
    if (code == exit_ok) {
        code =
            eval_run_and_report(command, model, &task, variants, count, &a->output, write_facts, a);
    }
    for (size_t i = 0; i < cases.count; ++i) json_free(&cases.lines[i]);
    free(cases.lines);
    free(cases.rows);
    free(cases.row_names);
    sipo_model_free(model);
    return code;
}

int eval_longbench(int argc, char** argv) {
    LongbenchArguments a = {.template_text = "{prompt}", .max_tokens = 64, .limit = NOT_GIVEN};
    const Option options[] = {
        option_text(
            "cases", "FILE.jsonl", &a.cases,
            "an object a line: \"answers\", a list of references, and what the template names; "
            "\"dataset\" groups them, \"all_classes\" is for classification"),
        option_text("template", "TEXT", &a.template_text,
                    "the prompt, with members of the object in braces, as \"{context} {input}\""),
        option_choice("metric", "f1|rouge-l|classification|code|exact", &a.metric, metrics,
                      "what an answer is worth; the best over the references counts"),
        option_integer("max-tokens", &a.max_tokens, 1, 4096, "of an answer"),
        option_flag("first-line", &a.first_line, "only the first line of an answer counts"),
        option_integer("limit", &a.limit, 1, INT64_MAX, "no more cases than that"),
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
        .groups = {{"Options", options, COUNT_OF(options)}, session_flags_group(&a.session)},
        .group_count = 2,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.cases == NULL) return report_usage(command.name, "--cases FILE is missing");
    return run(&command, &a);
}
