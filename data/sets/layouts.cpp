#include "data/sets/layouts.h"

#include <string_view>
#include <utility>

#include "data/sets/layout_readers.h"
#include "data/sets/other_layouts.h"
#include "data/shards/sources.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr FieldNames kNamed = {.caption_place = ", caption "};

constexpr CaptionLayout kLayouts[] = {
    {"karpathy",
     "Karpathy's splits",
     {.picture = "imgid", .file = "filename", .caption_id = "sentid", .caption = "raw", .caption_place = ", sentence "},
     &is_karpathy,
     &read_karpathy},
    {"coco",
     "COCO's own captions",
     {.picture = "id", .file = "file_name", .caption_id = "id"},
     &is_coco_captions,
     &read_coco_captions},
    {"visual-genome",
     "Visual Genome's region descriptions",
     {.picture = "id", .caption = "phrase", .caption_place = ", region "},
     &is_visual_genome,
     &read_visual_genome},
    {"conceptual-captions", "a list of captions and addresses", {}, &is_web_table, &read_web_table},
    {"sbu", "SBU's captions", {}, &is_sbu, &read_sbu},
    {"flickr30k", "Flickr30k's own captions", {}, &is_flickr_captions, &read_flickr_captions},
    {"pairs", "a list of pairs of picture and caption", kNamed, &is_pairs, &read_pairs},
    {"list", "a list of pictures and captions, as BLIP's", kNamed, &is_record_list, &read_record_list},
    {"jsonl", "JSON lines of pictures and captions", kNamed, &is_json_lines, &read_json_lines},
    {"table", "a table with a header", {}, &is_caption_table, &read_caption_table},
    {"img2dataset", "a folder that img2dataset wrote", {}, &is_img2dataset, &read_img2dataset},
    {kShardsKind, "tar shards", {}, &is_no_file, &read_shards},
};

std::string kinds() {
  std::string names = "auto";
  for (const CaptionLayout& layout : kLayouts) names += text(", ", layout.kind);
  return names;
}

const CaptionLayout& recognised(const CaptionsFile& file, std::string_view text) {
  FileBeginning beginning{file.path, text, file.contents == nullptr, false, {}};
  if (beginning.text.starts_with("\xef\xbb\xbf")) beginning.text.remove_prefix(3);
  const size_t first = beginning.text.find_first_not_of(" \t\r\n");
  beginning.is_json = first != std::string_view::npos && (beginning.text[first] == '{' || beginning.text[first] == '[');
  if (beginning.is_json) beginning.json = first_record(beginning.text);
  for (const CaptionLayout& layout : kLayouts)
    if (layout.recognises(beginning)) return layout;
  const std::string other = other_layout(beginning);
  check(other.empty(), file.where, ": this is ", other,
        ", expected captions in one of the layouts of docs/data.md, which also says how others become one");
  // Where nothing else tells, the name does.
  const auto extension = file.path.extension();
  const char* kind = extension == ".jsonl"                        ? "jsonl"
                     : extension == ".csv" || extension == ".tsv" ? "table"
                                                                  : "karpathy";
  for (const CaptionLayout& layout : kLayouts)
    if (std::string_view(layout.kind) == kind) return layout;
  return kLayouts[0];
}

}  // namespace

std::span<const CaptionLayout> caption_layouts() { return kLayouts; }

const CaptionLayout& find_layout(CaptionsFile& file, const std::string& kind) {
  if (kind != "auto") {
    for (const CaptionLayout& layout : kLayouts)
      if (layout.kind == kind) {
        const bool folder = layout.read == &read_img2dataset || layout.read == &read_shards;
        check(folder == (file.contents == nullptr), file.where, ": data.kind is '", kind, "', which is a ",
              folder ? "folder" : "file", ", and this is a ", folder ? "file" : "folder");
        return layout;
      }
    fail("data.kind is ", printable(kind), ", expected one of: ", kinds());
  }
  if (!file.contents) return recognised(file, {});
  std::string_view first = file.contents();
  file.contents = [rest = std::move(file.contents), first]() mutable {
    return first.empty() ? rest() : std::exchange(first, {});
  };
  return recognised(file, first);
}

}  // namespace tessera
