/* Whole files: text and raw little-endian numbers in, raw numbers out in one step. Every function
 * says what went wrong and returns the exit code. */
#ifndef SIPO_CLI_FILES_H_
#define SIPO_CLI_FILES_H_

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads a file, or standard input for "-". *data is the caller's to free. */
int file_read(const char* command, const char* path, char** data, size_t* size);

/* Reads token ids (i32). */
int file_read_ids(const char* command, const char* path, int32_t** ids, size_t* count);

/* Writes a file that appears only when it is complete. Nothing happens when `path` is NULL. */
int file_write_bytes(const char* command, const char* path, const char* bytes, size_t size);
int file_write_reals(const char* command, const char* path, const float* values, size_t count);
int file_write_integers(const char* command, const char* path, const int32_t* values, size_t count);

/* Makes the folder unless it is there. */
int folder_make(const char* command, const char* path);

/* A text that is written in memory and then becomes a file, whole or not at all. */
typedef struct {
    FILE* out;
    char* bytes;
    size_t size;
} TextFile;

int text_file_begin(const char* command, TextFile* file);
/* Writes it to `path` if `code` is exit_ok and frees it; the exit code. */
int text_file_finish(const char* command, TextFile* file, const char* path, int code);

#endif /* SIPO_CLI_FILES_H_ */
