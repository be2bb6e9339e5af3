// How a checkpoint's images are prepared: preprocessor_config.json, with Hugging Face's field names.
#pragma once

#include <filesystem>
#include <string>

#include "data/samples.h"

namespace tessera {

// An error names file and field.
SampleOptions read_preprocessing(const std::filesystem::path& path);
// `do_resize` false means that images keep their size.
std::string preprocessing_json(const SampleOptions& options);

}  // namespace tessera
