// What the tests of emulated kernels say and take: results against references, settings of the emulator.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

void report(bool good, const std::string& what);
void compare(const std::string& what, const std::vector<double>& found,
             const std::vector<double>& wanted);
// Errors that the emulator has found.
void report_totals();

// A program: its options are pairs of words, those of all such programs and `options`, which are numbers. The
// process' status.
int run_checks(int count, char** words, const std::map<std::string, int*>& options,
               const std::function<void()>& all);
