#include "data/sets/layouts.h"

#include <utility>

#include "data/sets/other_layouts.h"
#include "tensor/error.h"

namespace tessera {
namespace {

void read_karpathy_json(const TextPieces& contents, const std::string& where, const RecordHandler& handle) {
  std::string_view first = contents();
  if (const std::string other = other_layout(first); !other.empty())
    fail(where, ": this is ", other,
         ", expected Karpathy's splits, {\"images\": [{\"imgid\", \"split\", \"filename\", \"sentences\"}]}; "
         "docs/data.md "
         "says where there are such files and how others become one");
  const TextPieces pieces = [&] { return first.empty() ? contents() : std::exchange(first, {}); };
  for_each_json_record(pieces, "images", "tokens", where, handle);
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
