/* JSON from memory. */
#include "json_read.h"

#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "characters.h"

enum { deepest = 64, longest_number = 40 };

typedef struct {
    const char* text;
    size_t length;
    size_t at;
    int depth;
    JsonError* error;
} Parser;

static int wrong(const Parser* parser, const char* what) {
    *parser->error = (JsonError){what, parser->at};
    return 0;
}

/* The next byte, or NUL at the end; a NUL in the text is an error wherever it is met. */
static char peek(const Parser* parser) {
    return parser->at < parser->length ? parser->text[parser->at] : '\0';
}

static void skip_blanks(Parser* parser) {
    while (parser->at < parser->length && strchr(" \t\r\n", parser->text[parser->at]) != NULL &&
           parser->text[parser->at] != '\0') {
        ++parser->at;
    }
}

static int take(Parser* parser, char c) {
    if (peek(parser) != c || parser->at >= parser->length) return 0;
    ++parser->at;
    return 1;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The four digits of \u; -1 when they are none. */
static long take_code(Parser* parser) {
    long code = 0;
    for (int i = 0; i < 4; ++i) {
        const int digit = hex_value(peek(parser));
        if (digit < 0) return -1;
        code = code * 16 + digit;
        ++parser->at;
    }
    return code;
}

/* A surrogate that has no other half becomes U+FFFD. */
static int take_escape(Parser* parser, char* out, size_t* filled) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char c = peek(parser);
    const char* found = c == '\0' ? NULL : strchr(letters, c);
    ++parser->at;
    if (found != NULL) {
        out[(*filled)++] = meanings[found - letters];
        return 1;
    }
    long code = c == 'u' ? take_code(parser) : -1;
    if (code < 0) return wrong(parser, "an escape that is none");
    if (code >= 0xD800 && code < 0xDC00 && parser->at + 1 < parser->length &&
        parser->text[parser->at] == '\\' && parser->text[parser->at + 1] == 'u') {
        const size_t before = parser->at;
        parser->at += 2;
        const long low = take_code(parser);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else {
            parser->at = before;
        }
    }
    if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
    *filled += character_write((uint32_t)code, out + *filled);
    return 1;
}

static int parse_text(Parser* parser, char** text, size_t* length) {
    if (!take(parser, '"')) return wrong(parser, "no string where one belongs");
    /* An escape is never shorter than what it means. */
    size_t end = parser->at;
    while (end < parser->length && parser->text[end] != '"')
        end += parser->text[end] == '\\' ? 2 : 1;
    if (end >= parser->length) return wrong(parser, "a string that does not end");
    char* out = allocate(end - parser->at + 1, 1);
    if (out == NULL) return wrong(parser, "more text than memory");
    size_t filled = 0;
    while (parser->at < parser->length && parser->text[parser->at] != '"') {
        const char c = parser->text[parser->at];
        if ((unsigned char)c < 0x20) {
            free(out);
            return wrong(parser, "a control character in a string");
        }
        ++parser->at;
        if (c != '\\') {
            out[filled++] = c;
        } else if (!take_escape(parser, out, &filled)) {
            free(out);
            return 0;
        }
    }
    ++parser->at;
    out[filled] = '\0';
    *text = out;
    *length = filled;
    return 1;
}

static int parse_number(Parser* parser, JsonValue* value) {
    char digits[longest_number + 1];
    size_t length = 0;
    while (length < longest_number && peek(parser) != '\0' &&
           strchr("+-.0123456789eE", peek(parser)) != NULL) {
        digits[length++] = parser->text[parser->at++];
    }
    digits[length] = '\0';
    char* end = NULL;
    value->kind = json_number;
    value->number = strtod(digits, &end);
    return length > 0 && *end == '\0' ? 1 : wrong(parser, "a number that is none");
}

