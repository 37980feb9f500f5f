/* How close an answer is to a reference. Bytes beyond ASCII count as letters. */
#include "text_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"

/* Longer texts are cut: the longest common subsequence takes the product of both lengths. */
enum { most_words = 8192, most_characters = 8192 };

typedef struct {
    char* text; /* the words, each followed by NUL */
    const char* words[most_words];
    size_t count;
} Words;

static int is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static int is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static int is_article(const char* word) {
    return strcmp(word, "a") == 0 || strcmp(word, "an") == 0 || strcmp(word, "the") == 0;
}

/* Words in lower case; as `normal`, without punctuation within them and without articles. NULL without
 * memory. */
static Words* split_words(const char* text, int normal) {
    Words* words = allocate_zeroed(1, sizeof *words);
    char* out = allocate(strlen(text) + 2, 1);
    if (words == NULL || out == NULL) {
        free(words);
        free(out);
        return NULL;
    }
    words->text = out;
    while (*text != '\0' && words->count < most_words) {
        char* word = out;
        for (; *text != '\0' && !is_blank(*text); ++text) {
            if (!normal || is_letter(*text)) *out++ = lower(*text);
        }
        *out++ = '\0';
        while (is_blank(*text)) ++text;
        if (*word == '\0' || (normal && is_article(word))) {
            out = word;
        } else {
            words->words[words->count++] = word;
        }
    }
    return words;
}

static void free_words(Words* words) {
    if (words != NULL) free(words->text);
    free(words);
}

static int compare_words(const void* left, const void* right) {
    return strcmp(*(const char* const*)left, *(const char* const*)right);
}

static double f1_of(double common, double answer, double reference) {
    return common == 0 ? 0 : 2 * common / (answer + reference);
}

/* Words that both have, as often as both have them. Sorts them. */
static size_t common_words(Words* a, Words* b) {
    qsort(a->words, a->count, sizeof *a->words, compare_words);
    qsort(b->words, b->count, sizeof *b->words, compare_words);
    size_t common = 0;
    for (size_t i = 0, j = 0; i < a->count && j < b->count;) {
        const int order = strcmp(a->words[i], b->words[j]);
        common += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return common;
}

/* The longest common subsequence of two sequences of which equal(i, j) knows. */
typedef int (*Equal)(const void* a, const void* b, size_t i, size_t j);

static size_t common_subsequence(const void* a, size_t a_count, const void* b, size_t b_count,
                                 Equal equal) {
    size_t* row = allocate_zeroed(b_count + 1, sizeof *row);
    if (row == NULL) return 0;
    for (size_t i = 0; i < a_count; ++i) {
        size_t diagonal = 0;
        for (size_t j = 0; j < b_count; ++j) {
            const size_t above = row[j + 1];
            if (equal(a, b, i, j)) {
                row[j + 1] = diagonal + 1;
            } else if (row[j] > above) {
                row[j + 1] = row[j];
            }
            diagonal = above;
        }
    }
    const size_t longest = row[b_count];
    free(row);
    return longest;
}

static int equal_words(const void* a, const void* b, size_t i, size_t j) {
    return strcmp(((const Words*)a)->words[i], ((const Words*)b)->words[j]) == 0;
}

static int equal_characters(const void* a, const void* b, size_t i, size_t j) {
    return ((const char*)a)[i] == ((const char*)b)[j];
}

double metric_f1(const char* answer, const char* reference) {
    Words* a = split_words(answer, 1);
    Words* b = split_words(reference, 1);
    double score = 0;
    if (a != NULL && b != NULL) {
        score = f1_of((double)common_words(a, b), (double)a->count, (double)b->count);
    }
    free_words(a);
    free_words(b);
    return score;
}

double metric_rouge_l(const char* answer, const char* reference) {
    Words* a = split_words(answer, 0);
    Words* b = split_words(reference, 0);
    double score = 0;
    if (a != NULL && b != NULL) {
        const size_t common = common_subsequence(a, a->count, b, b->count, equal_words);
        score = f1_of((double)common, (double)a->count, (double)b->count);
    }
    free_words(a);
    free_words(b);
    return score;
}

double metric_classification(const char* answer, const char* reference, const char* const* classes,
                             size_t count) {
    size_t named = 0;
    int right = 0;
    for (size_t i = 0; i < count; ++i) {
        if (strstr(answer, classes[i]) == NULL) continue;
        if (strcmp(classes[i], reference) == 0) {
            right = 1;
        } else if (strstr(reference, classes[i]) != NULL) {
            continue;
        }
        ++named;
    }
    return right ? 1.0 / (double)named : 0;
}

double metric_code_similarity(const char* answer, const char* reference) {
    static const char skipped[] = "`#";
    const char* line = answer;
    size_t length = 0;
    for (;;) {
        length = strcspn(line, "\n");
        size_t marks = 0;
        for (size_t i = 0; i < length; ++i) {
            marks += strchr(skipped, line[i]) != NULL;
            marks += line[i] == '/' && i + 1 < length && line[i + 1] == '/';
        }
        if ((length > 0 && marks == 0) || line[length] == '\0') break;
        line += length + 1;
    }
    const size_t wanted = strlen(reference);
    const size_t a = length < most_characters ? length : most_characters;
    const size_t b = wanted < most_characters ? wanted : most_characters;
    return f1_of((double)common_subsequence(line, a, reference, b, equal_characters), (double)a,
                 (double)b);
}

double metric_exact(const char* answer, const char* reference) {
    while (is_blank(*answer)) ++answer;
    while (is_blank(*reference)) ++reference;
    while (*reference != '\0' && lower(*answer) == lower(*reference)) {
        ++answer;
        ++reference;
    }
    /* The rest of a longer word would be another answer. */
    return *reference == '\0' && !is_letter(*answer);
}
