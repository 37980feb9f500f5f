/* Rouge-L. */
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "characters.h"
#include "text_metrics.h"

/* Longer texts are cut: a table of a subsequence takes the product of both lengths. */
enum { most_words = 4096 };

typedef struct {
    const char* text; /* ends where `length` says */
    size_t length;
    size_t id;       /* the same for the same words of both texts */
    size_t sentence; /* of its text */
} Word;

typedef struct {
    Word* word;
} Sorted;

typedef struct {
    Word words[2 * most_words]; /* the answer's, then the reference's */
    Sorted by_text[2 * most_words];
    unsigned char gathered[2 * most_words]; /* by id */
    uint16_t
        longest[(most_words + 1) * (most_words + 1)]; /* of the subsequences of two beginnings */
} Rouge;

/* Adds a sentence's words. One that is blank has a word without letters, as Python's split(" ") gives. */
static size_t split_sentence(const char* text, size_t size, size_t sentence, Word* words,
                             size_t room) {
    size_t count = 0;
    int in_word = 0;
    uint32_t character = 0;
    for (size_t at = 0; at < size;) {
        const size_t length = character_at(text + at, &character);
        const int blank = character_is_blank(character);
        if (!blank && !in_word) {
            if (count == room) return count;
            words[count++] = (Word){text + at, 0, 0, sentence};
        }
        if (!blank) words[count - 1].length += length;
        in_word = !blank;
        at += length;
    }
    if (count == 0 && room > 0) words[count++] = (Word){text, 0, 0, sentence};
    return count;
}

/* The words of a text, sentence by sentence; how many. */
static size_t split_text(const char* text, Word* words) {
    size_t count = 0;
    for (size_t sentence = 0; *text != '\0'; ++sentence) {
        const size_t size = strcspn(text, ".");
        if (size > 0)
            count += split_sentence(text, size, sentence, words + count, most_words - count);
        text += size + (text[size] == '.');
    }
    return count;
}

static int compare_texts(const Word* a, const Word* b) {
    const size_t common = a->length < b->length ? a->length : b->length;
    const int order = memcmp(a->text, b->text, common);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_sorted(const void* left, const void* right) {
    return compare_texts(((const Sorted*)left)->word, ((const Sorted*)right)->word);
}

static void number_words(Rouge* rouge, size_t count) {
    Sorted* sorted = rouge->by_text;
    for (size_t i = 0; i < count; ++i) sorted[i].word = &rouge->words[i];
    qsort(sorted, count, sizeof *sorted, compare_sorted);
    for (size_t i = 0; i < count; ++i) {
        const int is_new = i == 0 || compare_texts(sorted[i - 1].word, sorted[i].word) != 0;
        sorted[i].word->id = is_new ? i : sorted[i - 1].word->id;
    }
}

static size_t count_gathered(const Rouge* rouge) {
    size_t count = 0;
    for (size_t i = 0; i < sizeof rouge->gathered; ++i) count += rouge->gathered[i];
    return count;
}

static double count_different(Rouge* rouge, const Word* words, size_t count) {
    memset(rouge->gathered, 0, sizeof rouge->gathered);
    for (size_t i = 0; i < count; ++i) rouge->gathered[words[i].id] = 1;
    return (double)count_gathered(rouge);
}

/* Gathers the words of the longest common subsequence of two sentences. Where there are several, the
 * choice is that of the package: it decides which words are gathered. */
static void gather(Rouge* rouge, const Word* a, size_t a_count, const Word* b, size_t b_count) {
    const size_t row = b_count + 1;
    uint16_t* longest = rouge->longest;
    memset(longest, 0, row * sizeof *longest);
    for (size_t i = 1; i <= a_count; ++i) {
        uint16_t* here = longest + i * row;
        const uint16_t* above = here - row;
        here[0] = 0;
        for (size_t j = 1; j <= b_count; ++j) {
            here[j] = a[i - 1].id == b[j - 1].id ? (uint16_t)(above[j - 1] + 1)
                      : above[j] > here[j - 1]   ? above[j]
                                                 : here[j - 1];
        }
    }
    for (size_t i = a_count, j = b_count; i > 0 && j > 0;) {
        if (a[i - 1].id == b[j - 1].id) {
            rouge->gathered[a[i - 1].id] = 1;
            --i;
            --j;
        } else if (longest[(i - 1) * row + j] > longest[i * row + j - 1]) {
            --i;
        } else {
            --j;
        }
    }
}

/* How many words from `at` on are of the same sentence. */
static size_t sentence_length(const Word* words, size_t count, size_t at) {
    size_t end = at;
    while (end < count && words[end].sentence == words[at].sentence) ++end;
    return end - at;
}

static double gather_all(Rouge* rouge, const Word* reference, size_t reference_count,
                         size_t answer_count) {
    const Word* answer = rouge->words;
    memset(rouge->gathered, 0, sizeof rouge->gathered);
    for (size_t i = 0; i < reference_count;) {
        const size_t of_reference = sentence_length(reference, reference_count, i);
        for (size_t j = 0; j < answer_count;) {
            const size_t of_answer = sentence_length(answer, answer_count, j);
            gather(rouge, reference + i, of_reference, answer + j, of_answer);
            j += of_answer;
        }
        i += of_reference;
    }
    return (double)count_gathered(rouge);
}

double metric_rouge_l(const char* answer, const char* reference) {
    Rouge* rouge = allocate(1, sizeof *rouge);
    if (rouge == NULL) return 0;
    const size_t a = split_text(answer, rouge->words);
    Word* words = rouge->words + a;
    const size_t b = split_text(reference, words);
    double score = 0;
    if (a > 0 && b > 0) {
        number_words(rouge, a + b);
        const double common = gather_all(rouge, words, b, a);
        const double precision = common / count_different(rouge, rouge->words, a);
        const double recall = common / count_different(rouge, words, b);
        score = 2 * (precision * recall / (precision + recall + 1e-8));
    }
    free(rouge);
    return score;
}
