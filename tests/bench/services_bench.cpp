// What a service asks of sessions, in figures: saving and loading a state, a prompt asked again
// through the prefix cache, many sessions decoded together, and streams beside a long prompt.
// Random weights in the shapes of public models.
//
//   services_bench snapshot [DIRECTORY]   a state of the shape of mamba-2.8b's
//   services_bench cache [TOKENS]         mamba-130m bf16; 32768
//   services_bench batch                  mamba-130m bf16, 64 sessions
//   services_bench stall [TOKENS]         mamba-130m bf16, 8 streams beside a prompt; 65536
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "format/container_writer.hpp"
#include "import/presets.hpp"
#include "session/scheduler.hpp"
#include "session/session.hpp"

namespace {

using namespace sipo;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Ids = std::vector<std::int32_t>;
using ModelPtr = std::shared_ptr<const OpenModel>;

constexpr int threads = 2;

double seconds(const std::function<void()>& work) {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

double median_ms(int rounds, const std::function<void()>& work) {
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) times.push_back(1e3 * seconds(work));
    return median(times);
}

fs::path temporary(const std::string& name) {
    return fs::temp_directory_path() / join("sipo_services_", getpid(), "_", name);
}

ModelPtr open_and_remove(const fs::path& path) {
    ModelPtr model = std::make_shared<OpenModel>(path, OpenOptions{});
    fs::remove(path);
    return model;
}

ModelPtr preset(const std::string& name) {
    const fs::path path = temporary("preset.sipo");
    ImportOptions options;
    options.threads = threads;
    options.store = Store::raw;
    write_preset(name, path, options);
    return open_and_remove(path);
}

// The state of mamba-2.8b with hardly any weights: its layers and d_inner, but a narrow residual
// stream and a vocabulary of a size.
ModelPtr wide_state() {
    Architecture arch = preset_architecture("mamba-2.8b");
    arch.d_model = 16;
    arch.dt_rank = 1;
    const fs::path model = temporary("model.sipo");
    {
        ContainerWriter writer(model, {.store = Store::raw, .threads = threads});
        writer.set_architecture(arch);
        writer.set_tokenizer(byte_tokenizer());
        ThreadPool pool(threads);
        for (const TensorSpec& spec : tensor_specs(arch)) {
            const std::vector<float> values = random_tensor(spec, arch, 1, pool);
            writer.add_tensor(spec.name, DType::f32, spec.shape, std::as_bytes(std::span(values)));
        }
        writer.commit();
    }
    return open_and_remove(model);
}

Ids random_ids(std::size_t count, std::uint64_t seed, std::uint64_t vocabulary = 256) {
    SplitMix64 random(seed);
    Ids ids(count);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(vocabulary));
    return ids;
}

SessionOptions session_options() {
    SessionOptions options;
    options.threads = threads;
    return options;
}

SamplingOptions without_end() {
    SamplingOptions sampling;
    sampling.ignore_end_of_text = true;
    return sampling;
}

// A new file each time, as a service writes that keeps one a session; and one file over and over.
void bench_files(Session& session, const fs::path& directory, Encoding encoding, Flush flush) {
    for (const bool replace : {false, true}) {
        int number = 0;
        std::vector<double> saves;
        std::vector<double> loads;
        for (int round = 0; round < 21; ++round) {
            if (!replace) ++number;
            const fs::path path = directory / join("sipo_services_", getpid(), ".", number);
            saves.push_back(1e3 * seconds([&] { session.save(path, encoding, flush); }));
            loads.push_back(1e3 * seconds([&] {
                                const FileBytes file(path, snapshot_read_limit);
                                session.load(file.bytes(), path.string());
                            }));
            if (!replace) fs::remove(path);
        }
        fs::remove(directory / join("sipo_services_", getpid(), ".", number));
        std::printf("%-4s %-8s %-9s save %6.1f ms  load %6.1f ms\n",
                    encoding == Encoding::raw ? "raw" : "zstd", replace ? "replaced" : "new file",
                    flush == Flush::to_device ? "flushed" : "unflushed", median(saves),
                    median(loads));
    }
}

