/* Perplexity of the ends of windows as a task (DeciMamba's PG-19 protocol). */
#ifndef SIPO_CLI_PERPLEXITY_TASK_H_
#define SIPO_CLI_PERPLEXITY_TASK_H_

#include <sipo/sipo.h>

#include "args.h"
#include "eval_task.h"

enum { perplexity_option_count = 3 };

typedef struct {
    const char* lengths_text;
    int64_t windows; /* of each length, at most */
    int64_t scored;
    const Tokens* text;
    size_t first_case[list_capacity + 1]; /* by row */
    size_t stride[list_capacity];
    Option options[perplexity_option_count];
} PerplexityTask;

/* The options of lengths, windows and scored tokens; `task` has to stay where it is. */
OptionGroup perplexity_group(PerplexityTask* task);

/* `text` stays the caller's and outlives the task; the exit code. */
int perplexity_task_open(const char* command, const Tokens* text, PerplexityTask* perplexity,
                         EvalTask* task);

#endif /* SIPO_CLI_PERPLEXITY_TASK_H_ */
