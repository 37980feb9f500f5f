/* Results that outlive the run that had them: each is kept in a file as soon as it is there. A result
 * is known by all that it depends on, so that a file may serve runs with other variants. */
#ifndef SIPO_CLI_EVAL_STATE_H_
#define SIPO_CLI_EVAL_STATE_H_

#include "eval_run.h"

typedef struct {
    uint64_t key;
    size_t index; /* of the case */
    CaseResult result;
} KeptResult;

struct EvalState {
    const char* command; /* for messages */
    const char* path;    /* NULL: nothing outlives the command */
    KeptResult* kept;
    size_t count;
    size_t room;
};

/* Reads the file unless there is none yet, or `path` is NULL; the exit code. eval_state_close() in any case. */
int eval_state_open(const char* command, const char* path, EvalState* state);
void eval_state_close(EvalState* state);

/* What the results of a session that has read nothing are known by, given a hash of all cases; the exit
 * code. */
int eval_state_key(const EvalTask* task, const sipo_session* session, uint64_t cases,
                   uint64_t* key);

/* Whether all that is kept is of a run's cases. */
int eval_state_is_of(const EvalState* state, const EvalRun* run);

/* Puts what is kept of a variant's cases into its results. */
void eval_state_take(const EvalState* state, EvalRun* run, size_t variant);

/* Keeps one more result; the exit code. */
int eval_state_keep(EvalState* state, const KeptResult* kept);

#endif /* SIPO_CLI_EVAL_STATE_H_ */
