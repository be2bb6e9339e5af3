// Regions of the built-in scenes as a perfect detector would find them, from the annotations: a box for each object,
// features that tell its colour and its shape, and noise.
#pragma once

#include <algorithm>

#include "data/samples.h"
#include "data/scenes/grammar.h"
#include "models/parts/readable_regions.h"

namespace tessera::tests {

// Channels: 8 colours, 5 shapes, and some that say nothing. Classes: background and 40 combinations.
constexpr int64_t kSceneChannels = 16, kSceneClasses = 41;

// `dataset`: the splits that are asked for, with annotations; it must outlive the result.
inline RegionLookup scene_regions(const Dataset& dataset, double noise = 0.1) {
  return [&dataset, noise](const DatasetImage& picture) {
    const int64_t image = dataset.image_index(picture.id);
    const Annotation& annotation = *dataset.annotation(dataset.images().at(static_cast<size_t>(image)).first_sentence);
    Regions out;
    out.height = out.width = 96;
    std::vector<float> boxes, features, distributions;
    Random random(99, static_cast<uint64_t>(picture.id));
    for (const AnnotatedObject& object : *annotation.objects) {
      const auto [x, y, width, height] = object.box;
      for (const double corner : {x, y, x + width, y + height}) boxes.push_back(static_cast<float>(corner));
      std::vector<float> row(static_cast<size_t>(kSceneChannels));
      for (float& value : row) value = static_cast<float>(noise * random.normal());
      const auto place = [](const auto& names, const std::string& name) {
        return std::find_if(names.begin(), names.end(), [&](const auto& each) { return each == name; }) - names.begin();
      };
      std::vector<std::string_view> colours;
      for (const scenes::Colour& colour : scenes::kColours) colours.push_back(colour.name);
      const auto colour = place(colours, object.attributes.at("colour"));
      const auto shape = place(scenes::kShapeNames, object.attributes.at("shape"));
      row[static_cast<size_t>(colour)] += 1;
      row[static_cast<size_t>(scenes::kColourCount + shape)] += 1;
      features.insert(features.end(), row.begin(), row.end());
      std::vector<float> classes(static_cast<size_t>(kSceneClasses), 0.1F / static_cast<float>(kSceneClasses));
      classes[static_cast<size_t>(1 + colour * scenes::kShapeCount + shape)] += 0.9F;
      distributions.insert(distributions.end(), classes.begin(), classes.end());
    }
    for (size_t i = 0; i < annotation.objects->size(); ++i) {
      const auto row = distributions.begin() + static_cast<std::ptrdiff_t>(i * kSceneClasses);
      out.objects.push_back(std::max_element(row, row + kSceneClasses) - row);
    }
    const auto count = static_cast<int64_t>(annotation.objects->size());
    out.boxes = Tensor::from(boxes, {count, 4});
    out.features = Tensor::from(features, {count, kSceneChannels});
    out.distributions = Tensor::from(distributions, {count, kSceneClasses});
    out.confidences = Tensor::full({count}, 1);
    return out;
  };
}

}  // namespace tessera::tests
