#include "models/clip/preparation.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

// A number, or the fields of an object; `sides` of them.
std::vector<int64_t> sizes_of(const json& root, const char* field, const std::vector<const char*>& sides,
                              const std::string& where) {
  const json& value = root.at(field);
  std::vector<int64_t> out;
  for (const char* side : sides) {
    int64_t size = 0;
    if (value.is_object())
      ConfigFields(value, where, std::string(field) + ".").read(side, size);
    else
      ConfigFields(root, where).read(field, size);
    constexpr int64_t kLargest = 1 << 14;
    check(size >= 1 && size <= kLargest, where, ": field '", field, "' has the value ", value.dump(), ", expected ",
          value.is_object() ? text("'", side, "' ") : "", "1 to ", kLargest);
    out.push_back(size);
  }
  return out;
}

void read_channels(const ConfigFields& fields, const json& root, const char* field, std::array<float, 3>& values,
                   const std::string& where) {
  if (!fields.given(field)) return;
  const json& list = root.at(field);
  const bool three =
      list.is_array() && list.size() == 3 && list[0].is_number() && list[1].is_number() && list[2].is_number();
  check(three, where, ": field '", field, "' has the value ", list.dump(), ", expected three numbers");
  for (size_t i = 0; i < 3; ++i) values[i] = list[i].get<float>();
}

}  // namespace

CropPreparation clip_preparation_from_json(std::string_view source, const std::string& where, int side) {
  const json root = parse_strict_json(source, where);
  const ConfigFields fields(root, where);
  CropPreparation out = clip_preparation(side, CropRule::transformers);
  for (const char* field : {"do_resize", "do_center_crop", "do_rescale", "do_normalize"}) {
    bool done = true;
    fields.read(field, done);
    check(done, where, ": field '", field, "' is false; pictures of one size are all that a model takes");
  }
  if (fields.given("size")) out.shorter = static_cast<int>(sizes_of(root, "size", {"shortest_edge"}, where)[0]);
  if (fields.given("crop_size")) {
    const std::vector<int64_t> crop = sizes_of(root, "crop_size", {"height", "width"}, where);
    check(crop[0] == side && crop[1] == side, where, ": field 'crop_size' is ", root.at("crop_size").dump(),
          ", the model takes ", side, " x ", side, " pixels");
  }
  int64_t filter = 3;
  fields.read("resample", filter);
  check(filter == 2 || filter == 3, where, ": field 'resample' is ", filter, ", expected 3 (bicubic) or 2 (bilinear)");
  out.filter = filter == 3 ? FilterKind::bicubic : FilterKind::bilinear;
  read_channels(fields, root, "image_mean", out.norm.mean, where);
  read_channels(fields, root, "image_std", out.norm.std, where);
  for (const float deviation : out.norm.std)
    check(deviation > 0, where, ": field 'image_std' has a ", deviation, ", expected more than 0");
  return out;
}

CropPreparation find_clip_preparation(const std::filesystem::path& directory, int side) {
  const std::filesystem::path file = directory / "preprocessor_config.json";
  if (!std::filesystem::exists(file)) return clip_preparation(side);
  const std::vector<uint8_t> bytes = read_file(file);
  return clip_preparation_from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, shown(file), side);
}

std::string clip_preparation_json(const CropPreparation& preparation) {
  nlohmann::ordered_json root;
  for (const char* field : {"do_resize", "do_center_crop", "do_convert_rgb", "do_rescale", "do_normalize"})
    root[field] = true;
  root["image_processor_type"] = "CLIPImageProcessor";
  root["size"] = {{"shortest_edge", preparation.shorter}};
  root["crop_size"] = {{"height", preparation.crop.height}, {"width", preparation.crop.width}};
  root["resample"] = preparation.filter == FilterKind::bicubic ? 3 : 2;
  root["rescale_factor"] = 1.0 / 255;
  for (size_t i = 0; i < 3; ++i) root["image_mean"].push_back(preparation.norm.mean[i]);
  for (size_t i = 0; i < 3; ++i) root["image_std"].push_back(preparation.norm.std[i]);
  return root.dump(2) + "\n";
}

}  // namespace tessera
