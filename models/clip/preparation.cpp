#include "models/clip/preparation.h"

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "models/parts/whole_pictures.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

std::string contents_of(const std::filesystem::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  return {bytes.begin(), bytes.end()};
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
  if (fields.given("size"))
    out.shorter = static_cast<int>(preparation_sizes(root, "size", {"shortest_edge"}, where)[0]);
  if (fields.given("crop_size")) {
    const std::vector<int64_t> crop = preparation_sizes(root, "crop_size", {"height", "width"}, where);
    check(crop[0] == side && crop[1] == side, where, ": field 'crop_size' is ", root.at("crop_size").dump(),
          ", the model takes ", side, " x ", side, " pixels");
  }
  int64_t filter = 3;
  fields.read("resample", filter);
  check(filter == 2 || filter == 3, where, ": field 'resample' is ", filter, ", expected 3 (bicubic) or 2 (bilinear)");
  out.filter = filter == 3 ? FilterKind::bicubic : FilterKind::bilinear;
  read_preparation_channels(fields, root, "image_mean", out.norm.mean, where);
  read_preparation_channels(fields, root, "image_std", out.norm.std, where);
  check_preparation_norm(out.norm, where);
  return out;
}

CropPreparation find_clip_preparation(const std::filesystem::path& directory, int side) {
  const std::filesystem::path file = directory / "preprocessor_config.json";
  if (!std::filesystem::exists(file)) return clip_preparation(side);
  return clip_preparation_from_json(contents_of(file), shown(file), side);
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
  put_preparation_norm(root, preparation.norm);
  return root.dump(2) + "\n";
}

}  // namespace tessera
