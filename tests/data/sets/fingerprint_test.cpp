#include "data/sets/fingerprint.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tensor/error.h"
#include "tests/temporary_directory.h"

namespace tessera::fingerprint_test {
namespace {

namespace fs = std::filesystem;

struct Picture {
  const char* name;
  const char* caption;
  size_t bytes;
};

std::map<std::string, std::string> of(const fs::path& folder, const std::vector<Picture>& pictures) {
  fs::create_directories(folder);
  std::string images;
  for (size_t i = 0; i < pictures.size(); ++i) {
    std::ofstream(folder / pictures[i].name) << std::string(pictures[i].bytes, 'x');
    images +=
        text(i ? "," : "", R"({"filename": ")", pictures[i].name, R"(", "imgid": )", i,
             R"(, "split": "train", "sentences": [{"sentid": )", i, R"(, "raw": ")", pictures[i].caption, R"("}]})");
  }
  const Dataset dataset = Dataset::parse(text(R"({"images": [)", images, "]}"), "", "set.json", folder);
  return fingerprint(dataset, folder);
}

}  // namespace

TEST_CASE(
    "Fingerprint: the same wherever the pictures lie; captions, names, sizes and order show, each where it should") {
  const tests::TemporaryDirectory directory;
  const auto usual = of(directory.path() / "a", {{"1.jpg", "a ring", 3}, {"2.jpg", "a square", 4}});
  CHECK(usual.at("captions") == "2");
  CHECK(usual.at("images") == "2");
  CHECK(of(directory.path() / "b" / "", {{"1.jpg", "a ring", 3}, {"2.jpg", "a square", 4}}) == usual);
  const auto changed = [&](const std::vector<Picture>& pictures) {
    static int folder = 0;
    std::string out;
    for (const auto& [what, value] : of(directory.path() / std::to_string(folder++), pictures))
      if (usual.at(what) != value) out += (out.empty() ? "" : ", ") + what;
    return out;
  };
  CHECK(changed({{"1.jpg", "a ring", 3}, {"2.jpg", "a squarf", 4}}) == "caption texts");
  CHECK(changed({{"1.jpg", "a ringa", 3}, {"2.jpg", " square", 4}}) == "caption texts");
  CHECK(changed({{"1.jpg", "a ring", 3}, {"2.jpg", "a square", 5}}) == "image files");
  CHECK(changed({{"1.jpg", "a ring", 3}, {"3.jpg", "a square", 4}}) == "image files");
  CHECK(changed({{"2.jpg", "a square", 4}, {"1.jpg", "a ring", 3}}) == "caption texts, image files");
  CHECK(changed({{"1.jpg", "a ring", 3}}) == "caption texts, captions, image files, images");
}

}  // namespace tessera::fingerprint_test
