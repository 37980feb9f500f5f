/* Plain tables: the first column to the left, the others to the right, two spaces between. */
#ifndef SIPO_CLI_TABLE_H_
#define SIPO_CLI_TABLE_H_

#include <stddef.h>
#include <stdio.h>

#include "report.h"

typedef struct {
    size_t columns;
    size_t count;    /* cells so far, row by row */
    size_t capacity; /* cells there is room for */
    char** cells;
    int failed; /* out of memory */
} Table;

/* The next cell; the first `columns` cells are the head. */
void table_cell(Table* table, const char* format, ...) PRINTF_LIKE(2, 3);

/* Prints and frees the table; the exit code. */
int table_finish(Table* table, const char* command, FILE* out);

#endif /* SIPO_CLI_TABLE_H_ */
