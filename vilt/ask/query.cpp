#include "vilt/ask/query.h"

#include "tensor/error.h"

namespace tessera::command {
namespace {

std::vector<std::string> strings(const JsonFields& fields, const char* name) {
  std::vector<std::string> out;
  for (const nlohmann::json& entry : fields.array(name)) {
    check(entry.is_string(), fields.where(), ": entry ", out.size(), " of '", name, "' is ", described_type(entry),
          ", expected a string");
    out.push_back(entry.get<std::string>());
  }
  check(!out.empty(), fields.where(), ": field '", name, "' is empty");
  return out;
}

}  // namespace

Query read_image_and_text(const JsonFields& fields) { return {{}, {fields.string("image")}, {fields.string("text")}}; }

Query read_images_and_text(const JsonFields& fields) {
  return {{}, strings(fields, "images"), {fields.string("text")}};
}

Query read_image_and_texts(const JsonFields& fields) {
  check(!fields.has("text") || !fields.has("texts"), fields.where(), ": both 'text' and 'texts'");
  return {{},
          {fields.string("image")},
          fields.has("texts") ? strings(fields, "texts") : std::vector<std::string>{fields.string("text")}};
}

Query read_ranking(const JsonFields& fields) {
  if (!fields.has("images")) return {{}, {fields.string("image")}, strings(fields, "texts")};
  check(!fields.has("image") && !fields.has("texts"), fields.where(),
        ": expected either 'image' and 'texts', or 'images' and 'text'");
  return {{}, strings(fields, "images"), {fields.string("text")}, true};
}

QueryLine read_query_line(const std::string& line, const std::string& where, int64_t number,
                          const std::function<Query(const JsonFields&)>& read) {
  QueryLine out{{number, {}, {}}, where, ""};
  try {
    const nlohmann::json object = parse_strict_json(line, where);
    const JsonFields fields(object, where);
    if (const auto id = object.find("id"); id != object.end()) {
      check(id->is_primitive(), where, ": field 'id' is ", described_type(*id), ", expected a number or a string");
      out.query.id = *id;
    }
    Query query = read(fields);
    query.id = std::move(out.query.id);
    out.query = std::move(query);
  } catch (const Error& error) {
    out.error = error.what();
  }
  return out;
}

}  // namespace tessera::command
