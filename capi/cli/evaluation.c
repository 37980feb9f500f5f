/* What the evaluations have in common. */
#include "evaluation.h"

#include "loading.h"
#include "report.h"

OptionGroup evaluation_group(Evaluation* evaluation, EvaluationKind kind) {
    EvalOutput* output = &evaluation->output;
    Option* options = evaluation->options;
    size_t count = 0;
    options[count++] = methods_option(&evaluation->methods);
    if (kind == asks_answers_by_depth) {
        options[count++] = option_flag("by-depth", &output->by_part, "a column for each depth");
    }
    if (kind != asks_nothing) {
        options[count++] =
            option_flag("show", &output->show, "print each answer on standard error");
    }
    options[count++] = eval_svg_option(output);
    options[count++] = eval_state_option(output);
    return (OptionGroup){"Results", options, count};
}

int evaluation_open(const Command* command, Evaluation* evaluation) {
    const SessionFlags* session = &evaluation->session;
    const int code = variants_of_methods(command->name, evaluation->methods, session,
                                         evaluation->variants, &evaluation->variant_count);
    if (code != exit_ok) return code;
    return load_model(command, evaluation->path, session->backend, session->threads,
                      &evaluation->model);
}

void evaluation_close(Evaluation* evaluation) { sipo_model_free(evaluation->model); }

int evaluation_run(const Command* command, const Evaluation* evaluation, const EvalTask* task,
                   WriteFacts facts, const void* user) {
    return eval_run_and_report(command, evaluation->model, task, evaluation->variants,
                               evaluation->variant_count, &evaluation->output, facts, user);
}
