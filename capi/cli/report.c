/* Errors: messages and exit codes. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "interrupt.h"

static void print_message(const char* command, const char* format, va_list arguments) {
    fprintf(stderr, "sipo%s%s: ", *command == '\0' ? "" : " ", command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int report_failure(const char* command, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_message(command, format, arguments);
    va_end(arguments);
    return exit_failure;
}

int report_usage(const char* command, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_message(command, format, arguments);
    va_end(arguments);
    fprintf(stderr, "Try 'sipo%s%s --help'.\n", *command == '\0' ? "" : " ", command);
    return exit_usage;
}

int report_cancelled(const char* command) {
    report_failure(command, "cancelled");
    return exit_cancelled;
}

int report_status(const char* command, sipo_status status) {
    if (status == SIPO_OK) return exit_ok;
    if (status == SIPO_CANCELLED && interrupted()) return report_cancelled(command);
    const char* message = sipo_last_error_message();
    return report_failure(command, "%s", *message == '\0' ? sipo_status_name(status) : message);
}
