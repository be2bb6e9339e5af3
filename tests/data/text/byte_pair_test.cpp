#include "data/text/byte_pair.h"

#include <doctest/doctest.h>

#include <map>

#include "data/text/byte_alphabet.h"
#include "data/text/byte_pair_files.h"
#include "data/text/byte_pair_trainer.h"
#include "data/text/unicode.h"
#include "io/files.h"
#include "tensor/philox.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::byte_pair_test {
namespace {

using Ids = std::vector<int64_t>;
using doctest::Contains;
using Merges = std::vector<std::pair<std::string, std::string>>;
using tests::error_of;
using tests::lacking;

constexpr const char* kStart = "<|startoftext|>";
constexpr const char* kEnd = "<|endoftext|>";

BytePair from_merges(const std::string& lines, BytePair::Options options = {}) {
  return BytePair(byte_pairs_from_merges("header\n" + lines, "merges", options.start, options.end), options);
}

std::filesystem::path published() {
  return std::filesystem::path(TESSERA_GOLDEN_DIR) / "data/clip_bpe/bpe_simple_vocab_16e6.txt.gz";
}

// The definition: of the pairs that are in the list the first is joined everywhere, until there is none.
Ids joined_naively(const BytePair& tokens, const std::string& word) {
  std::vector<std::string> symbols;
  for (const char byte : word) symbols.push_back(byte_characters()[static_cast<uint8_t>(byte)]);
  symbols.back() += kWordEnd;
  const Merges& merges = tokens.vocabulary().merges;
  for (size_t rank = 0; rank < merges.size();) {
    const auto& [left, right] = merges[rank];
    std::vector<std::string> next;
    for (size_t i = 0; i < symbols.size(); ++i) {
      const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
      next.push_back(here ? left + right : symbols[i]);
      if (here) ++i;
    }
    rank = next.size() < symbols.size() ? 0 : rank + 1;
    symbols = next;
  }
  Ids ids;
  for (const std::string& symbol : symbols) ids.push_back(tokens.id(symbol));
  return ids;
}

}  // namespace

TEST_CASE("byte alphabet: every byte has a character of its own, visible ones themselves") {
  std::map<std::string, int> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string& character = byte_characters()[static_cast<size_t>(byte)];
    CHECK(++seen[character] == 1);
    CHECK(bytes_of_token(character) == std::string(1, static_cast<char>(byte)));
  }
  CHECK(byte_characters()['a'] == "a");
  CHECK(byte_characters()[' '] == "Ġ");
  CHECK(byte_characters()[0] == "Ā");
  CHECK(byte_characters()[173] == "Ń");  // the last of the hidden ones
  CHECK(!bytes_of_token("Ņ"));
  CHECK(!bytes_of_token(" "));
}

TEST_CASE("byte pairs: words, contractions, single digits, anything else") {
  const BytePair tokens = from_merges("c a\nca t</w>\n' s</w>\n1 0</w>\n. .\n.. .</w>\n");
  const auto id = [&](const char* token) { return tokens.id(token); };
  CHECK(tokens.size() == 512 + 6 + 2);
  CHECK(tokens.encode("A Cat's 10 cats...") == Ids{id("a</w>"), id("cat</w>"), id("'s</w>"), id("1</w>"), id("0</w>"),
                                                   id("ca"), id("t"), id("s</w>"), id("...</w>")});
  CHECK(tokens.encode("").empty());
  CHECK(tokens.encode(" \t\n ").empty());
  CHECK(tokens.encode("x<|endoftext|>") == Ids{id("x</w>"), tokens.end_id()});
  CHECK(tokens.encode("<|ENDOFTEXT|>") == Ids{tokens.end_id()});
  CHECK(tokens.start_id() == 518);
  CHECK(tokens.end_id() == 519);
  CHECK(tokens.decode(tokens.encode("Cat's  cat...")) == "cat 's cat ... ");
  // A character whose bytes are cut apart.
  CHECK(tokens.decode({id("Ã")}) == "\xEF\xBF\xBD");
  CHECK(tokens.decode(tokens.encode("é")) == "é ");
}

