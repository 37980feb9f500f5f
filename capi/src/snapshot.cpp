// Snapshots, copies and checkpoints of sessions.
#include "arguments.hpp"
#include "base/file.hpp"
#include "handles.hpp"
#include "status.hpp"

using namespace sipo;
using namespace sipo::capi;

namespace {

sipo_snapshot_options chosen(const sipo_snapshot_options* options) {
    return options != nullptr ? *options : sipo_snapshot_options{};
}

std::string checkpoint_name(const char* name) {
    constexpr std::size_t longest = 255;
    std::string text = require_text(name, "name");
    if (text.size() > longest) {
        fail(Code::invalid_argument, "a checkpoint's name has ", text.size(),
             " bytes; legal are 1 to ", longest);
    }
    return text;
}

}  // namespace

extern "C" {

sipo_status sipo_snapshot_options_create(sipo_snapshot_options** options) {
    return guarded([&] {
        require(options, "options");
        give(options, sipo_snapshot_options{});
    });
}

void sipo_snapshot_options_free(sipo_snapshot_options* options) {
    const std::unique_ptr<sipo_snapshot_options> owned(options);
}

sipo_status sipo_snapshot_options_set_store(sipo_snapshot_options* options, int32_t store) {
    return guarded([&] {
        Encoding& target = require(options, "options").encoding;
        switch (store) {
            case SIPO_STORE_ZSTD: target = Encoding::zstd_planes; return;
            case SIPO_STORE_RAW: target = Encoding::raw; return;
            default:
                fail(Code::out_of_range, "store is ", store,
                     "; legal are SIPO_STORE_ZSTD (100) and SIPO_STORE_RAW (110)");
        }
    });
}

sipo_status sipo_snapshot_options_set_flush(sipo_snapshot_options* options, int32_t flush) {
    return guarded([&] {
        require(options, "options").flush = flush != 0 ? Flush::to_device : Flush::to_system;
    });
}

sipo_status sipo_session_save(const sipo_session* session, const char* path,
                              const sipo_snapshot_options* options) {
    return with_session(session, [&](const Session& target) {
        const sipo_snapshot_options how = chosen(options);
        target.save(require_text(path, "path"), how.encoding, how.flush);
    });
}

sipo_status sipo_session_load(sipo_session* session, const char* path) {
    return with_session(session, [&](Session& target) {
        const std::string name = require_text(path, "path");
        const FileBytes file(name, snapshot_read_limit);
        target.load(file.bytes(), name);
    });
}

sipo_status sipo_session_save_memory(const sipo_session* session,
                                     const sipo_snapshot_options* options,
                                     sipo_snapshot** snapshot) {
    return with_session(session, [&](const Session& target) {
        require(snapshot, "snapshot");
        give(snapshot, sipo_snapshot{target.save(chosen(options).encoding)});
    });
}

sipo_status sipo_session_load_memory(sipo_session* session, const void* bytes, size_t length) {
    return with_session(session, [&](Session& target) {
        const auto data = require_array(static_cast<const std::byte*>(bytes), length, "bytes");
        target.load(data, "the snapshot");
    });
}

sipo_status sipo_snapshot_bytes(const sipo_snapshot* snapshot, const void** bytes, size_t* length) {
    return guarded([&] {
        const std::vector<std::byte>& data = require(snapshot, "snapshot").bytes;
        require(bytes, "bytes");
        require(length, "length") = data.size();
        *bytes = data.data();
    });
}

void sipo_snapshot_free(sipo_snapshot* snapshot) {
    const std::unique_ptr<sipo_snapshot> owned(snapshot);
}

sipo_status sipo_session_fork(const sipo_session* session, sipo_session** copy) {
    return with_session(session, [&](const Session& target) {
        require(copy, "copy");
        give(copy, target.fork());
    });
}

sipo_status sipo_session_checkpoint(sipo_session* session, const char* name) {
    return with_session(session,
                        [&](Session& target) { target.checkpoint(checkpoint_name(name)); });
}

sipo_status sipo_session_rewind(sipo_session* session, const char* name) {
    return with_session(session, [&](Session& target) { target.rewind(checkpoint_name(name)); });
}

sipo_status sipo_session_drop_checkpoint(sipo_session* session, const char* name) {
    return with_session(session,
                        [&](Session& target) { target.drop_checkpoint(checkpoint_name(name)); });
}

}  // extern "C"
