/* Options that several commands have. */
#include "shared_options.h"

Option text_option(const char** path, const char* help) {
    return option_text("text", "FILE", path, help);
}

Option ids_option(const char** path) {
    return option_text("ids", "FILE.i32", path, "or token ids, 32-bit little-endian");
}

Option noise_option(const char** path) {
    return option_text("noise", "TEXT", path, "file of ordinary text that hides the number");
}

Option lengths_option(const char** lengths, const char* help) {
    return option_text("lengths", "LIST", lengths, help);
}

Option depths_option(const char** depths, const char* help) {
    return option_text("depths", "LIST", depths, help);
}

Option length_option(int64_t* tokens, int64_t most, const char* help) {
    return option_integer("length", tokens, 2, most, help);
}

Option samples_option(int64_t* samples, const char* help) {
    return option_integer("samples", samples, 1, 100000, help);
}

Option windows_option(int64_t* windows) {
    return option_integer("windows", windows, 1, 100000,
                          "windows of each length for perplexity, at most, spread over the text");
}

Option scored_option(int64_t* tokens) {
    return option_integer("scored", tokens, 1, 1 << 28, "tokens scored at the end");
}

Option max_tokens_option(int64_t* tokens, int64_t most, const char* help) {
    return option_integer("max-tokens", tokens, 1, most, help);
}

Option seed_option(int64_t* seed, const char* help) {
    return option_integer("seed", seed, 0, INT64_MAX, help);
}

Option global_threshold_option(double* threshold) {
    return option_real("global-threshold", threshold, 0, 1,
                       "longmamba: a channel is global when its decay over the training length "
                       "exceeds this");
}

Option profile_option(const char** name, const char* help) {
    return option_text("profile", "NAME", name, help);
}

Option sequences_option(int64_t* sequences) {
    return option_integer("sequences", sequences, 1, 65536, "sequences to calibrate with");
}

Option calibrate_with_option(const char** path) {
    return option_text("calibrate-with", "TEXT", path,
                       "file of other ordinary text to calibrate with");
}

Option backend_option(const char** backend) {
    return option_default(option_text("backend", "auto|cpu|cuda|cuda:N", backend,
                                      "where to compute; auto takes the first CUDA device, or else "
                                      "the CPU"),
                          "auto");
}

Option threads_option(int64_t* threads) {
    return option_integer("threads", threads, 0, 256,
                          "threads of the computation; 0: all processors");
}
