#include "import/torch_bin/pickle.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "base/quote.hpp"
#include "import/byte_reader.hpp"

namespace sipo {
namespace {

// A checkpoint of 64 layers takes some 40,000 instructions.
constexpr std::size_t max_instructions = std::size_t{1} << 20;
constexpr std::size_t max_memo = std::size_t{1} << 20;
constexpr std::size_t max_marks = 64;
constexpr std::size_t max_text = std::size_t{1} << 16;
constexpr std::size_t max_global = 256;
constexpr std::uint8_t protocol = 2;

enum Opcode : std::uint8_t {
    op_mark = '(',
    op_stop = '.',
    op_bin_int = 'J',
    op_bin_int1 = 'K',
    op_bin_int2 = 'M',
    op_none = 'N',
    op_bin_persid = 'Q',
    op_reduce = 'R',
    op_bin_unicode = 'X',
    op_append = 'a',
    op_build = 'b',
    op_global = 'c',
    op_appends = 'e',
    op_bin_get = 'h',
    op_long_bin_get = 'j',
    op_bin_put = 'q',
    op_long_bin_put = 'r',
    op_set_item = 's',
    op_tuple = 't',
    op_set_items = 'u',
    op_empty_list = ']',
    op_empty_tuple = ')',
    op_empty_dict = '}',
    op_proto = 0x80,
    op_tuple1 = 0x85,
    op_tuple2 = 0x86,
    op_tuple3 = 0x87,
    op_new_true = 0x88,
    op_new_false = 0x89,
    op_long1 = 0x8a,
};

}  // namespace

class PickleMachine {
public:
    using Index = Pickle::Index;
    using Kind = Pickle::Kind;
    using Value = Pickle::Value;

    PickleMachine(std::span<const std::byte> program, const std::string& source,
                  std::initializer_list<std::string_view> globals, std::vector<Value>& values)
        : program_(program, source), globals_(globals), values_(values) {}

    // The index of what the program leaves on the stack.
    Index run() {
        if (program_.number<std::uint8_t>() != op_proto ||
            program_.number<std::uint8_t>() != protocol) {
            fail(Code::unsupported, program_.source(), " is no pickle of protocol ", int{protocol},
                 ", which torch.save writes by default");
        }
        for (std::size_t count = 0; count < max_instructions; ++count) {
            const auto opcode = program_.number<std::uint8_t>();
            if (opcode == op_stop) return finish();
            step(opcode);
        }
        fail(Code::unsupported, program_.source(), " has more than ", max_instructions,
             " instructions");
    }

private:
    [[noreturn]] void broken(const char* what) const {
        fail(Code::corrupt_file, program_.source(), ", byte ", program_.position(), ": ", what);
    }

    Index finish() {
        if (!marks_.empty() || stack_.size() != 1) broken("not one value is left at the end");
        return stack_.back();
    }

    void step(std::uint8_t opcode) {
        switch (opcode) {
            case op_mark: return mark();
            case op_none: return push({});
            case op_new_true: return push({.kind = Kind::boolean, .integer = 1});
            case op_new_false: return push({.kind = Kind::boolean});
            case op_bin_int: return push_integer(program_.number<std::int32_t>());
            case op_bin_int1: return push_integer(program_.number<std::uint8_t>());
            case op_bin_int2: return push_integer(program_.number<std::uint16_t>());
            case op_long1: return push_integer(long_integer());
            case op_bin_unicode: return push_text();
            case op_empty_tuple: return push({.kind = Kind::tuple});
            case op_empty_list: return push({.kind = Kind::list});
            case op_empty_dict: return push({.kind = Kind::dict});
            case op_tuple1: return tuple(1);
            case op_tuple2: return tuple(2);
            case op_tuple3: return tuple(3);
            case op_tuple: return tuple(above_mark());
            case op_append: return append(1);
            case op_appends: return append(above_mark());
            case op_set_item: return set_items(2);
            case op_set_items: return set_items(above_mark());
            case op_bin_put: return remember(program_.number<std::uint8_t>());
            case op_long_bin_put: return remember(program_.number<std::uint32_t>());
            case op_bin_get: return recall(program_.number<std::uint8_t>());
            case op_long_bin_get: return recall(program_.number<std::uint32_t>());
            case op_global: return global();
            case op_reduce: return reduce();
            case op_build: return build();
            case op_bin_persid: return persistent();
            default: refuse(opcode);
        }
    }

    [[noreturn]] void refuse(std::uint8_t opcode) const {
        std::array<char, 8> code{};
        std::snprintf(code.data(), code.size(), "0x%02x", opcode);
        fail(Code::unsupported, program_.source(), ", byte ", program_.position() - 1,
             ": instruction ", code.data(),
             " is not one that a dictionary of tensors needs; nothing in a ", "pickle is executed");
    }

    void push(Value value) {
        values_.push_back(std::move(value));
        stack_.push_back(static_cast<Index>(values_.size() - 1));
    }

