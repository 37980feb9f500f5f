#include "base/json.hpp"

#include <limits>
#include <utility>
#include <vector>

#include "base/quote.hpp"

namespace sipo {
namespace {

// Builds the value from the parser's events; the parser itself keeps no stack of calls, so depth
// costs nothing until a value is copied or compared. Destroying one is iterative as well.
class Builder final : public nlohmann::json_sax<Json> {
public:
    Builder(const std::string& source, int max_depth) : source_(source), max_depth_(max_depth) {}

    Json take() { return std::move(root_); }

    bool null() override { return put(Json()); }
    bool boolean(bool value) override { return put(value); }
    bool number_integer(number_integer_t value) override { return put(value); }
    bool number_unsigned(number_unsigned_t value) override { return put(value); }
    bool number_float(number_float_t value, const string_t& /*text*/) override {
        return put(value);
    }
    bool string(string_t& value) override { return put(std::move(value)); }
    bool binary(binary_t& /*value*/) override { return false; }

    bool start_object(std::size_t /*elements*/) override { return open(Json::object()); }
    bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        const auto [member, is_new] = open_.back()->emplace(name, nullptr);
        if (!is_new)
            fail(Code::corrupt_file, source_, ": the key ", quote(name), " is given twice");
        member_ = &*member;
        return true;
    }

    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        fail(Code::corrupt_file, source_, ": malformed JSON at byte ", position);
    }

private:
    bool put(Json value) {
        place(std::move(value));
        return true;
    }

    Json* place(Json value) {
        if (open_.empty()) return &(root_ = std::move(value));
        if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
        return &(*member_ = std::move(value));
    }

    bool open(Json container) {
        if (static_cast<int>(open_.size()) >= max_depth_) {
            fail(Code::corrupt_file, source_, ": JSON nested deeper than ", max_depth_, " levels");
        }
        open_.push_back(place(std::move(container)));
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    const std::string& source_;
    int max_depth_;
    Json root_;
    Json* member_ = nullptr;
    std::vector<Json*> open_;  // a container does not grow while one of its children is open
};

}  // namespace

Json parse_json(std::string_view text, const std::string& source, int max_depth) {
    Builder builder(source, max_depth);
    if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
        fail(Code::corrupt_file, source, ": malformed JSON");
    }
    return builder.take();
}

JsonObject::JsonObject(const Json& value, std::string source)
    : value_(&value), source_(std::move(source)) {
    if (!value.is_object()) fail(Code::corrupt_file, source_, " is not a JSON object");
}

const Json* JsonObject::find(std::string_view key) const {
    const auto member = value_->find(key);
    return member == value_->end() || member->is_null() ? nullptr : &*member;
}

const Json& JsonObject::at(std::string_view key) const {
    const Json* const member = find(key);
    if (member == nullptr) fail(Code::corrupt_file, source_, " has no \"", key, "\"");
    return *member;
}

std::int64_t JsonObject::integer(std::string_view key) const {
    return json_integer(at(key), join(source_, ": \"", key, "\""));
}

std::int64_t JsonObject::integer(std::string_view key, std::int64_t fallback) const {
    return has(key) ? integer(key) : fallback;
}

double JsonObject::number(std::string_view key, double fallback) const {
    const Json* const member = find(key);
    if (member == nullptr) return fallback;
    if (!member->is_number()) wrong_type(key, "a number");
    return member->get<double>();
}

bool JsonObject::boolean(std::string_view key, bool fallback) const {
    const Json* const member = find(key);
    if (member == nullptr) return fallback;
    if (!member->is_boolean()) wrong_type(key, "true or false");
    return member->get<bool>();
}

std::string JsonObject::text(std::string_view key) const {
    const Json& member = at(key);
    if (!member.is_string()) wrong_type(key, "a string");
    return member.get_ref<const std::string&>();
}

std::string JsonObject::text(std::string_view key, const std::string& fallback) const {
    return has(key) ? text(key) : fallback;
}

JsonObject JsonObject::object(std::string_view key) const {
    const Json& member = at(key);
    if (!member.is_object()) wrong_type(key, "an object");
    return {member, join(source_, ": \"", key, "\"")};
}

const Json& JsonObject::array(std::string_view key) const {
    const Json& member = at(key);
    if (!member.is_array()) wrong_type(key, "an array");
    return member;
}

void JsonObject::wrong_type(std::string_view key, const char* wanted) const {
    fail(Code::corrupt_file, source_, ": \"", key, "\" is not ", wanted);
}

std::int64_t json_integer(const Json& value, const std::string& what) {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        if (number > largest)
            fail(Code::corrupt_file, what, " is ", number, ", which is too large");
        return static_cast<std::int64_t>(number);
    }
    if (!value.is_number_integer()) fail(Code::corrupt_file, what, " is not an integer");
    return value.get<std::int64_t>();
}

}  // namespace sipo
