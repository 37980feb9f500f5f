#include "races.hpp"

#include <algorithm>

#include "machine.hpp"
#include "reports.hpp"

namespace emulator {

Races::Races(unsigned blocks, unsigned threads, unsigned cluster, unsigned char* memory,
             std::size_t span)
    : on_(current.instrumented && current.settings.races),
      memory_(memory),
      span_(span),
      threads_(static_cast<int>(threads)),
      in_cluster_(static_cast<int>(threads * cluster)),
      most_barriers_(cluster == 1 ? 600 : static_cast<int>(300 * cluster)) {
    if (!on_) return;
    const auto size = static_cast<std::size_t>(in_cluster_ + most_barriers_);
    const auto nothing = std::make_shared<const Clocks>(size, 0);
    known_.resize(std::size_t{blocks} * threads);
    for (std::size_t f = 0; f < known_.size(); ++f) {
        const auto number = static_cast<int>(f);
        known_[f] = {nothing, number % in_cluster_, number / in_cluster_, 1};
    }
    granules_.assign(blocks, std::vector<Granule>(span / granule_bytes));
    clusters_.resize(blocks / cluster);
    for (Meeting& m : clusters_) m = Meeting(size, static_cast<int>(&m - clusters_.data()), -1);
    barriers_made_.resize(clusters_.size());
}

void Races::meet(std::span<Fiber* const> fibers) {
    const auto first = std::ranges::find_if(fibers, [](const Fiber* f) { return f != nullptr; });
    if (!on_ || first == fibers.end()) return;
    Meeting meeting(of((*first)->number));
    for (const Fiber* f : fibers) {
        if (f != nullptr) meeting.add(of(f->number));
    }
    const SharedClocks known = std::move(meeting).all();
    for (const Fiber* f : fibers) {
        if (f == nullptr) continue;
        of(f->number).base = known;
        ++of(f->number).own;
    }
}

Snapshot Races::take(int fiber) {
    if (!on_) return {};
    Snapshot now = of(fiber);
    ++of(fiber).own;
    return now;
}

void Races::makes(std::uint32_t barrier, int block) {
    if (!on_) return;
    const auto cluster = static_cast<std::size_t>(block / (in_cluster_ / threads_));
    const int index = barriers_made_[cluster]++;
    if (index >= most_barriers_)
        fatal(text("more than ", most_barriers_, " mbarriers in a cluster"));
    if (barriers_.size() <= barrier) barriers_.resize(barrier + 1);
    barriers_[barrier] = Meeting(static_cast<std::size_t>(in_cluster_ + most_barriers_),
                                 static_cast<int>(cluster), in_cluster_ + index);
}
void Races::arrives(int fiber, std::uint32_t barrier) {
    if (on_) barriers_[barrier].add(take(fiber));
}
void Races::carries(std::uint32_t barrier, const Snapshot& knew) {
    if (on_) barriers_[barrier].add(knew);
}
void Races::phase_ends(std::uint32_t barrier) {
    if (on_) barriers_[barrier].end_phase();
}
void Races::waited(int fiber, std::uint32_t barrier) {
    if (on_) barriers_[barrier].tell(of(fiber));
}
void Races::arrives_cluster(int fiber) {
    if (on_) clusters_[static_cast<std::size_t>(of(fiber).cluster)].add(take(fiber));
}
void Races::cluster_ends(int cluster) {
    if (on_) clusters_[static_cast<std::size_t>(cluster)].end_phase();
}
void Races::waited_cluster(int fiber) {
    if (on_) clusters_[static_cast<std::size_t>(of(fiber).cluster)].tell(of(fiber));
}

void Races::stored(const void* to, std::size_t bytes, const Snapshot& knew) {
    if (!on_) return;
    for (std::size_t i = 0; i < bytes; i += 4)
        words_[reinterpret_cast<std::uintptr_t>(to) + i] = knew;
}
void Races::loads(int fiber, const void* from, std::size_t bytes) {
    if (!on_) return;
    for (std::size_t i = 0; i < bytes; i += 4) {
        const auto found = words_.find(reinterpret_cast<std::uintptr_t>(from) + i);
        if (found != words_.end()) of(fiber).learn(found->second);
    }
}

template <typename Function>
void Races::for_granules(const unsigned char* place, std::size_t bytes, const Function& function) {
    Granule* g = granule_at(place);
    const Granule* last = granule_at(place + bytes - 1);
    for (const unsigned char* at = place; g <= last; ++g, at += granule_bytes) function(*g, at);
}

void Races::copy_begins(int fiber, const unsigned char* to, std::size_t bytes, void* where) {
    if (!on_) return;
    for_granules(to, bytes, [&](Granule& g, const unsigned char* at) {
        const Deed deed{fiber, at, where};
        check_writer(g, deed, "copy after write", "copy after write");
        check_readers(g, deed, "copy after read");
        note_writer(g, {under_way, 0, where});
    });
}

void Races::copy_ends(int fiber, const unsigned char* to, std::size_t bytes, int barrier) {
    if (!on_) return;
    Reader as{};
    if (barrier >= 0) {
        const Meeting& m = barriers_[static_cast<std::size_t>(barrier)];
        as = {static_cast<std::uint16_t>(m.index()), m.phases() + 1};
    } else {
        const Snapshot& by = of(fiber);
        as = {static_cast<std::uint16_t>(by.index), by.own};
    }
    for_granules(to, bytes, [&](Granule& g, const unsigned char*) {
        if (g.writer.who == under_way) g.writer = {as.who, as.clock, g.writer.where};
    });
}

void Races::access(int fiber, const unsigned char* place, std::size_t bytes, bool writes,
                   void* where) {
    if (!on_ || bytes == 0) return;
    if (block_of(place) != static_cast<std::size_t>(fiber / threads_)) {
        error(text("thread ", fiber % threads_, " of block ", fiber / threads_, " accesses block ",
                   block_of(place), "'s memory as its own at ", source_of(where)));
        return;
    }
    const Reader self{static_cast<std::uint16_t>(of(fiber).index), of(fiber).own, where};
    for_granules(place, bytes, [&](Granule& g, const unsigned char* at) {
        const Deed deed{fiber, at, where};
        if (writes) {
            check_writer(g, deed, "write after write",
                         "write after a copy that was not waited for");
            check_readers(g, deed, "write after read");
            note_writer(g, self);
        } else {
            check_writer(g, deed, "read after write", "read of a copy that was not waited for");
            note_reader(g, self);
        }
    });
}

Races::Granule* Races::granule_at(const unsigned char* place) {
    const auto offset = static_cast<std::size_t>(place - memory_);
    return granules_[offset / span_].data() + offset % span_ / granule_bytes;
}

void Races::check_writer(const Granule& g, const Deed& deed, const char* plain, const char* copy) {
    const int who = g.writer.who;
    if (who == nobody || (who != under_way && of(deed.fiber).knows_of(who) >= g.writer.clock))
        return;
    report(who == under_way || who >= in_cluster_ ? copy : plain, deed, g.writer);
}

void Races::check_readers(const Granule& g, const Deed& deed, const char* what) {
    const auto check = [&](const Reader& r) {
        if (r.who != nobody && of(deed.fiber).knows_of(r.who) < r.clock) report(what, deed, r);
    };
    check(g.reader);
    if (g.more != 0) std::ranges::for_each(lists_[g.more - 1], check);
}

void Races::note_reader(Granule& g, const Reader& reader) {
    if (g.reader.who == nobody || g.reader.who == reader.who) {
        g.reader = reader;
        return;
    }
    if (g.more == 0) {
        lists_.emplace_back();
        g.more = static_cast<std::uint32_t>(lists_.size());
    }
    auto& list = lists_[g.more - 1];
    const auto found = std::ranges::find(list, reader.who, &Reader::who);
    if (found != list.end()) {
        *found = reader;
    } else {
        list.push_back(reader);
    }
}

void Races::note_writer(Granule& g, const Reader& writer) {
    g.writer = writer;
    g.reader.who = nobody;
    if (g.more != 0) lists_[g.more - 1].clear();
}

void Races::report(const char* what, const Deed& deed, const Reader& other) {
    if (!told_.insert({deed.where, other.where}).second) return;
    const Snapshot& by = of(deed.fiber);
    error(text("race at byte ", static_cast<std::size_t>(deed.place - memory_) % span_,
               " of block ", block_of(deed.place), ": ", what, "; ", name_of(by.index, by.cluster),
               " at ", source_of(deed.where), "; before it ", name_of(other.who, by.cluster),
               " at ", source_of(other.where)));
}

std::string Races::name_of(int index, int cluster) const {
    if (index >= in_cluster_) return "a copy";
    return text("block ", cluster * (in_cluster_ / threads_) + index / threads_, " thread ",
                index % threads_);
}

}  // namespace emulator
