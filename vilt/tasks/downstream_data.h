// The samples of a downstream task, whatever files they come from: texts, numbers of pictures, and what is right.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/samples.h"
#include "data/sets/dataset.h"
#include "data/tasks/answer_table.h"
#include "data/tasks/nlvr2.h"
#include "data/tasks/vqa.h"
#include "data/text/wordpiece.h"

namespace tessera {

struct DownstreamSample {
  int64_t id = 0;
  std::string text;
  std::array<int64_t, 2> images{-1, -1};  // indices into DownstreamSet::pictures; the second -1 where there is one
  SoftTargets targets;                    // vqa: of the answer table
  int64_t label = 0;                      // nlvr2: 1 is true
  int64_t sibling = -1;                   // retrieval: a sample whose caption is this picture's hard negative
};

struct DownstreamSet {
  std::vector<std::string> pictures;  // paths; in the order in which samples first name them
  std::vector<DownstreamSample> samples;
  int64_t left_out = 0;  // questions that have no answer of the table
};

// Questions without an answer of the table are left out of training; evaluation counts them as they are.
enum class Unanswerable : uint8_t { leave_out, keep };
DownstreamSet questions_set(const std::vector<VqaQuestion>& questions, const AnswerTable& table, Unanswerable rule);
// Ids are places in the file, from 0.
DownstreamSet statements_set(const std::vector<Nlvr2Example>& examples);
// A sample for each caption. Pictures are those of the data set, in its order, also without captions.
DownstreamSet captions_set(const Dataset& dataset);

// By what the samples are known again (data/sets/fingerprint.h).
std::map<std::string, std::string> fingerprint(const DownstreamSet& set, const std::string& image_folder);

// A set ready to draw from. Must not be moved: pictures are opened by its list.
struct DownstreamSource {
  DownstreamSource(DownstreamSet set, const Wordpiece& words, const SampleOptions& options);
  DownstreamSource(const DownstreamSource&) = delete;
  DownstreamSource& operator=(const DownstreamSource&) = delete;

  // [CLS] … [SEP], cut.
  std::vector<int64_t> text(int64_t sample) const;

  const DownstreamSet set;
  const Wordpiece& vocabulary;
  const SampleOptions options;
  const Pictures pictures;
};

}  // namespace tessera
