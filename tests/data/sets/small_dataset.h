// Data sets of a few images, written out as text.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "data/sets/dataset.h"
#include "tensor/error.h"
#include "tests/temporary_directory.h"

namespace tessera::tests {

// One image with one caption; `field` is replaced by or added to its fields as given.
inline std::string image_json(int id, const std::string& filename = "", const std::string& split = "train",
                              const std::string& caption = "a red ring", int sentence = -1) {
  return text("{\"imgid\": ", id, ", \"filename\": \"", filename.empty() ? text(id, ".jpg") : filename,
              "\", \"split\": \"", split, "\", \"sentences\": [{\"sentid\": ", sentence < 0 ? 10 * id : sentence,
              ", \"raw\": \"", caption, "\"}]}");
}

inline std::string file_json(const std::string& images) { return "{\"images\": [" + images + "]}"; }

inline Dataset open_text(const TemporaryDirectory& folder, const std::string& json_text, DatasetOptions options = {}) {
  options.check_files = false;
  return Dataset::open(folder.write("set.json", json_text), folder.path(), options);
}

inline void check_message(const std::string& message, const std::string& expected) {
  INFO("message: ", message);
  CHECK(message.find(expected) != std::string::npos);
}

}  // namespace tessera::tests
