/* Plots as SVG. */
#include "svg.h"

#include <math.h>
#include <string.h>

/* Series are told apart by lightness too, and hold 3:1 against both backgrounds. */
static const char style_rules[] =
    ":root{--ink:#1c2733;--soft:#5b6875;--rule:#d5dbe1;--grid:#edf0f3;--paper:#ffffff;"
    "--c0:#5b6875;--c1:#c2570c;--c2:#1668c7;--c3:#0f8a63;--c4:#9a3fb5;--c5:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--rule:#3a4653;"
    "--grid:#232d37;--paper:#141b22;--c0:#a3afbb;--c1:#f29a55;--c2:#6cb0ff;--c3:#4fc99c;"
    "--c4:#d38be8;--c5:#ff8a80}}\n"
    "svg text{fill:var(--ink);font:12px system-ui,sans-serif}\n"
    "svg .tick{fill:var(--soft);font-size:11px}svg .name{font-size:13px;font-weight:600}\n"
    "svg .frame{fill:none;stroke:var(--rule)}svg .grid{stroke:var(--grid)}\n"
    "svg .mark{stroke:var(--soft);stroke-dasharray:3 3}svg .paper{fill:var(--paper)}\n"
    "svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round}svg .dash{stroke-dasharray:5 3}\n"
    "svg .band{stroke:none;fill-opacity:.18}svg .bar{stroke:none;fill-opacity:.75}\n"
    "svg .dot{stroke:none;fill-opacity:.8}svg .cell{stroke:none}\n";

void svg_style(FILE* out) {
    fputs(style_rules, out);
    for (int i = 0; i < svg_series_count; ++i) {
        fprintf(out, "svg .s%d{stroke:var(--c%d);fill:var(--c%d)}", i, i, i);
    }
    fputs("\nsvg .line{fill:none}svg .band,svg .bar,svg .dot,svg .cell{stroke:none}\n", out);
}

void svg_text(FILE* out, const char* text) {
    for (; *text != '\0'; ++text) {
        switch (*text) {
            case '&': fputs("&amp;", out); break;
            case '<': fputs("&lt;", out); break;
            case '>': fputs("&gt;", out); break;
            case '"': fputs("&quot;", out); break;
            default: fputc(*text, out);
        }
    }
}

double svg_text_width(const char* text) { return 6.4 * (double)strlen(text); }

Plot plot_make(FILE* out, const char* id, const char* title, Axis x, Axis y) {
    return (Plot){.out = out,
                  .width = 460,
                  .height = 300,
                  .left = 62,
                  .top = 46,
                  .right = 16,
                  .bottom = 44,
                  .x = x,
                  .y = y,
                  .title = title,
                  .id = id};
}

/* Negative when the axis runs backwards. */
static double span_of(const Axis* axis) {
    const double span = axis->high - axis->low;
    return span == 0 ? 1 : span;
}

