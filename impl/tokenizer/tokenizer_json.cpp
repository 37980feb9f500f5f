#include "tokenizer/tokenizer_json.hpp"

#include <unordered_map>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/quote.hpp"

namespace sipo {
namespace {

constexpr std::size_t largest_file = std::size_t{128} << 20;
constexpr int deepest_nesting = 32;          // real files: 5
constexpr std::int64_t id_end = 1 << 24;     // ids are below it
constexpr std::size_t longest_added = 1024;  // bytes; matching looks that far ahead
constexpr std::size_t most_normalizers = 16;

bool flag(const JsonObject& object, std::string_view key) {
    (void)object.at(key);  // must be there
    return object.boolean(key, false);
}

std::int32_t token_id(const Json& value, const std::string& what) {
    const std::int64_t id = json_integer(value, what);
    if (id < 0 || id >= id_end) {
        fail(Code::corrupt_file, what, " is ", id, "; token ids are 0..", id_end - 1);
    }
    return static_cast<std::int32_t>(id);
}

std::string indexed(const std::string& array, std::size_t index) {
    return join(array, '[', index, ']');
}

void read_normalizer(const JsonObject& object, std::vector<NormalForm>& forms) {
    const std::string type = object.text("type");
    if (type == "Sequence") {
        const Json& steps = object.array("normalizers");
        for (std::size_t i = 0; i < steps.size(); ++i) {
            read_normalizer({steps[i], indexed(object.source(), i)}, forms);
        }
        return;
    }
    if (forms.size() == most_normalizers) {
        fail(Code::unsupported, object.source(), " has more than ", most_normalizers, " steps");
    }
    if (type == "NFC") return forms.push_back(NormalForm::nfc);
    if (type == "NFD") return forms.push_back(NormalForm::nfd);
    if (type == "NFKC") return forms.push_back(NormalForm::nfkc);
    if (type == "NFKD") return forms.push_back(NormalForm::nfkd);
    fail(Code::unsupported, object.source(), " is ", quote(type),
         "; NFC, NFD, NFKC and NFKD are supported");
}

void check_byte_level(const JsonObject& object) {
    const std::string type = object.text("type");
    if (type == "ByteLevel") return;
    fail(Code::unsupported, object.source(), " is ", quote(type), "; only ByteLevel is supported");
}

// The steps that cut text into words. ByteLevel, which there must be once, turns characters into the
// alphabet of bytes on its way.
class PreTokenizerReader {
public:
    explicit PreTokenizerReader(TokenizerJson& out) : out_(out) {}

    void read(const JsonObject& object) {
        const std::string type = object.text("type");
        if (type == "Sequence") return read_sequence(object);
        if (type == "ByteLevel" && !in_bytes_) return read_byte_level(object);
        if (type == "Punctuation" && !in_bytes_) {
            require(object, object.text("behavior", "Isolated") == "Contiguous", "behavior");
            return add(object, CutRule::punctuation);
        }
        if (type == "Digits") {
            require(object, !object.boolean("individual_digits", false), "individual_digits");
            return add(object, in_bytes_ ? CutRule::byte_digits : CutRule::digits);
        }
        if (type == "Split") {
            require(object, object.object("pattern").text("Regex", "") == "[0-9][0-9][0-9]",
                    "pattern");
            require(object, object.text("behavior") == "Isolated", "behavior");
            require(object, !object.boolean("invert", false), "invert");
            return add(object, CutRule::digit_triples);
        }
        fail(Code::unsupported, object.source(), " is ", quote(type),
             "; ByteLevel is supported, and around it the steps of Falcon's tokenizer");
    }

    void finish(const std::string& source) const {
        if (!in_bytes_) fail(Code::unsupported, source, " has no ByteLevel");
    }

private:
    static constexpr std::size_t most_steps = 16;

    static void require(const JsonObject& object, bool supported, const char* key) {
        if (supported) return;
        fail(Code::unsupported, object.source(), " sets \"", key,
             "\" to what Falcon's tokenizer does not");
    }

    void add(const JsonObject& object, CutRule rule) {
        if (out_.cuts.size() == most_steps) {
            fail(Code::unsupported, object.source(), " has more than ", most_steps, " steps");
        }
        out_.cuts.push_back(rule);
    }

    void read_sequence(const JsonObject& object) {
        const Json& steps = object.array("pretokenizers");
        for (std::size_t i = 0; i < steps.size(); ++i) {
            read({steps[i], indexed(object.source(), i)});
        }
    }

    void read_byte_level(const JsonObject& object) {
        out_.add_prefix_space = flag(object, "add_prefix_space");
        require(object, !out_.add_prefix_space || out_.cuts.empty(), "add_prefix_space");
        if (object.boolean("use_regex", true)) add(object, CutRule::words);
        in_bytes_ = true;
    }

