// Where words look, as JSON: attention of a layer and head, the transport plan at a setting, and the same for the
// caption with its words shuffled.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vilt/ask/inputs.h"
#include "vilt/serve/model_worker.h"

namespace tessera::serve {

// Fields of a request: image or images, text, and
//   layer       from 1; default: the last
//   head        from 1; 0, the default: the mean over heads
//   beta, iterations   of the plan; default 0.1 × 1,000
//   shuffle     a number: the control, with the words in an order that this number decides; default: none
// A layer, a head or a setting of the plan that is changed costs no pass through the model: passes are kept.
class Looking {
 public:
  using Json = nlohmann::ordered_json;

  Looking(const LoadedModel& model, ModelWorker& worker, PictureStore& pictures)
      : model_(model), worker_(worker), pictures_(pictures) {}

  static std::span<const std::string_view> fields();
  // {"words", "layers", "heads", "layer", "head", "beta", "iterations", "pictures", "control"}; of each picture
  //   rows, columns, chance    of its patches; 1 / their number: the largest share of a flat map
  //   attention, plan          for each word: weights, summed over its pieces, of all patches in raster order; entropy
  //                            (1: flat); share: of the word's attention what the picture has, of the plan's mass what
  //                            the word has
  // and control: text, and pictures with the same for each word of the caption, in the caption's order.
  Json look(const Fields& fields, Batcher::Time latest);

 private:
  using Maps = std::vector<HeadMaps>;
  struct Setting {
    int64_t layer, head, iterations;
    double beta;
  };
  std::shared_ptr<const Maps> maps_of(const command::Words& words, const std::vector<OpenedPicture>& pictures,
                                      Batcher::Time latest);
  Json pictures_json(const command::Words& words, const std::vector<int32_t>& order, const Maps& maps,
                     const std::vector<OpenedPicture>& pictures, const Setting& setting) const;

  const LoadedModel& model_;
  ModelWorker& worker_;
  PictureStore& pictures_;
  Recent<Maps> recent_{int64_t{128} << 20};
};

// The words of a text in another order, if any other reads otherwise; `order`: which word of the original each is.
struct ShuffledWords {
  std::string text;
  std::vector<int32_t> order;
};
ShuffledWords shuffled_words(const std::vector<std::string>& words, uint64_t seed);

}  // namespace tessera::serve
