// data/wordpiece: ids of texts, fixed-length sequences, and the class and form of every code point.
#include <map>

#include "data/text/basic_tokenizer.h"
#include "data/text/unicode.h"
#include "data/text/wordpiece.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

// Directories may leave the vocabulary of 30,522 tokens out; the project's copy is the same one.
Wordpiece vocabulary_of(const std::filesystem::path& directory) {
  const auto own = directory / "vocab.txt";
  if (std::filesystem::exists(own)) return Wordpiece::from_file(own);
  return Wordpiece::from_file(std::filesystem::path(TESSERA_GOLDEN_DIR) / "data/wordpiece/vocab.txt");
}

// Counts comparisons and keeps the first few differences.
struct Tally {
  int64_t compared = 0, wrong = 0;
  std::string examples;

  void add(bool same, const std::string& example) {
    ++compared;
    if (same) return;
    if (++wrong <= 3) examples += "; " + example;
  }
};

Tally compare_texts(const Wordpiece& tokenizer, const std::filesystem::path& path) {
  Tally tally;
  for (const json& row : read_json_lines(path)) {
    const Encoding got = tokenizer.encode(row.at("text").get<std::string>(), {.special_tokens = true});
    tally.add(got.ids == row.at("ids").get<std::vector<int64_t>>(),
              text(row.at("text").dump(), " gave ", json(got.ids).dump(), ", expected ", row.at("ids").dump()));
  }
  return tally;
}

Tally compare_sequences(const Wordpiece& tokenizer, const std::filesystem::path& path) {
  Tally tally;
  for (const json& row : read_json_lines(path)) {
    const auto expected = row.at("input_ids").get<std::vector<int64_t>>();
    const Encoding pieces = tokenizer.encode(row.at("text").get<std::string>(), {.special_tokens = true});
    std::vector<int64_t> ids = tokenizer.sequence(pieces, expected.size()).ids;
    std::vector<int64_t> mask(ids.size(), 1);
    ids.resize(expected.size(), tokenizer.pad_id());
    mask.resize(expected.size(), 0);
    tally.add(ids == expected && mask == row.at("attention_mask").get<std::vector<int64_t>>(),
              text(row.at("text").dump(), " gave ", json(ids).dump(), ", expected ", row.at("input_ids").dump()));
  }
  return tally;
}

char32_t code_point(const json& hexadecimal) {
  return static_cast<char32_t>(std::stoul(hexadecimal.get<std::string>(), nullptr, 16));
}

struct Form {
  std::string kind;  // drop, space, punct, cjk, keep
  std::string text;  // normalised
};

// What becomes of a character between two letters.
Form form_of(char32_t c) {
  std::string around = "a";
  unicode::append_utf8(around, c);
  const std::vector<BasicWord> words = basic_words(around + 'b');
  if (words.size() == 1 && words[0].text == "ab") return {"drop", ""};
  if (words.size() == 2 && words[0].text == "a" && words[1].text == "b") return {"space", ""};
  if (words.size() == 1) return {"keep", words[0].text.substr(1, words[0].text.size() - 2)};
  std::string middle;
  for (size_t i = 0; i < words.size(); ++i) middle += words[i].text;
  return {unicode::is_ideograph(c) ? "cjk" : "punct", middle.substr(1, middle.size() - 2)};
}

Tally compare_code_points(const std::filesystem::path& directory) {
  std::map<char32_t, std::string> kinds, forms;
  const json classes = read_json(directory / "codepoints.json"), maps = read_json(directory / "codepoint_maps.json");
  for (const json& row : classes.at("rows"))
    for (char32_t c = code_point(row.at(0)); c <= code_point(row.at(1)); ++c) kinds[c] = row.at(2);
  for (const json& row : maps.at("rows")) forms[code_point(row.at(0))] = row.at(1);
  Tally tally;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const Form got = form_of(c);
    const auto kind = kinds.find(c);
    Form expected{kind == kinds.end() ? "keep" : kind->second, ""};
    const auto form = forms.find(c);
    if (form != forms.end())
      expected.text = form->second;
    else if (expected.kind != "drop" && expected.kind != "space")
      unicode::append_utf8(expected.text, c);
    const bool is_hangul = c >= 0xAC00 && c <= 0xD7A3;  // not listed: decomposed by arithmetic
    tally.add(got.kind == expected.kind && (is_hangul || got.text == expected.text),
              text("U+", std::hex, static_cast<uint32_t>(c), " is ", got.kind, " '", got.text, "', expected ",
                   expected.kind, " '", expected.text, "'"));
  }
  return tally;
}

}  // namespace

Outcome run_wordpiece(const std::filesystem::path& directory) {
  const Wordpiece tokenizer = vocabulary_of(directory);
  Outcome outcome{true, ""};
  const auto report = [&](const char* what, const Tally& tally) {
    outcome.ok = outcome.ok && tally.wrong == 0 && tally.compared > 0;
    outcome.detail += text(outcome.detail.empty() ? "" : ", ", what, " ", tally.compared - tally.wrong, " of ",
                           tally.compared, tally.examples);
  };
  report("texts", compare_texts(tokenizer, directory / "texts.jsonl"));
  if (std::filesystem::exists(directory / "encoded40.jsonl"))
    report("sequences", compare_sequences(tokenizer, directory / "encoded40.jsonl"));
  if (std::filesystem::exists(directory / "codepoints.json")) report("code points", compare_code_points(directory));
  return outcome;
}

}  // namespace tessera::golden
