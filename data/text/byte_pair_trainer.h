// Learns the merges of byte-level BPE from text, so that none need to be downloaded: the words of a text (as they are
// cut in data/text/byte_pair_words.h) begin as their bytes, and the pair that occurs most often is joined, again and
// again (data/text/pair_merger.h). The result depends on the words and their counts alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "data/progress.h"
#include "data/text/byte_pair.h"

namespace tessera {

class BytePairTrainer {
 public:
  explicit BytePairTrainer(BytePair::Options options = {}) : options_(std::move(options)) {}

  // Counts the words of a text; special tokens in it are none.
  void add(std::string_view text);
  // Words and how often they occurred.
  const std::map<std::string, int64_t>& counts() const { return counts_; }

  // 512 tokens of bytes, then what is joined in the order in which it was found, then start and end: exactly `size`
  // tokens (at least 514), or fewer when no pair is left that occurs at least `min_count` times. A pair whose token is
  // there already is left alone, so every token has one merge, as the published form of files needs it.
  BytePairVocabulary train(size_t size, int64_t min_count = 1, const ProgressCallback& progress = {}) const;

 private:
  BytePair::Options options_;
  std::map<std::string, int64_t> counts_;
};

}  // namespace tessera
