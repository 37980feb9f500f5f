/* Passkey retrieval as a task, for every command that asks it. */
#ifndef SIPO_CLI_PASSKEY_TASK_H_
#define SIPO_CLI_PASSKEY_TASK_H_

#include "args.h"
#include "eval_task.h"
#include "passkey_prompt.h"

enum { passkey_option_count = 5 };

typedef struct {
    const char* lengths_text;
    const char* depths_text;
    int64_t samples;
    int64_t seed;
    int64_t protocol; /* PasskeyProtocol */
    PasskeySource source;
    RealList depths;
    Option options[passkey_option_count];
} PasskeyTask;

/* The options of lengths, depths, samples, seed and protocol; `task` has to stay where it is. */
OptionGroup passkey_group(PasskeyTask* task, const char* lengths, int64_t samples);

/* As below, with the text of a file as noise. */
int passkey_task_open_file(const char* command, const sipo_model* model, const char* noise,
                           PasskeyTask* passkey, EvalTask* task);

/* Reads the options; takes `noise`. The exit code; passkey_task_free() in any case. */
int passkey_task_open(const char* command, const sipo_model* model, Tokens* noise,
                      PasskeyTask* passkey, EvalTask* task);
void passkey_task_free(PasskeyTask* task);

#endif /* SIPO_CLI_PASSKEY_TASK_H_ */
