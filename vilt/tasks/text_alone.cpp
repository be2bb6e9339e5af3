#include "vilt/tasks/text_alone.h"

#include <algorithm>

namespace tessera {

TextAlone::TextAlone(const DownstreamSet& train) {
  for (const DownstreamSample& sample : train.samples) {
    Scores& own = of_text_[sample.text];
    const auto add = [&](int64_t label, double score) {
      own[label] += score;
      all_[label] += score;
    };
    for (const SoftTarget& target : sample.targets) add(target.label, target.score);
    if (sample.targets.empty()) add(sample.label, 1);
  }
}

int64_t TextAlone::label(const std::string& text) const {
  const auto found = of_text_.find(text);
  const Scores& scores = found == of_text_.end() ? all_ : found->second;
  return std::max_element(scores.begin(), scores.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
}

}  // namespace tessera
