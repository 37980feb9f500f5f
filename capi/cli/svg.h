/* Plots as SVG: axes, lines, bands, bars, points and cells in a frame. Colours are classes (s0, s1, …
 * for series), which svg_style() defines for a light and a dark background. */
#ifndef SIPO_CLI_SVG_H_
#define SIPO_CLI_SVG_H_

#include <stddef.h>
#include <stdio.h>

enum { svg_series_count = 6 };

typedef struct {
    double low, high;
    int powers; /* values are powers of ten: a tick at -3 says 10^-3 */
    const char* label;
    const char* const* names; /* of 0, 1, 2, …, instead of numbers; NULL: numbers */
} Axis;

typedef struct {
    FILE* out;
    double width, height;            /* of the picture */
    double left, top, right, bottom; /* margins of the frame within it */
    Axis x, y;
    const char* title;
    const char* id; /* letters and digits, unique on the page */
    int standalone; /* the picture is a file of its own: it holds its style and background */
} Plot;

/* A plot of the usual size and margins. */
Plot plot_make(FILE* out, const char* id, const char* title, Axis x, Axis y);

/* The rules of CSS behind the classes. */
void svg_style(FILE* out);

/* Text with &, <, > and quotes made harmless. */
void svg_text(FILE* out, const char* text);
/* About as wide as it will be, whatever font there is. */
double svg_text_width(const char* text);

void plot_begin(const Plot* plot);
void plot_end(const Plot* plot);

/* `tip` appears when the mouse is on it; NULL for none. What lies outside the frame is cut off. */
void plot_line(const Plot* plot, const double* x, const double* y, size_t count, const char* style,
               const char* tip);
void plot_band(const Plot* plot, const double* x, const double* low, const double* high,
               size_t count, const char* style);
void plot_point(const Plot* plot, double x, double y, const char* style, const char* tip);
/* From the bottom of the frame. */
void plot_bar(const Plot* plot, double from, double to, double y, const char* style,
              const char* tip);
/* An error bar. */
void plot_interval(const Plot* plot, double x, double low, double high, const char* style);
void plot_interval_across(const Plot* plot, double low, double high, double y, const char* style);
/* A dashed line across the frame with a word beside it. */
void plot_mark(const Plot* plot, double x, const char* word);

/* A square matrix, row 0 on top, as cells whose levels, 0 (nothing) to `levels`, are shades. */
void plot_cells(const Plot* plot, const unsigned char* cells, size_t size, unsigned levels);

/* Below the title, the last thing to be drawn; a line breaks where the picture ends. */
typedef struct {
    const char* style;
    const char* word;
} LegendEntry;
void plot_legend(const Plot* plot, const LegendEntry* entries, size_t count);
/* What the top margin has to grow by for the lines after the first. */
double plot_legend_height(const Plot* plot, const LegendEntry* entries, size_t count);

#endif /* SIPO_CLI_SVG_H_ */
