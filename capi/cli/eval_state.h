/* The file that an evaluation goes on from: one line a result, written anew after each case. */
#ifndef SIPO_CLI_EVAL_STATE_H_
#define SIPO_CLI_EVAL_STATE_H_

#include "eval_run.h"

/* Takes the results of run->state, if it is there and of the same cases, model and variants; the exit
 * code. */
int eval_state_open(EvalRun* run, uint64_t fingerprint);
int eval_state_save(const EvalRun* run);

#endif /* SIPO_CLI_EVAL_STATE_H_ */
