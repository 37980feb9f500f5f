/* Command lines: the parser. */
#include "args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "report.h"

Option option_flag(const char* name, int* target, const char* help) {
    return (Option){.kind = kind_flag, .name = name, .help = help, .target.flag = target};
}

Option option_text(const char* name, const char* value, const char** target, const char* help) {
    return (Option){
        .kind = kind_text, .name = name, .value = value, .help = help, .target.text = target};
}

Option option_integer(const char* name, int64_t* target, int64_t least, int64_t most,
                      const char* help) {
    return (Option){.kind = kind_integer,
                    .name = name,
                    .value = "N",
                    .help = help,
                    .target.integer = target,
                    .least = least,
                    .most = most};
}

Option option_real(const char* name, double* target, double least, double most, const char* help) {
    return (Option){.kind = kind_real,
                    .name = name,
                    .value = "X",
                    .help = help,
                    .target.real = target,
                    .least_real = least,
                    .most_real = most};
}

Option option_choice(const char* name, const char* value, int64_t* target, const Choice* choices,
                     const char* help) {
    return (Option){.kind = kind_choice,
                    .name = name,
                    .value = value,
                    .help = help,
                    .target.integer = target,
                    .choices = choices};
}

Option option_default(Option option, const char* fallback) {
    option.fallback = fallback;
    return option;
}

int parse_integer(const char* text, int64_t least, int64_t most, int64_t* value) {
    const char* digits = *text == '-' ? text + 1 : text;
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') return 0;
    errno = 0;
    const intmax_t number = strtoimax(text, NULL, 10);
    if (errno != 0 || number < least || number > most) return 0;
    *value = (int64_t)number;
    return 1;
}

int parse_real(const char* text, double least, double most, double* value) {
    /* strtod alone would take blanks, "nan", "inf" and hexadecimal. */
    if (*text == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0') return 0;
    char* end = NULL;
    const double number = strtod(text, &end);
    if (*end != '\0' || !isfinite(number) || number < least || number > most) return 0;
    *value = number;
    return 1;
}

/* Whether a text is a number that only an integer of more bits could hold. */
static int is_too_large(const char* text) {
    char* end = NULL;
    errno = 0;
    const intmax_t number = strtoimax(text, &end, 10);
    return errno == ERANGE && number == INTMAX_MAX && *end == '\0';
}

int report_integer(const char* command, const char* option, int64_t least, int64_t most,
                   const char* text) {
    if (most == INT64_MAX && !is_too_large(text)) {
        return report_usage(command, "--%s takes whole numbers of at least %" PRId64 ", not '%s'",
                            option, least, text);
    }
    return report_usage(command,
                        "--%s takes whole numbers from %" PRId64 " to %" PRId64 ", not '%s'",
                        option, least, most, text);
}

int report_real(const char* command, const char* option, double least, double most,
                const char* text) {
    return report_usage(command, "--%s takes numbers from %g to %g, not '%s'", option, least, most,
                        text);
}

static int set_choice(const char* command, const Option* option, const char* text) {
    for (const Choice* choice = option->choices; choice->name != NULL; ++choice) {
        if (strcmp(choice->name, text) == 0) {
            *option->target.integer = choice->value;
            return exit_ok;
        }
    }
    return report_usage(command, "--%s takes %s, not '%s'", option->name, option->value, text);
}

static int set_value(const char* command, const Option* option, const char* text) {
    switch (option->kind) {
        case kind_text: *option->target.text = text; return exit_ok;
        case kind_choice: return set_choice(command, option, text);
        case kind_integer:
            if (parse_integer(text, option->least, option->most, option->target.integer)) break;
            return report_integer(command, option->name, option->least, option->most, text);
        case kind_real:
            if (parse_real(text, option->least_real, option->most_real, option->target.real)) break;
            return report_real(command, option->name, option->least_real, option->most_real, text);
        case kind_flag: break;
    }
    return exit_ok;
}

/* Levenshtein distance: `row[j]` is that of the first letters of `a` to the first j of `b`. */
static size_t edit_distance(const char* a, const char* b) {
    enum { longest = 64 };
    size_t row[longest + 1];
    const size_t width = strlen(b);
    if (width > longest) return SIZE_MAX;
    for (size_t j = 0; j <= width; ++j) row[j] = j;
    for (size_t i = 0; a[i] != '\0'; ++i) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; ++j) {
            const size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            const size_t skipped = (diagonal < row[j] ? diagonal : row[j]) + 1;
            row[j + 1] = replaced < skipped ? replaced : skipped;
        }
    }
    return row[width];
}

