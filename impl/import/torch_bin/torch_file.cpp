#include "import/torch_bin/torch_file.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/quote.hpp"
#include "import/torch_bin/pickle.hpp"
#include "import/torch_bin/zip_archive.hpp"

namespace sipo {
namespace {

using Bytes = std::span<const std::byte>;
using Entries = std::map<std::string, Bytes, std::less<>>;
using Kind = Pickle::Kind;
using Value = Pickle::Value;

constexpr std::size_t max_program_bytes = std::size_t{32} << 20;
constexpr std::size_t max_torch_dimensions = 8;
constexpr std::string_view program_name = "/data.pkl";

struct StorageType {
    std::string_view global;
    DType elements;
    const char* dtype;
};

constexpr std::array storage_types = {
    StorageType{"torch.FloatStorage", DType::f32, "F32"},
    StorageType{"torch.HalfStorage", DType::f16, "F16"},
    StorageType{"torch.BFloat16Storage", DType::bf16, "BF16"},
};

// Elements side by side that tensors look into.
struct Storage {
    StorageType type{};
    Bytes bytes;
    std::int64_t elements = 0;
};

struct Window {
    std::int64_t offset = 0;  // in elements, as the strides
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
};

class TorchReader {
public:
    TorchReader(std::shared_ptr<const MappedFile> file, std::string source)
        : file_(std::move(file)),
          source_(std::move(source)),
          entries_(read_zip(file_->bytes(), source_)),
          prefix_(find_prefix()),
          pickle_(program(), source_ + program_name.data(),
                  {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                   "torch._utils._rebuild_parameter", storage_types[0].global,
                   storage_types[1].global, storage_types[2].global}) {
        check_byte_order();
    }

    [[nodiscard]] SourceTensors tensors() const {
        if (pickle_.root().kind != Kind::dict) broken("", "it holds no dictionary of tensors");
        const std::vector<Pickle::Index>& items = pickle_.root().items;
        SourceTensors tensors;
        for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
            const Value& key = pickle_.at(items[i]);
            if (key.kind != Kind::text) broken("", "a tensor's name is no text");
            if (!tensors.emplace(key.text, tensor(key.text, pickle_.at(items[i + 1]))).second) {
                broken(key.text, "it is there twice");
            }
        }
        return tensors;
    }

private:
    [[noreturn]] void broken(const std::string& tensor, const char* what) const {
        fail(Code::corrupt_file, source_, tensor.empty() ? "" : ", tensor " + quote(tensor), ": ",
             what);
    }

    // The folder in the archive that everything lies in.
    [[nodiscard]] std::string find_prefix() const {
        for (const auto& [name, bytes] : entries_) {
            if (name.ends_with(program_name)) {
                return name.substr(0, name.size() - program_name.size() + 1);
            }
        }
        broken("", "it has no data.pkl, so that it is not torch.save's");
    }

    [[nodiscard]] Bytes program() const {
        const Bytes bytes = entries_.at(prefix_ + "data.pkl");
        if (bytes.size() > max_program_bytes) {
            fail(Code::unsupported, source_, ": data.pkl has ", bytes.size(),
                 " bytes; the limit is ", max_program_bytes);
        }
        return bytes;
    }

    void check_byte_order() const {
        const auto entry = entries_.find(prefix_ + "byteorder");
        if (entry == entries_.end()) return;  // torch before 2.1: little
        const std::string_view order(reinterpret_cast<const char*>(entry->second.data()),
                                     entry->second.size());
        if (order != "little") {
            fail(Code::unsupported, source_, ": its byte order is ", quote(std::string(order)),
                 "; little is read");
        }
    }

    [[nodiscard]] const Value& item(const Value& value, std::size_t index) const {
        return pickle_.at(value.items[index]);
    }

    // The arguments of a call of `global`; null when `value` is no such call.
    [[nodiscard]] const Value* arguments(const Value& value, std::string_view global) const {
        if (value.kind != Kind::call || item(value, 0).text != global) return nullptr;
        return &item(value, 1);
    }

    [[nodiscard]] SourceTensor tensor(const std::string& name, const Value& value) const {
        if (const Value* const parameter = arguments(value, "torch._utils._rebuild_parameter")) {
            if (parameter->items.size() != 3) broken(name, "a parameter of no known form");
            return rebuild(name, item(*parameter, 0));
        }
        return rebuild(name, value);
    }

    // _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
    [[nodiscard]] SourceTensor rebuild(const std::string& name, const Value& value) const {
        const Value* const record = arguments(value, "torch._utils._rebuild_tensor_v2");
        if (record == nullptr) broken(name, "it is no tensor");
        if (record->items.size() != 6) broken(name, "a tensor of no known form");
        const Storage storage = storage_of(name, item(*record, 0));
        Window window{.offset = integer(name, item(*record, 1)),
                      .shape = integers(name, item(*record, 2)),
                      .strides = integers(name, item(*record, 3))};
        const std::int64_t count = check_window(name, window, storage.elements);
        const std::size_t width = dtype_size(storage.type.elements);
        return {.dtype = storage.type.dtype,
                .elements = storage.type.elements,
                .shape = window.shape,
                .file_bytes = static_cast<std::uint64_t>(count) * width,
                .read = [file = file_, bytes = storage.bytes, window, width](auto& room) {
                    return elements_of(bytes, window, width, room);
                }};
    }

