#include "data/text/tokenizer_json.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::tokenizer_json_test {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int64_t>;
using tests::error_of;
using tests::lacking;

const std::vector<std::string> kTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "how",  "many",     "red",
                                          "?",     "Red",   "RED",   "É",     "é",      "e",    "ca",       "##fé",
                                          "##fe",  "i̇",     "İ",     "i",     "赤",     "##赤", "赤い",     "##い",
                                          "い",    "ab",    "##c",   ",",     "ΣΑΣ",    "σασ",  "istanbul", "i̇stanbul"};

// As save_pretrained writes it.
Json file() {
  Json vocab = Json::object();
  for (size_t i = 0; i < kTokens.size(); ++i) vocab[kTokens[i]] = i;
  const Json token = {{"id", 0},         {"content", "[PAD]"},  {"single_word", false}, {"lstrip", false},
                      {"rstrip", false}, {"normalized", false}, {"special", true}};
  const Json cls = {{"SpecialToken", {{"id", "[CLS]"}, {"type_id", 0}}}},
             sep = {{"SpecialToken", {{"id", "[SEP]"}, {"type_id", 0}}}},
             text_itself = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array({token})},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", true},
            {"handle_chinese_chars", true},
            {"strip_accents", nullptr},
            {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor", {{"type", "TemplateProcessing"}, {"single", {cls, text_itself, sep}}}},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", "[UNK]"},
            {"continuing_subword_prefix", "##"},
            {"max_input_chars_per_word", 100},
            {"vocab", vocab}}}};
}

Wordpiece read(const Json& json, const GivenNormalisation& given = {}) {
  return wordpiece_from_json(json.dump(), "tokenizer.json", given);
}

// The message for a file that `change` has been made to.
std::string error(const std::function<void(Json&)>& change) {
  Json json = file();
  change(json);
  return error_of([&] { read(json); });
}

}  // namespace

