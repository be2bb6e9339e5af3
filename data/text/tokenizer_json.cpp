#include "data/text/tokenizer_json.h"

#include <algorithm>

#include "data/text/json_vocabulary.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::optional<bool> optional_flag(const Json& object, const char* name, const std::string& where) {
  const Json& value = member(object, name);
  check(value.is_null() || value.is_boolean(), where, ": field '", name, "' is ", described_type(value),
        ", expected true or false");
  return value.is_null() ? std::nullopt : std::optional<bool>(value.get<bool>());
}

// The "type" of a part; "none" where there is no part.
std::string type_of(const Json& root, const char* name, const std::string& origin) {
  const Json& part = member(root, name);
  if (part.is_null()) return "none";
  return JsonFields(part, origin + ": " + name).string("type");
}

std::string model_type(const Json& model, const std::string& where) {
  if (model.contains("type")) return JsonFields(model, where).string("type");
  if (model.contains("merges")) return "BPE";
  if (member(model, "vocab").is_array()) return "Unigram";
  return model.contains("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

void check_type(const std::string& found, const char* part, const char* expected, const std::string& origin) {
  check(found == expected, origin, ": ", part, " is ", found == "none" ? found : quoted_text(found), ", expected '",
        expected, "', which ViLT's vocabularies have; other tokenizers are not read");
}

// Where a field of the model is given it has to have this value.
void check_setting(const Json& model, const char* name, const Json& expected, const std::string& where) {
  const Json& value = member(model, name);
  check(value.is_null() || value == expected, where, ": field '", name, "' is ", quoted_text(value.dump()),
        ", expected ", expected.dump());
}

// The vocabulary need not have special tokens; other tokens that were added to it are matched by rules of their own.
void add_token(Json& vocab, const Json& token, const std::string& origin) {
  const std::string where = origin + ": added_tokens";
  const JsonFields fields(token, where);
  const std::string& content = fields.string("content");
  const int64_t id = fields.identifier("id");
  const bool is_special = std::find(kSpecialTokens.begin(), kSpecialTokens.end(), content) != kSpecialTokens.end();
  const auto [place, is_new] = vocab.emplace(content, id);
  check(is_special || !is_new, where, ": ", quoted_text(content),
        " is not in the model's vocabulary; of such tokens only [PAD], [UNK], [CLS], [SEP] and [MASK] are read");
  check(*place == id, where, ": ", quoted_text(content), " has id ", id, ", in the model's vocabulary ",
        quoted_text(place->dump()));
}

std::vector<std::string> tokens_of(const Json& root, const std::string& origin) {
  const std::string where = origin + ": model";
  const Json& model = JsonFields(root, origin).object("model");
  check_type(model_type(model, where), "model", "WordPiece", origin);
  check_setting(model, "unk_token", "[UNK]", where);
  check_setting(model, "continuing_subword_prefix", "##", where);
  check_setting(model, "max_input_chars_per_word", kMaxWordCharacters, where);
  Json vocab = JsonFields(model, where).object("vocab");
  if (!member(root, "added_tokens").is_null())
    for (const Json& token : JsonFields(root, origin).array("added_tokens")) add_token(vocab, token, origin);
  return tokens_by_id(vocab, where);
}

// That one text becomes [CLS] text [SEP].
void check_post_processor(const Json& root, const std::string& origin) {
  const std::string type = type_of(root, "post_processor", origin);
  if (type == "none") return;
  check(type == "TemplateProcessing" || type == "BertProcessing", origin, ": post_processor is ", quoted_text(type),
        ", expected one that puts [CLS] before a text and [SEP] behind it; other tokenizers are not read");
  const Json& part = root["post_processor"];
  const std::string where = origin + ": post_processor";
  std::string sequence;
  if (type == "BertProcessing") {
    for (const char* name : {"cls", "sep"}) {
      const Json& pair = JsonFields(part, where).array(name);
      check(!pair.empty() && pair[0].is_string(), where, ": field '", name, "' is ", quoted_text(pair.dump()),
            ", expected a token and its id");
      sequence += (sequence.empty() ? "" : " A ") + pair[0].get<std::string>();
    }
  } else {
    for (const Json& piece : JsonFields(part, where).array("single")) {
      const bool is_text = piece.is_object() && piece.contains("Sequence");
      const Json& token = JsonFields(piece, where).object(is_text ? "Sequence" : "SpecialToken");
      sequence += (sequence.empty() ? "" : " ") + JsonFields(token, where).string("id");
    }
  }
  check(sequence == "[CLS] A [SEP]", where, ": a text becomes ", quoted_text(sequence), ", expected '[CLS] A [SEP]'");
}

GivenNormalisation normalisation_of(const Json& root, const std::string& origin) {
  check_type(type_of(root, "normalizer", origin), "normalizer", "BertNormalizer", origin);
  const Json& part = root["normalizer"];
  const std::string where = origin + ": normalizer";
  check(optional_flag(part, "clean_text", where).value_or(true), where,
        ": clean_text is false, but texts are cleaned here");
  return {.lower_case = optional_flag(part, "lowercase", where),
          .isolate_ideographs = optional_flag(part, "handle_chinese_chars", where),
          .strip_accents = optional_flag(part, "strip_accents", where)};
}

}  // namespace

Normalisation GivenNormalisation::resolved() const {
  Normalisation out;
  out.lower_case = lower_case.value_or(true);
  out.strip_accents = strip_accents.value_or(std::nullopt).value_or(out.lower_case);
  out.isolate_ideographs = isolate_ideographs.value_or(true);
  return out;
}

GivenNormalisation given_normalisation(std::string_view config_json, const std::string& origin) {
  const Json root = parse_strict_json(config_json, origin);
  check(root.is_object(), origin, ": not a JSON object");
  GivenNormalisation out{.lower_case = optional_flag(root, "do_lower_case", origin),
                         .isolate_ideographs = optional_flag(root, "tokenize_chinese_chars", origin),
                         .strip_accents = std::nullopt};
  if (root.contains("strip_accents")) out.strip_accents = optional_flag(root, "strip_accents", origin);
  return out;
}

Wordpiece wordpiece_from_json(std::string_view contents, const std::string& origin, const GivenNormalisation& given) {
  const Json root = parse_strict_json(contents, origin);
  std::vector<std::string> tokens = tokens_of(root, origin);
  check_type(type_of(root, "pre_tokenizer", origin), "pre_tokenizer", "BertPreTokenizer", origin);
  check_post_processor(root, origin);
  GivenNormalisation normalisation = normalisation_of(root, origin);
  if (given.lower_case) normalisation.lower_case = given.lower_case;
  if (given.strip_accents) normalisation.strip_accents = given.strip_accents;
  if (given.isolate_ideographs) normalisation.isolate_ideographs = given.isolate_ideographs;
  return Wordpiece(std::move(tokens), origin, normalisation.resolved());
}

std::string tokenizer_config_json(const Normalisation& normalisation, int64_t max_length) {
  const nlohmann::ordered_json out = {{"tokenizer_class", "BertTokenizer"},
                                      {"do_lower_case", normalisation.lower_case},
                                      {"strip_accents", normalisation.strip_accents},
                                      {"tokenize_chinese_chars", normalisation.isolate_ideographs},
                                      {"model_max_length", max_length},
                                      {"pad_token", "[PAD]"},
                                      {"unk_token", "[UNK]"},
                                      {"cls_token", "[CLS]"},
                                      {"sep_token", "[SEP]"},
                                      {"mask_token", "[MASK]"}};
  return out.dump(2) + "\n";
}

}  // namespace tessera