    // ("storage", type, key, device, elements)
    [[nodiscard]] Storage storage_of(const std::string& name, const Value& value) const {
        if (value.kind != Kind::persistent || item(value, 0).kind != Kind::tuple ||
            item(value, 0).items.size() != 5 || item(item(value, 0), 0).text != "storage") {
            broken(name, "its storage is of no known form");
        }
        const Value& id = item(value, 0);
        Storage storage;
        for (const StorageType& type : storage_types) {
            if (item(id, 1).kind == Kind::global && item(id, 1).text == type.global)
                storage.type = type;
        }
        if (storage.type.dtype == nullptr) broken(name, "its storage has no known type");
        const auto entry = entries_.find(prefix_ + "data/" + item(id, 2).text);
        if (entry == entries_.end()) broken(name, "its storage is missing");
        storage.bytes = entry->second;
        storage.elements = integer(name, item(id, 4));
        const std::size_t room = storage.bytes.size() / dtype_size(storage.type.elements);
        if (static_cast<std::uint64_t>(storage.elements) > room) {
            broken(name, "its storage is shorter than stated");
        }
        return storage;
    }

    [[nodiscard]] std::int64_t integer(const std::string& name, const Value& value) const {
        if (value.kind != Kind::integer || value.integer < 0) {
            broken(name, "a size or an offset is no whole number from 0 on");
        }
        return value.integer;
    }

    [[nodiscard]] std::vector<std::int64_t> integers(const std::string& name,
                                                     const Value& value) const {
        if (value.kind != Kind::tuple || value.items.size() > max_torch_dimensions) {
            broken(name, "a shape of no known form");
        }
        std::vector<std::int64_t> result;
        for (const Pickle::Index index : value.items) {
            result.push_back(integer(name, pickle_.at(index)));
        }
        return result;
    }

    // The elements that a window shows: all inside the storage and, so that a small file makes no
    // large tensor, no more than it has.
    [[nodiscard]] std::int64_t check_window(const std::string& name, const Window& window,
                                            std::int64_t elements) const {
        if (window.shape.size() != window.strides.size()) broken(name, "sizes without strides");
        std::int64_t count = 1;
        std::int64_t last = window.offset;
        bool overflow = false;
        for (std::size_t i = 0; i < window.shape.size(); ++i) {
            const std::int64_t size = window.shape[i];
            std::int64_t reach = 0;
            overflow |= __builtin_mul_overflow(count, size, &count);
            overflow |= __builtin_mul_overflow(size > 0 ? size - 1 : 0, window.strides[i], &reach);
            overflow |= __builtin_add_overflow(last, reach, &last);
        }
        if (overflow || count > elements || (count > 0 && last >= elements)) {
            broken(name, "it reaches past its storage");
        }
        return count;
    }

    static bool is_contiguous(const Window& window) {
        std::int64_t stride = 1;
        for (std::size_t i = window.shape.size(); i-- > 0;) {
            if (window.shape[i] != 1 && window.strides[i] != stride) return false;
            stride *= window.shape[i];
        }
        return true;
    }

    static std::int64_t count_of(const Window& window) {
        std::int64_t count = 1;
        for (const std::int64_t size : window.shape) count *= size;
        return count;
    }

    static Bytes elements_of(Bytes storage, const Window& window, std::size_t width,
                             std::vector<std::byte>& room) {
        const auto count = static_cast<std::size_t>(count_of(window));
        const auto at = [width](std::int64_t element) {
            return static_cast<std::size_t>(element) * width;
        };
        if (count == 0) return {};
        if (is_contiguous(window)) return storage.subspan(at(window.offset), count * width);
        room.resize(count * width);
        std::vector<std::int64_t> index(window.shape.size(), 0);
        std::int64_t source = window.offset;
        for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(room.data() + i * width, storage.data() + at(source), width);
            for (std::size_t d = window.shape.size(); d-- > 0;) {
                source += window.strides[d];
                if (++index[d] < window.shape[d]) break;
                source -= window.strides[d] * window.shape[d];
                index[d] = 0;
            }
        }
        return room;
    }

    std::shared_ptr<const MappedFile> file_;
    std::string source_;
    Entries entries_;
    std::string prefix_;
    Pickle pickle_;
};

// Before 1.6 a file was pickles one after the other, the first a magic number.
void check_is_zip(Bytes file, const std::string& source) {
    const std::string_view start(reinterpret_cast<const char*>(file.data()),
                                 std::min<std::size_t>(file.size(), 2));
    if (start == "PK") return;
    if (start == "\x80\x02") {
        fail(Code::unsupported, source,
             " is in the format from before torch 1.6; load it with torch ", "and save it again");
    }
    fail(Code::corrupt_file, source, " is no file of torch.save");
}

}  // namespace

SourceTensors open_torch_file(const std::filesystem::path& path) {
    const auto file = std::make_shared<const MappedFile>(path);
    check_is_zip(file->bytes(), path.string());
    return TorchReader(file, path.string()).tensors();
}

}  // namespace sipo
