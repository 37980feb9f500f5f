/* The text of `sipo COMMAND --help`, made from the command's table. */
#ifndef SIPO_CLI_HELP_H_
#define SIPO_CLI_HELP_H_

#include "args.h"

void print_command_help(const Command* command);

#endif /* SIPO_CLI_HELP_H_ */
