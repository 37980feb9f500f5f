/* JSON from memory (RFC 8259), as a tree. Numbers are doubles, text is UTF-8; nesting and size are
 * bounded, so that no input can exhaust the stack. */
#ifndef SIPO_CLI_JSON_READ_H_
#define SIPO_CLI_JSON_READ_H_

#include <stddef.h>

typedef enum {
    json_null,
    json_boolean,
    json_number,
    json_string_value,
    json_array,
    json_object
} JsonKind;

typedef struct JsonValue JsonValue;
struct JsonValue {
    JsonKind kind;
    double number;    /* of a number; 0 or 1 of a boolean */
    char* text;       /* of a string; NUL follows it */
    size_t length;    /* of the text */
    size_t count;     /* of items */
    JsonValue* items; /* of an array or an object */
    char** keys;      /* of an object */
};

/* Parses all of `text`. On an error *error says what is wrong at which byte, and the result is 0. */
typedef struct {
    const char* what;
    size_t at;
} JsonError;
int json_parse(const char* text, size_t length, JsonValue* value, JsonError* error);
void json_free(JsonValue* value);

/* The member of an object; NULL when there is none, or `value` is none. */
const JsonValue* json_member(const JsonValue* value, const char* key);
/* The text of a member; NULL when it is no string. */
const char* json_member_text(const JsonValue* value, const char* key);

#endif /* SIPO_CLI_JSON_READ_H_ */
