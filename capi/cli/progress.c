/* The progress bar. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "interrupt.h"

static int stderr_is_terminal(void) {
    const char* kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind != NULL && strcmp(kind, "dumb") != 0;
}

void progress_begin(Progress* progress, const char* label, const char* unit, int silent) {
    memset(progress, 0, sizeof *progress);
    progress->label = label;
    progress->unit = unit;
    progress->enabled = !silent && stderr_is_terminal();
    progress->started = clock_seconds();
}

static void print_rate(double rate, const char* unit) {
    if (strcmp(unit, "bytes") == 0) {
        fprintf(stderr, "%.1f MB/s", rate / 1e6);
    } else {
        fprintf(stderr, rate < 100 ? "%.1f %s/s" : "%.0f %s/s", rate, unit);
    }
}

static void print_remaining(double seconds) {
    if (!(seconds < 360000)) return;
    const long whole = (long)(seconds + .5);
    if (whole >= 3600) {
        fprintf(stderr, ", %ld:%02ld:%02ld left", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        fprintf(stderr, ", %ld:%02ld left", whole / 60, whole % 60);
    }
}

static void draw(Progress* progress, double done, double total) {
    enum { width = 24 };
    char bar[width + 1];
    const double share = total > 0 && done < total ? done / total : 1;
    const size_t filled = (size_t)(share * width);
    memset(bar, '#', filled);
    memset(bar + filled, '.', width - filled);
    bar[width] = '\0';
    const double rate = clock_rate(done, clock_seconds() - progress->started);
    fprintf(stderr, "\r%s [%s] %3d %%  ", progress->label, bar, (int)(share * 100));
    print_rate(rate, progress->unit);
    if (rate > 0) print_remaining((total - done) / rate);
    fputs("\033[K", stderr);
    fflush(stderr);
    progress->drawn = 1;
}

int progress_update(void* user, uint64_t done, uint64_t total) {
    Progress* progress = user;
    const double now = clock_seconds();
    if (progress->enabled && now - progress->last_drawn >= .1) {
        progress->last_drawn = now;
        draw(progress, (double)(progress->before + done),
             (double)(progress->whole != 0 ? progress->whole : total));
    }
    return interrupted();
}

void progress_clear(Progress* progress) {
    if (!progress->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = 0;
}
