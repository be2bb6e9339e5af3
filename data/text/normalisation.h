// How a tokeniser changes a text before it looks for words. The defaults are those of BERT's uncased vocabularies,
// which ViLT uses.
#pragma once

namespace tessera {

struct Normalisation {
  bool lower_case = true;
  bool strip_accents = true;       // also decomposes (NFD); without it characters stay as they are composed
  bool isolate_ideographs = true;  // each Chinese, Japanese or Korean ideograph is a word of its own
  bool operator==(const Normalisation&) const = default;
};

}  // namespace tessera
