#define _XOPEN_SOURCE 700 /* mkdtemp */

#include "preset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loading.h"
#include "progress.h"
#include "report.h"

enum { longest_path = 4096 };

static sipo_status write_preset(const Command* command, const char* preset,
                                const Conversion* conversion, const char* path) {
    Progress progress;
    progress_begin(&progress, "making weights", "tensors", args_silent(command));
    sipo_import_options* options = NULL;
    sipo_status status = sipo_import_options_create(&options);
    if (status == SIPO_OK) status = conversion_set_options(conversion, &progress, options);
    if (status == SIPO_OK) status = sipo_write_preset(preset, path, options);
    progress_clear(&progress);
    sipo_import_options_free(options);
    return status;
}

int preset_open(const Command* command, const char* preset, const Conversion* conversion,
                sipo_model** model) {
    const char* parent = getenv("TMPDIR");
    if (parent == NULL || *parent == '\0') parent = "/tmp";
    char folder[longest_path];
    char path[longest_path + 16];
    const int length = snprintf(folder, sizeof folder, "%s/sipo-XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof folder || mkdtemp(folder) == NULL) {
        return report_failure(command->name, "cannot make a folder in %s: %s", parent,
                              strerror(errno));
    }
    (void)snprintf(path, sizeof path, "%s/model.sipo", folder);
    int code = report_status(command->name, write_preset(command, preset, conversion, path));
    if (code == exit_ok) code = load_model(command, path, conversion->threads, model);
    (void)unlink(path);
    (void)rmdir(folder);
    return code;
}
