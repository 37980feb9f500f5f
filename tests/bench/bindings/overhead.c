/* The measure of the others: seconds of a prefill of 16,384 tokens and of streaming 1,000 tokens, best of
 * three each after one that does not count.
 *   overhead MODEL TEXT */
#include <sipo/sipo.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKENS = 16384, STREAMED = 1000, ROUNDS = 4, BYTES = 100000 };

static void need(sipo_status status) {
    if (status == SIPO_OK) return;
    fprintf(stderr, "%s\n", sipo_last_error_message());
    exit(1);
}

static double now(void) {
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int on_token(void* user, int32_t token, const char* text, size_t length) {
    (void)token, (void)text;
    *(size_t*)user += length;
    return 0;
}

int main(int argc, char** argv) {
    static char text[BYTES];
    static int32_t ids[BYTES];
    sipo_model* model = NULL;
    sipo_session_options* options = NULL;
    sipo_session* session = NULL;
    sipo_sampling_options* sampling = NULL;
    size_t count = 0, generated = 0, bytes = 0;
    double prefill = 1e9, stream = 1e9;
    FILE* const file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (file == NULL || fread(text, 1, BYTES, file) != BYTES) return 2;
    fclose(file);
    need(sipo_model_open(argv[1], NULL, &model));
    need(sipo_model_tokenize(model, text, BYTES, ids, BYTES, &count));
    need(sipo_session_options_create(model, &options));
    need(sipo_session_create(options, &session));
    need(sipo_sampling_options_create(&sampling));
    need(sipo_sampling_options_set_ignore_end_of_text(sampling, 1));
    for (int round = 0; round < ROUNDS; ++round) {
        need(sipo_session_reset(session));
        const double start = now();
        need(sipo_session_prefill(session, ids, TOKENS));
        const double middle = now();
        need(sipo_session_generate(session, sampling, STREAMED, on_token, &bytes, &generated));
        const double end = now();
        if (round > 0 && middle - start < prefill) prefill = middle - start;
        if (round > 0 && end - middle < stream) stream = end - middle;
    }
    printf("%.6f %.6f\n", prefill, stream);
    sipo_session_free(session);
    sipo_session_options_free(options);
    sipo_sampling_options_free(sampling);
    sipo_model_free(model);
    return 0;
}
