// Decoding as a share of the rate at which memory can be read: a token needs every weight and every
// state once. The memory of a shared machine is not steady, so both are timed in short turns and
// the median of the turns' shares is what counts.
//   decode_bench MODEL.sipo... [--threads N] [--rounds N]
#include <sipo/sipo.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/cpu_count.hpp"
#include "limits.hpp"

namespace {

constexpr int tokens_a_turn = 12;

struct Arguments {
    std::vector<std::string> models;
    int threads = sipo::usable_cpus();
    int rounds = 15;
};

struct Turn {
    double tokens;  // a second
    double bytes;   // read from memory a second, around the turn
};

double share(const Turn& turn, double bytes_a_token) {
    return turn.tokens * bytes_a_token / turn.bytes;
}

Arguments parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (i + 1 < argc && word == "--threads") {
            arguments.threads = std::atoi(argv[++i]);
        } else if (i + 1 < argc && word == "--rounds") {
            arguments.rounds = std::max(std::atoi(argv[++i]), 1);
        } else {
            arguments.models.push_back(word);
        }
    }
    return arguments;
}

void check(sipo_status status) {
    if (status == SIPO_OK) return;
    std::fprintf(stderr, "decode_bench: %s\n", sipo_last_error_message());
    std::exit(1);
}

template <auto release>
struct Releases {
    template <typename Handle>
    void operator()(Handle* handle) const {
        release(handle);
    }
};

using Model = std::unique_ptr<sipo_model, Releases<sipo_model_free>>;
using Session = std::unique_ptr<sipo_session, Releases<sipo_session_free>>;
using Options = std::unique_ptr<sipo_session_options, Releases<sipo_session_options_free>>;
using Sampling = std::unique_ptr<sipo_sampling_options, Releases<sipo_sampling_options_free>>;

// Fills a handle through the out-parameter that the interface has last.
template <typename Owner, typename Create, typename... Inputs>
Owner made(Create create, Inputs... inputs) {
    typename Owner::pointer handle = nullptr;
    check(create(inputs..., &handle));
    return Owner(handle);
}

double bytes_of(const Model& model, std::int32_t property) {
    std::int64_t value = 0;
    check(sipo_model_get_integer(model.get(), property, &value));
    return static_cast<double>(value);
}

Session open_session(const Model& model, int threads) {
    const auto options = made<Options>(sipo_session_options_create, model.get());
    check(sipo_session_options_set_threads(options.get(), threads));
    return made<Session>(sipo_session_create, options.get());
}

Turn take_turn(const Session& session, const Sampling& sampling, sipo::cpu::MemoryReader& reader) {
    std::size_t generated = 0;
    const double before = reader.measure();
    const double start = sipo::cpu::wall_seconds();
    check(sipo_session_generate(session.get(), sampling.get(), tokens_a_turn, nullptr, nullptr,
                                &generated));
    const double seconds = sipo::cpu::wall_seconds() - start;
    return {tokens_a_turn / seconds, (before + reader.measure()) / 2.0};
}

void time_model(const std::string& path, const Arguments& arguments) {
    const auto model = made<Model>(sipo_model_open, path.c_str(), nullptr);
    const Session session = open_session(model, arguments.threads);
    const auto sampling = made<Sampling>(sipo_sampling_options_create);
    check(sipo_sampling_options_set_ignore_end_of_text(sampling.get(), 1));
    constexpr std::int32_t prompt[] = {1, 2, 3, 4};
    check(sipo_session_prefill(session.get(), prompt, 4));
    sipo::cpu::MemoryReader reader(sipo::cpu::select_kernels(), arguments.threads);
    const double bytes =
        bytes_of(model, SIPO_MODEL_WEIGHT_BYTES) + bytes_of(model, SIPO_MODEL_STATE_BYTES);
    std::vector<Turn> turns;
    for (int i = 0; i < arguments.rounds; ++i) {
        turns.push_back(take_turn(session, sampling, reader));
    }
    std::sort(turns.begin(), turns.end(),
              [&](const Turn& a, const Turn& b) { return share(a, bytes) < share(b, bytes); });
    const Turn& middle = turns[turns.size() / 2];
    std::printf(
        "%s: %.1f MB a token, %.1f tokens/s where memory read %.1f GB/s: %.0f %% (%.0f to %.0f)\n",
        path.c_str(), 1e-6 * bytes, middle.tokens, 1e-9 * middle.bytes,
        100.0 * share(middle, bytes), 100.0 * share(turns.front(), bytes),
        100.0 * share(turns.back(), bytes));
}

}  // namespace

int main(int argc, char** argv) {
    const Arguments arguments = parse(argc, argv);
    if (arguments.models.empty()) {
        std::fprintf(stderr, "usage: decode_bench MODEL.sipo... [--threads N] [--rounds N]\n");
        return 2;
    }
    for (const std::string& model : arguments.models) time_model(model, arguments);
    return 0;
}
