/* What the programs share that print what C gives: the model and the prompt of all languages. */
#ifndef SIPO_BINDINGS_TESTS_PROMPT_H_
#define SIPO_BINDINGS_TESTS_PROMPT_H_

#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>

enum { prompt_bytes = 8000 };

static inline void need(sipo_status status) {
    if (status == SIPO_OK) return;
    fprintf(stderr, "%s\n", sipo_last_error_message());
    exit(1);
}

/* Opens the model of `PROGRAM MODEL TEXT` and reads the first bytes of the text.
 *   ids  [prompt_bytes] out: `count` tokens */
static inline sipo_model* open_with_prompt(int argc, char** argv, int32_t* ids, size_t* count) {
    static char text[prompt_bytes];
    sipo_model* model = NULL;
    FILE* const file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (file == NULL || fread(text, 1, sizeof text, file) != sizeof text) {
        fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]);
        exit(2);
    }
    fclose(file);
    need(sipo_model_open(argv[1], NULL, &model));
    need(sipo_model_tokenize(model, text, sizeof text, ids, prompt_bytes, count));
    return model;
}

#endif
