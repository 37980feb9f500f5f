/* Text and token ids. */
#include "text.h"

#include <stdlib.h>

#include "allocate.h"
#include "files.h"
#include "report.h"

void tokens_free(Tokens* tokens) {
    free(tokens->ids);
    tokens->ids = NULL;
    tokens->count = 0;
}

int tokens_from_text(const char* command, const sipo_model* model, const char* text, size_t length,
                     Tokens* tokens) {
    size_t capacity = length + 1; /* mostly enough, see sipo.h */
    size_t count = 0;
    int32_t* ids = allocate(capacity, sizeof *ids);
    if (ids == NULL) return report_no_memory(command, "the text");
    sipo_status status = sipo_model_tokenize(model, text, length, ids, capacity, &count);
    if (status == SIPO_BUFFER_TOO_SMALL) {
        status = sipo_model_tokenize(model, text, length, NULL, 0, &capacity);
        int32_t* more = status == SIPO_OK ? reallocate(ids, capacity, sizeof *ids) : NULL;
        if (more != NULL) {
            ids = more;
            status = sipo_model_tokenize(model, text, length, ids, capacity, &count);
        }
    }
    if (status != SIPO_OK) {
        free(ids);
        return report_status(command, status);
    }
    int32_t* shrunk = reallocate(ids, count, sizeof *ids);
    tokens->ids = shrunk == NULL ? ids : shrunk;
    tokens->count = count;
    return exit_ok;
}

int tokens_from_text_file(const char* command, const sipo_model* model, const char* path,
                          Tokens* tokens) {
    char* text = NULL;
    size_t length = 0;
    int code = file_read(command, path, &text, &length);
    if (code == exit_ok) code = tokens_from_text(command, model, text, length, tokens);
    free(text);
    return code;
}

int tokens_from_options(const char* command, const sipo_model* model, const char* ids_path,
                        const char* text_path, Tokens* tokens) {
    if (ids_path != NULL) return file_read_ids(command, ids_path, &tokens->ids, &tokens->count);
    return tokens_from_text_file(command, model, text_path, tokens);
}

int check_ids_or_text(const char* command, const char* ids_path, const char* text_path) {
    if ((ids_path != NULL) != (text_path != NULL)) return exit_ok;
    return report_usage(command, "give either --ids FILE or --text FILE");
}

int text_from_tokens(const char* command, const sipo_model* model, const int32_t* ids, size_t count,
                     char** text, size_t* length) {
    size_t needed = 0;
    sipo_status status = sipo_model_detokenize(model, ids, count, NULL, 0, &needed);
    if (status != SIPO_OK) return report_status(command, status);
    char* bytes = allocate(needed + 1, 1);
    if (bytes == NULL) return report_no_memory(command, "the text");
    status = sipo_model_detokenize(model, ids, count, bytes, needed + 1, &needed);
    if (status != SIPO_OK) {
        free(bytes);
        return report_status(command, status);
    }
    bytes[needed] = '\0';
    *text = bytes;
    *length = needed;
    return exit_ok;
}
