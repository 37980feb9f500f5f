/* Values of options that are lists: "2048,4096". */
#ifndef SIPO_CLI_LISTS_H_
#define SIPO_CLI_LISTS_H_

#include <stddef.h>
#include <stdint.h>

#include "args.h"

enum { list_capacity = 256 };

typedef struct {
    int64_t items[list_capacity];
    size_t count;
} IntegerList;

typedef struct {
    double items[list_capacity];
    size_t count;
} RealList;

/* Each parses the value of --`option`; the exit code. */
int parse_integer_list(const char* command, const char* option, const char* text, int64_t least,
                       int64_t most, IntegerList* list);
int parse_real_list(const char* command, const char* option, const char* text, double least,
                    double most, RealList* list);
int parse_choice_list(const char* command, const char* option, const char* text,
                      const Choice* choices, IntegerList* list);

#endif /* SIPO_CLI_LISTS_H_ */