void bench_snapshot(const fs::path& directory) {
    const ModelPtr model = wide_state();
    Session session(model, session_options());
    session.prefill(random_ids(200, 1, 50000));
    std::printf("state %.1f MB\n", static_cast<double>(model->state_bytes()) / 1e6);
    constexpr int rounds = 21;
    for (const Encoding encoding : {Encoding::raw, Encoding::zstd_planes}) {
        const char* const name = encoding == Encoding::raw ? "raw" : "zstd";
        std::vector<std::byte> bytes;
        const double save = median_ms(rounds, [&] { bytes = session.save(encoding); });
        const double load = median_ms(rounds, [&] { session.load(bytes, "memory"); });
        std::printf("%-4s memory             save %6.1f ms  load %6.1f ms  %.1f MB\n", name, save,
                    load, static_cast<double>(bytes.size()) / 1e6);
        for (const Flush flush : {Flush::to_system, Flush::to_device}) {
            bench_files(session, directory, encoding, flush);
        }
    }
}

// A document with a question at its end, then with another: the time to the first token.
void bench_cache(std::size_t tokens) {
    const ModelPtr model = preset("mamba-130m");
    PrefixCache cache(model, {.memory_bytes = std::int64_t{1} << 30,
                              .directory = {},
                              .directory_bytes = 0,
                              .interval = 2048});
    constexpr std::size_t question = 24;
    const Ids document = random_ids(tokens - question, 1);
    const auto ask = [&](std::uint64_t seed, PrefixCache* through) {
        Ids prompt = document;
        const Ids end = random_ids(question, seed);
        prompt.insert(prompt.end(), end.begin(), end.end());
        Session session(model, session_options());
        session.prefill(prompt, through);
        Ids answer;
        (void)session.generate(without_end(), 16, [&](std::int32_t token, std::string_view) {
            answer.push_back(token);
            return 0;
        });
        const SessionStatistics& s = session.statistics();
        std::printf("%zu tokens, %lld reused: first token after %.3f s\n", prompt.size(),
                    static_cast<long long>(s.reused_tokens), s.first_token_seconds);
        return std::pair(s.first_token_seconds, answer);
    };
    const auto first = ask(2, &cache);
    const auto second = ask(3, &cache);
    const auto third = ask(4, &cache);
    const auto without = ask(3, nullptr);
    std::printf("second question: %.0f times sooner, %s answer; third: %.0f times\n",
                without.first / second.first,
                second.second == without.second ? "the same" : "ANOTHER",
                first.first / third.first);
}

void bench_batch() {
    const ModelPtr model = preset("mamba-130m");
    constexpr std::size_t sessions = 64;
    constexpr std::size_t tokens = 32;
    SessionOptions options = session_options();
    options.machinery = std::make_shared<Machinery>(model->model(), threads);
    std::vector<std::unique_ptr<Session>> together;
    std::vector<std::unique_ptr<Session>> alone;
    for (std::size_t i = 0; i < sessions; ++i) {
        together.push_back(std::make_unique<Session>(model, options));
        together.back()->prefill(random_ids(8 + 5 * i, i));
        alone.push_back(together.back()->fork());
    }
    std::vector<Ids> expected(sessions);
    const double one_by_one = seconds([&] {
        for (std::size_t i = 0; i < sessions; ++i) {
            (void)alone[i]->generate(without_end(), tokens, [&](std::int32_t token, auto) {
                expected[i].push_back(token);
                return 0;
            });
        }
    });
    std::vector<Ids> found(sessions);
    const double batched = seconds([&] {
        std::vector<Session*> targets;
        std::vector<Sampler> samplers;
        for (const auto& session : together) {
            targets.push_back(session.get());
            samplers.emplace_back(without_end());
        }
        for (std::size_t step = 0; step < tokens; ++step) {
            Ids next;
            for (std::size_t i = 0; i < sessions; ++i) {
                next.push_back(samplers[i].sample(targets[i]->logits_view()));
                found[i].push_back(next.back());
            }
            Session::decode_together(targets, next);
        }
    });
    const auto rate = [](double time) { return static_cast<double>(sessions * tokens) / time; };
    std::printf("64 sessions: one by one %.0f tok/s, together %.0f tok/s, ratio %.1f, %s tokens\n",
                rate(one_by_one), rate(batched), one_by_one / batched,
                found == expected ? "the same" : "OTHER");
}

