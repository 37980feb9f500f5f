/* Text and token ids. Every function returns the exit code; what it gives is the caller's to free.
 */
#ifndef SIPO_CLI_TEXT_H_
#define SIPO_CLI_TEXT_H_

#include <sipo/sipo.h>

typedef struct {
    int32_t* ids;
    size_t count;
} Tokens;

/* Frees the ids. */
void tokens_free(Tokens* tokens);

int tokens_from_text(const char* command, const sipo_model* model, const char* text, size_t length,
                     Tokens* tokens);

/* Of a file, or of standard input for "-". */
int tokens_from_text_file(const char* command, const sipo_model* model, const char* path,
                          Tokens* tokens);

/* From --ids or --text, of which exactly one has to be given. */
int tokens_from_options(const char* command, const sipo_model* model, const char* ids_path,
                        const char* text_path, Tokens* tokens);

/* Says so unless exactly one of --ids and --text is given. */
int check_ids_or_text(const char* command, const char* ids_path, const char* text_path);

/* The text of some tokens; it may hold NUL, and one follows it. */
int text_from_tokens(const char* command, const sipo_model* model, const int32_t* ids, size_t count,
                     char** text, size_t* length);

#endif /* SIPO_CLI_TEXT_H_ */
