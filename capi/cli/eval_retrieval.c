/* sipo eval retrieval: which of many documents answers a question? The multi-document retrieval of
 * DeciMamba (arXiv 2406.14528) over SQuAD, with the golden document's own id as the label. */
#include <inttypes.h>
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "args.h"
#include "commands.h"
#include "evaluation.h"
#include "files.h"
#include "json_read.h"
#include "random.h"
#include "report.h"
#include "shared_options.h"
#include "text_metrics.h"

enum { id_count = 1000, answer_tokens = 6, longest_id = 8 };

typedef struct {
    const char* text;
    size_t document;
} Question;

typedef struct {
    const char* squad;
    const char* documents_text;
    int64_t samples;
    int64_t seed;
    Evaluation evaluation;
    JsonValue data;
    const char** documents; /* texts of `data`, as the questions' */
    size_t document_count;
    Question* questions;
    size_t question_count;
} RetrievalArguments;

/* ids [count]: different ones of 0 to id_count - 1. */
static void choose_ids(Random* random, size_t count, int* ids) {
    int all[id_count];
    for (int i = 0; i < id_count; ++i) all[i] = i;
    for (size_t i = 0; i < count; ++i) {
        const size_t j = i + (size_t)random_below(random, id_count - i);
        const int chosen = all[j];
        all[j] = all[i];
        ids[i] = chosen;
    }
}

/* A document that is not the golden one; the same may come twice. */
static const char* noise_document(const RetrievalArguments* a, Random* random, size_t golden) {
    const size_t other = (size_t)random_below(random, a->document_count - 1);
    return a->documents[other < golden ? other : other + 1];
}

/* The question before every document, as DeciMamba's code has it, since the model reads only
 * forwards. */
static int make(const EvalTask* task, size_t index, EvalCase* made) {
    const RetrievalArguments* a = task->own;
    const size_t samples = (size_t)a->samples;
    made->row = index / samples;
    made->max_tokens = answer_tokens;
    const size_t count = (size_t)task->row_values[made->row];
    Random random = {(uint64_t)a->seed};
    random_mix(&random, index % samples); /* the same questions with any number of documents */
    const Question* question = &a->questions[random_below(&random, a->question_count)];
    random_mix(&random, count);
    const size_t golden = (size_t)random_below(&random, count);
    int ids[id_count];
    choose_ids(&random, count, ids);
    char* text = NULL;
    size_t length = 0;
    FILE* out = open_memstream(&text, &length);
    if (out == NULL) return report_no_memory(task->command, "a prompt");
    for (size_t i = 0; i < count; ++i) {
        const char* document = i == golden ? a->documents[question->document]
                                           : noise_document(a, &random, question->document);
        fprintf(out, " <|Query|> %s <|Document %d|> %s", question->text, ids[i], document);
    }
    fputs(" <|Answer|> <|Document ", out);
    const int failed = ferror(out);
    int code = fclose(out) != 0 || failed ? report_no_memory(task->command, "a prompt") : exit_ok;
    if (code == exit_ok) {
        code = tokens_from_text(task->command, a->evaluation.model, text, length, &made->prompt);
    }
    free(text);
    snprintf(made->right, sizeof made->right, "%d", ids[golden]);
    return code;
}

static int stop(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    (void)task, (void)index, (void)asked;
    return strchr(answer, '|') != NULL || strlen(answer) > longest_id;
}

static double score(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    (void)task, (void)index;
    return metric_exact(answer, asked->right);
}

/* Calls `visit` for each paragraph of a SQuAD file; how many there are. */
typedef void (*Visit)(RetrievalArguments* a, const JsonValue* paragraph);

static void visit_paragraphs(RetrievalArguments* a, Visit visit) {
    const JsonValue* articles = json_member(&a->data, "data");
    for (size_t i = 0; articles != NULL && i < articles->count; ++i) {
        const JsonValue* paragraphs = json_member(&articles->items[i], "paragraphs");
        for (size_t j = 0; paragraphs != NULL && j < paragraphs->count; ++j) {
            if (json_member_text(&paragraphs->items[j], "context") != NULL) {
                visit(a, &paragraphs->items[j]);
            }
        }
    }
}

/* Whether the paragraph holds an answer: SQuAD 2.0 has questions without one. */
static int is_answered(const JsonValue* question) {
    const JsonValue* answers = json_member(question, "answers");
    return json_member_text(question, "question") != NULL && answers != NULL && answers->count > 0;
}

