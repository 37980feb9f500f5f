/* Prompts with references. */
#include "longbench_task.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "files.h"
#include "random.h"
#include "report.h"
#include "shared_options.h"
#include "text_metrics.h"

enum { most_classes = 4096 };

typedef enum {
    metric_kind_f1,
    metric_kind_rouge,
    metric_kind_class,
    metric_kind_code,
    metric_kind_retrieval,
    metric_kind_count,
    metric_kind_exact
} MetricKind;

static const Choice metrics[] = {{"f1", metric_kind_f1},
                                 {"rouge-l", metric_kind_rouge},
                                 {"classification", metric_kind_class},
                                 {"code", metric_kind_code},
                                 {"retrieval", metric_kind_retrieval},
                                 {"count", metric_kind_count},
                                 {"exact", metric_kind_exact},
                                 {NULL, 0}};

OptionGroup longbench_group(LongbenchTask* task, const char* file_option) {
    memset(task, 0, sizeof *task);
    task->template_text = "{prompt}";
    task->max_tokens = 64;
    task->limit = NOT_GIVEN;
    const Option options[longbench_option_count] = {
        option_text(
            file_option, "FILE.jsonl", &task->path,
            "an object a line: \"answers\", a list of references, and what the template names; "
            "\"dataset\" groups them, \"all_classes\" is for classification"),
        option_text("template", "TEXT", &task->template_text,
                    "the prompt, with members of the object in braces, as \"{context} {input}\""),
        option_choice("metric", "f1|rouge-l|classification|code|retrieval|count|exact",
                      &task->metric, metrics,
                      "what an answer is worth; the best over the references counts"),
        max_tokens_option(&task->max_tokens, 4096, "of an answer"),
        option_flag("first-line", &task->first_line, "only the first line of an answer counts"),
        option_integer("limit", &task->limit, 1, INT64_MAX, "no more cases than that"),
    };
    memcpy(task->options, options, sizeof options);
    return (OptionGroup){"Prompts with references", task->options, longbench_option_count};
}

/* ---- prompts and answers ---- */

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
    const LongbenchTask* own = task->own;
    made->row = own->rows[index];
    made->max_tokens = (size_t)own->max_tokens;
    char* prompt = fill_template(own->template_text, &own->lines[index]);
    if (prompt == NULL) return report_no_memory(task->command, "a prompt");
    int code = tokens_from_text(task->command, own->model, prompt, strlen(prompt), &made->prompt);
    free(prompt);
    if (code == exit_ok && made->prompt.count == 0) {
        code = report_failure(task->command, "case %zu of %s has an empty prompt", index + 1,
                              own->path);
    }
    return code;
}

static int stop(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    const LongbenchTask* own = task->own;
    (void)index, (void)asked;
    const size_t blank = strspn(answer, "\n ");
    return own->first_line && strchr(answer + blank, '\n') != NULL;
}