TEST_CASE("byte pairs: transformers' cleaning cuts special tokens out as they are written and fixes nothing") {
  const BytePair original = from_merges(""), transformers = from_merges("", {.cleaning = TextCleaning::transformers});
  CHECK(original.encode("&lt;") == original.encode("<"));
  CHECK(transformers.encode("&lt;") != transformers.encode("<"));
  CHECK(transformers.encode("<|endoftext|>") == Ids{transformers.end_id()});
  CHECK(transformers.encode("<|ENDOFTEXT|>").size() == 13);
  CHECK(transformers.encode("e\u0301") == transformers.encode("é"));
  CHECK(original.encode("ΟΣ Σ") == original.encode("ος σ"));
  CHECK(transformers.encode("ΟΣ") == transformers.encode("οσ"));
  const BytePair renamed = from_merges("", {.start = "<start_of_text>", .end = "<end_of_text>"});
  CHECK(renamed.encode("<end_of_text>") == Ids{renamed.end_id()});
  CHECK(renamed.encode(kEnd).size() == 13);
}

TEST_CASE("byte pairs: the merges are applied in their order, whatever it is") {
  Random random(7);
  // The second list joins pairs that a later merge makes, and the third has a pair of equals.
  for (const char* lines : {"a b\nab a\nb a\n", "ab a\na b\nb b\n", "a a\naa a\naa aa\nb a\n"}) {
    const BytePair tokens = from_merges(lines);
    for (int i = 0; i < 200; ++i) {
      std::string word;
      for (uint64_t length = 1 + random.below(12); word.size() < length;) word += random.below(3) == 0 ? 'b' : 'a';
      INFO(lines << word);
      CHECK(tokens.encode(word) == joined_naively(tokens, word));
    }
  }
}

TEST_CASE("byte pairs: a word of a million letters takes no time that grows with its square") {
  const BytePair tokens = BytePair::from_file(published());
  std::string word;
  Random random(3);
  while (word.size() < 1'000'000) word += static_cast<char>('a' + random.below(26));
  const Ids ids = tokens.encode(word);
  CHECK(ids.size() < word.size());
  CHECK(tokens.decode(ids) == word + " ");
}

TEST_CASE("byte pairs: sequences of a length") {
  const BytePair tokens = from_merges("");
  const int64_t start = tokens.start_id(), end = tokens.end_id();
  using BytePair::TooLong::cut;
  CHECK(tokens.sequence({7, 8}, 6, cut, BytePair::Padding::zero) == Ids{start, 7, 8, end, 0, 0});
  CHECK(tokens.sequence({7, 8}, 6, cut, BytePair::Padding::end_token) == Ids{start, 7, 8, end, end, end});
  CHECK(tokens.sequence({7, 8}, 6, cut, BytePair::Padding::none) == Ids{start, 7, 8, end});
  CHECK(tokens.sequence({7, 8}, 4, BytePair::TooLong::fail, BytePair::Padding::zero) == Ids{start, 7, 8, end});
  CHECK(tokens.sequence({7, 8, 9}, 4, cut, BytePair::Padding::zero) == Ids{start, 7, 8, end});
  CHECK(tokens.sequence({}, 2, cut, BytePair::Padding::zero) == Ids{start, end});
  CHECK_THROWS_WITH_AS(tokens.sequence({7, 8, 9}, 4, BytePair::TooLong::fail, BytePair::Padding::zero),
                       Contains("the text has 5 tokens with its start and its end, the context length is 4"), Error);
  CHECK_THROWS_WITH_AS(tokens.sequence({}, 1, cut, BytePair::Padding::zero), Contains("at least 2"), Error);
  CHECK_THROWS_WITH_AS(tokens.decode({514}), Contains("token id is 514, expected 0 to 513"), Error);
}

