// What `vilt convert` and `vilt info` do with models that read regions: UNITER and ViLBERT.
#pragma once

#include <filesystem>
#include <optional>

#include "tensor/dtype.h"
#include "vilt/command/command.h"

namespace tessera::command {

// `place`: weights. Nothing where they are no such model's; else the exit status.
std::optional<int> convert_on_regions(const std::filesystem::path& place, const ConvertArguments& arguments,
                                      DType dtype);
// Tells sizes, heads and parameters, and the tensors if they are asked for; false where it is no such model.
bool info_on_regions(const std::filesystem::path& place, const InfoArguments& arguments);

}  // namespace tessera::command