    void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }

    void push_text() {
        const auto bytes = program_.number<std::uint32_t>();
        if (bytes > max_text) broken("a text is too long");
        push({.kind = Kind::text, .text = program_.text(bytes)});
    }

    // Little-endian two's complement of up to eight bytes.
    std::int64_t long_integer() {
        const auto bytes = program_.number<std::uint8_t>();
        if (bytes > sizeof(std::int64_t)) broken("an integer has more than 64 bits");
        std::uint64_t value = 0;
        const auto digits = program_.take(bytes);
        for (std::size_t i = 0; i < digits.size(); ++i) {
            value |= std::to_integer<std::uint64_t>(digits[i]) << (8 * i);
        }
        const bool negative = bytes > 0 && (std::to_integer<unsigned>(digits.back()) & 0x80U) != 0;
        if (negative && bytes < sizeof value) value |= ~std::uint64_t{0} << (8 * bytes);
        return static_cast<std::int64_t>(value);
    }

    void mark() {
        if (marks_.size() == max_marks) broken("it is nested too deeply");
        marks_.push_back(stack_.size());
    }

    // Values above the innermost mark, which is taken away.
    std::size_t above_mark() {
        if (marks_.empty()) broken("a mark is missing");
        const std::size_t mark = marks_.back();
        marks_.pop_back();
        if (mark > stack_.size()) broken("what a mark marks was taken away");
        return stack_.size() - mark;
    }

    std::vector<Index> pop(std::size_t count) {
        const std::size_t floor = marks_.empty() ? 0 : marks_.back();
        if (stack_.size() < floor || count > stack_.size() - floor) broken("the stack is empty");
        const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
        std::vector<Index> taken(first, stack_.end());
        stack_.erase(first, stack_.end());
        return taken;
    }

    Value& top(Kind kind, const char* otherwise) {
        if (stack_.empty() || values_[stack_.back()].kind != kind) broken(otherwise);
        return values_[stack_.back()];
    }

    void tuple(std::size_t count) { push({.kind = Kind::tuple, .items = pop(count)}); }

    void append(std::size_t count) {
        const std::vector<Index> items = pop(count);
        Value& list = top(Kind::list, "an element without a list");
        list.items.insert(list.items.end(), items.begin(), items.end());
    }

    void set_items(std::size_t count) {
        if (count % 2 != 0) broken("a key without a value");
        const std::vector<Index> items = pop(count);
        Value& dict = top(Kind::dict, "an entry without a dictionary");
        dict.items.insert(dict.items.end(), items.begin(), items.end());
    }

    void remember(std::uint32_t key) {
        if (stack_.empty()) broken("the stack is empty");
        if (key >= max_memo) broken("a memo's number is too high");
        if (memo_.size() <= key) memo_.resize(key + 1, no_value);
        memo_[key] = stack_.back();
    }

    void recall(std::uint32_t key) {
        if (key >= memo_.size() || memo_[key] == no_value) broken("a memo is missing");
        stack_.push_back(memo_[key]);
    }

    std::string line() {
        std::string text;
        for (;;) {
            const auto c = program_.number<char>();
            if (c == '\n') return text;
            if (text.size() == max_global) broken("a name is too long");
            text += c;
        }
    }

    void global() {
        const std::string module = line();
        const std::string name = module + '.' + line();
        if (std::find(globals_.begin(), globals_.end(), name) == globals_.end()) {
            fail(Code::unsupported, program_.source(), " asks for ", quote(name),
                 "; only tensors of float32, float16 and bfloat16 are read, and nothing in a ",
                 "pickle is executed");
        }
        push({.kind = Kind::global, .text = name});
    }

    void reduce() {
        const std::vector<Index> call = pop(2);
        if (values_[call[0]].kind != Kind::global || values_[call[1]].kind != Kind::tuple) {
            broken("a call of what cannot be called");
        }
        if (values_[call[0]].text != "collections.OrderedDict") {
            return push({.kind = Kind::call, .items = call});
        }
        if (!values_[call[1]].items.empty()) broken("a dictionary made from arguments");
        push({.kind = Kind::dict});
    }

    // The attributes that a module leaves on its dictionary of tensors (versions of its parts).
    void build() {
        pop(1);
        static_cast<void>(top(Kind::dict, "attributes of what has none"));
    }

    void persistent() { push({.kind = Kind::persistent, .items = pop(1)}); }

    static constexpr Index no_value = std::numeric_limits<Index>::max();

    ByteReader program_;
    std::vector<std::string_view> globals_;
    std::vector<Value>& values_;
    std::vector<Index> stack_;
    std::vector<std::size_t> marks_;  // heights of the stack
    std::vector<Index> memo_;
};

Pickle::Pickle(std::span<const std::byte> program, const std::string& source,
               std::initializer_list<std::string_view> globals) {
    root_ = PickleMachine(program, source, globals, values_).run();
}

}  // namespace sipo
