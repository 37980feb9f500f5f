/* JSON to a stream, member by member. */
#ifndef SIPO_CLI_JSON_H_
#define SIPO_CLI_JSON_H_

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { json_max_depth = 8 };

typedef struct {
    FILE* out;
    int depth;
    int has_members[json_max_depth + 1]; /* by depth: whether the next one needs a comma */
} Json;

/* `key` is NULL in an array and at the top. */
void json_begin_object(Json* json, const char* key);
void json_end_object(Json* json); /* ends the line at the top */
void json_begin_array(Json* json, const char* key);
void json_end_array(Json* json);
/* Bytes that are not UTF-8 become U+FFFD. */
void json_text(Json* json, const char* key, const char* text, size_t length);
void json_string(Json* json, const char* key, const char* text);
void json_integer(Json* json, const char* key, int64_t value);
void json_count(Json* json, const char* key, size_t value);
/* The shortest decimal that reads back as `value`; null when it is not finite. */
void json_real(Json* json, const char* key, double value);
/* Arrays of numbers, on one line. */
void json_real_list(Json* json, const char* key, const float* values, size_t count);
void json_integer_list(Json* json, const char* key, const int64_t* values, size_t count);

#endif /* SIPO_CLI_JSON_H_ */
