// What the tests of emulated kernels say and take: results against references, settings of the emulator.
#pragma once
#include <functional>
#include <string>
#include <vector>

void report(bool good, const std::string& what);
void compare(const std::string& what, const std::vector<double>& found,
             const std::vector<double>& wanted);
// Errors that the emulator has found.
void report_totals();

// One of the options that all programs have; false: it is none.
[[nodiscard]] bool take_setting(const std::string& name, const std::string& value);
// A program: its options are pairs of words, of which `take` looks up those of its own. The process' status.
int run_checks(int count, char** words,
               const std::function<void(const std::string&, const std::string&)>& take,
               const std::function<void()>& all);
