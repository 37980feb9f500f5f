// Files as torch.save writes them: a zip of stored entries, one of them a pickle.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "writers/file_bytes.hpp"

namespace sipo::writers {

// A zip archive without compression. With `zip64` its end is written as torch writes it.
class ZipWriter {
public:
    void add(const std::string& name, std::string_view contents, std::uint16_t method = 0) {
        const auto header = static_cast<std::uint32_t>(bytes_.size());
        append<std::uint32_t>(bytes_, 0x04034b50);
        add_common(bytes_, name, contents, method);
        // torch fills this field up so that the contents start at a multiple of 64.
        const std::size_t start = bytes_.size() + 2 + name.size() + 4;
        const std::size_t fill = (64 - start % 64) % 64;
        append<std::uint16_t>(bytes_, static_cast<std::uint16_t>(fill + 4));
        bytes_ += name;
        bytes_ += "FB";
        append<std::uint16_t>(bytes_, static_cast<std::uint16_t>(fill));
        bytes_.append(fill, 'Z');
        bytes_ += contents;

        append<std::uint32_t>(directory_, 0x02014b50);
        append<std::uint16_t>(directory_, 0);
        add_common(directory_, name, contents, method);
        append<std::uint16_t>(directory_, 0);  // extra
        directory_.append(10, '\0');           // comment, disk, attributes
        append<std::uint32_t>(directory_, header);
        directory_ += name;
        ++entries_;
    }

    [[nodiscard]] std::string file(bool zip64 = true, const std::string& comment = {}) const {
        std::string out = bytes_ + directory_;
        if (zip64) {
            const std::uint64_t record = out.size();
            append<std::uint32_t>(out, 0x06064b50);
            append<std::uint64_t>(out, 44);
            out.append(12, '\0');
            append<std::uint64_t>(out, entries_);
            append<std::uint64_t>(out, entries_);
            append<std::uint64_t>(out, directory_.size());
            append<std::uint64_t>(out, bytes_.size());
            append<std::uint32_t>(out, 0x07064b50);
            append<std::uint32_t>(out, 0);
            append<std::uint64_t>(out, record);
            append<std::uint32_t>(out, 1);
        }
        append<std::uint32_t>(out, 0x06054b50);
        append<std::uint32_t>(out, 0);
        append<std::uint16_t>(out, entries_);
        append<std::uint16_t>(out, entries_);
        append<std::uint32_t>(out, static_cast<std::uint32_t>(directory_.size()));
        append<std::uint32_t>(out, static_cast<std::uint32_t>(bytes_.size()));
        append<std::uint16_t>(out, static_cast<std::uint16_t>(comment.size()));
        return out + comment;
    }

private:
    // What both headers of an entry begin with, up to the length of the name.
    static void add_common(std::string& out, const std::string& name, std::string_view contents,
                           std::uint16_t method) {
        append<std::uint16_t>(out, 0);
        append<std::uint16_t>(out, 0x0800);
        append<std::uint16_t>(out, method);
        append<std::uint64_t>(out, 0);  // time, date, checksum
        append<std::uint32_t>(out, static_cast<std::uint32_t>(contents.size()));
        append<std::uint32_t>(out, static_cast<std::uint32_t>(contents.size()));
        append<std::uint16_t>(out, static_cast<std::uint16_t>(name.size()));
    }

    std::string bytes_;
    std::string directory_;
    std::uint16_t entries_ = 0;
};

// The instructions of a pickle, put together as Python's pickler does for a dictionary of tensors.
class PickleWriter {
public:
    std::string bytes = "\x80\x02";

    PickleWriter& op(std::string_view code) {
        bytes += code;
        return *this;
    }
    PickleWriter& text(std::string_view value) {
        bytes += 'X';
        append<std::uint32_t>(bytes, static_cast<std::uint32_t>(value.size()));
        bytes += value;
        return *this;
    }
    PickleWriter& integer(std::int64_t value) {
        if (value >= 0 && value < 256) {
            bytes += 'K';
            append<std::uint8_t>(bytes, static_cast<std::uint8_t>(value));
        } else if (value >= 0 && value < 65536) {
            bytes += 'M';
            append<std::uint16_t>(bytes, static_cast<std::uint16_t>(value));
        } else if (value >= INT32_MIN && value <= INT32_MAX) {
            bytes += 'J';
            append<std::int32_t>(bytes, static_cast<std::int32_t>(value));
        } else {
            bytes += "\x8a\x08";
            append<std::int64_t>(bytes, value);
        }
        return *this;
    }
    PickleWriter& global(const std::string& module, const std::string& name) {
        bytes += 'c' + module + '\n' + name + '\n';
        return *this;
    }
    PickleWriter& integers(const std::vector<std::int64_t>& values) {
        op("(");
        for (const std::int64_t value : values) integer(value);
        return op("t");
    }
    PickleWriter& put(std::uint8_t memo) {
        bytes += 'q';
        bytes += static_cast<char>(memo);
        return *this;
    }
};

struct TorchTensor {
    std::string type = "FloatStorage";
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;  // in elements
    std::int64_t offset = 0;
    std::string storage;  // its key
    std::int64_t storage_elements = 0;
};

// Strides of elements that lie row by row.
inline std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape) {
    std::vector<std::int64_t> strides(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    return strides;
}

inline void add_tensor(PickleWriter& out, const TorchTensor& tensor) {
    out.global("torch._utils", "_rebuild_tensor_v2").op("((");
    out.text("storage").global("torch", tensor.type).text(tensor.storage).text("cpu");
    out.integer(tensor.storage_elements).op("tQ").integer(tensor.offset);
    out.integers(tensor.shape).integers(tensor.strides);
    out.op("\x89").global("collections", "OrderedDict").op(")RtR");
}

// Tensors and the storages they look into.
class TorchWriter {
public:
    std::map<std::string, TorchTensor> tensors;
    std::map<std::string, std::string> storages;

    // A tensor with a storage of its own.
    void add(const std::string& name, const std::string& type, std::size_t width,
             const std::vector<std::int64_t>& shape, const std::string& bytes) {
        const std::string key = std::to_string(storages.size());
        storages[key] = bytes;
        tensors[name] = {type, shape, row_major(shape),
                         0,    key,   static_cast<std::int64_t>(bytes.size() / width)};
    }

    [[nodiscard]] std::string program() const {
        PickleWriter out;
        out.global("collections", "OrderedDict").op(")R").put(0).op("(");
        for (const auto& [name, tensor] : tensors) {
            out.text(name);
            add_tensor(out, tensor);
        }
        return out.op("u}").text("_metadata").op("}sb.").bytes;
    }

    [[nodiscard]] std::string file() const { return file_with(program()); }

    [[nodiscard]] std::string file_with(const std::string& program) const {
        ZipWriter zip;
        zip.add("archive/data.pkl", program);
        zip.add("archive/byteorder", "little");
        for (const auto& [key, bytes] : storages) zip.add("archive/data/" + key, bytes);
        zip.add("archive/version", "3\n");
        return zip.file();
    }
};

}  // namespace sipo::writers
