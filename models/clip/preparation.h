// How a CLIP checkpoint wants its pictures: `preprocessor_config.json` as Hugging Face's CLIPImageProcessor writes it.
//
//   field                    default      meaning
//   size                     224          {"shortest_edge": N}, or N alone: the shorter side, pixels
//   crop_size                size         {"height": H, "width": W}, or N alone: the middle that is cut out
//   resample                 3            bicubic; 2: bilinear
//   image_mean, image_std    CLIP's       three numbers, of levels 0..1
//   do_resize, do_center_crop, do_rescale, do_normalize   true; false is an error, since the model takes one size
//
// All other fields have no meaning here. Models that take pictures whole: models/parts/whole_pictures.h.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/images/centre_crop.h"

namespace tessera {

// `side`: what the model takes; a crop of another size is an error.
CropPreparation clip_preparation_from_json(std::string_view json, const std::string& where, int side);

// That of a directory, by Hugging Face's rule of cropping; without a file there, as the published code prepares
// pictures for a model of this side.
CropPreparation find_clip_preparation(const std::filesystem::path& directory, int side);

// The contents of preprocessor_config.json.
std::string clip_preparation_json(const CropPreparation& preparation);

}  // namespace tessera
