#include "models/parts/whole_pictures.h"

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

using nlohmann::json;

// A number, or the fields of an object; `sides` of them.
std::vector<int64_t> preparation_sizes(const json& root, const char* field, const std::vector<const char*>& sides,
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

void read_preparation_channels(const ConfigFields& fields, const json& root, const char* field,
                               std::array<float, 3>& values, const std::string& where) {
  if (!fields.given(field)) return;
  const json& list = root.at(field);
  const bool three =
      list.is_array() && list.size() == 3 && list[0].is_number() && list[1].is_number() && list[2].is_number();
  check(three, where, ": field '", field, "' has the value ", list.dump(), ", expected three numbers");
  for (size_t i = 0; i < 3; ++i) values[i] = list[i].get<float>();
}

void put_preparation_norm(nlohmann::ordered_json& root, const PixelNorm& norm) {
  for (size_t i = 0; i < 3; ++i) root["image_mean"].push_back(norm.mean[i]);
  for (size_t i = 0; i < 3; ++i) root["image_std"].push_back(norm.std[i]);
}

void check_preparation_norm(const PixelNorm& norm, const std::string& where) {
  for (const float deviation : norm.std)
    check(deviation > 0, where, ": field 'image_std' has a ", deviation, ", expected more than 0");
}

std::optional<PictureOptions> whole_pictures_from_json(std::string_view source, const std::string& where, int patch) {
  const json root = parse_strict_json(source, where);
  const ConfigFields fields(root, where);
  bool cropped = true;
  fields.read("do_center_crop", cropped);
  if (cropped) return std::nullopt;
  for (const char* field : {"do_rescale", "do_normalize"}) {
    bool done = true;
    fields.read(field, done);
    check(done, where, ": field '", field, "' is false, expected true");
  }
  PictureOptions out;
  out.patch = patch;
  out.cache_bytes = 0;
  fields.read("do_resize", out.resize);
  fields.read("respect_orientation", out.respect_orientation);
  if (fields.given("size"))
    out.shorter = static_cast<int>(preparation_sizes(root, "size", {"shortest_edge"}, where)[0]);
  if (fields.given("size_divisor")) {
    int64_t divisor = 0;
    fields.read("size_divisor", divisor);
    check(divisor >= patch && divisor <= 1 << 14 && divisor % patch == 0, where, ": field 'size_divisor' is ", divisor,
          ", expected a multiple of the patch's ", patch, " pixels");
    out.size_divisor = static_cast<int>(divisor);
  }
  check(!out.resize || out.shorter >= out.divisor(), where, ": field 'size' is ", out.shorter, ", expected ",
        out.divisor(), " or more, a patch's pixels or 'size_divisor'");
  read_preparation_channels(fields, root, "image_mean", out.norm.mean, where);
  read_preparation_channels(fields, root, "image_std", out.norm.std, where);
  check_preparation_norm(out.norm, where);
  return out;
}

std::optional<PictureOptions> find_whole_pictures(const std::filesystem::path& directory, int patch) {
  const std::filesystem::path file = directory / "preprocessor_config.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const std::vector<uint8_t> bytes = read_file(file);
  return whole_pictures_from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, shown(file), patch);
}

std::string whole_pictures_json(const PictureOptions& pictures) {
  nlohmann::ordered_json root;
  root["do_resize"] = pictures.resize;
  root["do_center_crop"] = false;
  root["do_rescale"] = root["do_normalize"] = true;
  root["image_processor_type"] = "ViltImageProcessor";
  root["size"] = {{"shortest_edge", pictures.shorter}};
  root["size_divisor"] = pictures.divisor();
  root["resample"] = 3;
  root["rescale_factor"] = 1.0 / 255;
  root["respect_orientation"] = pictures.respect_orientation;
  put_preparation_norm(root, pictures.norm);
  return root.dump(2) + "\n";
}

}  // namespace tessera
