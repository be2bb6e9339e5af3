// What TensorBoard shows of an evaluation: held-out pictures, each beside the same one under a map of where the words
// of its text look.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/pictures.h"
#include "io/event_file.h"
#include "vilt/ask/questions.h"
#include "vilt/tasks/settings.h"

namespace tessera {

struct PictureExample {
  std::string words;                                          // the text, for the picture's name
  std::vector<int64_t> ids;                                   // with [CLS] and [SEP]
  std::vector<std::shared_ptr<const ResizedImage>> pictures;  // as many as the model looks at
};

// train.tensorboard_pictures of `all` samples, evenly spread.
std::vector<int64_t> example_samples(int64_t all, const Settings& settings);

inline constexpr int kExampleHeight = 256;

// One for each picture, named examples/NUMBER/WORDS, kExampleHeight pixels high. The map is the attention of the
// last layer, mean over heads, summed over the words.
std::vector<EventImage> example_pictures(const ViltWithHeads& model, const Pictures& source,
                                         std::span<const PictureExample> examples, const ForwardContext& context);

}  // namespace tessera
