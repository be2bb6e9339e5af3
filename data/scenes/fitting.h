// Which pictures a caption of the built-in data could have been written about: its own and, by chance, others. What is
// best possible in retrieval depends on it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "data/scenes/picture.h"
#include "data/sets/annotations.h"

namespace tessera::scenes {

// In what a picture is otherwise than a caption says; all empty or false: in nothing, the caption fits it.
struct CaptionDifference {
  bool count = false;                              // of the objects; nothing else is compared then
  std::map<std::string, int64_t> attributes = {};  // "colour" → 1: so many objects have another one, in the order that
                                                   // leaves the fewest
  bool exchanged = false;  // the objects have all these attributes, but each those of the other
  bool relation = false;   // told where no attribute differs
  bool operator==(const CaptionDifference&) const = default;
};

// An annotated caption. Its objects are all that its picture shows; a relation's first object is objects[0].
class CaptionClaim {
 public:
  // None where the annotation is not as the built-in data's: `objects` with one or two of them, and at most one word of
  // the kind "relation", one that the grammar has.
  static std::optional<CaptionClaim> of(std::string_view caption, const Annotation& annotation);

  // Whether these objects and no others are in the picture of `size`, and stand as the caption says.
  bool fits(const Annotation& picture, PictureSize size) const;
  CaptionDifference difference(const Annotation& picture, PictureSize size) const;

 private:
  std::vector<AnnotatedObject> objects_;
  std::optional<Relation> relation_;
};

}  // namespace tessera::scenes
