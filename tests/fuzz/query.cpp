#include "vilt/ask/query.h"

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void query(Bytes bytes) {
  using namespace command;
  for (const auto read : {read_image_and_text, read_images_and_text, read_image_and_texts, read_ranking}) {
    const QueryLine line = read_query_line(std::string(as_text(bytes)), "fuzz, line 1", 7, read);
    ensure(line.query.id.is_primitive(), "an id that is no value of its own");
    line.query.id.dump();
    if (!line.error.empty()) {
      ensure(line.error.find("fuzz, line 1") != std::string::npos, "an error without the line: ", line.error);
      continue;
    }
    ensure(!line.query.images.empty() && !line.query.texts.empty(), "a query without images or texts");
    for (const auto& words : {line.query.images, line.query.texts})
      for (const std::string& word : words) nlohmann::json(word).dump();  // an answer repeats it
  }
}

}  // namespace tessera::fuzz
