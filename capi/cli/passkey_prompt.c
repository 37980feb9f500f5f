/* Prompts of the passkey evaluation. */
#include "passkey_prompt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "loading.h"
#include "random.h"
#include "report.h"

static const char needle_format[] = " The pass key is %s. Remember it. %s is the pass key.";

/* By protocol. */
static const char* const before_texts[] = {"", "What is the pass key?\n"};
static const char* const after_texts[] = {" What is the pass key? The pass key is", "\nAnswer: "};

/* Bits of PasskeySource.marks. */
enum { mark_known = 1, mark_ends_sentence = 2, mark_ends_blank = 4, mark_begins_blank = 8 };

static int is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* What the text of a token means for the ends of sentences. */
static unsigned char marks_of(const char* text, size_t length) {
    unsigned marks = mark_known;
    if (length > 0 && is_blank(text[0])) marks |= mark_begins_blank;
    if (length > 0 && is_blank(text[length - 1])) marks |= mark_ends_blank;
    while (length > 0 && (is_blank(text[length - 1]) || strchr("\"')", text[length - 1]) != NULL)) {
        if (text[length - 1] == '\0') break; /* strchr finds the end of its string too */
        --length;
    }
    const char last = length == 0 ? ' ' : text[length - 1];
    if (last == '.' || last == '!' || last == '?') marks |= mark_ends_sentence;
    return (unsigned char)marks;
}

/* Fills the marks of every token that occurs in the noise. */
static int mark_tokens(const char* command, PasskeySource* source) {
    const size_t vocabulary = (size_t)model_integer(source->model, SIPO_MODEL_VOCAB_SIZE);
    source->marks = allocate_zeroed(vocabulary, 1);
    if (source->marks == NULL) return report_no_memory(command, "the vocabulary");
    for (size_t i = 0; i < source->noise.count; ++i) {
        const int32_t id = source->noise.ids[i];
        if (source->marks[id] != 0) continue;
        char* text = NULL;
        size_t length = 0;
        const int code = text_from_tokens(command, source->model, &id, 1, &text, &length);
        if (code != exit_ok) return code;
        source->marks[id] = marks_of(text, length);
        free(text);
    }
    return exit_ok;
}

int passkey_source_open(const char* command, const sipo_model* model, Tokens* noise,
                        PasskeyProtocol protocol, PasskeySource* source) {
    const char* before = before_texts[protocol];
    const char* after = after_texts[protocol];
    memset(source, 0, sizeof *source);
    source->model = model;
    source->protocol = protocol;
    source->noise = *noise;
    *noise = (Tokens){NULL, 0};
    int code = tokens_from_text(command, model, before, strlen(before), &source->before);
    if (code == exit_ok) {
        code = tokens_from_text(command, model, after, strlen(after), &source->after);
    }
    if (code == exit_ok) code = mark_tokens(command, source);
    return code;
}

void passkey_source_free(PasskeySource* source) {
    tokens_free(&source->noise);
    tokens_free(&source->before);
    tokens_free(&source->after);
    free(source->marks);
    source->marks = NULL;
}

/* Whether a sentence ends between noise[at - 1] and noise[at]. */
static int is_sentence_end(const PasskeySource* source, const int32_t* noise, size_t at) {
    const unsigned before = source->marks[noise[at - 1]];
    const unsigned after = source->marks[noise[at]];
    if ((before & mark_ends_sentence) == 0) return 0;
    return (before & mark_ends_blank) != 0 || (after & mark_begins_blank) != 0;
}

/* Where in `count` tokens of noise the needle goes: at the end of a sentence nearest the depth, or
 * right there when no sentence ends. */
static size_t needle_position(const PasskeySource* source, const int32_t* noise, size_t count,
                              double depth) {
    const size_t aim = (size_t)(depth * (double)count + .5);
    if (depth <= 0) return 0;
    if (depth >= 1 || aim >= count) return count;
    for (size_t step = 0; step < count; ++step) {
        if (aim > step && is_sentence_end(source, noise, aim - step)) return aim - step;
        if (aim + step < count && aim + step > 0 && is_sentence_end(source, noise, aim + step)) {
            return aim + step;
        }
    }
    return aim;
}

static int32_t* append(int32_t* to, const int32_t* ids, size_t count) {
    if (count > 0) memcpy(to, ids, count * sizeof *ids);
    return to + count;
}

/* Joins noise and needle between what stands before and after them. */
static int join(const char* command, const PasskeySource* source, const Tokens* needle,
                size_t length, double depth, Random* random, Tokens* joined) {
    const size_t around = source->before.count + source->after.count;
    const size_t fixed = needle->count + (source->protocol == passkey_ours ? around : 0);
    if (length <= fixed) {
        return report_failure(command, "--lengths %zu is too short: needle and question take %zu",
                              length, fixed);
    }
    const size_t count = length - fixed;
    if (count > source->noise.count) {
        return report_failure(command, "the noise has %zu tokens, but --lengths %zu needs %zu",
                              source->noise.count, length, count);
    }
    int32_t* ids = allocate(count + needle->count + around, sizeof *ids);
    if (ids == NULL) return report_no_memory(command, "a prompt");
    const int32_t* noise =
        source->noise.ids + random_below(random, source->noise.count - count + 1);
    const size_t position = needle_position(source, noise, count, depth);
    int32_t* next = append(ids, source->before.ids, source->before.count);
    next = append(next, noise, position);
    next = append(next, needle->ids, needle->count);
    next = append(next, noise + position, count - position);
    append(next, source->after.ids, source->after.count);
    joined->ids = ids;
    joined->count = count + needle->count + around;
    return exit_ok;
}

int passkey_prompt_make(const char* command, const PasskeySource* source, size_t length,
                        double depth, uint64_t seed, uint64_t sample, PasskeyPrompt* prompt) {
    Random random = {seed};
    random_mix(&random, length);
    random_mix(&random, (uint64_t)(depth * 1e6 + .5));
    random_mix(&random, sample);
    const uint64_t key = 10000 + random_below(&random, 90000);
    snprintf(prompt->key, sizeof prompt->key, "%" PRIu64, key);
    char text[sizeof needle_format + 2 * passkey_digits];
    const int text_length = snprintf(text, sizeof text, needle_format, prompt->key, prompt->key);
    Tokens needle = {NULL, 0};
    int code = tokens_from_text(command, source->model, text, (size_t)text_length, &needle);
    if (code == exit_ok) {
        code = join(command, source, &needle, length, depth, &random, &prompt->tokens);
    }
    tokens_free(&needle);
    return code;
}

void passkey_prompt_free(PasskeyPrompt* prompt) { tokens_free(&prompt->tokens); }
