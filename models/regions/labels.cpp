#include "models/regions/labels.h"

#include <algorithm>
#include <set>

#include "io/printable.h"

namespace tessera {
namespace {

// The first annotation of a picture that tells its objects; null: none does.
const Annotation* annotated_objects(const Dataset& dataset, int64_t image) {
  const DatasetImage& of = dataset.images().at(static_cast<size_t>(image));
  for (int64_t i = of.first_sentence; i < of.first_sentence + of.sentence_count; ++i)
    if (const Annotation* annotation = dataset.annotation(i); annotation != nullptr && annotation->objects)
      return annotation;
  return nullptr;
}

const std::string& value_of(const Annotation& annotation, const AnnotatedObject& object, const std::string& key) {
  const auto found = object.attributes.find(key);
  check(found != object.attributes.end(), "regions: sentence ", annotation.sentence_id,
        ": an object without the attribute ", printable(key));
  return found->second;
}

int64_t index_of(const std::vector<std::string>& names, size_t first, const std::string& name, int64_t sentence) {
  const auto found = std::find(names.begin() + static_cast<std::ptrdiff_t>(first), names.end(), name);
  check(found != names.end(), "regions: sentence ", sentence, ": the detector does not know ", printable(name));
  return found - names.begin();
}

}  // namespace

RegionClasses RegionLabels::pairs() const {
  if (attributes.empty()) return classes;
  RegionClasses out{classes.at(0)};
  for (size_t label = 1; label < classes.size(); ++label)
    for (const std::string& attribute : attributes) out.push_back(attribute + " " + classes[label]);
  return out;
}

int64_t RegionLabels::pair(int64_t label, int64_t attribute) const {
  if (attributes.empty() || label == 0) return label;
  return 1 + (label - 1) * static_cast<int64_t>(attributes.size()) + attribute;
}

RegionLabels labels_of(const Dataset& dataset, const RegionKeys& keys) {
  std::set<std::string> objects, attributes;
  for (size_t image = 0; image < dataset.images().size(); ++image) {
    const Annotation* annotation = annotated_objects(dataset, static_cast<int64_t>(image));
    if (annotation == nullptr) continue;
    for (const AnnotatedObject& object : *annotation->objects) {
      objects.insert(value_of(*annotation, object, keys.object));
      if (!keys.attribute.empty()) attributes.insert(value_of(*annotation, object, keys.attribute));
    }
  }
  check(!objects.empty(), "regions: no picture's objects are annotated (data.annotations)");
  RegionLabels out{{"background"}, {attributes.begin(), attributes.end()}};
  out.classes.insert(out.classes.end(), objects.begin(), objects.end());
  return out;
}

TrueBoxes true_boxes(const Dataset& dataset, int64_t image, const RegionLabels& labels, const RegionKeys& keys) {
  const Annotation* annotation = annotated_objects(dataset, image);
  TrueBoxes out;
  out.boxes.resize(annotation == nullptr ? 0 : static_cast<Eigen::Index>(annotation->objects->size()), 4);
  for (Eigen::Index row = 0; row < out.boxes.rows(); ++row) {
    const AnnotatedObject& object = (*annotation->objects)[static_cast<size_t>(row)];
    const Box& box = object.box;
    out.boxes.row(row) << box[0], box[1], box[0] + box[2], box[1] + box[3];
    const int64_t sentence = annotation->sentence_id;
    out.labels.push_back(index_of(labels.classes, 1, value_of(*annotation, object, keys.object), sentence));
    if (!labels.attributes.empty())
      out.attributes.push_back(index_of(labels.attributes, 0, value_of(*annotation, object, keys.attribute), sentence));
  }
  return out;
}

}  // namespace tessera
