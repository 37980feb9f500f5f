#define _XOPEN_SOURCE 700 /* mkdtemp */

#include "preset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loading.h"
#include "report.h"

enum { longest_path = 4096 };

static int write_and_open(const Command* command, const char* preset, const Conversion* conversion,
                          const char* path, const char* backend, sipo_model** model) {
    Conversion to_file = *conversion;
    to_file.from = preset;
    to_file.output = path;
    const sipo_status status =
        conversion_run(command, "making weights", "tensors", sipo_write_preset, &to_file);
    const int code = report_status(command->name, status);
    return code == exit_ok ? load_model(command, path, backend, conversion->threads, model) : code;
}

int preset_open(const Command* command, const char* preset, const Conversion* conversion,
                const char* save, const char* backend, sipo_model** model) {
    if (save != NULL) return write_and_open(command, preset, conversion, save, backend, model);
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
    const int code = write_and_open(command, preset, conversion, path, backend, model);
    (void)unlink(path);
    (void)rmdir(folder);
    return code;
}
