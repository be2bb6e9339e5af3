// From a data set to what the collator packs: tokenised captions and images cut into patches.
#pragma once

#include <cstdint>
#include <vector>

#include "data/pictures.h"
#include "data/sets/dataset.h"
#include "data/text/wordpiece.h"

namespace tessera {

struct SampleOptions : PictureOptions {
  int64_t max_length = 40;  // text tokens including [CLS] and [SEP]; longer captions are cut
};

struct TextSample {
  std::vector<int64_t> ids;    // [CLS] … [SEP]
  std::vector<int32_t> words;  // the word of each token, -1 for [CLS] and [SEP]
  std::vector<bool> content;   // of each word: named by the annotations; empty without annotations
};

// A data set's pictures, and its texts.
class SampleSource : public Pictures {
 public:
  // `dataset` and `vocabulary` must outlive the source.
  SampleSource(const Dataset& dataset, const Wordpiece& vocabulary, const SampleOptions& options);

  const Dataset& dataset() const { return dataset_; }
  const Wordpiece& vocabulary() const { return vocabulary_; }
  const SampleOptions& options() const { return options_; }

  // Tokenised at every call: a few microseconds, where the captions of a large data set would take its own memory
  // again.
  TextSample text(int64_t sentence) const;
  int64_t image_of(int64_t sentence) const { return dataset_.sentences()[static_cast<size_t>(sentence)].image; }

 private:
  const Dataset& dataset_;
  const Wordpiece& vocabulary_;
  SampleOptions options_;
};

}  // namespace tessera
