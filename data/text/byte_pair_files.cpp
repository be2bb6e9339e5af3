#include "data/text/byte_pair_files.h"

#include <algorithm>

#include "data/text/byte_alphabet.h"
#include "data/text/json_vocabulary.h"
#include "io/files.h"
#include "io/packing.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "io/unpacking.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using MergeList = std::vector<std::pair<std::string, std::string>>;

constexpr uint64_t kMostUnpackedBytes = uint64_t{64} << 20;
constexpr std::string_view kVersionLine = "#version";

std::string unpacked_contents(const std::filesystem::path& path) {
  std::string contents;
  const TextPieces pieces = unpacked(file_pieces(path), shown(path));
  for (std::string_view piece = pieces(); !piece.empty(); piece = pieces()) {
    check(contents.size() + piece.size() <= kMostUnpackedBytes, shown(path), ": more than 64 MiB");
    contents += piece;
  }
  return contents;
}

std::pair<std::string, std::string> merge_of(std::string_view line, const std::string& where) {
  const size_t blank = line.find(' ');
  const bool two = blank != std::string_view::npos && blank > 0 && blank + 1 < line.size() &&
                   line.find(' ', blank + 1) == std::string_view::npos;
  check(two, where, ": ", printable(line), ", expected two tokens with a blank between");
  return {std::string(line.substr(0, blank)), std::string(line.substr(blank + 1))};
}

// The first line is left out where `has_header`, and everywhere those that give a version.
MergeList merges_of_lines(std::string_view text, const std::string& origin, bool has_header) {
  MergeList merges;
  size_t number = 0;
  for (size_t at = 0; at < text.size() && merges.size() < kMostMerges;) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_header = (++number == 1 && has_header) || line.starts_with(kVersionLine);
    if (is_header || (line.empty() && at >= text.size())) continue;
    merges.push_back(merge_of(line, origin + ", line " + std::to_string(number)));
  }
  return merges;
}

// The tokens that merges of the published form imply.
std::vector<std::string> implied_tokens(const MergeList& merges, const std::string& start, const std::string& end) {
  std::vector<std::string> tokens;
  for (const std::string_view suffix : {std::string_view(), kWordEnd})
    for (const uint8_t byte : bytes_in_vocabulary_order())
      tokens.push_back(byte_characters()[byte] + std::string(suffix));
  for (const auto& [left, right] : merges) tokens.push_back(left + right);
  tokens.push_back(start);
  tokens.push_back(end);
  return tokens;
}

const nlohmann::json& member_of(const nlohmann::json& object, const char* name) {
  static const nlohmann::json kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

// Where the model says something of `name` it has to be one of these.
void check_model(const nlohmann::json& model, const char* name, std::initializer_list<nlohmann::json> allowed,
                 const std::string& where) {
  const nlohmann::json& value = member_of(model, name);
  const bool fits = value.is_null() || std::find(allowed.begin(), allowed.end(), value) != allowed.end();
  check(fits, where, ": field '", name, "' is ", quoted_text(value.dump()), ", expected ", allowed.begin()->dump());
}

// The types of a Sequence's parts, or of the one part.
std::string types_of(const nlohmann::json& root, const char* name, const char* list, const std::string& origin) {
  const nlohmann::json& part = member_of(root, name);
  if (part.is_null()) return "none";
  const std::string where = origin + ": " + name;
  const std::string type = JsonFields(part, where).string("type");
  if (type != "Sequence") return type;
  std::string types;
  for (const nlohmann::json& one : JsonFields(part, where).array(list))
    types += (types.empty() ? "" : ", ") + JsonFields(one, where).string("type");
  return types;
}

void check_parts(const nlohmann::json& root, const char* name, const char* list, const char* expected,
                 const std::string& origin) {
  const std::string types = types_of(root, name, list, origin);
  check(types == expected, origin, ": ", name, " is ", quoted_text(types), ", expected '", expected,
        "', which CLIP's tokenizers have; other byte-level tokenizers are not read");
}

MergeList merges_of_json(const nlohmann::json& list, const std::string& where) {
  MergeList merges;
  for (const nlohmann::json& entry : list) {
    const std::string place = where + ": merge " + std::to_string(merges.size() + 1);
    if (entry.is_string()) {
      merges.push_back(merge_of(entry.get_ref<const std::string&>(), place));
      continue;
    }
    const bool pair = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string();
    check(pair, place, ": ", quoted_text(entry.dump()), ", expected two tokens");
    merges.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
  }
  return merges;
}

}  // namespace

