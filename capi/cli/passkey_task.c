/* Passkey retrieval. */
#include "passkey_task.h"

#include <stdio.h>
#include <string.h>

#include "report.h"
#include "shared_options.h"

/* Tokens that an answer may take: a space and five digits, with some to spare. */
enum { answer_tokens = 8, answer_tokens_paper = 16 };

static const Choice protocols[] = {{"sipo", passkey_ours}, {"paper", passkey_paper}, {NULL, 0}};

OptionGroup passkey_group(PasskeyTask* task, const char* lengths, int64_t samples) {
    memset(task, 0, sizeof *task);
    task->lengths_text = lengths;
    task->depths_text = "0,.25,.5,.75,1";
    task->samples = samples;
    task->protocol = passkey_ours;
    const Option options[passkey_option_count] = {
        lengths_option(&task->lengths_text, "tokens of the prompts"),
        depths_option(&task->depths_text, "where the number stands: 0 the beginning, 1 the end"),
        samples_option(&task->samples, "prompts of each length and depth"),
        seed_option(&task->seed, "chooses text and numbers"),
        option_choice("protocol", "sipo|paper", &task->protocol, protocols,
                      "sipo: the text, then the question, of that length together; paper: as "
                      "DeciMamba, the question on a line before a text of that length, a line for "
                      "the answer after it"),
    };
    memcpy(task->options, options, sizeof options);
    return (OptionGroup){"Passkeys", task->options, passkey_option_count};
}

/* Cases lie by length, then depth, then sample. */
static int make(const EvalTask* task, size_t index, EvalCase* made) {
    const PasskeyTask* own = task->own;
    const size_t samples = (size_t)own->samples;
    const size_t part = index / samples % task->parts;
    made->row = index / samples / task->parts;
    made->part = part;
    made->max_tokens = own->protocol == passkey_paper ? answer_tokens_paper : answer_tokens;
    PasskeyPrompt prompt = {{NULL, 0}, ""};
    const int code =
        passkey_prompt_make(task->command, &own->source, (size_t)task->row_values[made->row],
                            own->depths.items[part], (uint64_t)own->seed, index % samples, &prompt);
    made->prompt = prompt.tokens;
    snprintf(made->right, sizeof made->right, "%s", prompt.key);
    return code;
}

static const char* trimmed(const char* answer) { return answer[0] == ' ' ? answer + 1 : answer; }

static int stop(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    const PasskeyTask* own = task->own;
    (void)index, (void)asked;
    return own->protocol == passkey_ours && strlen(trimmed(answer)) >= passkey_digits;
}

/* Ours: the answer begins with the key. The paper's: the key is one of its words. */
static double score(const EvalTask* task, size_t index, const EvalCase* asked, const char* answer) {
    const PasskeyTask* own = task->own;
    (void)index;
    if (own->protocol == passkey_ours) {
        return strncmp(trimmed(answer), asked->right, passkey_digits) == 0;
    }
    for (const char* word = answer; *word != '\0';) {
        const size_t length = strcspn(word, " \n.,");
        if (length == passkey_digits && memcmp(word, asked->right, length) == 0) return 1;
        word += length;
        word += strspn(word, " \n.,");
    }
    return 0;
}

int passkey_task_open(const char* command, const sipo_model* model, Tokens* noise,
                      PasskeyTask* passkey, EvalTask* task) {
    IntegerList lengths;
    int code = parse_integer_list(command, "lengths", passkey->lengths_text, 1, 1 << 28, &lengths);
    if (code == exit_ok) {
        code = parse_real_list(command, "depths", passkey->depths_text, 0, 1, &passkey->depths);
    }
    if (code != exit_ok) return code;
    *task = (EvalTask){.command = command,
                       .name = "passkey",
                       .result = "accuracy",
                       .measure = measure_share,
                       .row_name = "tokens",
                       .row_key = "length",
                       .rows = lengths.count,
                       .part_key = "depth",
                       .parts = passkey->depths.count,
                       .cases = lengths.count * passkey->depths.count * (size_t)passkey->samples,
                       .own = passkey,
                       .make = make,
                       .stop = stop,
                       .score = score};
    memcpy(task->row_values, lengths.items, sizeof task->row_values);
    memcpy(task->part_values, passkey->depths.items, sizeof task->part_values);
    return passkey_source_open(command, model, noise, (PasskeyProtocol)passkey->protocol,
                               &passkey->source);
}

int passkey_task_open_file(const char* command, const sipo_model* model, const char* noise,
                           PasskeyTask* passkey, EvalTask* task) {
    Tokens tokens = {NULL, 0};
    int code = tokens_from_text_file(command, model, noise, &tokens);
    if (code == exit_ok) code = passkey_task_open(command, model, &tokens, passkey, task);
    tokens_free(&tokens);
    return code;
}

void passkey_task_free(PasskeyTask* task) { passkey_source_free(&task->source); }