TEST_CASE("byte pairs: what files must not say") {
  CHECK_THROWS_WITH_AS(from_merges("a\n"), Contains("merges, line 2: 'a', expected two tokens"), Error);
  CHECK_THROWS_WITH_AS(from_merges("a b c\n"), Contains("line 2"), Error);
  CHECK_THROWS_WITH_AS(from_merges("\na b\n"), Contains("line 2: '', expected two tokens"), Error);
  CHECK_THROWS_WITH_AS(from_merges("a b\na b\n"), Contains("has ids 512 and 513"), Error);
  CHECK_THROWS_WITH_AS(from_merges("x yz\n"), Contains("merge 1: 'yz' is no token"), Error);
  CHECK_THROWS_WITH_AS(from_merges("a b\nb c\na bc\nab c\n"), Contains("token 'abc' has ids 514 and 515"), Error);
  CHECK_THROWS_WITH_AS(from_merges("a Ņ\n"), Contains("does not consist of the characters of bytes"), Error);
  BytePairVocabulary few = byte_pairs_from_merges("", "few", kStart, kEnd);
  few.tokens.erase(few.tokens.begin());
  CHECK_THROWS_WITH_AS(BytePair{few}, Contains("no token '!', which stands for byte 33 in a word"), Error);
  few = byte_pairs_from_merges("", "few", kStart, kEnd);
  few.tokens.pop_back();
  CHECK_THROWS_WITH_AS(BytePair{few}, Contains("no token '<|endoftext|>', which ends a text"), Error);
}

TEST_CASE("byte pairs: transformers' tokenizer.json") {
  const std::filesystem::path path =
      std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/data/text/clip_tokenizer/tokenizer.json";
  const BytePair tokens = BytePair::from_file(path, {.cleaning = TextCleaning::transformers});
  // Ids that transformers 5.24 gives.
  CHECK(tokens.encode("a cat's Café") == Ids{320, 513, 516, 512, 69, 515});
  CHECK(tokens.encode("<|startoftext|>cab É") == Ids{517, 512, 321, 515});
  CHECK(tokens.encode("x<|ENDOFTEXT|>.") == Ids{343, 27, 347, 68, 77, 67, 78, 69, 83, 68, 87, 339, 91, 285, 269});

  const std::vector<uint8_t> bytes = read_file(path);
  const std::string json(bytes.begin(), bytes.end());
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string other = json;
    const size_t at = other.find(from);
    REQUIRE(at != std::string::npos);
    other.replace(at, from.size(), to);
    return error_of([&] { BytePair(byte_pairs_from_tokenizer_json(other, "file.json")); });
  };
  CHECK(lacking(changed("\"BPE\"", "\"Unigram\""), {"file.json: model is 'Unigram'", "'BPE'"}) == "");
  CHECK(lacking(changed("\"NFC\"", "\"NFKC\""), {"normalizer is 'NFKC, Replace, Lowercase'"}) == "");
  CHECK(lacking(changed("\"ByteLevel\"", "\"Metaspace\""), {"pre_tokenizer is 'Split, Metaspace'"}) == "");
  CHECK(lacking(changed("\"</w>\"", "\"@@\""), {"end_of_word_suffix is '@@'"}) == "");
  CHECK(lacking(changed("\"byte_fallback\": false", "\"byte_fallback\": true"), {"byte_fallback", "true"}) == "");
  CHECK(lacking(changed("\"id\": 517", "\"id\": 5"), {"added_tokens", "has id 5"}) == "");
}

TEST_CASE("byte pairs: both forms of files are read as they were written") {
  const tests::TemporaryDirectory directory;
  BytePairTrainer trainer;
  for (int i = 0; i < 5; ++i) trainer.add("the cat sat on the mat, thé châț's 🐱 sat");
  const BytePairVocabulary vocabulary = trainer.train(530);
  CHECK(vocabulary.tokens.size() == 530);
  for (const char* name : {"merges.txt.gz", "small.txt"}) {
    write_byte_pairs(directory.path() / name, vocabulary);
    const BytePair again = BytePair::from_file(directory.path() / name);
    CHECK(again.vocabulary().tokens == vocabulary.tokens);
    CHECK(again.vocabulary().merges == vocabulary.merges);
  }
  CHECK(read_file(directory.path() / "merges.txt.gz")[0] == 0x1F);
  write_byte_pair_json(directory.path(), vocabulary);
  const BytePair again = BytePair::from_file(directory.path() / "vocab.json");
  CHECK(again.vocabulary().tokens == vocabulary.tokens);
  CHECK(again.vocabulary().merges == vocabulary.merges);
  BytePairVocabulary other = vocabulary;
  std::swap(other.tokens[0], other.tokens[1]);
  CHECK_THROWS_WITH_AS(write_byte_pairs(directory.path() / "x.gz", other), Contains("not those"), Error);
  directory.write("damaged.gz", "\x1f\x8b\x08 no");
  CHECK_THROWS_WITH_AS(BytePair::from_file(directory.path() / "damaged.gz"), Contains("gzip"), Error);
}

