// Whole-word masking for masked language modelling (Devlin et al., 2019): words are chosen, all pieces of a chosen word
// are masked together. Of the chosen pieces 80 % become [MASK], 10 % a uniform id of the whole vocabulary (special
// tokens included) and 10 % stay; all of them are to be predicted.
//
// In both variants the words come in random order, and a word is taken unless it would exceed the budget of pieces.
//   strict     budget = max(1, round(rate · pieces of the text)). If no word fitted, the first of the order is taken
//              whole, so something is always masked if there is a word at all.
//   official   what the released ViLT code does (transformers 4.2.1's whole-word collator on sequences padded to
//              max_length): budget = max(1, round(rate · max_length)), and each padding place is a candidate word that
//              uses the budget up and is then forgotten. Short texts are masked far below the rate, often not at all,
//              and a word with more pieces than the budget never is.
// round() goes to even at one half, as Python's.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/philox.h"

namespace tessera {

class Wordpiece;

struct MaskingOptions {
  enum Variant { strict, official };
  Variant variant = strict;
  double rate = 0.15;  // in (0, 1]
  // Chance that the content words come before all others in the order. The first of them is then taken whole whatever
  // the budget: in a caption of two words the budget is one piece, and a word of two would never be learnt.
  double content_first = 0;
  int64_t max_length = 40;  // official: length of a padded sequence, [CLS] and [SEP] included
};

struct Masking {
  std::vector<int64_t> ids;
  std::vector<int64_t> labels;  // the id to predict at each chosen place, kIgnoreLabel elsewhere
};

inline constexpr int64_t kIgnoreLabel = -100;

// max(1, round(rate · length)) pieces.
int64_t masking_budget(int64_t length, double rate);

// ids     a sequence with [CLS] and [SEP], without padding
// words   for each place the word it belongs to (0, 1, ...: places of a word are adjacent, words ascend), or -1 where
//         nothing may be masked
// content whether each word is a content word; empty: none is
Masking mask_words(const std::vector<int64_t>& ids, const std::vector<int32_t>& words, const std::vector<bool>& content,
                   const MaskingOptions& options, const Wordpiece& vocabulary, Random& random);

// Each piece by itself with chance `rate`, as BERT's first code has it. `at_least_one`: where none was chosen the first
// becomes [MASK], as in UNITER's code. Places whose word is -1 are never chosen.
Masking mask_tokens(const std::vector<int64_t>& ids, const std::vector<int32_t>& words, double rate, bool at_least_one,
                    const Wordpiece& vocabulary, Random& random);

// Every piece of one word becomes [MASK] and is to be predicted: for evaluation.
Masking mask_one_word(const std::vector<int64_t>& ids, const std::vector<int32_t>& words, int32_t word,
                      const Wordpiece& vocabulary);

}  // namespace tessera
