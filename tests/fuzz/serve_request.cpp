#include <array>
#include <cstdlib>

#include "tests/fuzz/targets.h"
#include "vilt/serve/base64.h"
#include "vilt/serve/folder.h"
#include "vilt/serve/refusal.h"
#include "vilt/serve/request.h"
#include "vilt/serve/same_origin.h"

namespace tessera::fuzz {
namespace {

constexpr std::array<std::string_view, 8> kFields = {"image", "images", "text", "texts",
                                                     "id",    "top",    "beta", "shuffle"};

void use(const serve::Fields& fields) {
  ensure(fields.object.is_object(), "fields that are no object");
  fields.object.dump();
  size_t places = fields.object.contains("image") ? 1 : 0;
  if (fields.object.contains("images") && fields.object["images"].is_array()) places += fields.object["images"].size();
  ensure(places == fields.pictures.size(), places, " places, ", fields.pictures.size(), " pictures");
  accepted([&] { serve::integer_field(fields.object, "top", 0, 1, 1000); });
  accepted([&] { serve::number_field(fields.object, "beta", 1, 0.01, 10); });
  accepted([&] { serve::flag_field(fields.object, "shuffle"); });
}

// Parts of a form, divided by zero bytes: name, file name, content, name, …
std::vector<serve::Part> parts_of(std::string_view text) {
  std::vector<std::string> pieces(1);
  for (const char c : text) {
    if (c == '\0')
      pieces.emplace_back();
    else
      pieces.back() += c;
  }
  std::vector<serve::Part> parts;
  for (size_t i = 0; i + 2 < pieces.size(); i += 3) parts.push_back({pieces[i], pieces[i + 1], pieces[i + 2]});
  return parts;
}

// A folder with nothing in it, so that no name may open anything.
const serve::Folder& empty_folder() {
  static const serve::Folder folder([] {
    std::string name = "/tmp/tessera-fuzz-XXXXXX";
    ensure(mkdtemp(name.data()) != nullptr, "no temporary folder");
    return name;
  }());
  return folder;
}

}  // namespace

void serve_request(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  accepted([&] { use(serve::read_json_fields(text, kFields)); });
  accepted([&] { use(serve::read_part_fields(parts_of(text), kFields)); });
  if (const auto decoded = serve::decode_base64(text))
    ensure(decoded->size() <= text.size(), "more bytes than characters");
  const std::string header(text);
  const std::string refused = serve::refused_origin({{header}, {header}, header, header}, {"name"});
  ensure(!refused.empty(), "an origin that is its own host");
  serve::refused_origin({{header}, {}, "", ""}, {"name"});
  try {
    empty_folder().open(header);
    throw Violation("a name opens something");
  } catch (const serve::Refusal& refusal) {
    ensure(refusal.status == 400 || refusal.status == 404, "status ", refusal.status);
  }
}

}  // namespace tessera::fuzz
