/* Prompts of the passkey evaluation: noise of an exact length with a number hidden in it. */
#ifndef SIPO_CLI_PASSKEY_PROMPT_H_
#define SIPO_CLI_PASSKEY_PROMPT_H_

#include <sipo/sipo.h>

#include "text.h"

enum { passkey_digits = 5 };

/* What all prompts are made of. */
typedef struct {
    const sipo_model* model;
    Tokens noise;
    Tokens question;
    unsigned char* marks; /* by token id: what its text means for the ends of sentences */
} PasskeySource;

typedef struct {
    Tokens tokens;
    char key[passkey_digits + 1];
} PasskeyPrompt;

/* Reads the noise text. Each function returns the exit code. */
int passkey_source_open(const char* command, const sipo_model* model, const char* noise_path,
                        PasskeySource* source);
void passkey_source_free(PasskeySource* source);

/* A prompt of `length` tokens with the needle at relative `depth`: 0 is the very beginning, 1 just
 * before the question. The same arguments give the same prompt everywhere. */
int passkey_prompt_make(const char* command, const PasskeySource* source, size_t length,
                        double depth, uint64_t seed, uint64_t sample, PasskeyPrompt* prompt);
void passkey_prompt_free(PasskeyPrompt* prompt);

#endif /* SIPO_CLI_PASSKEY_PROMPT_H_ */
