#include "data/sets/layouts.h"

namespace tessera {
namespace {

void read_karpathy_json(const TextPieces& contents, const std::string& where, const RecordHandler& handle) {
  for_each_json_record(contents, "images", "tokens", where, handle);
}

constexpr CaptionLayout kLayouts[] = {
    {".json", &read_karpathy_json},
};

}  // namespace

std::span<const CaptionLayout> caption_layouts() { return kLayouts; }

const CaptionLayout& layout_of(const std::filesystem::path& file) {
  for (const CaptionLayout& layout : kLayouts)
    if (file.extension() == layout.extension) return layout;
  return kLayouts[0];
}

}  // namespace tessera
