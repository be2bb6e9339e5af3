// Pictures that a model takes whole, each with the size that it has: `preprocessor_config.json` as Tessera writes it
// for two towers that it has trained.
//
//   field                    default
//   do_center_crop           true        false: pictures stay whole
//   do_resize                true        by ViLT's rule; false: they keep their size, which has to be whole patches
//   size                     384         {"shortest_edge": N}, or N alone: of that rule, pixels
//   size_divisor             the patch   what resized sides are multiples of
//   image_mean, image_std    0.5         three numbers, of levels 0..1
//   respect_orientation      false       turned as their EXIF tag says
//
// All other fields have no meaning here.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/pictures.h"
#include "io/config_fields.h"

namespace tessera {

// Where the file says that pictures stay whole: how. `patch` is the model's. Errors begin with `where`.
std::optional<PictureOptions> whole_pictures_from_json(std::string_view json, const std::string& where, int patch);
// That of a directory; nothing where there is no file, or pictures are cropped.
std::optional<PictureOptions> find_whole_pictures(const std::filesystem::path& directory, int patch);
// The contents of preprocessor_config.json.
std::string whole_pictures_json(const PictureOptions& pictures);

// For readers of such files: the whole numbers of a field that is a number or an object with these sides; three
// numbers; deviations that are not above 0 are an error.
std::vector<int64_t> preparation_sizes(const nlohmann::json& root, const char* field,
                                       const std::vector<const char*>& sides, const std::string& where);
void read_preparation_channels(const ConfigFields& fields, const nlohmann::json& root, const char* field,
                               std::array<float, 3>& values, const std::string& where);
void check_preparation_norm(const PixelNorm& norm, const std::string& where);
void put_preparation_norm(nlohmann::ordered_json& root, const PixelNorm& norm);

}  // namespace tessera
