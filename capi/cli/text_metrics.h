/* How close an answer is to a reference, in 0 to 1: the measures of LongBench (arXiv 2308.14508), as its
 * code defines them; README.md says where they differ. Texts are UTF-8. */
#ifndef SIPO_CLI_TEXT_METRICS_H_
#define SIPO_CLI_TEXT_METRICS_H_

#include <stddef.h>

/* F1 of the words both have, as often as both have them: in lower case, without ASCII's punctuation and
 * without a, an and the. */
double metric_f1(const char* answer, const char* reference);

/* Rouge-L of whole texts (Lin 2004), as the Python package `rouge` 1.0.1 counts: texts are cut into
 * sentences at every full stop. From the longest common subsequences of each sentence of the reference
 * with each of the answer, the different words are gathered; F1 of their number, by the numbers of
 * different words of both texts. Case and other marks count. */
double metric_rouge_l(const char* answer, const char* reference);

/* 1 by the number of the classes that the answer names, when the reference is among them, else 0. A class
 * whose name is part of the reference's is dropped first, but for one that comes right behind a dropped
 * one in `classes`. */
double metric_classification(const char* answer, const char* reference, const char* const* classes,
                             size_t count);

/* The first line of the answer that holds no `, # or //, compared with the reference: twice the matching
 * characters by all, in whole percent. Matching are those of the longest common run and, again, of what
 * lies before and behind it (Python's difflib). */
double metric_code_similarity(const char* answer, const char* reference);

/* The share of the numbers in the answer that are the reference: all of it, or what follows its first
 * "Paragraph " or "段落". */
double metric_count(const char* answer, const char* reference);
double metric_retrieval(const char* answer, const char* reference);

/* 1 when the answer begins with the reference and no letter or digit follows, blanks and case aside. Ours. */
double metric_exact(const char* answer, const char* reference);

#endif /* SIPO_CLI_TEXT_METRICS_H_ */
