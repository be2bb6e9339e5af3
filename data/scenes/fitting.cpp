#include "data/scenes/fitting.h"

#include <algorithm>
#include <set>
#include <vector>

namespace tessera::scenes {
namespace {

Square square_of(const AnnotatedObject& object) {
  return {static_cast<int>(object.box[0]), static_cast<int>(object.box[1]), static_cast<int>(object.box[2])};
}

using Attributes = std::map<std::string, std::string>;

// The names of those that are not the same.
std::vector<std::string> differing(const Attributes& a, const Attributes& b) {
  std::vector<std::string> names;
  for (const auto& [name, value] : a)
    if (const auto found = b.find(name); found == b.end() || found->second != value) names.push_back(name);
  for (const auto& [name, value] : b)
    if (!a.contains(name)) names.push_back(name);
  return names;
}

}  // namespace

std::optional<CaptionClaim> CaptionClaim::of(std::string_view caption, const Annotation& annotation) {
  if (!annotation.objects || annotation.objects->empty() || annotation.objects->size() > 2) return {};
  CaptionClaim claim;
  claim.objects_ = *annotation.objects;
  if (!annotation.content_words) return claim;
  const auto& known = claim.objects_.size() == 1 ? kSideWords : kRelationWords;
  for (const ContentWord& word : *annotation.content_words) {
    if (word.kind != "relation") continue;
    const auto begin = static_cast<size_t>(word.begin), end = static_cast<size_t>(word.end);
    const auto* const found = std::find(known.begin(), known.end(), caption.substr(begin, end - begin));
    if (found == known.end() || claim.relation_) return {};
    claim.relation_ = static_cast<Relation>(found - known.begin());
  }
  return claim;
}

bool CaptionClaim::fits(const Annotation& picture, PictureSize size) const {
  if (!picture.objects || picture.objects->size() != objects_.size()) return false;
  std::vector<AnnotatedObject> shown = *picture.objects;
  const auto stands = [&] {
    for (size_t i = 0; i < objects_.size(); ++i)
      if (shown[i].attributes != objects_[i].attributes) return false;
    if (!relation_) return true;
    return shown.size() == 1 ? lies_on_side(square_of(shown[0]), *relation_, size)
                             : stand_in_relation(square_of(shown[0]), square_of(shown[1]), *relation_, size);
  };
  if (stands()) return true;
  std::reverse(shown.begin(), shown.end());
  return stands();
}

CaptionDifference CaptionClaim::difference(const Annotation& picture, PictureSize size) const {
  CaptionDifference out;
  out.count = !picture.objects || picture.objects->size() != objects_.size();
  if (out.count) return out;
  std::vector<AnnotatedObject> shown = *picture.objects;
  std::optional<int64_t> fewest;
  for (size_t order = 0; order < shown.size(); ++order) {
    std::map<std::string, int64_t> attributes;
    int64_t all = 0;
    for (size_t i = 0; i < objects_.size(); ++i)
      for (const std::string& name : differing(objects_[i].attributes, shown[i].attributes)) {
        ++attributes[name];
        ++all;
      }
    if (!fewest || all < *fewest) {
      fewest = all;
      out.attributes = std::move(attributes);
    }
    std::reverse(shown.begin(), shown.end());
  }
  if (*fewest == 0) {
    out.relation = !fits(picture, size);
    return out;
  }
  std::map<std::string, std::multiset<std::string>> said, seen;
  for (size_t i = 0; i < objects_.size(); ++i) {
    for (const auto& [name, value] : objects_[i].attributes) said[name].insert(value);
    for (const auto& [name, value] : shown[i].attributes) seen[name].insert(value);
  }
  out.exchanged = said == seen;
  return out;
}

}  // namespace tessera::scenes