TEST_CASE("tokenizer.json: the vocabulary, in the order of its ids") {
  const Wordpiece words = read(file());
  CHECK(words.tokens() == kTokens);
  CHECK(words.normalisation() == Normalisation{});
  CHECK(words.mask_id() == 4);
  // What files leave out, and what older ones have.
  Json json = file();
  json["model"].erase("type");
  json["model"].erase("max_input_chars_per_word");
  json.erase("added_tokens");
  json["post_processor"] = nullptr;
  CHECK(read(json).tokens() == kTokens);
  json["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  CHECK(read(json).tokens() == kTokens);
  // Special tokens that stand beside the vocabulary alone.
  json = file();
  json["model"]["vocab"].erase("[PAD]");
  CHECK(read(json).tokens() == kTokens);
}

// By Hugging Face's tokenizers 0.23.3, from the same vocabulary.
TEST_CASE("tokenizer.json: every normalisation gives the ids of Hugging Face's tokenizers") {
  const std::vector<std::string> texts = {
      "How many RED red Red?",           "É é café Café",           "İ i İstanbul", "赤い ab赤abc 赤赤",
      "ΣΑΣ σασ, \u00ad x\u0301 e\u0301", "tab\tred\x0bred\u3000red"};
  const Ids uncased = {5, 6, 7, 7, 7, 8}, cased = {1, 6, 10, 7, 9, 8}, blanks = {1, 1, 7};
  const Ids alone = {20, 24, 25, 20, 25, 26, 20, 20}, together = {22, 1, 20, 21};
  struct Row {
    bool lower;
    std::optional<bool> strip;
    Ids cafe, istanbul, sigma;
  };
  const Row rows[] = {
      {true, std::nullopt, {13, 13, 14, 16, 14, 16}, {19, 19, 30}, {29, 29, 27, 1, 13}},
      {true, true, {13, 13, 14, 16, 14, 16}, {19, 19, 30}, {29, 29, 27, 1, 13}},
      {true, false, {12, 12, 14, 15, 14, 15}, {17, 19, 31}, {29, 29, 27, 1, 1}},
      {false, std::nullopt, {11, 12, 14, 15, 1}, {18, 19, 1}, {28, 29, 27, 1, 1}},
      {false, true, {1, 13, 14, 16, 1}, {1, 19, 1}, {28, 29, 27, 1, 13}},
      {false, false, {11, 12, 14, 15, 1}, {18, 19, 1}, {28, 29, 27, 1, 1}},
  };
  for (const Row& row : rows)
    for (const bool isolate : {true, false}) {
      CAPTURE(row.lower);
      CAPTURE(row.strip.value_or(row.lower));
      CAPTURE(isolate);
      Json json = file();
      json["normalizer"]["lowercase"] = row.lower;
      json["normalizer"]["strip_accents"] = row.strip ? Json(*row.strip) : Json();
      json["normalizer"]["handle_chinese_chars"] = isolate;
      const Wordpiece words = read(json);
      const Ids expected[] = {row.lower ? uncased : cased, row.cafe,  row.istanbul,
                              isolate ? alone : together,  row.sigma, blanks};
      for (size_t i = 0; i < texts.size(); ++i) CHECK_MESSAGE(words.encode(texts[i]).ids == expected[i], texts[i]);
    }
}

TEST_CASE("tokenizer_config.json counts before the normalizer") {
  const auto config = [](const char* json) { return given_normalisation(json, "tokenizer_config.json"); };
  CHECK(read(file(), config("{}")).normalisation() == Normalisation{});
  CHECK(read(file(), config(R"({"do_lower_case": false, "model_max_length": 1000000000000000019884624838656})"))
            .normalisation() == Normalisation{.lower_case = false, .strip_accents = false});
  CHECK(read(file(), config(R"({"do_lower_case": false, "strip_accents": true})")).normalisation() ==
        Normalisation{.lower_case = false});
  CHECK(read(file(), config(R"({"tokenize_chinese_chars": false})")).normalisation() ==
        Normalisation{.isolate_ideographs = false});
  Json json = file();
  json["normalizer"]["strip_accents"] = false;
  CHECK(read(json, config("{}")).normalisation() == Normalisation{.strip_accents = false});
  CHECK(read(json, config(R"({"strip_accents": null})")).normalisation() == Normalisation{});
  for (const Normalisation& written : {Normalisation{}, Normalisation{.lower_case = false, .strip_accents = false},
                                       Normalisation{.lower_case = false, .isolate_ideographs = false}})
    CHECK(config(tokenizer_config_json(written, 40).c_str()).resolved() == written);
  CHECK(lacking(error_of([&] { config(R"({"do_lower_case": 1})"); }),
                {"tokenizer_config.json: field 'do_lower_case' is a number, expected true or false"}) == "");
  CHECK(lacking(error_of([&] { config("[]"); }), {"tokenizer_config.json: not a JSON object"}) == "");
}

TEST_CASE("tokenizer.json and tokenizer_config.json as files") {
  const tests::TemporaryDirectory directory;
  directory.write("tokenizer.json", file().dump());
  CHECK(Wordpiece::from_file(directory.path() / "tokenizer.json").tokens() == kTokens);
  directory.write("tokenizer_config.json", R"({"do_lower_case": false})");
  std::string lines;
  for (const std::string& token : kTokens) lines += token + "\n";
  directory.write("vocab.txt", lines);
  for (const char* name : {"tokenizer.json", "vocab.txt"})
    CHECK(Wordpiece::from_file(directory.path() / name).encode("RED").ids == Ids{10});
}

TEST_CASE("tokenizer.json: other tokenizers are refused by name") {
  for (const char* type : {"BPE", "Unigram", "WordLevel"})
    CHECK(lacking(error([&](Json& json) { json["model"]["type"] = type; }),
                  {text("tokenizer.json: model is '", type,
                        "', expected 'WordPiece', which ViLT's vocabularies have; "
                        "other tokenizers are not read")
                       .c_str()}) == "");
  // Old files have no type.
  CHECK(lacking(error([](Json& json) {
                  json["model"] = {{"vocab", Json::object()}, {"merges", Json::array()}};
                }),
                {"model is 'BPE'"}) == "");
  CHECK(lacking(error([](Json& json) { json["model"] = {{"vocab", Json::array()}}; }), {"model is 'Unigram'"}) == "");
  for (const char* part : {"normalizer", "pre_tokenizer"}) {
    CHECK(lacking(error([&](Json& json) { json[part]["type"] = "Sequence"; }),
                  {"tokenizer.json: ", part, " is 'Sequence', expected 'Bert"}) == "");
    CHECK(lacking(error([&](Json& json) { json[part] = nullptr; }), {part, " is none, expected 'Bert"}) == "");
  }
  CHECK(lacking(error([](Json& json) {
                  json["post_processor"] = {{"type", "RobertaProcessing"}};
                }),
                {"post_processor is 'RobertaProcessing', expected one that puts [CLS] before"}) == "");
  CHECK(lacking(error([](Json& json) { json["post_processor"]["single"].erase(2); }),
                {"post_processor: a text becomes '[CLS] A', expected '[CLS] A [SEP]'"}) == "");
  CHECK(lacking(error([](Json& json) {
                  json["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"</s>", 3}}, {"cls", {"<s>", 2}}};
                }),
                {"a text becomes '<s> A </s>'"}) == "");
  CHECK(lacking(error([](Json& json) { json["normalizer"]["clean_text"] = false; }),
                {"normalizer: clean_text is false"}) == "");
  for (const auto& [name, value] : std::map<std::string, Json>{
           {"unk_token", "<unk>"}, {"continuing_subword_prefix", "@@"}, {"max_input_chars_per_word", 200}})
    CHECK(lacking(error([&](Json& json) { json["model"][name] = value; }),
                  {"tokenizer.json: model: field '", name.c_str(), "' is '", ", expected "}) == "");
}

TEST_CASE("tokenizer.json: files that contradict themselves") {
  const auto vocab = [](const std::function<void(Json&)>& change) {
    return error([&](Json& json) { change(json["model"]["vocab"]); });
  };
  CHECK(lacking(vocab([](Json& tokens) { tokens["red"] = 99; }),
                {"model: token 'red' has id '99', expected 0 to 31, since there are 32 tokens"}) == "");
  CHECK(lacking(vocab([](Json& tokens) { tokens["red"] = -1; }), {"token 'red' has id '-1'"}) == "");
  CHECK(lacking(vocab([](Json& tokens) { tokens["red"] = "7"; }), {"token 'red' has id '\"7\"'"}) == "");
  CHECK(lacking(vocab([](Json& tokens) { tokens["red"] = 7.0; }), {"token 'red' has id '7.0'"}) == "");
  CHECK(lacking(vocab([](Json& tokens) { tokens["red"] = uint64_t{1} << 63; }), {"token 'red' has id "}) == "");
  CHECK(lacking(vocab([](Json& tokens) { tokens["red"] = 6; }), {"tokens 'many' and 'red' both have id 6"}) == "");
  CHECK(lacking(vocab([](Json& tokens) { tokens[""] = 32; }), {"a token of the vocabulary is empty"}) == "");
  CHECK(lacking(error([](Json& json) {
                  json["model"]["vocab"] = {{"a", 0}};
                  json.erase("added_tokens");
                }),
                {"tokenizer.json: has no [PAD], [UNK], [CLS], [SEP], [MASK] among its 1 tokens"}) == "");
  CHECK(lacking(error([](Json& json) { json["added_tokens"][0]["id"] = 3; }),
                {"added_tokens: '[PAD]' has id 3, in the model's vocabulary '0'"}) == "");
  CHECK(lacking(error([](Json& json) {
                  json["added_tokens"][0]["content"] = "<image>";
                  json["added_tokens"][0]["id"] = 32;
                }),
                {"added_tokens: '<image>' is not in the model's vocabulary; of such tokens only "}) == "");
  CHECK(lacking(error([](Json& json) { json["added_tokens"] = 3; }), {"field 'added_tokens' is a number"}) == "");
  CHECK(lacking(error([](Json& json) { json.erase("model"); }), {"field 'model' is missing"}) == "");
  for (const char* json : {"", "{", "[]", "3", "{\"model\": []}", "{\"model\": {\"vocab\": 3}}"})
    CHECK_MESSAGE(lacking(error_of([&] { wordpiece_from_json(json, "tokenizer.json"); }), {"tokenizer.json: "}) == "",
                  json);
}

}  // namespace tessera::tokenizer_json_test