TEST_CASE("byte pairs: of more merges than the published file uses the others are left") {
  std::string lines = "header\n";
  for (size_t i = 0; i < kMostMerges + 10; ++i) lines += "a b\n";
  CHECK(byte_pairs_from_merges(lines, "many", kStart, kEnd).merges.size() == 48894);
}

TEST_CASE("byte pair trainer: the most frequent pair first, smaller strings first among equals") {
  BytePairTrainer trainer;
  trainer.add("ab AB ab cd. <|endoftext|>");
  CHECK(trainer.counts() == std::map<std::string, int64_t>{{"ab", 3}, {"cd", 1}, {".", 1}});
  const BytePairVocabulary vocabulary = trainer.train(600);
  CHECK(vocabulary.merges == Merges{{"a", "b</w>"}, {"c", "d</w>"}});
  CHECK(vocabulary.tokens.size() == 516);
  CHECK(vocabulary.tokens[512] == "ab</w>");
  CHECK(vocabulary.tokens[514] == kStart);
  CHECK(trainer.train(600, 2).merges == Merges{{"a", "b</w>"}});
  CHECK(trainer.train(514).merges.empty());
  CHECK_THROWS_WITH_AS(trainer.train(513), Contains("size is 513, expected 514"), Error);
  CHECK_THROWS_WITH_AS(trainer.train(49409), Contains("to 49408"), Error);
}

TEST_CASE(
    "byte pair trainer: the definition, recounted for every merge; order of texts and repetition change nothing") {
  Random random(11);
  std::vector<std::string> texts;
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int j = 0; j < 12; ++j) text += random.below(4) == 0 ? ' ' : static_cast<char>('a' + random.below(3));
    texts.push_back(text);
  }
  BytePairTrainer forwards, backwards;
  for (const std::string& text : texts) forwards.add(text);
  for (auto text = texts.rbegin(); text != texts.rend(); ++text) backwards.add(*text);
  const BytePairVocabulary vocabulary = forwards.train(570);
  CHECK(vocabulary.merges == backwards.train(570).merges);

  std::vector<std::pair<std::vector<std::string>, int64_t>> words;
  for (const auto& [word, count] : forwards.counts()) {
    words.push_back({{}, count});
    for (const char byte : word) words.back().first.push_back(std::string(1, byte));
    words.back().first.back() += "</w>";
  }
  std::map<std::string, bool> made;
  for (const auto& merge : vocabulary.merges) {
    std::map<std::pair<std::string, std::string>, int64_t> pairs;
    for (const auto& [symbols, count] : words)
      for (size_t i = 1; i < symbols.size(); ++i)
        if (!made[symbols[i - 1] + symbols[i]]) pairs[{symbols[i - 1], symbols[i]}] += count;
    const auto best =
        std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    REQUIRE(best != pairs.end());
    CHECK(best->first == merge);
    made[merge.first + merge.second] = true;
    for (auto& [symbols, count] : words)
      for (size_t i = 1; i < symbols.size(); ++i)
        if (symbols[i - 1] == merge.first && symbols[i] == merge.second) {
          symbols[i - 1] += symbols[i];
          symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i));
        }
  }
  // Every token is found again in the words it was made of.
  const BytePair tokens(vocabulary);
  for (const auto& [word, count] : forwards.counts()) CHECK(tokens.decode(tokens.encode(word)) == word + " ");
}

}  // namespace tessera::byte_pair_test
