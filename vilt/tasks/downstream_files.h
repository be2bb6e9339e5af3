// The files of a downstream task that the settings name. data.captions, data.validation_captions and data.test_captions
// are
//
//   vqa        VQAv2's questions (…questions.json, its annotations beside it by their published name), or lists of
//   one's
//              own with a column for the split (data/tasks/vqa_list.h)
//   nlvr2      NLVR2's lines
//   retrieval  captions in any layout (data/sets/)
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "data/sets/dataset.h"
#include "data/tasks/nlvr2.h"
#include "data/tasks/vqa.h"
#include "vilt/tasks/downstream.h"
#include "vilt/tasks/downstream_data.h"
#include "vilt/tasks/settings.h"

namespace tessera {

enum class DataPart : uint8_t { train, validation, test, unseen };

// As the files have it: one of the three lists, by the task.
struct DownstreamPart {
  std::vector<VqaQuestion> questions;
  std::vector<Nlvr2Example> statements;
  Dataset captions;
  std::string words;  // where it came from, for people

  size_t size() const { return questions.size() + statements.size() + captions.sentences().size(); }
  std::string_view text(size_t index) const;
  DownstreamSet set(const AnswerTable& table, Unanswerable rule) const;
};

// Without a test file the test part is that of validation; without an unseen one there is nothing to read. What was
// left out is told to `log`.
bool has_unseen_part(const DownstreamTask& task, const Settings& settings);
DownstreamPart read_part(const DownstreamTask& task, const Settings& settings, DataPart part, std::ostream& log);

// The annotations that belong to a file of VQAv2's questions, by the published names; empty if there are none.
std::filesystem::path annotations_beside(const std::filesystem::path& questions);

// Updates in so many epochs, as the published program counts them: ⌈samples / micro-batch⌉ · epochs / accumulate,
// rounded down.
int64_t steps_of_epochs(int64_t samples, int64_t batch_size, int64_t accumulate, int64_t epochs);

}  // namespace tessera
