/* The tool's own reader of JSON, measures of answers and intervals, without the tool. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval_run.h"
#include "json_read.h"
#include "text_metrics.h"

static int count = 0;
static int failures = 0;

static void check(int passed, const char* what) {
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++count, what);
    failures += !passed;
}

static int is_near(double value, double wanted) { return fabs(value - wanted) < 1e-4; }

static int parses(const char* text) {
    JsonValue value;
    JsonError error = {"", 0};
    const int parsed = json_parse(text, strlen(text), &value, &error);
    if (parsed) json_free(&value);
    return parsed;
}

static void test_json(void) {
    static const char text[] =
        " {\"a\": [1, -2.5e1, true, null], \"b\": \"\\u00e9\\ud83d\\ude00\\n\\\"\", \"c\": {}} ";
    JsonValue value;
    JsonError error = {"", 0};
    check(json_parse(text, strlen(text), &value, &error), "a value is read");
    const JsonValue* list = json_member(&value, "a");
    check(list != NULL && list->count == 4 && is_near(list->items[1].number, -25), "numbers too");
    const char* wanted = "\xC3\xA9\xF0\x9F\x98\x80\n\"";
    const char* found = json_member_text(&value, "b");
    check(found != NULL && strcmp(found, wanted) == 0, "and escapes");
    check(json_member(&value, "d") == NULL && json_member_text(&value, "a") == NULL,
          "what is not there is not found");
    json_free(&value);
    static const char* const bad[] = {
        "",        "{",   "[1,]",  "[1 2]", "{\"a\"}",  "{\"a\":}", "\"", "\"\\", "\"\\x\"",
        "\"\\u12", "tru", "1.2.3", "[] []", "\"\x01\"", "{1:2}",    "-",  "[,]",  "nul"};
    int refused = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) refused &= !parses(bad[i]);
    check(refused, "what is no JSON is refused");
    char deep[1001];
    memset(deep, '[', 1000);
    deep[1000] = '\0';
    check(!parses(deep), "values too deep in each other are refused");
    check(parses("\"\\ud800\"") && parses("\"\\ud800\\u0041\""), "half a surrogate pair is text");
}

/* Every cut and every changed byte of a value is read or refused, and nothing else happens. */
static void test_mutations(void) {
    static const char text[] = "{\"k\": [\"\\ud83d\\ude00 x\", -1.5e3, {\"y\": [true, null]}]}";
    size_t read = 0;
    for (size_t i = 0; i < strlen(text); ++i) {
        for (int c = 0; c < 256; ++c) {
            char* changed = malloc(sizeof text);
            if (changed == NULL) exit(1);
            memcpy(changed, text, sizeof text);
            changed[i] = (char)c;
            JsonValue value;
            JsonError error = {"", 0};
            if (json_parse(changed, c == 0 ? i : strlen(text), &value, &error)) {
                ++read;
                json_free(&value);
            }
            free(changed);
        }
    }
    check(read > 100, "mutated values are read or refused");
}

typedef struct {
    double wanted;
    const char* answer;
    const char* reference;
    const char* what;
} Case;

static void test_metric(double (*metric)(const char*, const char*), const Case* cases, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const double value = metric(cases[i].answer, cases[i].reference);
        check(is_near(value, cases[i].wanted), cases[i].what);
        if (!is_near(value, cases[i].wanted)) printf("# %g, not %g\n", value, cases[i].wanted);
    }
}

static void test_words(void) {
    static const Case f1[] = {
        {1, "The cat, sat!", "a cat sat", "F1 ignores articles and marks"},
        {1, "well-known", "wellknown", "marks within words too"},
        {1, "\xC3\x89T\xC3\x89", "\xC3\xA9t\xC3\xA9", "and case, of letters with accents too"},
        {.5, "\xE2\x80\x9CThe\xE2\x80\x9D cat", "cat", "but not quotation marks beyond ASCII"},
        {1, "x\xC2\xA0y", "x y", "a blank that does not break is a blank"},
        {4.0 / 7, "one two three", "two three four five", "F1 counts words"},
        {2.0 / 5, "x x b", "b b", "F1 counts each as often as both have it"},
        {0, "", "x", "F1 of nothing is 0"},
        {0, "the", "the", "as of articles alone"},
    };
    test_metric(metric_f1, f1, sizeof f1 / sizeof *f1);
    /* Of 8 different words in the answer and 5 in the reference, w1, w2, w3 and w5 are in order. */
    static const Case rouge[] = {
        {1, "a b", "a b", "Rouge-L of the same is 1"},
        {4.0 / 7, "a b c d", "b d a", "Rouge-L keeps the order"},
        {1, "the cat the cat", "the cat", "and counts a word once"},
        {0, "Cat", "cat", "case counts"},
        {0, "cat,", "cat", "as do marks"},
        {8.0 / 13, "w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5", "each sentence adds words"},
        {.5, "b a", "a b. b", "of two subsequences the latter word's counts"},
        {2.0 / 3, "a. ", "a", "a blank sentence is a word"},
        {0, "...", "a", "full stops are nothing"},
        {0, "a", "", "as is nothing"},
    };
    test_metric(metric_rouge_l, rouge, sizeof rouge / sizeof *rouge);
}

