// What the tests of the collator work on.
#pragma once

#include <string>
#include <vector>

#include "tests/tiny_scenes.h"
#include "vilt/input/collator.h"

namespace tessera::tests {

// A data set and a collator on it.
struct CollatorBench {
  Dataset dataset;
  SampleSource source;
  std::vector<std::string> reports;
  Quarantine quarantine;
  Collator collator;

  explicit CollatorBench(const CollatorOptions& options, Dataset set = tiny_scenes().open("train"),
                         const SampleOptions& samples = TinyScenes::sample_options(), int64_t max_bad_files = 100,
                         Share share = {})
      : dataset(std::move(set)),
        source(dataset, tiny_scenes().vocabulary(), samples),
        quarantine(max_bad_files, [this](const std::string& reason) { reports.push_back(reason); }),
        collator(source, options, quarantine, share) {}

  int64_t sentence_with_id(int64_t id) const {
    for (size_t s = 0; s < dataset.sentences().size(); ++s)
      if (dataset.sentences()[s].id == id) return static_cast<int64_t>(s);
    return -1;
  }
  std::vector<int64_t> ids(int64_t step) const { return collator.step(step)[0].sample_ids; }
  std::vector<float> pixels(int64_t image) const { return source.patched(image).patches; }
};

// The values of the image that a sequence uses, in raster order.
inline std::vector<float> pixels_of(const PackedBatch& batch, const SequenceLayout& sequence) {
  int64_t first = 0;
  for (int i = 0; i < sequence.image; ++i) first += int64_t{batch.grids[i].rows} * batch.grids[i].columns;
  const Grid grid = batch.grids[static_cast<size_t>(sequence.image)];
  return batch.patches.narrow(0, first, int64_t{grid.rows} * grid.columns).to_vector<float>();
}

inline std::vector<int64_t> ids_of(const PackedBatch& batch, size_t sequence) {
  int64_t first = 0;
  for (size_t s = 0; s < sequence; ++s) first += batch.sequences[s].text_length;
  return batch.token_ids.narrow(0, first, batch.sequences[sequence].text_length).to_vector<int64_t>();
}

inline CollatorOptions options_of(int64_t batch_size = 8) {
  CollatorOptions options;
  options.batch_size = batch_size;
  options.table_side = 6;
  options.masking.rate = 0.4;
  return options;
}

}  // namespace tessera::tests
