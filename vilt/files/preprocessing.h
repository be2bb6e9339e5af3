// How a checkpoint wants its images prepared: `preprocessor_config.json` as Hugging Face's ViltImageProcessor writes
// and reads it, today's form and the older ones.
//
//   field                            default  meaning
//   size                             384      {"shortest_edge": N}, or N alone: the shorter side, pixels
//   size_divisor                     32       both sides become multiples of it; it has to be one of the model's patch
//   do_resize                        true     false: images keep their size, which has to be whole patches
//   resample                         3        bicubic, the only one there is here
//   do_rescale, rescale_factor       1/255    levels become 0..1; no other factor is known
//   image_mean, image_std            0.5      a number or one for each channel, of levels 0..1; std more than 0
//   do_normalize                     true     false: mean 0 and deviation 1
//   image_processor_type             ViLT's   or feature_extractor_type: one whose name begins with "Vilt"
//   respect_orientation              false    ours: turn pictures as their EXIF tag says; written only where true
//
// null counts as absent. do_pad and all other fields have no meaning here: nothing is ever padded.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/samples.h"

namespace tessera {

// `patch` is the model's. Sets resize, shorter, patch, size_divisor, norm and respect_orientation; the rest are
// SampleOptions' defaults. In a file with an object "image_processor" (processor_config.json, as newer versions write
// it) that object is read. Errors name file and field.
SampleOptions read_preprocessing(const std::filesystem::path& file, int patch);
// The same from the file's contents; `where` begins the messages.
SampleOptions preprocessing_from_json(std::string_view json, const std::string& where, int patch);

// preprocessor_config.json of a checkpoint's directory; without it the image_processor of its processor_config.json;
// nothing if neither is there.
std::optional<SampleOptions> find_preprocessing(const std::filesystem::path& directory, int patch);

// ViLT's own settings, for a checkpoint that comes with neither file.
SampleOptions default_preprocessing(int patch);

// The contents of preprocessor_config.json. Transformers' ViltImageProcessor opens it.
std::string preprocessing_json(const SampleOptions& options);

}  // namespace tessera
