#include "checks.hpp"

#include <cmath>
#include <iostream>
#include <stdexcept>

#include "cuda_check.hpp"
#include "emulator.hpp"

namespace sipo::cuda {
[[noreturn]] void fail_cuda(cudaError_t, const char* what) { throw std::runtime_error(what); }
}  // namespace sipo::cuda

namespace {

// One wrong value must not drown among many: the worst, too, has a limit. Where a sum lies between two bf16 the
// kernel may take the other one, which the layers after it make more of.
constexpr double most_error = 5e-3, worst_error = 10 * most_error;

int failures = 0;
unsigned seconds = 300;
std::string fault;

const std::map<std::string, emulator::Order> orders{{"round_robin", emulator::Order::round_robin},
                                                    {"random", emulator::Order::random},
                                                    {"skewed", emulator::Order::skewed}};

// One of the options that all programs have; false: it is none.
bool take_setting(const std::string& name, const std::string& value) {
    emulator::Settings& s = emulator::current.settings;
    const auto number = [&] { return static_cast<unsigned>(std::stoul(value)); };
    if (name == "--order")
        s.order = orders.at(value);
    else if (name == "--fault")
        fault = value;
    else if (name == "--seed")
        s.seed = number();
    else if (name == "--races")
        s.races = number() != 0;
    else if (name == "--preempt")
        s.preempt = number();
    else if (name == "--seconds")
        seconds = number();
    else
        return false;
    return true;
}

}  // namespace

void report(bool good, const std::string& what) {
    std::cout << (good ? "pass " : "FAIL ") << what << std::endl;
    if (!good) ++failures;
}

void compare(const std::string& what, const std::vector<double>& found,
             const std::vector<double>& wanted) {
    double error = 0, norm = 0, worst = 0;
    std::size_t not_finite = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double e = std::abs(found[i] - wanted[i]);
        norm += wanted[i] * wanted[i];
        if (!std::isfinite(e)) {
            ++not_finite;
            continue;
        }
        error += e * e;
        worst = std::max(worst, e);
    }
    const double rms = std::sqrt(norm / static_cast<double>(wanted.size()));
    const double relative = std::sqrt(error / norm);
    const bool good = not_finite == 0 && relative < most_error && worst < worst_error * rms;
    report(good, what + ": relative error " + std::to_string(relative) + ", worst " +
                     std::to_string(worst / rms) + " of the rms, " + std::to_string(not_finite) +
                     " not finite");
}

void report_totals() {
    const emulator::Totals& t = emulator::current.totals;
    report(t.errors == 0, std::to_string(t.errors) + " errors, " + std::to_string(t.turns) +
                              " turns, " + std::to_string(t.late) + " late copies and stores");
}

int run_checks(int count, char** words, const std::map<std::string, int*>& options,
               const std::function<void()>& all) {
    try {
        for (int i = 1; i < count; i += 2) {
            const std::string value = i + 1 < count ? words[i + 1] : "";
            if (!take_setting(words[i], value)) *options.at(words[i]) = std::stoi(value);
        }
        emulator::current.settings.fault = fault;
        emulator::watch(seconds);
        all();
        std::cout << (failures == 0 ? "all pass" : "some FAIL") << std::endl;
        return failures == 0 ? 0 : 1;
    } catch (const std::logic_error&) {  // of what was looked up
        std::cout << "options: see tests/emulated/README.md" << std::endl;
        return 3;
    } catch (const std::exception& e) {
        std::cout << "FAIL " << e.what() << std::endl;
        return 2;
    }
}
