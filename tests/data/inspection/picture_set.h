// A small data set on the disk whose pictures have sizes and captions of its own choosing.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/images/image.h"
#include "data/sets/dataset.h"
#include "tests/temporary_directory.h"

namespace tessera::tests {

struct DescribedPicture {
  int height = 0, width = 0;  // no height: the file is no picture; no width either: there is no file
  std::vector<std::string> captions;
};

// Pictures "p0", "p1", … of one colour each.
class PictureSet {
 public:
  explicit PictureSet(const std::vector<DescribedPicture>& pictures) {
    nlohmann::json images = nlohmann::json::array();
    int sentence = 0;
    for (size_t i = 0; i < pictures.size(); ++i) {
      const DescribedPicture& picture = pictures[i];
      const std::string file = "p" + std::to_string(i);
      if (picture.height > 0) {
        Image image = make_image(picture.height, picture.width);
        for (uint8_t& level : image.pixels) level = static_cast<uint8_t>(40 * i + 10);
        const std::vector<uint8_t> png = encode_png(image);
        folder_.write("images/" + file, {reinterpret_cast<const char*>(png.data()), png.size()});
      } else if (picture.width > 0) {
        folder_.write("images/" + file, "<html></html>");
      }
      nlohmann::json sentences;
      for (const std::string& caption : picture.captions)
        sentences.push_back({{"sentid", sentence++}, {"raw", caption}});
      images.push_back({{"imgid", i}, {"split", "train"}, {"filename", file}, {"sentences", sentences}});
    }
    std::filesystem::create_directories(images_folder());
    const auto list = folder_.write("captions.json", nlohmann::json{{"images", images}}.dump());
    DatasetOptions options;
    options.check_files = false;
    dataset_ = Dataset::open(list, images_folder(), options);
  }

  const Dataset& dataset() const { return dataset_; }
  std::filesystem::path images_folder() const { return folder_.path() / "images"; }
  const TemporaryDirectory& folder() const { return folder_; }

 private:
  TemporaryDirectory folder_;
  Dataset dataset_;
};

}  // namespace tessera::tests
