/* JSON to a stream (RFC 8259). */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "characters.h"

/* Bytes of the UTF-8 code point that `text` begins with, or 0 when it is none. */
static size_t code_point_bytes(const char* text, size_t length) {
    uint32_t character = 0;
    const size_t bytes = character_read(text, length, &character);
    const int is_surrogate = character >= 0xD800 && character < 0xE000;
    return is_surrogate ? 0 : bytes;
}

static void write_ascii(FILE* out, unsigned char c) {
    const char* const named = "\"\\\b\f\n\r\t";
    const char* const letters = "\"\\bfnrt";
    const char* found = c == '\0' ? NULL : strchr(named, c);
    if (found != NULL) {
        fprintf(out, "\\%c", letters[found - named]);
    } else if (c < 0x20 || c == 0x7F) {
        fprintf(out, "\\u%04x", (unsigned)c);
    } else {
        fputc(c, out);
    }
}

static void write_quoted(FILE* out, const char* text, size_t length) {
    fputc('"', out);
    for (size_t i = 0; i < length;) {
        const size_t size = code_point_bytes(text + i, length - i);
        if (size == 0) fputs("\\ufffd", out);
        if (size == 1) write_ascii(out, (unsigned char)text[i]);
        if (size > 1) fwrite(text + i, 1, size, out);
        i += size == 0 ? 1 : size;
    }
    fputc('"', out);
}

static void new_line(const Json* json) { fprintf(json->out, "\n%*s", 2 * json->depth, ""); }

/* What stands before a value: comma, line, key. */
static void begin_value(Json* json, const char* key) {
    if (json->has_members[json->depth]) fputc(',', json->out);
    json->has_members[json->depth] = 1;
    if (json->depth > 0) new_line(json);
    if (key == NULL) return;
    write_quoted(json->out, key, strlen(key));
    fputs(": ", json->out);
}

static void begin_group(Json* json, const char* key, char opening) {
    begin_value(json, key);
    fputc(opening, json->out);
    if (json->depth == json_max_depth) abort(); /* a defect of the caller */
    json->has_members[++json->depth] = 0;
}

static void end_group(Json* json, char closing) {
    const int had_members = json->has_members[json->depth--];
    if (had_members) new_line(json);
    fputc(closing, json->out);
    if (json->depth == 0) fputc('\n', json->out);
}

void json_begin_object(Json* json, const char* key) { begin_group(json, key, '{'); }

void json_end_object(Json* json) { end_group(json, '}'); }

void json_begin_array(Json* json, const char* key) { begin_group(json, key, '['); }

void json_end_array(Json* json) { end_group(json, ']'); }

void json_text(Json* json, const char* key, const char* text, size_t length) {
    begin_value(json, key);
    write_quoted(json->out, text, length);
}

void json_string(Json* json, const char* key, const char* text) {
    json_text(json, key, text, strlen(text));
}

void json_integer(Json* json, const char* key, int64_t value) {
    begin_value(json, key);
    fprintf(json->out, "%" PRId64, value);
}

void json_count(Json* json, const char* key, size_t value) {
    begin_value(json, key);
    fprintf(json->out, "%zu", value);
}

static void write_real(FILE* out, double value) {
    if (!isfinite(value)) {
        fputs("null", out);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 17; ++digits) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, out);
}

void json_real(Json* json, const char* key, double value) {
    begin_value(json, key);
    write_real(json->out, value);
}

/* A float has six to nine digits. */
static void write_float(FILE* out, float value) {
    if (!isfinite(value)) {
        fputs("null", out);
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 9; ++digits) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    fputs(text, out);
}

void json_real_list(Json* json, const char* key, const float* values, size_t count) {
    begin_value(json, key);
    fputc('[', json->out);
    for (size_t i = 0; i < count; ++i) {
        if (i > 0) fputs(", ", json->out);
        write_float(json->out, values[i]);
    }
    fputc(']', json->out);
}

void json_integer_list(Json* json, const char* key, const int64_t* values, size_t count) {
    begin_value(json, key);
    fputc('[', json->out);
    for (size_t i = 0; i < count; ++i) {
        fprintf(json->out, i > 0 ? ", %" PRId64 : "%" PRId64, values[i]);
    }
    fputc(']', json->out);
}
