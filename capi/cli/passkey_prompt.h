/* Prompts of the passkey evaluation: noise of an exact length with a number hidden in it. */
#ifndef SIPO_CLI_PASSKEY_PROMPT_H_
#define SIPO_CLI_PASSKEY_PROMPT_H_

#include <sipo/sipo.h>

#include "text.h"

enum { passkey_digits = 5 };

/* How a prompt is laid out. */
typedef enum {
    /* The noise with the needle in it, then the question: so many tokens in all. */
    passkey_ours,
    /* DeciMamba's (arXiv 2406.14528): the question on a line of its own, the noise with the needle in
     * it, so many tokens without the lines around them, and a line for the answer. */
    passkey_paper,
} PasskeyProtocol;

/* What all prompts are made of. */
typedef struct {
    const sipo_model* model;
    PasskeyProtocol protocol;
    Tokens noise;
    Tokens before;        /* the noise */
    Tokens after;         /* the noise */
    unsigned char* marks; /* by token id: what its text means for the ends of sentences */
} PasskeySource;

typedef struct {
    Tokens tokens;
    char key[passkey_digits + 1];
} PasskeyPrompt;

/* Takes the noise, which becomes the source's. Each function returns the exit code. */
int passkey_source_open(const char* command, const sipo_model* model, Tokens* noise,
                        PasskeyProtocol protocol, PasskeySource* source);
void passkey_source_free(PasskeySource* source);

/* A prompt of `length` tokens with the needle at relative `depth`: 0 is the very beginning, 1 just
 * before the question. The same arguments give the same prompt everywhere. */
int passkey_prompt_make(const char* command, const PasskeySource* source, size_t length,
                        double depth, uint64_t seed, uint64_t sample, PasskeyPrompt* prompt);
void passkey_prompt_free(PasskeyPrompt* prompt);

#endif /* SIPO_CLI_PASSKEY_PROMPT_H_ */
