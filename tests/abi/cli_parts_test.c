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

static void test_metrics(void) {
    static const char* const classes[] = {"cat", "dog", "hot dog"};
    check(is_near(metric_f1("The cat, sat!", "a cat sat"), 1), "F1 ignores articles and marks");
    check(is_near(metric_f1("one two three", "two three four five"), 4.0 / 7), "F1 counts words");
    check(is_near(metric_f1("x x b", "b b"), 2.0 / 5), "F1 counts each as often as both have it");
    check(metric_f1("", "x") == 0 && metric_f1("x", "") == 0, "F1 of nothing is 0");
    check(is_near(metric_rouge_l("a b c d", "b d a"), 4.0 / 7), "Rouge-L keeps the order");
    check(is_near(metric_classification("it is a dog", "dog", classes, 3), 1), "a class is found");
    check(is_near(metric_classification("cat or dog", "dog", classes, 3), .5),
          "two classes halve it");
    check(is_near(metric_classification("hot dog", "hot dog", classes, 3), 1),
          "a class within the right one's name does not count");
    check(metric_classification("a bird", "dog", classes, 3) == 0, "no class is 0");
    check(is_near(metric_code_similarity("# note\nx = 1\ny = 2", "x = 1"), 1),
          "code is its first line that is no comment");
    check(is_near(metric_code_similarity("abcd", "abxd"), .75), "code counts characters in order");
    check(metric_exact(" 73914.", "73914") == 1 && metric_exact("739141", "73914") == 0,
          "an exact answer ends where it should");
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
    test_metrics();
    test_intervals();
    printf("1..%d\n", count);
    return failures != 0;
}
