/* Values of options that are lists. */
#include "lists.h"

#include <string.h>

#include "report.h"

enum { item_size = 64 };

/* Copies the first item of *text and moves behind it and its comma; 0 when there is none. A longer
 * item than any number or word is cut, and so refused by whoever reads it. */
static int next_item(const char** text, char* item) {
    if (*text == NULL) return 0;
    const size_t length = strcspn(*text, ",");
    const size_t copied = length < item_size ? length : item_size - 1;
    memcpy(item, *text, copied);
    item[copied] = '\0';
    *text = (*text)[length] == ',' ? *text + length + 1 : NULL;
    return 1;
}

static int report_long_list(const char* command, const char* option) {
    return report_usage(command, "--%s takes at most %d values", option, (int)list_capacity);
}

int parse_integer_list(const char* command, const char* option, const char* text, int64_t least,
                       int64_t most, IntegerList* list) {
    char item[item_size];
    list->count = 0;
    while (next_item(&text, item)) {
        if (list->count == list_capacity) return report_long_list(command, option);
        if (!parse_integer(item, least, most, &list->items[list->count++])) {
            return report_integer(command, option, least, most, item);
        }
    }
    return exit_ok;
}

int parse_real_list(const char* command, const char* option, const char* text, double least,
                    double most, RealList* list) {
    char item[item_size];
    list->count = 0;
    while (next_item(&text, item)) {
        if (list->count == list_capacity) return report_long_list(command, option);
        if (!parse_real(item, least, most, &list->items[list->count++])) {
            return report_real(command, option, least, most, item);
        }
    }
    return exit_ok;
}

int parse_choice_list(const char* command, const char* option, const char* text,
                      const Choice* choices, IntegerList* list) {
    char item[item_size];
    list->count = 0;
    while (next_item(&text, item)) {
        const Choice* choice = choices;
        while (choice->name != NULL && strcmp(choice->name, item) != 0) ++choice;
        if (choice->name == NULL) {
            return report_usage(command, "--%s does not know '%s'", option, item);
        }
        if (list->count == list_capacity) return report_long_list(command, option);
        list->items[list->count++] = choice->value;
    }
    return exit_ok;
}