static void test_code_and_numbers(void) {
    static const Case code[] = {
        {1, "# note\nx = 1\ny = 2", "x = 1", "code is its first line that is no comment"},
        {0, "# note\n\nx = 1", "x = 1", "also when that is empty"},
        {1, "\n\nx = 1", "x = 1", "but not before the first"},
        {0, "// x", "x", "comments alone are nothing"},
        {.75, "abcd", "abxd", "code counts matching characters"},
        {.25, "tide", "diet", "those about the longest run, the first of several"},
        {.5, "diet", "tide", "which depends on the order"},
        {.67, "abc", "abd", "in whole percent"},
        {.67, "\xC3\xA9x\xC3\xA8", "\xC3\xA9x\xC3\xA0", "of characters, not of bytes"},
    };
    test_metric(metric_code_similarity, code, sizeof code / sizeof *code);
    static const Case counts[] = {
        {.5, "12 or 13 of them", "12", "of two numbers one is right"},
        {0, "1 2", "12", "a number is right as a whole"},
        {0, "none", "12", "no number is right"},
    };
    test_metric(metric_count, counts, sizeof counts / sizeof *counts);
    static const Case retrieval[] = {
        {.5, "Paragraph 3, or 4?", "Paragraph 3", "a paragraph's number is found"},
        {1, "7",
         "\xE6\xAE\xB5\xE8\x90\xBD"
         "7",
         "as is one of a Chinese reference"},
        {0, "3", "3", "a reference without a paragraph is not met"},
    };
    test_metric(metric_retrieval, retrieval, sizeof retrieval / sizeof *retrieval);
    static const Case exact[] = {
        {1, " 73914.", "73914", "an exact answer may go on behind its end"},
        {0, "739141", "73914", "but not its last word"},
        {1, "\xC3\x89t\xC3\xA9", "\xC3\xA9t\xC3\xA9", "its case does not matter"},
        {0, "7", "73914", "the beginning alone is not exact"},
    };
    test_metric(metric_exact, exact, sizeof exact / sizeof *exact);
}

static void test_classes(void) {
    static const char* const classes[] = {"cat", "dog", "hot dog"};
    static const char* const nested[] = {"o", "hot", "dog", "hot dog"};
    check(is_near(metric_classification("it is a dog", "dog", classes, 3), 1), "a class is found");
    check(is_near(metric_classification("cat or dog", "dog", classes, 3), .5),
          "two classes halve it");
    check(is_near(metric_classification("hot dog", "hot dog", classes, 3), 1),
          "a class within the right one's name does not count");
    check(is_near(metric_classification("hot dog", "hot dog", nested, 4), .5),
          "but behind one that does not, it does");
    check(metric_classification("a bird", "dog", classes, 3) == 0, "no class is 0");
}

/* Texts that are no UTF-8, are longer than what is looked at, or have no end to their repetitions. */
static void test_hostile_texts(void) {
    enum { size = 100000 };
    static const char* const patterns[] = {"\xFF", "a. ", "\xE6\xAE", "ab ab", ".", "the \xC3"};
    char* text = malloc(size + 1);
    if (text == NULL) exit(1);
    int sound = 1;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; ++i) {
        const size_t length = strlen(patterns[i]);
        for (size_t j = 0; j < size; ++j) text[j] = patterns[i][j % length];
        text[size] = '\0';
        const double values[] = {metric_f1(text, text + 1), metric_rouge_l(text, text + 1),
                                 metric_code_similarity(text, text + 1),
                                 metric_exact(text, text + 1)};
        for (size_t j = 0; j < sizeof values / sizeof *values; ++j) {
            sound &= values[j] >= 0 && values[j] <= 1;
        }
    }
    free(text);
    check(sound, "texts of any bytes and length are measured");
}

static void test_intervals(void) {
    double low = 0;
    double high = 0;
    wilson_interval(8, 10, &low, &high);
    check(is_near(low, .4902) && is_near(high, .9433), "Wilson's interval of 8 of 10");
    wilson_interval(0, 10, &low, &high);
    check(low == 0 && is_near(high, .2775), "Wilson's interval of none of 10");
}

int main(void) {
    test_json();
    test_mutations();
    test_words();
    test_code_and_numbers();
    test_classes();
    test_hostile_texts();
    test_intervals();
    printf("1..%d\n", count);
    return failures != 0;
}
