// BERT's basic tokenisation: a text becomes normalised words. In this order:
//   1. clean: U+0000, U+FFFD, control, format and private-use characters vanish; every kind of blank becomes a space
//   2. ideographs are isolated by spaces *
//   3. canonical decomposition (NFD), then non-spacing marks (accents) vanish *
//   4. lower case, character by character *
//   5. split at spaces; each punctuation character is a word of its own
// Steps with a star can be switched off (Normalisation).
// Text that is not UTF-8 is no error: each ill-formed part counts as U+FFFD and vanishes in step 1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/normalisation.h"

namespace tessera {

// One character of a normalised word.
struct WordCharacter {
  uint32_t offset;      // where it starts in BasicWord::text, bytes
  uint32_t begin, end;  // bytes of the original text that it came from
};

struct BasicWord {
  std::string text;                       // normalised, UTF-8, never empty
  std::vector<WordCharacter> characters;  // one per code point of `text`
};

// Words of `text`. `origin` is added to all positions in the original. Texts of 4 GiB or more are an error.
std::vector<BasicWord> basic_words(std::string_view text, size_t origin = 0, const Normalisation& normalisation = {});

}  // namespace tessera
