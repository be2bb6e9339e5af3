// What is asked: the fields of a query, from a line of JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/strict_json.h"

namespace tessera::command {

// One query: one question for each pair of a text and an image, or a single one about all images.
struct Query {
  nlohmann::ordered_json id;
  std::vector<std::string> images, texts;  // as they were given
  bool about_images = false;               // one text, many images: results are images
};

// The fields of a line in each of the forms that there are, without the id.
Query read_image_and_text(const JsonFields& fields);   // "image", "text"
Query read_images_and_text(const JsonFields& fields);  // "images", "text"
Query read_image_and_texts(const JsonFields& fields);  // "image", "text" or "texts"
Query read_ranking(const JsonFields& fields);          // "image", "texts", or "images", "text"

struct QueryLine {
  Query query;        // with its id even where the rest cannot be read, if the line has one
  std::string where;  // "queries.jsonl, line 3"
  std::string error;  // empty: the query is good
};

// Without an id a query gets `number`.
QueryLine read_query_line(const std::string& line, const std::string& where, int64_t number,
                          const std::function<Query(const JsonFields&)>& read);

}  // namespace tessera::command
