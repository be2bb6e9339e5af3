// What a data set holds, in figures as papers give them, and some of its pictures to look at.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/images/image.h"
#include "data/inspection/units.h"
#include "data/text/wordpiece.h"

namespace tessera {

// Whole numbers and how often each occurs: figures of them do not hang on the order in which they came.
class Counts {
 public:
  void add(int64_t value, int64_t times = 1) { counts_[value] += times; }
  void add(const Counts& other);
  int64_t count() const;
  double mean() const;
  double deviation() const;  // of the population: the root of the mean squared distance from the mean
  int64_t smallest() const { return counts_.begin()->first; }
  int64_t largest() const { return counts_.rbegin()->first; }
  int64_t median() const;  // of an even number the smaller of the two in the middle
  int64_t above(int64_t value) const;

 private:
  std::map<int64_t, int64_t> counts_;
};

struct DataStatistics {
  int64_t samples = 0;                     // usable or not
  Counts captions_of_picture;              // of each usable picture
  Counts lengths;                          // of each caption: tokens without [CLS] and [SEP], or words
  Counts shorter_sides, longer_sides;      // in pixels
  std::map<std::string, int64_t> reasons;  // what cannot be used, and why
  std::vector<Image> thumbnails;           // drawn by the samples' names, always the same
};

struct StatisticsOptions {
  int threads = 1;
  const Wordpiece* vocabulary = nullptr;  // null: lengths are those in words, between blanks
  int64_t thumbnails = 0;                 // so many
  int thumbnail_side = 128;               // pixels; a picture is fitted into the square
};

// The pictures are decoded: a damaged one is among the reasons.
DataStatistics statistics(const std::vector<InspectionUnit>& units, const StatisticsOptions& options,
                          const ProgressCallback& progress = {});

// Side by side on grey, in rows of `columns`. All have that side at most.
Image contact_sheet(const std::vector<Image>& thumbnails, int side, int columns);

}  // namespace tessera
