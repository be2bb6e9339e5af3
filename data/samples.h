// From a data set to what the collator packs: tokenised captions and images cut into patches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/pictures.h"
#include "data/sampler.h"
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

// Pairs of picture and caption by number, wherever they lie: what the collator of pre-training draws from. Captions of
// one picture follow one another. Thread-safe.
class PairSource : public Pictures {
 public:
  // `vocabulary` must outlive the source.
  PairSource(FileOf file_of, const Wordpiece& vocabulary, const SampleOptions& options)
      : Pictures(std::move(file_of), options), vocabulary_(vocabulary), options_(options) {}
  virtual ~PairSource() = default;

  const Wordpiece& vocabulary() const { return vocabulary_; }
  const SampleOptions& options() const { return options_; }

  virtual int64_t captions() const = 0;
  virtual int64_t images() const = 0;
  virtual int64_t image_of(int64_t caption) const = 0;
  virtual int64_t id_of(int64_t caption) const = 0;  // by which a user finds it
  virtual std::string caption(int64_t number) const = 0;
  virtual TextSample text(int64_t caption) const = 0;
  // Whether a caption is at hand without a file being read.
  virtual bool in_memory() const = 0;
  // The data sets that stand one after another in it, with their runs; none where it is one.
  virtual std::vector<SamplePart> parts() const = 0;

  // As of Dataset. What has no annotations only needs the first, which throws.
  virtual void require(AnnotationField field, std::string_view option) const = 0;
  virtual int64_t sibling(int64_t caption) const = 0;
  virtual std::string_view group(int64_t caption) const = 0;

 protected:
  TextSample tokenised(const Encoding& pieces) const;

 private:
  const Wordpiece& vocabulary_;
  SampleOptions options_;
};

// A data set's pictures, and its texts.
class SampleSource : public PairSource {
 public:
  // `dataset` and `vocabulary` must outlive the source.
  SampleSource(const Dataset& dataset, const Wordpiece& vocabulary, const SampleOptions& options);

  const Dataset& dataset() const { return dataset_; }
  int64_t captions() const override { return static_cast<int64_t>(dataset_.sentences().size()); }
  int64_t images() const override { return static_cast<int64_t>(dataset_.images().size()); }
  int64_t id_of(int64_t caption) const override { return dataset_.sentences()[static_cast<size_t>(caption)].id; }
  std::string caption(int64_t number) const override;
  bool in_memory() const override { return true; }
  std::vector<SamplePart> parts() const override;
  void require(AnnotationField field, std::string_view option) const override { dataset_.require(field, option); }
  int64_t sibling(int64_t caption) const override { return dataset_.sibling(caption); }
  std::string_view group(int64_t caption) const override { return *dataset_.annotation(caption)->group; }

  // Tokenised at every call: a few microseconds, where the captions of a large data set would take its own memory
  // again.
  TextSample text(int64_t sentence) const override;
  int64_t image_of(int64_t sentence) const override {
    return dataset_.sentences()[static_cast<size_t>(sentence)].image;
  }

 private:
  const Dataset& dataset_;
};

}  // namespace tessera
