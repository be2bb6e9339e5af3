#include "data/text/wordpiece.h"

#include <algorithm>

#include "data/text/unicode.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

const Wordpiece& small_vocabulary() {
  static const Wordpiece words({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",  "##a",  "b",  "##b", "ab",  "##ab",
                                "[",     "]",     "mask",  ".",     ",",      "s",  "##s",  "e",  "##e", "red", "ring",
                                "##ing", "1",     "##1",   "é",     "σ",      "ᄀ", "##ᅡ", "猫", "##ß", "ｗ",  "i"});
  return words;
}

void check_encoding(const Encoding& encoding, std::string_view text) {
  const Wordpiece& words = small_vocabulary();
  ensure(encoding.words.size() == encoding.size() && encoding.begin.size() == encoding.size() &&
             encoding.end.size() == encoding.size(),
         "vectors of different lengths");
  int32_t word = -1;
  for (size_t i = 0; i < encoding.size(); ++i) {
    ensure(encoding.ids[i] >= 0 && encoding.ids[i] < static_cast<int64_t>(words.size()), "id ", encoding.ids[i]);
    ensure(encoding.begin[i] < encoding.end[i] && encoding.end[i] <= text.size(), "piece ", i, " lies at ",
           encoding.begin[i], "..", encoding.end[i], " of ", text.size());
    ensure(encoding.words[i] == word || encoding.words[i] == word + 1, "word ", encoding.words[i], " after ", word);
    word = encoding.words[i];
  }
  if (encoding.size() == 0) return;
  const auto all = words_in_span(encoding, 0, text.size());
  ensure(static_cast<int32_t>(all.size()) == word + 1, all.size(), " words of ", word + 1, " in the whole text");
}

}  // namespace

// Any bytes are a text. Ids are those of the vocabulary, pieces lie in the text, and what was decoded has the same ids
// again unless some word had none.
void wordpiece(Bytes bytes) {
  const Wordpiece& words = small_vocabulary();
  const std::string_view text = as_text(bytes);
  check_encoding(words.encode(text, {.special_tokens = true}), text);
  const Encoding encoding = words.encode(text);
  check_encoding(encoding, text);
  const Encoding sequence = words.sequence(encoding, 16);
  ensure(sequence.size() == std::min<size_t>(encoding.size() + 2, 16), "a sequence of ", sequence.size());
  const std::string decoded = words.decode(encoding.ids);
  ensure(unicode::is_utf8(decoded), "decoding gave something else than UTF-8");
  if (std::find(encoding.ids.begin(), encoding.ids.end(), words.unk_id()) == encoding.ids.end())
    ensure(words.encode(decoded).ids == encoding.ids, "'", decoded, "' has other ids");
}

}  // namespace tessera::fuzz
