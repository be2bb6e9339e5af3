// What a classifier's task is worth without pictures: the label that was most often right with the same text.
#pragma once

#include <map>
#include <string>
#include <unordered_map>

#include "vilt/tasks/downstream_data.h"

namespace tessera {

class TextAlone {
 public:
  explicit TextAlone(const DownstreamSet& train);

  // With a text that training does not have, the label that was most often right at all; of equal ones the lowest.
  int64_t label(const std::string& text) const;

 private:
  using Scores = std::map<int64_t, double>;  // of labels; most have none

  Scores all_;
  std::unordered_map<std::string, Scores> of_text_;
};

}  // namespace tessera