static int parse_word(Parser* parser, JsonValue* value) {
    static const struct {
        const char* word;
        JsonKind kind;
        double number;
    } words[] = {{"null", json_null, 0}, {"true", json_boolean, 1}, {"false", json_boolean, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i) {
        const size_t length = strlen(words[i].word);
        if (parser->length - parser->at < length ||
            memcmp(parser->text + parser->at, words[i].word, length) != 0) {
            continue;
        }
        parser->at += length;
        value->kind = words[i].kind;
        value->number = words[i].number;
        return 1;
    }
    return wrong(parser, "neither a value nor the end of one");
}

static int parse_value(Parser* parser, JsonValue* value);

/* Room for one more item. */
static int grow(const Parser* parser, JsonValue* value, size_t* capacity) {
    if (value->count < *capacity) return 1;
    const size_t wanted = *capacity == 0 ? 4 : 2 * *capacity;
    JsonValue* items = reallocate(value->items, wanted, sizeof *items);
    if (items != NULL) value->items = items;
    char** keys = value->kind == json_object ? reallocate(value->keys, wanted, sizeof *keys) : NULL;
    if (keys != NULL) value->keys = keys;
    if (items == NULL || (value->kind == json_object && keys == NULL)) {
        return wrong(parser, "more values than memory");
    }
    *capacity = wanted;
    return 1;
}

static int parse_item(Parser* parser, JsonValue* value) {
    JsonValue* item = &value->items[value->count];
    memset(item, 0, sizeof *item);
    if (value->kind == json_object) {
        size_t length = 0;
        value->keys[value->count] = NULL;
        skip_blanks(parser);
        if (!parse_text(parser, &value->keys[value->count], &length)) return 0;
        ++value->count; /* the key is the value's to free now */
        skip_blanks(parser);
        if (!take(parser, ':')) return wrong(parser, "a key without a value");
    } else {
        ++value->count;
    }
    return parse_value(parser, item);
}

static int parse_items(Parser* parser, JsonValue* value, char closing) {
    size_t capacity = 0;
    if (++parser->depth > deepest) return wrong(parser, "values too deep in each other");
    skip_blanks(parser);
    if (take(parser, closing)) {
        --parser->depth;
        return 1;
    }
    for (;;) {
        if (!grow(parser, value, &capacity) || !parse_item(parser, value)) return 0;
        skip_blanks(parser);
        if (take(parser, closing)) break;
        if (!take(parser, ',')) return wrong(parser, "values without a comma between them");
    }
    --parser->depth;
    return 1;
}

static int parse_value(Parser* parser, JsonValue* value) {
    skip_blanks(parser);
    const char c = peek(parser);
    if (c == '{' || c == '[') {
        ++parser->at;
        value->kind = c == '{' ? json_object : json_array;
        return parse_items(parser, value, c == '{' ? '}' : ']');
    }
    if (c == '"') {
        value->kind = json_string_value;
        return parse_text(parser, &value->text, &value->length);
    }
    if (c == '-' || (c >= '0' && c <= '9')) return parse_number(parser, value);
    return parse_word(parser, value);
}

int json_parse(const char* text, size_t length, JsonValue* value, JsonError* error) {
    Parser parser = {text, length, 0, 0, error};
    memset(value, 0, sizeof *value);
    int sound = parse_value(&parser, value);
    skip_blanks(&parser);
    if (sound && parser.at < length) sound = wrong(&parser, "more after the value");
    if (!sound) json_free(value);
    return sound;
}

void json_free(JsonValue* value) {
    for (size_t i = 0; i < value->count; ++i) {
        json_free(&value->items[i]);
        if (value->keys != NULL) free(value->keys[i]);
    }
    free(value->items);
    free(value->keys);
    free(value->text);
    memset(value, 0, sizeof *value);
}

const JsonValue* json_member(const JsonValue* value, const char* key) {
    if (value == NULL || value->kind != json_object) return NULL;
    for (size_t i = 0; i < value->count; ++i) {
        if (strcmp(value->keys[i], key) == 0) return &value->items[i];
    }
    return NULL;
}

const char* json_member_text(const JsonValue* value, const char* key) {
    const JsonValue* member = json_member(value, key);
    return member != NULL && member->kind == json_string_value ? member->text : NULL;
}
