#include "data/text/wordpiece.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "data/text/basic_tokenizer.h"
#include "data/text/unicode.h"
#include "tensor/error.h"

namespace tessera::wordpiece_test {
namespace {

using doctest::Contains;
using Strings = std::vector<std::string>;

// The special tokens are not in BERT's order, so that no code may rely on it.
const Strings kTokens = {"[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "a",    "un",  "##aff", "##able", "cat",
                         "##s",   "red",   ",",     ".",      "[",     "mask", "]",   "cafe",  "赤",     "い",
                         "##い",  "ᄀ",    "##ᅡ",  "##ᆨ",   "x",     "##xx", "σας", "##x"};

Wordpiece tokenizer() { return Wordpiece(kTokens); }

Strings pieces(const std::string& text, bool special_tokens = false) {
  const Wordpiece wordpiece = tokenizer();
  Strings out;
  for (const int64_t id : wordpiece.encode(text, {.special_tokens = special_tokens}).ids)
    out.push_back(wordpiece.token(id));
  return out;
}

// The bytes of the text that each piece came from.
Strings origins(const std::string& text, bool special_tokens = false) {
  const Encoding encoding = tokenizer().encode(text, {.special_tokens = special_tokens});
  Strings out;
  for (size_t i = 0; i < encoding.size(); ++i)
    out.push_back(text.substr(encoding.begin[i], encoding.end[i] - encoding.begin[i]));
  return out;
}

Strings words(const std::string& text) {
  Strings out;
  for (const BasicWord& word : basic_words(text)) out.push_back(word.text);
  return out;
}

struct File {
  std::filesystem::path path = std::filesystem::temp_directory_path() / text("tessera-vocab-", ::getpid(), ".txt");
  explicit File(const std::string& contents) { std::ofstream(path, std::ios::binary) << contents; }
  ~File() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("basic_words: lower case, accents, blanks, punctuation") {
  CHECK(words("Hello, World!") == Strings{"hello", ",", "world", "!"});
  CHECK(words("  \t\r\n\u00a0\u3000\u2028 ") == Strings{});
  CHECK(words("") == Strings{});
  CHECK(words("Éléphant \u0130stanbul na\u0308ive") == Strings{"elephant", "istanbul", "naive"});
  CHECK(words("isn't it?") == Strings{"isn", "'", "t", "it", "?"});
  CHECK(words("ΌΔΥΣΣΕΎΣ") == Strings{"οδυσσευσ"});  // no final sigma: there is no context
  CHECK(words("ß ﬁ") == Strings{"ß", "ﬁ"});         // canonical, not compatibility decomposition; no case folding
}

TEST_CASE("basic_words: what vanishes") {
  CHECK(words("re\u00add c\u200da\ufefft \ue000 a\x01z \x7f") == Strings{"red", "cat", "az"});
  CHECK(words(std::string("a\0b", 3)) == Strings{"ab"});
  CHECK(words("a\u000bb") == Strings{"ab"});  // vertical tab is a control character, not a blank
  CHECK(words("\u0301") == Strings{});
}

TEST_CASE("basic_words: ideographs stand alone, kana and hangul do not") {
  CHECK(words("ab赤いcd") == Strings{"ab", "赤", "いcd"});
  CHECK(words("\U00020000\U00020001") == Strings{"\U00020000", "\U00020001"});
  CHECK(words("\U0002B8F0\U0002B8F0").size() == 1);         // the gap in the reference's ranges
  CHECK(words("\uac01") == Strings{"\u1100\u1161\u11a8"});  // decomposed to its three jamo
}

TEST_CASE("basic_words: exceptions to utf8proc's tables") {
  CHECK(words("a\u2e5ab").size() == 1);             // punctuation of Unicode 14: a letter to the reference
  CHECK(words("a\u08cab") == Strings{"a\u08cab"});  // a mark of Unicode 14 stays
  CHECK(words("\u1c89") == Strings{"\u1c8a"});      // lower case of Unicode 16
  CHECK(words("\U00011938") == Strings{"\U00011938"});
}

TEST_CASE("basic_words: marks that stay are in canonical order") {
  // U+302E (class 224) before U+16FF0 (class 6): spacing marks, so not removed.
  CHECK(words("a\u302e\U00016ff0") == Strings{"a\U00016ff0\u302e"});
}

TEST_CASE("basic_words: text that is not UTF-8") {
  CHECK(words("re\377d") == Strings{"red"});
  CHECK(words("\xe2\x82") == Strings{});                // cut off
  CHECK(words("a\300\257b") == Strings{"ab"});          // overlong
  CHECK(words("a\xed\xa0\x80z") == Strings{"az"});      // surrogate
  CHECK(words("a\xf4\x90\x80\x80z") == Strings{"az"});  // beyond U+10FFFF
  CHECK(words("\xe2\x82x") == Strings{"x"});            // a broken character does not swallow the next
  CHECK(words("\xf0\x9f\x98\x80") == Strings{"\U0001F600"});
}

TEST_CASE("is_utf8") {
  CHECK(unicode::is_utf8("aé赤😀\uFFFD"));
  for (const char* bad : {"\x80", "\xc3", "\xc1\x81", "\xed\xbf\xbf", "\xf5\x80\x80\x80", "a\xe2\x28\xa1"})
    CHECK_FALSE(unicode::is_utf8(bad));
}

TEST_CASE("wordpiece: longest match first, one [UNK] for a word that has no pieces") {
  CHECK(pieces("Unaffable CATS") == Strings{"un", "##aff", "##able", "cat", "##s"});
  CHECK(pieces("unaffablez cats") == Strings{"[UNK]", "cat", "##s"});  // a rest without a piece takes the whole word
  CHECK(pieces("xxx") == Strings{"x", "##xx"});
  CHECK(pieces("각") == Strings{"ᄀ", "##ᅡ", "##ᆨ"});
  CHECK(pieces("") == Strings{});
  CHECK(pieces("##s") == Strings{"[UNK]", "[UNK]", "[UNK]"});
}

TEST_CASE("wordpiece: more than 100 characters after normalisation are [UNK]") {
  CHECK(pieces(std::string(100, 'x')).size() == 51);  // x, 49 ##xx, ##x
  CHECK(pieces(std::string(101, 'x')) == Strings{"[UNK]"});
  std::string accented;
  for (int i = 0; i < 100; ++i) accented += "x\u0301";
  CHECK(pieces(accented).size() == 51);
}

TEST_CASE("wordpiece: words and byte spans of the original text") {
  const std::string text = "A CAFE\u0301, re\u00add cats 각";
  const Encoding encoding = tokenizer().encode(text);
  CHECK(encoding.words == std::vector<int32_t>{0, 1, 2, 3, 4, 4, 5, 5, 5});
  CHECK(origins(text) == Strings{"A", "CAFE", ",", "re\u00add", "cat", "s", "각", "각", "각"});
  CHECK(origins("re\377d \377a") == Strings{"re\377d", "a"});
  CHECK(origins("zz cats") == Strings{"zz", "cat", "s"});  // [UNK] spans its word
}

TEST_CASE("wordpiece: words_in_span") {
  const Encoding encoding = tokenizer().encode("a red unaffable cat.");
  CHECK(words_in_span(encoding, 2, 5) == std::vector<int32_t>{1});
  CHECK(words_in_span(encoding, 2, 7) == std::vector<int32_t>{1, 2});
  CHECK(words_in_span(encoding, 8, 9) == std::vector<int32_t>{2});
  CHECK(words_in_span(encoding, 5, 6).empty());
  CHECK(words_in_span(encoding, 0, 100) == std::vector<int32_t>{0, 1, 2, 3, 4});
  CHECK(words_in_span(tokenizer().sequence(encoding, 40), 0, 1) == std::vector<int32_t>{0});
}

TEST_CASE("wordpiece: special tokens in a text are text unless asked for") {
  CHECK(pieces("a[MASK]cat") == Strings{"a", "[", "mask", "]", "cat"});
  CHECK(pieces("a[MASK]cat", true) == Strings{"a", "[MASK]", "cat"});
  CHECK(pieces("[mask] [CLS][PAD]", true) == Strings{"[", "mask", "]", "[CLS]", "[PAD]"});
  CHECK(pieces("[[MASK]", true) == Strings{"[", "[MASK]"});
  CHECK(origins("a cat[MASK] a", true) == Strings{"a", "cat", "[MASK]", "a"});
  CHECK(tokenizer().encode("a cat[MASK]s a", {.special_tokens = true}).words == std::vector<int32_t>{0, 1, 2, 3, 4});
}

TEST_CASE("wordpiece: sequence, decode, ids") {
  const Wordpiece wordpiece = tokenizer();
  const Encoding pieces = wordpiece.encode("a red cat");
  const Encoding whole = wordpiece.sequence(pieces, 40);
  CHECK(whole.ids == std::vector<int64_t>{1, 5, 11, 9, 2});
  CHECK(whole.words == std::vector<int32_t>{-1, 0, 1, 2, -1});
  CHECK(whole.begin == std::vector<uint32_t>{0, 0, 2, 6, 0});
  CHECK(wordpiece.sequence(pieces, 4).ids == std::vector<int64_t>{1, 5, 11, 2});
  CHECK(wordpiece.sequence(pieces, 2).ids == std::vector<int64_t>{1, 2});
  CHECK_THROWS_WITH_AS(wordpiece.sequence(pieces, 1), Contains("max_length is 1, expected at least 2"), Error);
  CHECK(wordpiece.decode(wordpiece.sequence(wordpiece.encode("A unaffable cats."), 40).ids) == "a unaffable cats .");
  CHECK(wordpiece.decode({3, 10, 0, 0}) == "[MASK]s");
  CHECK(wordpiece.decode({}).empty());
  CHECK(wordpiece.size() == kTokens.size());
  CHECK(wordpiece.mask_id() == 3);
  CHECK(wordpiece.unk_id() == 4);
  CHECK(wordpiece.pad_id() == 0);
  CHECK(wordpiece.id("cat") == 9);
  CHECK(wordpiece.token(9) == "cat");
  CHECK(wordpiece.is_continuation(10));
  CHECK_FALSE(wordpiece.is_continuation(9));
  CHECK(wordpiece.is_special(4));
  CHECK_FALSE(wordpiece.is_special(5));
  CHECK_FALSE(wordpiece.contains("dog"));
  CHECK_THROWS_WITH_AS(wordpiece.id("dog"), Contains("the vocabulary has no token 'dog'"), Error);
  CHECK_THROWS_WITH_AS(wordpiece.token(28), Contains("token id is 28, expected 0 to 27"), Error);
  CHECK_THROWS_WITH_AS(wordpiece.decode({-1}), Contains("token id is -1"), Error);
}

TEST_CASE("wordpiece: vocabulary files") {
  const std::string good = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
  const auto load = [](const std::string& contents) { return Wordpiece::from_file(File(contents).path); };
  CHECK(load(good).size() == 6);
  CHECK(load(good + "b").size() == 7);  // no line end at the end
  CHECK(load("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\ncat\r\n").id("cat") == 5);
  CHECK(load("\xef\xbb\xbf" + good).id("[PAD]") == 0);  // as some editors write it
  CHECK(load(good + "b \nc\t \r\n").id("b") == 6);
  CHECK(load(good + "b \nc\t \r\n").id("c") == 7);
  CHECK(load(good + "b\u3000\u00a0\x0b\n\u3000b\n").id("b") == 6);
  CHECK(load(good + "\n").size() == 6);
  CHECK(load(good + "b\n \r\n").size() == 7);
  CHECK_THROWS_WITH_AS(load(good + "\n\n"), Contains("line 7 is empty"), Error);
  CHECK_THROWS_WITH_AS(load(""), Contains("is empty, expected one token a line"), Error);
  CHECK_THROWS_WITH_AS(load("[PAD]\n[UNK]\n[SEP]\na\n"), Contains("has no [CLS], [MASK] among its 4 tokens"), Error);
  CHECK_THROWS_WITH_AS(load(good + "b\na\n"), Contains("token 'a' is on line 6 and on line 8"), Error);
  CHECK_THROWS_WITH_AS(load(good + "\nb\n"), Contains("line 7 is empty"), Error);
  CHECK_THROWS_WITH_AS(load(good + "b\xff\n"), Contains("line 7 is not UTF-8"), Error);
  CHECK_THROWS_WITH_AS(Wordpiece::from_file("/nowhere/vocab.txt"), Contains("/nowhere/vocab.txt"), Error);
}

}  // namespace tessera::wordpiece_test
