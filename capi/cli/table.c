/* Plain tables. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"

static char* format_text(const char* format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char* text = length < 0 ? NULL : allocate((size_t)length + 1, 1);
    if (text != NULL) vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

static int reserve_cell(Table* table) {
    if (table->count < table->capacity) return 1;
    const size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
    char** cells = reallocate(table->cells, capacity, sizeof *cells);
    if (cells == NULL) return 0;
    table->cells = cells;
    table->capacity = capacity;
    return 1;
}

void table_cell(Table* table, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char* text = reserve_cell(table) ? format_text(format, arguments) : NULL;
    va_end(arguments);
    if (text == NULL) {
        table->failed = 1;
    } else {
        table->cells[table->count++] = text;
    }
}

static int column_width(const Table* table, size_t column) {
    size_t width = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        const size_t length = strlen(table->cells[i]);
        if (length > width) width = length;
    }
    return (int)width;
}

static void print_cells(const Table* table, FILE* out) {
    for (size_t i = 0; i < table->count; ++i) {
        const size_t column = i % table->columns;
        const int width = column_width(table, column);
        fprintf(out, column == 0 ? "%-*s" : "  %*s", width, table->cells[i]);
        if (column + 1 == table->columns) fputc('\n', out);
    }
}

int table_finish(Table* table, const char* command, FILE* out) {
    if (!table->failed) print_cells(table, out);
    for (size_t i = 0; i < table->count; ++i) free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->count = table->capacity = 0;
    return table->failed ? report_no_memory(command, "the table") : exit_ok;
}
