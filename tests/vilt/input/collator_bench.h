// What the tests of the collator work on.
#pragma once

#include <string>
#include <vector>

#include "vilt/input/collator.h"
#include "tests/tiny_scenes.h"

namespace tessera::tests {

// A data set, its tokenised captions and a collator on them.
struct CollatorBench {
  Dataset dataset;
  SampleSource source;
  std::vector<std::string> reports;
  Quarantine quarantine;
  Collator collator;

  explicit CollatorBench(const CollatorOptions& options, Dataset set = tiny_scenes().open("train"),
                 const SampleOptions& samples = TinyScenes::sample_options(), int64_t max_bad_files = 100)
      : dataset(std::move(set)),
        source(dataset, tiny_scenes().vocabulary(), samples),
        quarantine(max_bad_files, [this](const std::string& reason) { reports.push_back(reason); }),
        collator(source, options, quarantine) {}

  int64_t sentence_with_id(int64_t id) const {
    for (size_t s = 0; s < dataset.sentences().size(); ++s)
      if (dataset.sentences()[s].id == id) return static_cast<int64_t>(s);
    return -1;
  }
  std::vector<int64_t> ids(int64_t step) const { return collator.step(step)[0].sample_ids; }
  std::vector<float> pixels(int64_t image) const { return source.patched(image).patches; }
};

inline CollatorOptions options_of(int64_t batch_size = 8) {
  CollatorOptions options;
  options.batch_size = batch_size;
  options.table_side = 6;
  options.masking.rate = 0.4;
  return options;
}

}  // namespace tessera::tests
