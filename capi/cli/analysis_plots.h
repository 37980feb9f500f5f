/* The pictures of an analysis, each in a <figure>. Where there is an exit code, it says whether there was
 * memory. */
#ifndef SIPO_CLI_ANALYSIS_PLOTS_H_
#define SIPO_CLI_ANALYSIS_PLOTS_H_

#include <stdio.h>

#include "analysis_data.h"

int plot_decays(FILE* out, const AnalysisReport* report);
int plot_receptive_fields(FILE* out, const AnalysisReport* report);
int plot_maps(FILE* out, const AnalysisReport* report);
void plot_histograms(FILE* out, const AnalysisReport* report);
int plot_tokens(FILE* out, const AnalysisReport* report);

#endif /* SIPO_CLI_ANALYSIS_PLOTS_H_ */
