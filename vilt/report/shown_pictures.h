// The pictures of samples on a page, each kept once, and the bars of what was said of them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "vilt/ask/inference.h"
#include "vilt/tasks/downstream_data.h"

namespace tessera {

class ShownPictures {
 public:
  // `symbols` gets what the figures refer to.
  ShownPictures(const DownstreamSource& source, std::string& symbols) : source_(source), symbols_(symbols) {}

  std::string figure(int64_t picture, const std::string& description);
  // One that figure() has shown, under a map of where a text looks.
  std::string map(int64_t picture, const WordMaps& maps, const std::string& words);
  // No <figure>, and no larger than a list of many has room for.
  std::string thumbnail(int64_t picture, const std::string& description);

 private:
  const DownstreamSource& source_;
  std::string& symbols_;
  std::map<int64_t, std::shared_ptr<const ResizedImage>> images_;
  std::map<int64_t, Image> thumbnails_;
};

// <li> with a bar of this share behind the name; `value` is HTML.
std::string bar_html(const std::string& name, double share, const std::string& value, bool right);

extern const char* const kShownMapNote;

}  // namespace tessera
