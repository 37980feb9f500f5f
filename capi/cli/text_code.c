/* Similarity of code. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "characters.h"
#include "text_metrics.h"

/* Longer lines are cut: what matches is searched again and again. */
enum { most_characters = 2048 };

/* From this length of the reference on, a character that makes up more than a hundredth of it, and one
 * more, does not begin a match. */
enum { popular_from = 200 };

typedef struct {
    uint32_t characters[most_characters];
    size_t count;
} Line;

typedef struct {
    Line answer;
    Line reference;
    unsigned char popular[most_characters]; /* whether the reference's character is */
    size_t run[most_characters];            /* ending at each of the reference's characters */
} Comparison;

/* Places in the answer and in the reference. */
typedef struct {
    size_t a, a_end;
    size_t b, b_end;
} Span;

static void read_line(const char* text, size_t size, Line* line) {
    line->count = 0;
    for (size_t at = 0; at < size && line->count < most_characters;) {
        at += character_at(text + at, &line->characters[line->count++]);
    }
}

static void mark_popular(Comparison* c) {
    const Line* line = &c->reference;
    for (size_t i = 0; i < line->count; ++i) {
        size_t times = 0;
        for (size_t j = 0; j < line->count; ++j) {
            times += line->characters[j] == line->characters[i];
        }
        c->popular[i] = line->count >= popular_from && times > line->count / 100 + 1;
    }
}

static int is_same(const Comparison* c, size_t a, size_t b) {
    return c->answer.characters[a] == c->reference.characters[b];
}

/* The longest common run within a span, the first of several; popular characters only continue one. */
static Span longest_run(Comparison* c, Span within) {
    Span best = {within.a, within.a, within.b, within.b};
    memset(c->run, 0, sizeof c->run);
    for (size_t a = within.a; a < within.a_end; ++a) {
        for (size_t b = within.b_end; b-- > within.b;) {
            const size_t before = b > within.b ? c->run[b - 1] : 0;
            c->run[b] = is_same(c, a, b) && !c->popular[b] ? before + 1 : 0;
        }
        for (size_t b = within.b; b < within.b_end; ++b) {
            if (c->run[b] <= best.a_end - best.a) continue;
            best = (Span){a + 1 - c->run[b], a + 1, b + 1 - c->run[b], b + 1};
        }
    }
    while (best.a > within.a && best.b > within.b && is_same(c, best.a - 1, best.b - 1)) {
        --best.a;
        --best.b;
    }
    while (best.a_end < within.a_end && best.b_end < within.b_end &&
           is_same(c, best.a_end, best.b_end)) {
        ++best.a_end;
        ++best.b_end;
    }
    return best;
}

/* Characters of the longest run and of those before and behind it. */
static size_t matching(Comparison* c, Span within) {
    size_t count = 0;
    while (within.a < within.a_end && within.b < within.b_end) {
        const Span run = longest_run(c, within);
        if (run.a == run.a_end) break;
        count += run.a_end - run.a;
        count += matching(c, (Span){within.a, run.a, within.b, run.b});
        within.a = run.a_end;
        within.b = run.b_end;
    }
    return count;
}

static int is_code(const char* line, size_t length) {
    for (size_t i = 0; i < length; ++i) {
        if (line[i] == '`' || line[i] == '#') return 0;
        if (line[i] == '/' && i + 1 < length && line[i + 1] == '/') return 0;
    }
    return 1;
}

/* The first line of code behind leading newlines, maybe an empty one; its length. */
static size_t first_code(const char** text) {
    const char* line = *text + strspn(*text, "\n");
    for (;;) {
        const size_t length = strcspn(line, "\n");
        *text = line;
        if (is_code(line, length)) return length;
        if (line[length] == '\0') return 0;
        line += length + 1;
    }
}

double metric_code_similarity(const char* answer, const char* reference) {
    Comparison* c = allocate(1, sizeof *c);
    if (c == NULL) return 0;
    const size_t length = first_code(&answer);
    read_line(answer, length, &c->answer);
    read_line(reference, strlen(reference), &c->reference);
    const size_t both = c->answer.count + c->reference.count;
    double score = both == 0;
    if (c->answer.count > 0 && c->reference.count > 0) {
        mark_popular(c);
        const size_t matched = matching(c, (Span){0, c->answer.count, 0, c->reference.count});
        score = nearbyint(100 * (2.0 * (double)matched / (double)both)) / 100;
    }
    free(c);
    return score;
}