static void count_paragraph(RetrievalArguments* a, const JsonValue* paragraph) {
    const JsonValue* questions = json_member(paragraph, "qas");
    ++a->document_count;
    a->question_count += questions == NULL ? 0 : questions->count;
}

static void take_paragraph(RetrievalArguments* a, const JsonValue* paragraph) {
    const JsonValue* questions = json_member(paragraph, "qas");
    a->documents[a->document_count] = json_member_text(paragraph, "context");
    for (size_t i = 0; questions != NULL && i < questions->count; ++i) {
        if (!is_answered(&questions->items[i])) continue;
        a->questions[a->question_count++] =
            (Question){json_member_text(&questions->items[i], "question"), a->document_count};
    }
    ++a->document_count;
}

static int read_squad(const char* command, RetrievalArguments* a) {
    char* text = NULL;
    size_t length = 0;
    JsonError error = {"", 0};
    int code = file_read(command, a->squad, &text, &length);
    if (code == exit_ok && !json_parse(text, length, &a->data, &error)) {
        code = report_failure(command, "%s: %s at byte %zu", a->squad, error.what, error.at);
    }
    free(text);
    if (code != exit_ok) return code;
    visit_paragraphs(a, count_paragraph);
    a->documents = allocate(a->document_count, sizeof *a->documents);
    a->questions = allocate(a->question_count, sizeof *a->questions);
    if (a->documents == NULL || a->questions == NULL) {
        return report_no_memory(command, "the documents");
    }
    a->document_count = a->question_count = 0;
    visit_paragraphs(a, take_paragraph);
    if (a->document_count >= 2 && a->question_count > 0) return exit_ok;
    return report_failure(command,
                          "%s has %zu paragraphs and %zu questions with answers, which is too few",
                          a->squad, a->document_count, a->question_count);
}

static void write_facts(Json* json, const void* user) {
    const RetrievalArguments* a = user;
    json_string(json, "model", a->evaluation.path);
    json_string(json, "squad", a->squad);
    json_integer(json, "samples", a->samples);
    json_integer(json, "seed", a->seed);
}

static int run(const Command* command, RetrievalArguments* a) {
    IntegerList documents;
    int code =
        parse_integer_list(command->name, "documents", a->documents_text, 2, id_count, &documents);
    if (code == exit_ok) code = read_squad(command->name, a);
    if (code == exit_ok) code = evaluation_open(command, &a->evaluation);
    if (code == exit_ok) {
        EvalTask task = {.command = command->name,
                         .name = "retrieval",
                         .result = "accuracy",
                         .measure = measure_share,
                         .row_name = "documents",
                         .row_key = "documents",
                         .rows = documents.count,
                         .parts = 1,
                         .cases = documents.count * (size_t)a->samples,
                         .own = a,
                         .make = make,
                         .stop = stop,
                         .score = score};
        memcpy(task.row_values, documents.items, sizeof task.row_values);
        code = evaluation_run(command, &a->evaluation, &task, write_facts, a);
    }
    json_free(&a->data);
    free(a->documents);
    free(a->questions);
    evaluation_close(&a->evaluation);
    return code;
}

int eval_retrieval(int argc, char** argv) {
    RetrievalArguments a = {.documents_text = "11,21,51", .samples = 20};
    const Option options[] = {
        option_text("squad", "FILE.json", &a.squad, "SQuAD 1.1 or 2.0, as it is published"),
        option_text("documents", "LIST", &a.documents_text,
                    "documents in a prompt, the golden one included"),
        samples_option(&a.samples, "questions"),
        seed_option(&a.seed, "chooses questions, documents and ids"),
    };
    Command command = {
        .name = "eval retrieval",
        .usage = "MODEL --squad FILE.json [options]",
        .about =
            "Gives the model documents with ids, each after the question, and asks for the id\n"
            "of the one that answers it. Models have to be trained for this; published ones\n"
            "are not. Prints the share of right ids with its 95 % interval (Wilson).",
        .example =
            "  sipo eval retrieval mamba.sipo --squad dev-v1.1.json --documents 11,101 \\\n"
            "      --methods none,decimamba",
        .positionals = {{"MODEL", 0, &a.evaluation.path}},
        .positional_count = 1,
        .groups = {{"Documents", options, COUNT_OF(options)},
                   evaluation_group(&a.evaluation, asks_answers),
                   session_flags_group(&a.evaluation.session)},
        .group_count = 3,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.squad == NULL) return report_usage(command.name, "--squad FILE is missing");
    return run(&command, &a);
}
