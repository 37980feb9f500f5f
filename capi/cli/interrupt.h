/* Ctrl-C: the first asks the running call to cancel, the second ends the process at once. */
#ifndef SIPO_CLI_INTERRUPT_H_
#define SIPO_CLI_INTERRUPT_H_

void interrupt_install(void);

/* Whether Ctrl-C was pressed; what a progress callback returns. */
int interrupted(void);

#endif /* SIPO_CLI_INTERRUPT_H_ */
