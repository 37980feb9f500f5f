/* An analysis as one self-contained page: its pictures are SVG, nothing is fetched and nothing runs. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis_plots.h"
#include "analysis_report.h"
#include "files.h"
#include "report.h"
#include "svg.h"

static const char page_rules[] =
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:1240px;padding:28px 20px 60px;background:var(--paper);"
    "color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:25px;line-height:1.25;margin:0 0 4px}h2{font-size:19px;margin:38px 0 4px}\n"
    "p{max-width:78ch;margin:4px 0 14px}.soft{color:var(--soft)}\n"
    ".row{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:18px}\n"
    "figure{margin:0;border:1px solid var(--rule);border-radius:8px;padding:12px}\n"
    "svg{display:block;width:100%;height:auto}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:5px 12px;text-align:right;border-bottom:1px solid var(--rule)}\n"
    "th:first-child,td:first-child{text-align:left;padding-left:0}th{font-weight:600}\n"
    /* A row a layer, a column a method. */
    ".maps1{grid-template-columns:repeat(auto-fill,minmax(280px,1fr))}\n"
    "@media(min-width:640px){.maps2{grid-template-columns:1fr 1fr;max-width:820px}"
    ".maps3{grid-template-columns:1fr 1fr 1fr}.maps4{grid-template-columns:repeat(4,1fr)}}\n";

static void write_head(FILE* out, const AnalysisReport* report) {
    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<link rel=\"icon\" href=\"data:,\">\n<title>Sipo: ",
        out);
    svg_text(out, report->model);
    fputs("</title>\n<style>\n", out);
    svg_style(out);
    fputs(page_rules, out);
    fputs("</style>\n</head>\n<body>\n<h1>What ", out);
    svg_text(out, report->model);
    fprintf(out, " remembers of %" PRId64 " tokens</h1>\n<p class=\"soft\">", report->tokens);
    svg_text(out, report->family);
    fprintf(out, ", %zu layers of %zu %s, trained on %" PRId64 " tokens. Text: ",
            report->methods[0].layers, report->methods[0].channels,
            strcmp(report->family, "mamba2") == 0 ? "heads" : "channels", report->training_length);
    svg_text(out, report->text);
    fprintf(out,
            ". A channel is <em>global</em> when more than %g of its state is left over the "
            "training length, else <em>local</em>. Measured by sipo %s.</p>\n",
            report->threshold, sipo_version_string());
}

static void write_factor(FILE* out, double value, double reference) {
    fprintf(out, "%.0f", value);
    if (reference > 0)
        fprintf(out, " <span class=\"soft\">(&times;%.2f)</span>", value / reference);
}

static void write_summary_row(FILE* out, const AnalysisReport* report, const AnalysisData* data) {
    static const double half[] = {.5};
    const AnalysisData* first = &report->methods[0];
    const size_t layers = data->layers;
    double decay = 0;
    const int known =
        analysis_decay_quantiles(report, data, data->points - 1, class_global, half, &decay, 1);
    fprintf(out, "<tr><td>%s</td><td>", data->method);
    write_factor(
        out, analysis_mean(report, data->receptive_field, 0, layers, class_any),
        data == first ? 0 : analysis_mean(report, first->receptive_field, 0, layers, class_any));
    fputs("</td><td>", out);
    write_factor(
        out, analysis_mean(report, data->receptive_field, 0, layers, class_global),
        data == first ? 0 : analysis_mean(report, first->receptive_field, 0, layers, class_global));
    fputs("</td><td>", out);
    known == 1 ? fprintf(out, "10<sup>%.1f</sup>", decay) : fputs("&ndash;", out);
    fprintf(out, "</td><td>%.1f %%</td><td>%zu</td></tr>\n",
            100 * analysis_mean(report, data->delta_skipped, 0, layers, class_global),
            data->kept_count);
}

static void write_summary(FILE* out, const AnalysisReport* report) {
    const size_t layers = report->methods[0].layers;
    const size_t global = analysis_channels(report, 0, layers, class_global);
    fprintf(out,
            "<p>%zu of %zu channels are global. <em>Reach</em> is the effective receptive field: "
            "the mean distance, in tokens, that the hidden attention of the last token looks back. "
            "Factors compare with %s.</p>\n<div class=\"wide\"><table>\n<tr><th>method</th>"
            "<th>mean reach</th><th>reach of global channels</th><th>left of a global state</th>"
            "<th>steps they pass over</th><th>tokens at the last layer</th></tr>\n",
            global, layers * report->methods[0].channels, report->methods[0].method);
    for (size_t m = 0; m < report->method_count; ++m) {
        write_summary_row(out, report, &report->methods[m]);
    }
    fputs("</table></div>\n", out);
}

static void begin_section(FILE* out, const char* name, const char* about, const char* kind) {
    fprintf(out, "<h2>%s</h2>\n<p class=\"soft\">%s</p>\n<div class=\"row%s\">\n", name, about,
            kind);
}

static int write_sections(FILE* out, const AnalysisReport* report) {
    begin_section(
        out, "How fast channels forget",
        "Cumulative decay: the share of a channel's state that is left after the tokens "
        "read since. The line is the median of the class, the band holds four of five "
        "channels. Past the training length the model meets decays it never saw; a method "
        "should keep the global channels near their level at the training length.",
        "");
    int code = plot_decays(out, report);
    fputs("</div>\n", out);
    begin_section(out, "How far back channels look",
                  "Effective receptive field (Mamba mean distance) of the last token, by layer and "
                  "by channel.",
                  "");
    if (code == exit_ok) code = plot_receptive_fields(out, report);
    fputs("</div>\n", out);
    if (report->methods[0].maps > 0) {
        char columns[16];
        snprintf(columns, sizeof columns, " maps%zu", report->method_count);
        begin_section(out, "Hidden attention",
                      "Which tokens (across) a token (down) draws on, in a typical global channel "
                      "of a layer: the median one, or the most lasting where none is global. Each "
                      "row adds up to 1; the shades are powers of ten, from 10<sup>&minus;3</sup> "
                      "(faint) to 1 (full). What is blank below the diagonal is forgotten, or was "
                      "passed over.",
                      columns);
        if (code == exit_ok) code = plot_maps(out, report);
        fputs("</div>\n", out);
    }
    begin_section(out, "Steps",
                  "Distribution of &Delta; over all tokens, before a method acts. A large step "
                  "takes the token in and forgets what was before; a small one passes over it.",
                  "");
    plot_histograms(out, report);
    fputs("</div>\n", out);
    begin_section(out, "Steps and kept tokens along the text",
                  "&Vert;&Delta;&Vert; over the channels, by which decimamba scores tokens, "
                  "relative to the layer's mean; and the share of the tokens that reach the last "
                  "layer.",
                  "");
    if (code == exit_ok) code = plot_tokens(out, report);
    fputs("</div>\n", out);
    return code;
}

int analysis_write_html(const AnalysisReport* report, const char* path) {
    TextFile file;
    int code = text_file_begin(report->command, &file);
    if (code != exit_ok) return code;
    write_head(file.out, report);
    write_summary(file.out, report);
    code = write_sections(file.out, report);
    fputs("</body>\n</html>\n", file.out);
    return text_file_finish(report->command, &file, path, code);
}
