/* Perplexity of the ends of windows. */
#include "perplexity_task.h"

#include <string.h>

#include "allocate.h"
#include "report.h"
#include "shared_options.h"

OptionGroup perplexity_group(PerplexityTask* task) {
    memset(task, 0, sizeof *task);
    task->lengths_text = "2048,8192";
    task->windows = 11;
    task->scored = 100;
    const Option options[perplexity_option_count] = {
        lengths_option(&task->lengths_text, "tokens of the windows"),
        windows_option(&task->windows),
        scored_option(&task->scored),
    };
    memcpy(task->options, options, sizeof options);
    return (OptionGroup){"Windows", task->options, perplexity_option_count};
}

static int make(const EvalTask* task, size_t index, EvalCase* made) {
    const PerplexityTask* own = task->own;
    while (index >= own->first_case[made->row + 1]) ++made->row;
    const size_t window = (size_t)task->row_values[made->row];
    const size_t number = index - own->first_case[made->row];
    made->scored = (size_t)own->scored;
    made->prompt.ids = allocate(window, sizeof *made->prompt.ids);
    if (made->prompt.ids == NULL) return report_no_memory(task->command, "a window");
    memcpy(made->prompt.ids, own->text->ids + number * own->stride[made->row],
           window * sizeof *made->prompt.ids);
    made->prompt.count = window;
    return exit_ok;
}

/* From one window to the next: max((n - W) / 10, 10) when there are 11. */
static size_t stride_of(const PerplexityTask* own, size_t window) {
    const int64_t gaps = own->windows - 1;
    const size_t stride = (own->text->count - window) / (size_t)(gaps > 0 ? gaps : 1);
    return stride < 10 ? 10 : stride;
}

int perplexity_task_open(const char* command, const Tokens* text, PerplexityTask* perplexity,
                         EvalTask* task) {
    IntegerList lengths;
    const int code = parse_integer_list(command, "lengths", perplexity->lengths_text,
                                        perplexity->scored + 1, 1 << 28, &lengths);
    if (code != exit_ok) return code;
    perplexity->text = text;
    perplexity->first_case[0] = 0;
    for (size_t row = 0; row < lengths.count; ++row) {
        const size_t window = (size_t)lengths.items[row];
        if (window > text->count) {
            return report_failure(command, "the text has %zu tokens, fewer than --lengths %zu",
                                  text->count, window);
        }
        const size_t stride = stride_of(perplexity, window);
        const size_t fitting = (text->count - window) / stride + 1;
        const size_t wanted = (size_t)perplexity->windows;
        perplexity->stride[row] = stride;
        perplexity->first_case[row + 1] =
            perplexity->first_case[row] + (fitting < wanted ? fitting : wanted);
    }
    *task = (EvalTask){.command = command,
                       .name = "perplexity",
                       .result = "perplexity",
                       .measure = measure_perplexity,
                       .row_name = "tokens",
                       .row_key = "length",
                       .rows = lengths.count,
                       .parts = 1,
                       .cases = perplexity->first_case[lengths.count],
                       .own = perplexity,
                       .make = make};
    memcpy(task->row_values, lengths.items, sizeof task->row_values);
    return exit_ok;
}