BytePairVocabulary read_byte_pairs(const std::filesystem::path& path, const std::string& start,
                                   const std::string& end) {
  const std::string contents = unpacked_contents(path);
  if (path.filename() == "vocab.json") {
    const std::filesystem::path merges = path.parent_path() / "merges.txt";
    return byte_pairs_from_vocab_json(contents, shown(path), unpacked_contents(merges), shown(merges));
  }
  if (path.extension() == ".json") return byte_pairs_from_tokenizer_json(contents, shown(path));
  return byte_pairs_from_merges(contents, shown(path), start, end);
}

BytePairVocabulary byte_pairs_from_merges(std::string_view merges, const std::string& origin, const std::string& start,
                                          const std::string& end) {
  BytePairVocabulary vocabulary;
  vocabulary.merges = merges_of_lines(merges, origin, true);
  vocabulary.tokens = implied_tokens(vocabulary.merges, start, end);
  return vocabulary;
}

BytePairVocabulary byte_pairs_from_vocab_json(std::string_view vocab_json, const std::string& vocab_origin,
                                              std::string_view merges, const std::string& merges_origin) {
  const nlohmann::json root = parse_strict_json(vocab_json, vocab_origin);
  check(root.is_object() && !root.empty(), vocab_origin, ": not a JSON object of tokens and ids");
  return {tokens_by_id(root, vocab_origin), merges_of_lines(merges, merges_origin, false)};
}

BytePairVocabulary byte_pairs_from_tokenizer_json(std::string_view json, const std::string& origin) {
  const nlohmann::json root = parse_strict_json(json, origin);
  const std::string where = origin + ": model";
  const JsonFields model(JsonFields(root, origin).object("model"), where);
  const nlohmann::json& fields = root["model"];
  const std::string type = model.has("type") ? model.string("type") : model.has("merges") ? "BPE" : "not named";
  check(type == "BPE", origin, ": model is ", quoted_text(type), ", expected 'BPE'");
  check(model.string("end_of_word_suffix") == kWordEnd, where, ": end_of_word_suffix is ",
        quoted_text(model.string("end_of_word_suffix")), ", expected '", kWordEnd, "'");
  check_model(fields, "continuing_subword_prefix", {""}, where);
  check_model(fields, "dropout", {0.0, 0}, where);
  check_model(fields, "byte_fallback", {false}, where);
  check_model(fields, "ignore_merges", {false}, where);
  check_parts(root, "normalizer", "normalizers", "NFC, Replace, Lowercase", origin);
  check_parts(root, "pre_tokenizer", "pretokenizers", "Split, ByteLevel", origin);
  nlohmann::json vocab = model.object("vocab");
  if (!member_of(root, "added_tokens").is_null()) {
    for (const nlohmann::json& token : JsonFields(root, origin).array("added_tokens")) {
      const JsonFields added(token, origin + ": added_tokens");
      const auto [place, is_new] = vocab.emplace(added.string("content"), added.identifier("id"));
      check(*place == added.identifier("id"), added.where(), ": ", quoted_text(added.string("content")), " has id ",
            added.identifier("id"), ", in the model's vocabulary ", quoted_text(place->dump()));
    }
  }
  return {tokens_by_id(vocab, where), merges_of_json(model.array("merges"), where)};
}

void write_byte_pairs(const std::filesystem::path& path, const BytePairVocabulary& vocabulary) {
  const std::vector<std::string>& tokens = vocabulary.tokens;
  const size_t count = tokens.size();
  const bool implied = count >= 2 && vocabulary.merges.size() <= kMostMerges &&
                       implied_tokens(vocabulary.merges, tokens[count - 2], tokens[count - 1]) == tokens;
  check(implied, shown(path), ": the tokens are not those that the ", vocabulary.merges.size(),
        " merges of this form imply");
  std::string lines = "\"bpe_simple_vocab\"" + std::string(kVersionLine) + ": 0.2\n";
  for (const auto& [left, right] : vocabulary.merges) lines += left + ' ' + right + '\n';
  write_file_atomically(path, path.extension() == ".gz" ? packed_by_gzip(lines) : lines, Durability::power);
}

void write_byte_pair_json(const std::filesystem::path& folder, const BytePairVocabulary& vocabulary) {
  nlohmann::ordered_json vocab = nlohmann::ordered_json::object();
  // Straight into its list: to insert by key would look through all that are there.
  auto& entries = vocab.get_ref<nlohmann::ordered_json::object_t&>();
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) entries.push_back({vocabulary.tokens[i], i});
  std::string lines = std::string(kVersionLine) + ": 0.2\n";
  for (const auto& [left, right] : vocabulary.merges) lines += left + ' ' + right + '\n';
  write_file_atomically(folder / "vocab.json", vocab.dump(), Durability::power);
  write_file_atomically(folder / "merges.txt", lines, Durability::power);
}

}  // namespace tessera