    TokenizerJson& out_;
    bool in_bytes_ = false;
};

void read_pre_tokenizer(const JsonObject& root, TokenizerJson& out) {
    if (!root.has("pre_tokenizer")) {
        fail(Code::unsupported, root.source(), " has no pre_tokenizer; ByteLevel is supported");
    }
    const JsonObject object = root.object("pre_tokenizer");
    PreTokenizerReader reader(out);
    reader.read(object);
    reader.finish(object.source());
}

// Options of BPE that are for other alphabets than that of bytes, or for training.
void check_model_options(const JsonObject& model) {
    const auto refuse = [&](const char* key) {
        fail(Code::unsupported, model.source(), " sets ", key, ", which is not supported");
    };
    if (const std::string type = model.text("type", "BPE"); type != "BPE") {
        fail(Code::unsupported, model.source(), " is ", quote(type), "; only BPE is supported");
    }
    if (model.number("dropout", 0) != 0) refuse("dropout");
    if (model.has("unk_token")) refuse("unk_token");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        if (!model.text(key, "").empty()) refuse(key);
    }
    for (const char* key : {"fuse_unk", "byte_fallback"}) {
        if (model.boolean(key, false)) refuse(key);
    }
}

void read_vocabulary(const JsonObject& entries, StringMap<std::int32_t>& vocabulary) {
    std::unordered_map<std::int32_t, const std::string*> owners;
    const auto& tokens = entries.value().get_ref<const Json::object_t&>();
    for (const auto& [token, value] : tokens) {
        const std::int32_t id = token_id(value, "the id of " + quote(token));
        const auto [owner, fresh] = owners.try_emplace(id, &token);
        if (!fresh) {
            fail(Code::corrupt_file, "id ", id, " belongs to ", quote(*owner->second), " and to ",
                 quote(token));
        }
        vocabulary.emplace(token, id);
    }
}

using TokenPair = std::pair<std::string, std::string>;

TokenPair read_merge_line(const std::string& line, const std::string& what) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
        fail(Code::corrupt_file, what, " is ", quote(line),
             ", not two tokens with a space between");
    }
    return {line.substr(0, space), line.substr(space + 1)};
}

TokenPair read_merge_pair(const Json& pair, const std::string& what) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
        fail(Code::corrupt_file, what, " is not two tokens");
    }
    return {pair[0].get_ref<const std::string&>(), pair[1].get_ref<const std::string&>()};
}

void read_merges(const Json& entries, std::vector<TokenPair>& merges) {
    merges.reserve(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::string what = indexed("merges", i);
        if (!entries[i].is_string()) {
            merges.push_back(read_merge_pair(entries[i], what));
            continue;
        }
        const auto& line = entries[i].get_ref<const std::string&>();
        // The header of a merges.txt may have come along.
        if (!line.starts_with("#version")) merges.push_back(read_merge_line(line, what));
    }
}

AddedToken read_added_token(const JsonObject& object) {
    AddedToken token;
    token.id = token_id(object.at("id"), object.source() + ": \"id\"");
    token.content = object.text("content");
    token.single_word = flag(object, "single_word");
    token.lstrip = flag(object, "lstrip");
    token.rstrip = flag(object, "rstrip");
    token.normalized = flag(object, "normalized");
    token.special = flag(object, "special");
    if (token.content.size() > longest_added) {
        fail(Code::unsupported, object.source(), " has ", token.content.size(),
             " bytes; the limit is ", longest_added);
    }
    return token;
}

// Hugging Face numbers added tokens itself, whatever the file says: by the vocabulary if it has the
// token, else one after the other behind it. Where that differs from the file, which of the two a
// model was trained with cannot be known.
void check_added_tokens(const TokenizerJson& file) {
    StringMap<std::int32_t> seen;
    auto next = static_cast<std::int32_t>(file.vocabulary.size());
    for (const AddedToken& token : file.added_tokens) {
        const auto known = file.vocabulary.find(token.content);
        const std::int32_t expected = known == file.vocabulary.end() ? next++ : known->second;
        if (!seen.try_emplace(token.content, token.id).second) {
            fail(Code::corrupt_file, "added token ", quote(token.content), " is there twice");
        }
        if (token.id != expected) {
            fail(Code::corrupt_file, "added token ", quote(token.content), " has id ", token.id,
                 " where ", expected, " is due");
        }
    }
}

void read_added_tokens(const JsonObject& root, TokenizerJson& out) {
    if (!root.has("added_tokens")) return;
    const Json& entries = root.array("added_tokens");
    for (std::size_t i = 0; i < entries.size(); ++i) {
        AddedToken token = read_added_token({entries[i], indexed("added_tokens", i)});
        if (!token.content.empty()) out.added_tokens.push_back(std::move(token));
    }
    check_added_tokens(out);
}

}  // namespace

TokenizerJson parse_tokenizer_json(std::string_view text) {
    if (text.size() > largest_file) {
        fail(Code::unsupported, "tokenizer.json has ", text.size(), " bytes; the limit is ",
             largest_file);
    }
    const Json document = parse_json(text, "tokenizer.json", deepest_nesting);
    const JsonObject root(document, "tokenizer.json");
    if (const std::string version = root.text("version", "1.0"); version != "1.0") {
        fail(Code::unsupported, root.source(), " has version ", quote(version),
             "; 1.0 is supported");
    }
    TokenizerJson out;
    if (root.has("normalizer")) read_normalizer(root.object("normalizer"), out.normal_forms);
    read_pre_tokenizer(root, out);
    // Without one the vocabulary is byte-level all the same.
    if (root.has("decoder")) check_byte_level(root.object("decoder"));
    const JsonObject model = root.object("model");
    check_model_options(model);
    out.ignore_merges = model.boolean("ignore_merges", false);
    read_vocabulary(model.object("vocab"), out.vocabulary);
    read_merges(model.array("merges"), out.merges);
    read_added_tokens(root, out);
    return out;
}

}  // namespace sipo
