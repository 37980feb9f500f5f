#include "format/profile_store.hpp"

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/quote.hpp"
#include "format/header.hpp"
#include "format/payload_writer.hpp"
#include "format/profile_payloads.hpp"

namespace sipo {
namespace {

void lock(const Descriptor& file, const std::filesystem::path& path) {
    while (flock(file.get(), LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        fail(Code::io_error, "cannot lock ", path.string(), ": ",
             std::generic_category().message(errno));
    }
}

bool still_named(const Descriptor& file, const std::filesystem::path& path) {
    struct stat opened {};
    struct stat named {};
    return fstat(file.get(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// Who waits for the lock may get it on a file that has just been replaced; then the name leads to
// another file, whose lock is the one that counts.
Descriptor open_locked(const std::filesystem::path& path) {
    for (;;) {
        Descriptor file = open_regular_file(path);
        lock(file, path);
        if (still_named(file, path)) return file;
    }
}

void check_fit(const CalibrationProfile& profile, const Architecture& architecture) {
    if (profile.layers == architecture.n_layers &&
        profile.channels == architecture.delta_channels()) {
        return;
    }
    fail(Code::invalid_argument, "profile ", quote(profile.name), " is for ", profile.layers,
         " layers of ", profile.channels, " channels; the model has ", architecture.n_layers,
         " of ", architecture.delta_channels());
}

void copy_payloads(PayloadWriter& writer, std::span<const std::byte> file, Contents& contents) {
    for (TensorEntry& tensor : contents.tensors) tensor.payload = writer.copy(tensor.payload, file);
    for (BlobEntry& blob : contents.blobs) blob.payload = writer.copy(blob.payload, file);
    for (ProfileEntry& profile : contents.profiles) {
        profile.log_decay = writer.copy(profile.log_decay, file);
        profile.threshold_table = writer.copy(profile.threshold_table, file);
    }
}

}  // namespace

void store_profile(const std::filesystem::path& path, const CalibrationProfile& profile) {
    validate(profile);
    const Descriptor locked = open_locked(path);
    const MappedFile file(locked, path);
    auto [prelude, contents] = open_header(file.bytes(), path.string());
    if (prelude.minor > format_minor) {
        fail(Code::unsupported, path.string(), " has format version ", prelude.major, ".",
             prelude.minor, "; this version of the library writes ", format_major, ".",
             format_minor, " and would lose what is new");
    }
    check_fit(profile, contents.architecture);
    std::erase_if(contents.profiles, [&](const ProfileEntry& p) { return p.name == profile.name; });
    PayloadWriter writer(path, 1);
    copy_payloads(writer, file.bytes(), contents);
    contents.profiles.push_back(write_profile(writer, profile));
    writer.commit(contents);
}

}  // namespace sipo
