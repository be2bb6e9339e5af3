// Karpathy's splits of COCO, Flickr30k and Flickr8k. Read strictly: whoever writes such a file has written it for this.
#include "data/sets/layout_readers.h"
#include "data/sets/picture_folders.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

bool is_karpathy(const FileBeginning& beginning) {
  return beginning.is_json && !beginning.json.list && has_any(beginning.json.record, {"imgid"});
}

void read_karpathy(const CaptionsFile& file, RecordSink& sink) {
  // Flickr30k's records name no folder, and its pictures come in one.
  const PictureFolders folders(file.images, {"flickr30k-images", "flickr30k_images", ""});
  for_each_json_record(file.contents, "images", "tokens", file.where, [&](int64_t index, const nlohmann::json& record) {
    std::string where = file.where + ": image " + std::to_string(index);
    const int64_t id = JsonFields(record, where).identifier("imgid");
    where += " (imgid " + std::to_string(id) + ")";
    const JsonFields fields(record, where);
    const std::string& split = fields.string("split");
    check(!split.empty(), where, ": field 'split' is empty, expected train, restval, val or test");
    std::string name = fields.string("filename");
    check_picture_name(name, "filename", where);
    if (fields.has("filepath")) {
      check_picture_name(fields.string("filepath"), "filepath", where);
      const std::string& folder = fields.string("filepath");
      name = folder + (folder.ends_with('/') ? "" : "/") + name;
    } else {
      name = folders.find(name);
    }
    const nlohmann::json& sentences = fields.array("sentences");
    check(!sentences.empty(), where, ": field 'sentences' is empty, expected at least one caption");
    std::vector<CaptionText> captions;
    for (const nlohmann::json& sentence : sentences) {
      const JsonFields of(sentence, where + ", sentence " + std::to_string(captions.size()));
      captions.push_back({of.identifier("sentid"), of.string("raw")});
      check(!of.has("imgid") || of.identifier("imgid") == id, of.where(), ": field 'imgid' is not that of its image");
    }
    sink.picture({.id = id, .split = split, .file = name, .captions = captions}, where);
  });
}

}  // namespace tessera
