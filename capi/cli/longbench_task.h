/* Prompts with references, scored as LongBench does, as a task for every command that asks it. */
#ifndef SIPO_CLI_LONGBENCH_TASK_H_
#define SIPO_CLI_LONGBENCH_TASK_H_

#include <sipo/sipo.h>

#include "args.h"
#include "eval_task.h"
#include "json_read.h"

enum { longbench_option_count = 6 };

typedef struct {
    const char* path;
    const char* template_text;
    int64_t metric;
    int64_t max_tokens;
    int64_t limit;
    int first_line;
    const sipo_model* model;
    JsonValue* lines; /* an object a case */
    size_t count;
    size_t* rows;           /* by case */
    const char** row_names; /* of `lines` */
    Option options[longbench_option_count];
} LongbenchTask;

/* The options; the file is --`file_option`. `task` has to stay where it is. */
OptionGroup longbench_group(LongbenchTask* task, const char* file_option);

/* Reads the file; the exit code. longbench_task_free() in any case. */
int longbench_task_read(const char* command, LongbenchTask* longbench);
void longbench_task_free(LongbenchTask* longbench);

/* Moves half of the cases, chosen by `seed`, to `half`, which gets the options too; cases of the same
 * prompt stay together. The exit code. */
int longbench_task_halve(const char* command, LongbenchTask* longbench, uint64_t seed,
                         LongbenchTask* half);

/* The task of what was read; the exit code. */
int longbench_task_open(const char* command, const sipo_model* model, LongbenchTask* longbench,
                        EvalTask* task);

#endif /* SIPO_CLI_LONGBENCH_TASK_H_ */
