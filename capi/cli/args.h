/* Command lines: a command is a table of its options, which parses, checks and explains them. */
#ifndef SIPO_CLI_ARGS_H_
#define SIPO_CLI_ARGS_H_

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* What a number is when its option has not been given and there is no default. */
#define NOT_GIVEN INT64_MIN
#define NOT_GIVEN_REAL ((double)NAN)

/* One of the words that an option takes; a list of them ends with a NULL name. */
typedef struct {
    const char* name;
    int64_t value;
} Choice;

typedef enum {
    kind_flag,
    kind_text,
    kind_integer,
    kind_real,
    kind_choice,
} OptionKind;

/* An option `--name VALUE` or `--name=VALUE`, or a flag `--name`. Its target holds the default and
 * receives the value. */
typedef struct {
    OptionKind kind;
    const char* name;
    const char* value; /* what --help calls the value; NULL for a flag */
    const char* help;
    const char* fallback; /* what --help calls the default where the target holds none */
    union {
        int* flag;
        const char** text;
        int64_t* integer;
        double* real;
    } target;
    int64_t least, most;
    double least_real, most_real;
    const Choice* choices;
} Option;

Option option_flag(const char* name, int* target, const char* help);
Option option_text(const char* name, const char* value, const char** target, const char* help);
Option option_integer(const char* name, int64_t* target, int64_t least, int64_t most,
                      const char* help);
Option option_real(const char* name, double* target, double least, double most, const char* help);
Option option_choice(const char* name, const char* value, int64_t* target, const Choice* choices,
                     const char* help);

/* The same with a default that is not in its target: "the training length". */
Option option_default(Option option, const char* fallback);

typedef struct {
    const char* heading;
    const Option* options;
    size_t count;
} OptionGroup;

typedef struct {
    const char* name;
    int optional;
    const char** target;
} Positional;

typedef struct {
    const char* name;    /* "eval passkey" */
    const char* usage;   /* what follows the name */
    const char* about;   /* paragraphs on what it does */
    const char* example; /* lines of shell */
    Positional positionals[2];
    size_t positional_count;
    OptionGroup groups[6]; /* the last one is for args_parse() */
    size_t group_count;
    int json;  /* --json */
    int quiet; /* --quiet */
} Command;

typedef enum {
    parse_run,     /* go on */
    parse_stopped, /* help was printed, or an error: the exit code says which */
} ParseResult;

/* Takes what follows the command's name. */
ParseResult args_parse(Command* command, int argc, char** argv, int* exit_code);

/* Whether nothing but results may be shown. */
int args_silent(const Command* command);

/* A whole decimal number in least to most, or a real one; 0 when `text` is anything else. */
int parse_integer(const char* text, int64_t least, int64_t most, int64_t* value);
int parse_real(const char* text, double least, double most, double* value);

/* Says which numbers --`option` takes instead of `text`; the exit code. */
int report_integer(const char* command, const char* option, int64_t least, int64_t most,
                   const char* text);
int report_real(const char* command, const char* option, double least, double most,
                const char* text);

/* Whether `word` is likely meant as `candidate`: 0 no, else smaller is likelier. */
size_t likely_meant(const char* word, const char* candidate);

#endif /* SIPO_CLI_ARGS_H_ */
