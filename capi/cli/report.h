/* Errors: one line on stderr, "sipo COMMAND: what was wrong", and the exit code that goes with it.
 */
#ifndef SIPO_CLI_REPORT_H_
#define SIPO_CLI_REPORT_H_

#include <sipo/sipo.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

enum { exit_ok = 0, exit_failure = 1, exit_usage = 2, exit_cancelled = 130 };

/* Prints the message and returns exit_failure. */
int report_failure(const char* command, const char* format, ...) PRINTF_LIKE(2, 3);

/* Prints the message and where to find help, and returns exit_usage. */
int report_usage(const char* command, const char* format, ...) PRINTF_LIKE(2, 3);

/* Says "cancelled" and returns exit_cancelled. */
int report_cancelled(const char* command);

/* The exit code of a library call; prints the library's message unless it is SIPO_OK. */
int report_status(const char* command, sipo_status status);

#endif /* SIPO_CLI_REPORT_H_ */