static double clamped(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/* A little outside the frame is kept, so that lines leave it at the right angle. */
static double place_x(const Plot* plot, double x) {
    const double inner = plot->width - plot->left - plot->right;
    const double share = clamped((x - plot->x.low) / span_of(&plot->x), -1, 2);
    return plot->left + inner * share;
}

static double place_y(const Plot* plot, double y) {
    const double inner = plot->height - plot->top - plot->bottom;
    const double share = clamped((y - plot->y.low) / span_of(&plot->y), -1, 2);
    return plot->height - plot->bottom - inner * share;
}

/* 1, 2 or 5 times a power of ten, for about `wanted` ticks. */
static double tick_step(const Axis* axis, int wanted) {
    const double rough = fabs(span_of(axis)) / wanted;
    if (axis->names != NULL) return 1;
    const double power = pow(10, floor(log10(rough)));
    const double times = rough / power;
    const double step = (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10) * power;
    return axis->powers && step < 1 ? 1 : step;
}

static void write_number(FILE* out, double value) {
    const double size = fabs(value);
    if (size >= 1e6) {
        fprintf(out, "%gM", value / 1e6);
    } else if (size >= 1e3) {
        fprintf(out, "%gK", value / 1e3);
    } else {
        fprintf(out, "%g", size < 1e-9 ? 0 : value);
    }
}

static void write_tick(const Axis* axis, FILE* out, double value) {
    if (axis->names != NULL) {
        svg_text(out, axis->names[(size_t)(value + .5)]);
    } else if (!axis->powers) {
        write_number(out, value);
    } else if (value >= -.5 && value <= .5) {
        fputc('1', out);
    } else {
        fprintf(out, "10<tspan dy=\"-4\" font-size=\"9\">%g</tspan>", value);
    }
}

/* The multiples of `step` on an axis: from the first to the last. */
static void tick_range(const Axis* axis, double step, long* first, long* last) {
    *first = (long)ceil(fmin(axis->low, axis->high) / step - 1e-9);
    *last = (long)floor(fmax(axis->low, axis->high) / step + 1e-9);
}

static void draw_x_axis(const Plot* plot) {
    const double step = tick_step(&plot->x, 6);
    const double bottom = plot->height - plot->bottom;
    long first = 0;
    long last = 0;
    tick_range(&plot->x, step, &first, &last);
    for (long i = first; i <= last; ++i) {
        const double x = place_x(plot, (double)i * step);
        fprintf(plot->out,
                "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                x, x, plot->top, bottom, x, bottom + 16);
        write_tick(&plot->x, plot->out, (double)i * step);
        fputs("</text>\n", plot->out);
    }
    fprintf(plot->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
            (plot->left + plot->width - plot->right) / 2, plot->height - 8);
    svg_text(plot->out, plot->x.label);
    fputs("</text>\n", plot->out);
}

static void draw_y_axis(const Plot* plot) {
    const double step = tick_step(&plot->y, 5);
    long first = 0;
    long last = 0;
    tick_range(&plot->y, step, &first, &last);
    for (long i = first; i <= last; ++i) {
        const double y = place_y(plot, (double)i * step);
        fprintf(plot->out,
                "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                plot->left, plot->width - plot->right, y, y, plot->left - 6, y + 4);
        write_tick(&plot->y, plot->out, (double)i * step);
        fputs("</text>\n", plot->out);
    }
    const double middle = (plot->top + plot->height - plot->bottom) / 2;
    fprintf(plot->out,
            "<text x=\"14\" y=\"%.1f\" text-anchor=\"middle\" transform=\"rotate(-90 14 %.1f)\">",
            middle, middle);
    svg_text(plot->out, plot->y.label);
    fputs("</text>\n", plot->out);
}

void plot_begin(const Plot* plot) {
    const double inner_width = plot->width - plot->left - plot->right;
    const double inner_height = plot->height - plot->top - plot->bottom;
    fprintf(plot->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\" "
            "aria-label=\"",
            plot->width, plot->height);
    svg_text(plot->out, plot->title);
    fputs("\">\n", plot->out);
    if (plot->standalone) {
        fputs("<style>\n", plot->out);
        svg_style(plot->out);
        fputs("</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n", plot->out);
    }
    fprintf(plot->out,
            "<clipPath id=\"%s\"><rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\"/>"
            "</clipPath>\n<text class=\"name\" x=\"%g\" y=\"16\">",
            plot->id, plot->left, plot->top, inner_width, inner_height, plot->left);
    svg_text(plot->out, plot->title);
    fputs("</text>\n", plot->out);
    draw_x_axis(plot);
    draw_y_axis(plot);
    fprintf(plot->out,
            "<rect class=\"frame\" x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\"/>\n"
            "<g clip-path=\"url(#%s)\">\n",
            plot->left, plot->top, inner_width, inner_height, plot->id);
}

void plot_end(const Plot* plot) { fputs("</g>\n</svg>\n", plot->out); }

static void draw_tip(const Plot* plot, const char* tip) {
    if (tip == NULL) return;
    fputs("<title>", plot->out);
    svg_text(plot->out, tip);
    fputs("</title>", plot->out);
}

static void draw_places(const Plot* plot, const double* x, const double* y, size_t count,
                        int backwards) {
    for (size_t i = 0; i < count; ++i) {
        const size_t at = backwards ? count - 1 - i : i;
        fprintf(plot->out, "%.1f,%.1f ", place_x(plot, x[at]), place_y(plot, y[at]));
    }
}

void plot_line(const Plot* plot, const double* x, const double* y, size_t count, const char* style,
               const char* tip) {
    fprintf(plot->out, "<polyline class=\"line %s\" points=\"", style);
    draw_places(plot, x, y, count, 0);
    fputs("\">", plot->out);
    draw_tip(plot, tip);
    fputs("</polyline>\n", plot->out);
}

void plot_band(const Plot* plot, const double* x, const double* low, const double* high,
               size_t count, const char* style) {
    fprintf(plot->out, "<polygon class=\"band %s\" points=\"", style);
    draw_places(plot, x, high, count, 0);
    draw_places(plot, x, low, count, 1);
    fputs("\"/>\n", plot->out);
}

void plot_point(const Plot* plot, double x, double y, const char* style, const char* tip) {
    fprintf(plot->out, "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\">", style,
            place_x(plot, x), place_y(plot, y));
    draw_tip(plot, tip);
    fputs("</circle>\n", plot->out);
}

void plot_bar(const Plot* plot, double from, double to, double y, const char* style,
              const char* tip) {
    const double left = place_x(plot, from);
    const double top = place_y(plot, y);
    const double bottom = place_y(plot, plot->y.low);
    fprintf(plot->out,
            "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", style,
            left, top, fmax(place_x(plot, to) - left - .5, .5), fmax(bottom - top, 0));
    draw_tip(plot, tip);
    fputs("</rect>\n", plot->out);
}

void plot_interval(const Plot* plot, double x, double low, double high, const char* style) {
    const double at = place_x(plot, x);
    fprintf(plot->out, "<path class=\"line %s\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh6m-6 %.1fh6\"/>\n",
            style, at, place_y(plot, low), place_y(plot, high), at - 3, place_y(plot, low),
            place_y(plot, high) - place_y(plot, low));
}

void plot_interval_across(const Plot* plot, double low, double high, double y, const char* style) {
    const double at = place_y(plot, y);
    fprintf(plot->out, "<path class=\"line %s\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\"/>\n",
            style, place_x(plot, low), at, place_x(plot, high), place_x(plot, low), at - 3,
            place_x(plot, high), at - 3);
}

void plot_mark(const Plot* plot, double x, const char* word) {
    const double at = place_x(plot, x);
    fprintf(plot->out,
            "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">",
            at, at, plot->top, plot->height - plot->bottom, at + 4,
            plot->height - plot->bottom - 6);
    svg_text(plot->out, word);
    fputs("</text>\n", plot->out);
}

/* One path for each level: a rectangle for each run of equal cells in a row. */
void plot_cells(const Plot* plot, const unsigned char* cells, size_t size, unsigned levels) {
    const double inner_width = plot->width - plot->left - plot->right;
    const double inner_height = plot->height - plot->top - plot->bottom;
    fprintf(plot->out,
            "<g transform=\"translate(%g %g) scale(%.4f %.4f)\" shape-rendering=\"crispEdges\">\n",
            plot->left, plot->top, inner_width / (double)size, inner_height / (double)size);
    for (unsigned level = 1; level <= levels; ++level) {
        fprintf(plot->out, "<path class=\"cell s2\" fill-opacity=\"%.2f\" d=\"",
                (double)level / (double)levels);
        for (size_t row = 0; row < size; ++row) {
            for (size_t column = 0; column < size;) {
                const size_t first = column;
                while (column < size && cells[row * size + column] == level) ++column;
                if (column > first) {
                    fprintf(plot->out, "M%zu %zuh%zuv1H%zuz", first, row, column - first, first);
                } else {
                    ++column;
                }
            }
        }
        fputs("\"/>\n", plot->out);
    }
    fputs("</g>\n", plot->out);
}

enum { legend_line = 16 };

/* Where an entry stands after what was put at *x, *y. */
static void place_entry(const Plot* plot, const LegendEntry* entry, double* x, double* y) {
    const double width = 34 + svg_text_width(entry->word);
    if (*x > plot->left && *x + width > plot->width) {
        *x = plot->left;
        *y += legend_line;
    }
}

static double next_entry(const LegendEntry* entry, double x) {
    return x + 34 + svg_text_width(entry->word);
}

double plot_legend_height(const Plot* plot, const LegendEntry* entries, size_t count) {
    double x = plot->left;
    double y = 0;
    for (size_t i = 0; i < count; ++i) {
        place_entry(plot, &entries[i], &x, &y);
        x = next_entry(&entries[i], x);
    }
    return y;
}

void plot_legend(const Plot* plot, const LegendEntry* entries, size_t count) {
    /* Out of the frame's clip. */
    fputs("</g><g>\n", plot->out);
    double x = plot->left;
    double y = 32;
    for (size_t i = 0; i < count; ++i) {
        place_entry(plot, &entries[i], &x, &y);
        if (strstr(entries[i].style, "dot") == NULL) {
            fprintf(plot->out, "<path class=\"line %s\" d=\"M%.1f %.1fh18\"/>", entries[i].style, x,
                    y);
        } else {
            fprintf(plot->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>",
                    entries[i].style, x + 9, y);
        }
        fprintf(plot->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">", x + 23, y + 4);
        svg_text(plot->out, entries[i].word);
        fputs("</text>\n", plot->out);
        x = next_entry(&entries[i], x);
    }
}
