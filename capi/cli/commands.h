/* The commands: each takes what follows its name and returns the exit code. */
#ifndef SIPO_CLI_COMMANDS_H_
#define SIPO_CLI_COMMANDS_H_

int cmd_import(int argc, char** argv);
int cmd_export(int argc, char** argv);
int cmd_quantize(int argc, char** argv);
int cmd_info(int argc, char** argv);
int cmd_generate(int argc, char** argv);
int cmd_calibrate(int argc, char** argv);
int cmd_score(int argc, char** argv);
int cmd_eval(int argc, char** argv);
int cmd_ablate(int argc, char** argv);
int cmd_analyze(int argc, char** argv);
int cmd_tune(int argc, char** argv);
int cmd_bench(int argc, char** argv);

/* What cmd_eval() chooses from. */
int eval_passkey(int argc, char** argv);
int eval_perplexity(int argc, char** argv);
int eval_retrieval(int argc, char** argv);
int eval_keyvalue(int argc, char** argv);
int eval_longbench(int argc, char** argv);

#endif /* SIPO_CLI_COMMANDS_H_ */
