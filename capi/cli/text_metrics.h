/* How close an answer is to a reference, in 0 to 1: the measures of LongBench (arXiv 2308.14508). */
#ifndef SIPO_CLI_TEXT_METRICS_H_
#define SIPO_CLI_TEXT_METRICS_H_

#include <stddef.h>

/* F1 of the words both have, in lower case, without punctuation and without a, an and the. */
double metric_f1(const char* answer, const char* reference);
/* F1 of the longest common subsequence of words (Rouge-L, Lin 2004), in lower case. */
double metric_rouge_l(const char* answer, const char* reference);
/* 1 by the number of the classes that the answer names, when the reference is among them, else 0; a
 * class that is part of the reference's name is not counted. */
double metric_classification(const char* answer, const char* reference, const char* const* classes,
                             size_t count);
/* Similarity of the first line of the answer that is no comment to the reference: one less the edit
 * distance relative to both lengths, as a ratio of matching characters. */
double metric_code_similarity(const char* answer, const char* reference);
/* 1 when the answer begins with the reference, blanks and case aside. */
double metric_exact(const char* answer, const char* reference);

#endif /* SIPO_CLI_TEXT_METRICS_H_ */
