// How byte-level BPE, as CLIP uses it, cleans a text and cuts it into words.
//
// original, as the published code:
//   1. fix_text (data/text/fix_text.h), then references of HTML become characters, twice (html.unescape)
//   2. runs of blanks become one, none stay at the ends; lower case with context (final ς)
//   3. words: special tokens; 's 't 're 've 'm 'll 'd; runs of letters; single digits (category N); runs of anything
//   else
//      but blanks. ſ counts as s in the first two
// unfixed: the same without fix_text, for where ftfy was not installed
// transformers, as Hugging Face's tokenizer:
//   1. special tokens are cut out of the text as it is written
//   2. NFC; a run of blanks becomes one; lower case, character by character
//   3. words likewise, without ſ. A special token that only lower-casing has made is letters and signs
// Text that is not UTF-8 is no error: each ill-formed part counts as U+FFFD.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

enum class TextCleaning { original, unfixed, transformers };

struct BytePairWord {
  std::string text;  // UTF-8, cleaned, never empty
  int special = -1;  // which of the special tokens it is, or none
};

// `special`: the texts of the special tokens, in lower case.
std::vector<BytePairWord> byte_pair_words(std::string_view text, TextCleaning cleaning,
                                          const std::array<std::string, 2>& special);

// Step 1 and 2 of `original` and `unfixed`.
std::string cleaned_text(std::string_view text, TextCleaning cleaning);

}  // namespace tessera
