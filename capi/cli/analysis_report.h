/* The ways an analysis is written down. README.md describes the layouts of JSON and CSV. */
#ifndef SIPO_CLI_ANALYSIS_REPORT_H_
#define SIPO_CLI_ANALYSIS_REPORT_H_

#include "analysis_data.h"

/* Of the JSON and CSV layouts; it grows when a reader of the old one would be misled. */
enum { analysis_layout_version = 1 };

void analysis_print_json(const AnalysisReport* report);
/* Files in a folder, which is made; the exit code. */
int analysis_write_csv(const AnalysisReport* report, const char* folder);
/* One self-contained page; the exit code. */
int analysis_write_html(const AnalysisReport* report, const char* path);

#endif /* SIPO_CLI_ANALYSIS_REPORT_H_ */