static double score_one(const LongbenchTask* own, size_t index, const char* answer,
                        const char* reference) {
    const JsonValue* all = json_member(&own->lines[index], "all_classes");
    const char* classes[most_classes];
    size_t count = 0;
    switch ((MetricKind)own->metric) {
        case metric_kind_rouge: return metric_rouge_l(answer, reference);
        case metric_kind_code: return metric_code_similarity(answer, reference);
        case metric_kind_retrieval: return metric_retrieval(answer, reference);
        case metric_kind_count: return metric_count(answer, reference);
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
    const LongbenchTask* own = task->own;
    const JsonValue* references = json_member(&own->lines[index], "answers");
    double best = 0;
    (void)asked;
    const size_t size = strlen(answer) + 1;
    char* line = allocate(size, 1);
    if (line == NULL) return 0;
    memcpy(line, answer, size);
    char* begin = line + strspn(line, "\n");
    if (own->first_line) begin[strcspn(begin, "\n")] = '\0';
    for (size_t i = 0; i < references->count; ++i) {
        if (references->items[i].kind != json_string_value) continue;
        const double one = score_one(own, index, begin, references->items[i].text);
        if (one > best) best = one;
    }
    free(line);
    return best;
}

/* ---- the file ---- */

static int take_line(const char* command, LongbenchTask* longbench, const char* line,
                     size_t length) {
    JsonError error = {"", 0};
    JsonValue* value = &longbench->lines[longbench->count];
    const char* path = longbench->path;
    if (!json_parse(line, length, value, &error)) {
        return report_failure(command, "line %zu of %s: %s at byte %zu", longbench->count + 1, path,
                              error.what, error.at);
    }
    ++longbench->count;
    const JsonValue* answers = json_member(value, "answers");
    if (answers != NULL && answers->kind == json_array && answers->count > 0) return exit_ok;
    return report_failure(command, "line %zu of %s has no \"answers\", a list of references",
                          longbench->count, path);
}

int longbench_task_read(const char* command, LongbenchTask* longbench) {
    char* data = NULL;
    size_t size = 0;
    int code = file_read(command, longbench->path, &data, &size);
    if (code != exit_ok) return code;
    size_t lines = 1;
    for (size_t i = 0; i < size; ++i) lines += data[i] == '\n';
    longbench->lines = allocate_zeroed(lines, sizeof *longbench->lines);
    if (longbench->lines == NULL) code = report_no_memory(command, "the cases");
    const size_t limit = longbench->limit == NOT_GIVEN ? lines : (size_t)longbench->limit;
    for (size_t at = 0; at < size && longbench->count < limit && code == exit_ok;) {
        const char* end = memchr(data + at, '\n', size - at);
        const size_t length = end == NULL ? size - at : (size_t)(end - data) - at;
        if (length > 0) code = take_line(command, longbench, data + at, length);
        at += length + 1;
    }
    free(data);
    if (code == exit_ok && longbench->count == 0) {
        code = report_failure(command, "%s has no cases", longbench->path);
    }
    return code;
}

void longbench_task_free(LongbenchTask* longbench) {
    for (size_t i = 0; i < longbench->count; ++i) json_free(&longbench->lines[i]);
    free(longbench->lines);
    free(longbench->rows);
    free(longbench->row_names);
    longbench->lines = NULL;
    longbench->rows = NULL;
    longbench->row_names = NULL;
    longbench->count = 0;
}

typedef struct {
    uint64_t hash; /* of the prompt and a seed */
    JsonValue line;
} HashedLine;

static int compare_hashes(const void* left, const void* right) {
    const uint64_t a = ((const HashedLine*)left)->hash;
    const uint64_t b = ((const HashedLine*)right)->hash;
    return (a > b) - (a < b);
}

static int hash_line(const char* command, const LongbenchTask* longbench, uint64_t seed,
                     HashedLine* hashed) {
    char* prompt = fill_template(longbench->template_text, &hashed->line);
    if (prompt == NULL) return report_no_memory(command, "a prompt");
    Random hash = {seed};
    for (const char* c = prompt; *c != '\0'; ++c) random_mix(&hash, (unsigned char)*c);
    hashed->hash = hash.state;
    free(prompt);
    return exit_ok;
}

/* Where the second half of sorted lines begins, nowhere between the same prompts; 0 when there is no
 * such place. */
static size_t middle_of(const HashedLine* lines, size_t count) {
    const size_t middle = count - count / 2;
    size_t cut = middle;
    while (cut < count && lines[cut].hash == lines[cut - 1].hash) ++cut;
    if (cut < count) return cut;
    for (cut = middle; cut > 0; --cut) {
        if (cut < count && lines[cut].hash != lines[cut - 1].hash) break;
    }
    return cut;
}

/* Sorts the lines by their prompts' hashes; *middle as above. */
static int shuffle_lines(const char* command, LongbenchTask* longbench, uint64_t seed,
                         size_t* middle) {
    const size_t count = longbench->count;
    HashedLine* hashed = allocate(count, sizeof *hashed);
    if (hashed == NULL) return report_no_memory(command, "the cases");
    int code = exit_ok;
    for (size_t i = 0; i < count && code == exit_ok; ++i) {
        hashed[i].line = longbench->lines[i];
        code = hash_line(command, longbench, seed, &hashed[i]);
    }
    if (code == exit_ok) {
        qsort(hashed, count, sizeof *hashed, compare_hashes);
        for (size_t i = 0; i < count; ++i) longbench->lines[i] = hashed[i].line;
        *middle = middle_of(hashed, count);
    }
    free(hashed);
    return code;
}

int longbench_task_halve(const char* command, LongbenchTask* longbench, uint64_t seed,
                         LongbenchTask* half) {
    size_t middle = 0;
    const int code = shuffle_lines(command, longbench, seed, &middle);
    if (code != exit_ok) return code;
    if (middle == 0) {
        return report_failure(command, "%s has one prompt, which cannot be halved",
                              longbench->path);
    }
    *half = *longbench;
    half->count = 0;
    half->lines = allocate_zeroed(longbench->count - middle, sizeof *half->lines);
    if (half->lines == NULL) return report_no_memory(command, "the cases");
    half->count = longbench->count - middle;
    longbench->count = middle;
    memcpy(half->lines, longbench->lines + middle, half->count * sizeof *half->lines);
    return exit_ok;
}

/* ---- the task ---- */

/* Which row a "dataset" has; a new one when there is none yet. */
static size_t row_of(LongbenchTask* longbench, EvalTask* task, const char* dataset) {
    size_t row = 0;
    while (row < task->rows && strcmp(longbench->row_names[row], dataset) != 0) ++row;
    if (row == task->rows && row < list_capacity) longbench->row_names[task->rows++] = dataset;
    return row;
}

static int make_rows(const char* command, LongbenchTask* longbench, EvalTask* task) {
    longbench->rows = allocate_zeroed(longbench->count, sizeof *longbench->rows);
    longbench->row_names = allocate_zeroed(list_capacity, sizeof *longbench->row_names);
    if (longbench->rows == NULL || longbench->row_names == NULL) {
        return report_no_memory(command, "the cases");
    }
    for (size_t i = 0; i < longbench->count; ++i) {
        const char* dataset = json_member_text(&longbench->lines[i], "dataset");
        longbench->rows[i] = row_of(longbench, task, dataset == NULL ? "all" : dataset);
        if (longbench->rows[i] == list_capacity) {
            return report_failure(command, "%s has more than %d datasets", longbench->path,
                                  (int)list_capacity);
        }
    }
    task->row_labels = longbench->row_names;
    return exit_ok;
}

static uint64_t hash_of_answers(const LongbenchTask* longbench) {
    Random hash = {(uint64_t)longbench->first_line};
    for (size_t i = 0; i < longbench->count; ++i) {
        const JsonValue* references = json_member(&longbench->lines[i], "answers");
        for (size_t j = 0; j < references->count; ++j) {
            const JsonValue* reference = &references->items[j];
            random_mix(&hash, reference->length);
            for (size_t k = 0; k < reference->length; ++k) {
                random_mix(&hash, (unsigned char)reference->text[k]);
            }
        }
    }
    return hash.state;
}

int longbench_task_open(const char* command, const sipo_model* model, LongbenchTask* longbench,
                        EvalTask* task) {
    longbench->model = model;
    *task = (EvalTask){.command = command,
                       .name = "longbench",
                       .result = metrics[longbench->metric].name,
                       .measure = measure_mean,
                       .row_name = "dataset",
                       .row_key = "dataset",
                       .parts = 1,
                       .cases = longbench->count,
                       .answers = hash_of_answers(longbench),
                       .own = longbench,
                       .make = make,
                       .stop = stop,
                       .score = score};
    return make_rows(command, longbench, task);
}
