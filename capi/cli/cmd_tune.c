/* sipo tune: searches the options of the context methods on one half of a text or task and tests them
 * on the other. */
#include <sipo/sipo.h>
#include <stdlib.h>

#include "allocate.h"
#include "clock.h"
#include "commands.h"
#include "eval_report.h"
#include "interrupt.h"
#include "loading.h"
#include "report.h"
#include "shared_options.h"
#include "tune.h"

static int save_winner(const Tuner* tuner) {
    const char* command = tuner->command->name;
    const Trial* winner = &tuner->trials[tuner->winner];
    sipo_calibration* calibration = tuner->calibrations[winner->clamp];
    sipo_session_options* options = NULL;
    if (interrupted()) return report_cancelled(command);
    int code = session_options_open(tuner->command, &winner->variant.session,
                                    winner->variant.session.context, tuner->model, NULL, &options);
    if (code == exit_ok) {
        code = report_status(command, sipo_calibration_set_settings(calibration, options));
    }
    if (code == exit_ok) {
        code = report_status(command, sipo_calibration_save(calibration, tuner->arguments->model,
                                                            tuner->arguments->profile));
    }
    sipo_session_options_free(options);
    return code;
}

static void free_tuner(Tuner* tuner) {
    tune_free_part(&tuner->tuning);
    tune_free_part(&tuner->test);
    for (size_t i = 0; i <= clamp_count; ++i) sipo_calibration_free(tuner->calibrations[i]);
    tokens_free(&tuner->sample.tokens);
    for (size_t i = 0; i < most_trials; ++i) {
        free(tuner->layer_lists[i]);
        free(tuner->trials[i].tuning.nll);
        free(tuner->trials[i].test.nll);
    }
    eval_state_close(&tuner->state);
    free(tuner);
}

static int run(const Command* command, const TuneArguments* a) {
    Tuner* tuner = allocate_zeroed(1, sizeof *tuner);
    if (tuner == NULL) return report_no_memory(command->name, "the trials");
    sipo_model* model = NULL;
    tuner->command = command;
    tuner->arguments = a;
    tuner->deadline = clock_seconds() + 60 * a->budget;
    int code = eval_state_open(command->name, a->state, &tuner->state);
    if (code == exit_ok) code = load_model(command, a->model, a->backend, a->threads, &model);
    tuner->model = model;
    if (code == exit_ok) code = tune_open_parts(tuner);
    if (code == exit_ok) code = tune_calibrate(tuner, 0);
    if (code == exit_ok) code = tune_search(tuner);
    if (code == exit_ok) code = tune_test(tuner);
    if (code == exit_ok) {
        /* What was found is told even if it cannot be saved. */
        const int holds = tune_winner_holds(tuner);
        if (holds) code = save_winner(tuner);
        const int told = tune_report(tuner, holds && code == exit_ok);
        if (code == exit_ok) code = told;
    }
    free_tuner(tuner);
    sipo_model_free(model);
    return code;
}

int cmd_tune(int argc, char** argv) {
    TuneArguments a = {
        .profile = "tuned", .budget = 10, .windows = 8, .sequences = default_sequences};
    EvalOutput output = {.state = NULL};
    const Option options[] = {
        text_option(&a.text,
                    "text as the model will meet it; one half is tuned on, the other tested on"),
        option_default(calibrate_with_option(&a.calibrate_with), "the tuned half"),
        sequences_option(&a.sequences),
        option_real("budget", &a.budget, .01, 1e5, "minutes that all of it may take"),
        profile_option(&a.profile, "what the winner is called"),
        windows_option(&a.windows),
        eval_state_option(&output),
        backend_option(&a.backend),
        threads_option(&a.threads),
    };
    Command command = {
        .name = "tune",
        .usage = "MODEL [--text FILE] [--task FILE.jsonl] [options]",
        .about =
            "Searches thresholds, layers and clamps of longmamba, capacities and rates of\n"
            "decimamba. Half of the text and of the task is tuned on; the winner is then\n"
            "tested on the other half, which nothing was chosen on: no token, passkey or\n"
            "prompt is in both. --seed says which is in which. The task is passkeys in the\n"
            "text, or your prompts with references (--task, as 'sipo eval longbench'\n"
            "reads them). The score is the task's result less what reading costs of the\n"
            "likelihood of the text, in nats a token: about one percent of perplexity counts\n"
            "as one percent of right answers. What answers less than the default does cannot\n"
            "win. A winner that scores better than the default on the other half too is saved\n"
            "as a profile with its options, else nothing is. The budget counts everything and\n"
            "leaves time for the test; a prompt that has begun is finished. Run it again with\n"
            "the same --state to go on where Ctrl-C or the budget stopped it.",
        .example =
            "  sipo tune mamba.sipo --text books.txt --lengths 16384,32768 --budget 30\n"
            "  sipo generate mamba.sipo --prompt-file book.txt --context profile --profile tuned\n"
            "  sipo tune mamba.sipo --task questions.jsonl --metric f1 --budget 30",
        .positionals = {{"MODEL", 0, &a.model}},
        .positional_count = 1,
        .groups = {{"Options", options, COUNT_OF(options)},
                   passkey_group(&a.passkey, "8192,16384", 2),
                   longbench_group(&a.task, "task")},
        .group_count = 3,
    };
    int code = exit_ok;
    if (args_parse(&command, argc, argv, &code) == parse_stopped) return code;
    if (a.text == NULL && a.task.path == NULL) {
        return report_usage(command.name, "--text FILE or --task FILE is missing");
    }
    code = check_profile_name(command.name, a.profile);
    if (code != exit_ok) return code;
    a.state = output.state;
    return run(&command, &a);
}