size_t likely_meant(const char* word, const char* candidate) {
    const size_t length = strlen(word);
    if (length >= 3 && strncmp(word, candidate, length) == 0) return 1; /* the beginning of it */
    const size_t distance = edit_distance(word, candidate);
    return distance <= 1 + length / 4 ? distance : 0;
}

static const Option* find_option(const Command* command, const char* name, size_t length) {
    for (size_t g = 0; g < command->group_count; ++g) {
        const OptionGroup* group = &command->groups[g];
        for (size_t i = 0; i < group->count; ++i) {
            const Option* option = &group->options[i];
            if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) {
                return option;
            }
        }
    }
    return NULL;
}

static const char* likeliest_option(const Command* command, const char* name) {
    const char* likeliest = NULL;
    size_t least = SIZE_MAX;
    for (size_t g = 0; g < command->group_count; ++g) {
        for (size_t i = 0; i < command->groups[g].count; ++i) {
            const char* candidate = command->groups[g].options[i].name;
            const size_t distance = likely_meant(name, candidate);
            if (distance == 0 || distance >= least) continue;
            least = distance;
            likeliest = candidate;
        }
    }
    return likeliest;
}

static int report_unknown(const Command* command, const char* argument, size_t name_length) {
    char name[64] = "";
    if (name_length < sizeof name) memcpy(name, argument + 2, name_length);
    const char* meant = likeliest_option(command, name);
    return report_usage(command->name, "unknown option --%.*s%s%s%s", (int)name_length,
                        argument + 2, meant == NULL ? "" : "; did you mean --",
                        meant == NULL ? "" : meant, meant == NULL ? "" : "?");
}

/* Takes the option at argv[*index] and moves on to its last argument. */
static int take_option(const Command* command, int argc, char** argv, int* index) {
    const char* argument = argv[*index];
    const size_t length = strcspn(argument + 2, "=");
    const char* attached = argument[2 + length] == '=' ? argument + 3 + length : NULL;
    const Option* option = find_option(command, argument + 2, length);
    if (option == NULL) return report_unknown(command, argument, length);
    if (option->kind == kind_flag) {
        if (attached != NULL) {
            return report_usage(command->name, "--%s takes no value", option->name);
        }
        *option->target.flag = 1;
        return exit_ok;
    }
    if (attached != NULL) return set_value(command->name, option, attached);
    if (*index + 1 == argc || strncmp(argv[*index + 1], "--", 2) == 0) {
        return report_usage(command->name, "--%s needs a value: --%s=%s", option->name,
                            option->name, option->value);
    }
    return set_value(command->name, option, argv[++*index]);
}

static int take_positional(const Command* command, size_t* taken, const char* argument) {
    if (*taken == command->positional_count) {
        return report_usage(command->name, "unexpected argument '%s'", argument);
    }
    *command->positionals[(*taken)++].target = argument;
    return exit_ok;
}

static int is_option(const char* argument) {
    return argument[0] == '-' && argument[1] != '\0'; /* "-" alone is standard input */
}

static int take_all(const Command* command, int argc, char** argv) {
    int code = exit_ok;
    int options_ended = 0;
    size_t taken = 0;
    for (int i = 0; i < argc && code == exit_ok; ++i) {
        if (options_ended || !is_option(argv[i])) {
            code = take_positional(command, &taken, argv[i]);
        } else if (strcmp(argv[i], "--") == 0) {
            options_ended = 1;
        } else if (argv[i][1] != '-') {
            code = report_usage(command->name, "unknown option %s; options begin with --", argv[i]);
        } else {
            code = take_option(command, argc, argv, &i);
        }
    }
    if (code != exit_ok || taken == command->positional_count) return code;
    const Positional* missing = &command->positionals[taken];
    if (missing->optional) return exit_ok;
    return report_usage(command->name, "%s is missing", missing->name);
}

static int asks_for_help(int argc, char** argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; ++i) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return 1;
    }
    return 0;
}

ParseResult args_parse(Command* command, int argc, char** argv, int* exit_code) {
    int help = 0;
    const Option output[] = {
        option_flag("json", &command->json, "print one JSON object on standard output"),
        option_flag("quiet", &command->quiet, "print results and errors only"),
        option_flag("help", &help, "print this"),
    };
    command->groups[command->group_count++] = (OptionGroup){"Output", output, COUNT_OF(output)};
    const int wants_help = asks_for_help(argc, argv);
    if (wants_help) {
        print_command_help(command);
        *exit_code = exit_ok;
    } else {
        *exit_code = take_all(command, argc, argv);
    }
    command->groups[--command->group_count] = (OptionGroup){NULL, NULL, 0};
    return wants_help || *exit_code != exit_ok ? parse_stopped : parse_run;
}

int args_silent(const Command* command) { return command->json || command->quiet; }
