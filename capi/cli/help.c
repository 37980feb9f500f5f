/* The text of `sipo COMMAND --help`. */
#include "help.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { help_width = 80, help_indent = 28 };

/* Prints words from `column` on, breaking lines at help_width; the column after them. */
static size_t print_words(const char* text, size_t column, size_t indent) {
    while (*text != '\0') {
        const size_t length = strcspn(text, " ");
        if (column > indent && column + 1 + length > help_width) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            ++column;
        }
        printf("%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    return column;
}

static const char* choice_name(const Option* option) {
    for (const Choice* choice = option->choices; choice->name != NULL; ++choice) {
        if (choice->value == *option->target.integer) return choice->name;
    }
    return NULL;
}

/* Writes "(default …)", or nothing when there is none to show. */
static void describe_default(const Option* option, char* text, size_t size) {
    text[0] = '\0';
    if (option->fallback != NULL) {
        snprintf(text, size, "(default %s)", option->fallback);
        return;
    }
    switch (option->kind) {
        case kind_flag: break;
        case kind_text:
            if (*option->target.text != NULL) {
                snprintf(text, size, "(default %s)", *option->target.text);
            }
            break;
        case kind_integer:
            if (*option->target.integer != NOT_GIVEN) {
                snprintf(text, size, "(default %" PRId64 ")", *option->target.integer);
            }
            break;
        case kind_real:
            if (!isnan(*option->target.real)) {
                snprintf(text, size, "(default %g)", *option->target.real);
            }
            break;
        case kind_choice:
            if (choice_name(option) != NULL) {
                snprintf(text, size, "(default %s)", choice_name(option));
            }
            break;
    }
}

static void print_option(const Option* option) {
    int column = printf("  --%s", option->name);
    if (option->value != NULL) column += printf(" %s", option->value);
    if (column > help_indent - 2) {
        putchar('\n');
        column = 0;
    }
    printf("%*s", help_indent - column, "");
    char fallback[200];
    describe_default(option, fallback, sizeof fallback);
    const size_t end = print_words(option->help, help_indent, help_indent);
    print_words(fallback, end, help_indent);
    putchar('\n');
}

void print_command_help(const Command* command) {
    printf("usage: sipo %s %s\n\n%s\n", command->name, command->usage, command->about);
    for (size_t g = 0; g < command->group_count; ++g) {
        const OptionGroup* group = &command->groups[g];
        printf("\n%s:\n", group->heading);
        for (size_t i = 0; i < group->count; ++i) print_option(&group->options[i]);
    }
    printf("\nExample:\n%s\n", command->example);
}
