// Python's pickle format, read as data: nothing is imported, called or built.
//
// A pickle is a program for a stack machine. This reads the instructions that torch.save needs for a
// dictionary of tensors (protocol 2), keeps calls as records of what was to be called with what, and
// refuses every other instruction, and every name outside a list that the caller gives.
// (Python's Lib/pickletools.py describes the instructions.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sipo {

class Pickle {
public:
    using Index = std::uint32_t;

    enum class Kind : std::uint8_t {
        none,
        boolean,
        integer,
        text,
        tuple,
        list,
        dict,        // items: key, value, key, value, ...
        global,      // text: "module.name"
        call,        // items: a global, a tuple of arguments
        persistent,  // items: what identifies an object that lies outside
    };

    // Containers may hold themselves; a walk over items must not go by depth alone.
    struct Value {
        Kind kind = Kind::none;
        std::int64_t integer = 0;
        std::string text = {};
        std::vector<Index> items = {};
    };

    // `globals`: the names that may be mentioned; "collections.OrderedDict", called without
    // arguments, is a dict. Code::unsupported names what is not among them or not an instruction that
    // tensors need; Code::corrupt_file says where the program is broken.
    Pickle(std::span<const std::byte> program, const std::string& source,
           std::initializer_list<std::string_view> globals);

    [[nodiscard]] const Value& root() const { return values_[root_]; }
    [[nodiscard]] const Value& at(Index index) const { return values_[index]; }

private:
    std::vector<Value> values_;
    Index root_ = 0;

    friend class PickleMachine;
};

}  // namespace sipo