// The longest wait of a stream for a token, alone and beside the prompt.
void bench_stall(std::size_t tokens) {
    const ModelPtr model = preset("mamba-130m");
    constexpr std::size_t streams = 8;
    constexpr std::int64_t chunk = 128;
    double chunk_time = 0.0;
    {
        Session session(model, session_options());
        session.prefill(random_ids(chunk, 1));
        chunk_time = median_ms(9, [&] { session.prefill(random_ids(chunk, 1)); });
    }
    struct Waits {
        std::vector<double> all;  // ms
        double longest = 0.0;
    };
    const auto measure = [&](bool beside) {
        SchedulerOptions wanted;
        wanted.threads = threads;
        wanted.chunk_tokens = chunk;
        Scheduler scheduler(model, wanted);
        std::vector<std::shared_ptr<Request>> requests;
        for (std::size_t i = 0; i < streams; ++i) {
            requests.push_back(scheduler.submit({}, without_end(), random_ids(16, i), 5000));
        }
        for (const auto& request : requests) (void)request->take(std::chrono::seconds(60), 64);
        std::shared_ptr<Request> longer;
        if (beside) longer = scheduler.submit({}, without_end(), random_ids(tokens, 99), 1);
        Waits waits;
        const auto start = Clock::now();
        auto before = start;
        const auto over = [&] {
            return beside ? longer->statistics().generated_tokens > 0
                          : Clock::now() - start > std::chrono::seconds(4);
        };
        while (!over()) {
            (void)requests[0]->take(std::chrono::seconds(60), 64);
            const auto now = Clock::now();
            waits.all.push_back(std::chrono::duration<double, std::milli>(now - before).count());
            before = now;
        }
        for (const auto& request : requests) {
            const double longest = 1e3 * request->statistics().longest_wait_seconds;
            waits.longest = std::max(waits.longest, longest);
        }
        if (beside) {
            std::printf("a prompt of %zu tokens beside them: first token after %.1f s\n", tokens,
                        longer->statistics().first_token_seconds);
        }
        return waits;
    };
    const Waits usual = measure(false);
    const Waits beside = measure(true);
    const double token = median(usual.all);
    std::printf(
        "8 streams alone: a token every %.1f ms (longest wait %.1f ms); a chunk of 128 "
        "tokens takes %.1f ms\n",
        token, usual.longest, chunk_time);
    std::vector<double> sorted = beside.all;
    std::sort(sorted.begin(), sorted.end());
    const double allowed = 2 * token + chunk_time;
    const auto over = sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), allowed);
    std::printf(
        "beside the prompt: a token every %.1f ms, 99 of 100 within %.1f ms, longest wait of any "
        "stream %.1f ms; allowed %.1f ms, which %td of %zu exceed\n",
        median(beside.all), sorted[sorted.size() * 99 / 100], beside.longest, allowed, over,
        sorted.size());
}

int run(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    const auto number = [&](std::size_t otherwise) {
        return argc > 2 ? static_cast<std::size_t>(std::atoll(argv[2])) : otherwise;
    };
    if (what == "snapshot") {
        bench_snapshot(argc > 2 ? fs::path(argv[2]) : fs::temp_directory_path());
    } else if (what == "cache") {
        bench_cache(number(32768));
    } else if (what == "batch") {
        bench_batch();
    } else if (what == "stall") {
        bench_stall(number(65536));
    } else {
        std::fprintf(stderr,
                     "services_bench snapshot [DIRECTORY] | cache [TOKENS] | batch | "
                     "stall [TOKENS]\n");
        return 2;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "services_bench: %s\n", error.what());
        return 1;
    }
}
