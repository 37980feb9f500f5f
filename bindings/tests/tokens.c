/* The tokens that every language has to give: for each context method and each way of sampling, one line of
 * ids. The cases are the same in SessionTest.java, SessionTest.cs and session_test.go.
 *   tokens MODEL TEXT */
#include "prompt.h"

enum { most_generated = 48 };

static int print_token(void* user, int32_t token, const char* text, size_t length) {
    (void)user, (void)text, (void)length;
    printf("%d ", (int)token);
    return 0;
}

static sipo_sampling_options* make_sampling(int seeded) {
    sipo_sampling_options* sampling = NULL;
    need(sipo_sampling_options_create(&sampling));
    need(sipo_sampling_options_set_ignore_end_of_text(sampling, 1));
    if (seeded) {
        need(sipo_sampling_options_set_temperature(sampling, 0.8));
        need(sipo_sampling_options_set_top_k(sampling, 50));
        need(sipo_sampling_options_set_top_p(sampling, 0.95));
        need(sipo_sampling_options_set_min_p(sampling, 0.001));
        need(sipo_sampling_options_set_repetition_penalty(sampling, 1.1, 32));
        need(sipo_sampling_options_set_seed(sampling, 7));
    }
    return sampling;
}

static void generate(const sipo_model* model, const int32_t* ids, size_t count, int32_t method,
                     int seeded) {
    sipo_session_options* options = NULL;
    sipo_sampling_options* const sampling = make_sampling(seeded);
    sipo_session* session = NULL;
    size_t generated = 0;
    need(sipo_session_options_create(model, &options));
    need(sipo_session_options_set_context(options, method));
    need(sipo_session_options_set_decimation_capacity(options, 500));
    need(sipo_session_create(options, &session));
    need(sipo_session_prefill(session, ids, count));
    need(sipo_session_generate(session, sampling, most_generated, print_token, NULL, &generated));
    printf("\n");
    sipo_session_free(session);
    sipo_session_options_free(options);
    sipo_sampling_options_free(sampling);
}

int main(int argc, char** argv) {
    static const int32_t methods[] = {SIPO_CONTEXT_NONE, SIPO_CONTEXT_DECIMAMBA,
                                      SIPO_CONTEXT_LONGMAMBA};
    static int32_t ids[prompt_bytes];
    size_t count = 0;
    sipo_model* const model = open_with_prompt(argc, argv, ids, &count);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; ++i) {
        generate(model, ids, count, methods[i], 0);
        generate(model, ids, count, methods[i], 1);
    }
    sipo_model_free(model);
    return 0;
}
