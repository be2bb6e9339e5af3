// The layouts of captions files that Dataset reads. Internal to data/sets/.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "io/strict_json.h"

namespace tessera {

struct CaptionLayout {
  const char* extension;  // of the file's name
  // Calls `handle` with each image, as the record that the COCO-Karpathy layout (data/sets/dataset.h) has for it.
  // Checks the form alone: what a record says, Dataset checks. One image's text is in memory at a time. Errors begin
  // with `where`.
  void (*read)(const TextPieces& contents, const std::string& where, const RecordHandler& handle);
};

// The first is for every name that is no other's.
std::span<const CaptionLayout> caption_layouts();
const CaptionLayout& layout_of(const std::filesystem::path& file);

}  // namespace tessera
