// COCO's own caption files: captions_train2014.json, captions_val2017.json. Captions of a picture do not stand
// together.
#include <deque>
#include <optional>

#include "data/sets/layout_readers.h"
#include "data/sets/picture_folders.h"
#include "data/text/text_arena.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

// The folder that COCO's archive has: of COCO_train2014_000000000009.jpg by its name, of 000000000009.jpg by that of
// captions_val2017.json.
std::string folder_of(const std::string& picture, const std::string& captions) {
  if (picture.starts_with("COCO_")) return picture.substr(5, picture.find('_', 5) - 5);
  const size_t begin = captions.rfind('_'), end = captions.find('.', begin == std::string::npos ? 0 : begin);
  return begin == std::string::npos ? "" : captions.substr(begin + 1, end - begin - 1);
}

class Pictures {
 public:
  explicit Pictures(const CaptionsFile& file) : file_(file), captions_(file.path.filename().string()) {}

  void read(int64_t index, const json& entry, RecordSink& sink) {
    std::string where = file_.where + ": image " + std::to_string(index);
    const int64_t id = JsonFields(entry, where).identifier("id");
    where += " (id " + std::to_string(id) + ")";
    const std::string& name = JsonFields(entry, where).string("file_name");
    check_picture_name(name, "file_name", where);
    const std::string found = below_images(name);
    sink.picture({.id = id, .file = found, .key = name}, where);
  }

 private:
  std::string below_images(const std::string& name) {
    std::string folder = folder_of(name, captions_);
    if (!folders_ || folder != of_) {
      of_ = folder;
      folders_.emplace(file_.images,
                       is_normal_name(folder) ? std::vector<std::string>{folder, ""} : std::vector<std::string>{""});
    }
    return folders_->find(name);
  }

  const CaptionsFile& file_;
  const std::string captions_;
  std::string of_;  // the folder that `folders_` was made for
  std::optional<PictureFolders> folders_;
};

}  // namespace

bool is_coco_captions(const FileBeginning& beginning) {
  const FirstRecord& found = beginning.json;
  if (!beginning.is_json || found.list || has_any(found.record, {"question_id", "imgid"})) return false;
  return (found.within == "images" && has_any(found.record, {"file_name"})) ||
         (found.within == "annotations" && has_any(found.record, {"image_id"}));
}

void read_coco_captions(const CaptionsFile& file, RecordSink& sink) {
  Pictures pictures(file);
  // Captions that came before the pictures, which they then wait for.
  struct Waiting {
    int64_t picture;
    CaptionText caption;
  };
  std::deque<Waiting> waiting;
  TextArena texts;
  bool pictures_read = false;
  const auto place = [&](int64_t id) { return file.where + ": annotation with the id " + std::to_string(id); };
  for_each_json_entry(file.contents, {"images", "annotations"}, "segmentation", file.where,
                      [&](const std::string& key, int64_t index, const json& entry) {
                        if (key == "images") {
                          pictures_read = true;
                          return pictures.read(index, entry, sink);
                        }
                        const std::string where = file.where + ": annotation " + std::to_string(index);
                        const int64_t id = JsonFields(entry, where).identifier("id");
                        const JsonFields fields(entry, place(id));
                        const int64_t picture = fields.identifier("image_id");
                        if (!fields.has("caption"))
                          fail(fields.where(),
                               ": field 'caption' is missing; is this another of COCO's files than captions_*.json?");
                        const CaptionText caption{id, fields.string("caption")};
                        if (pictures_read) return sink.caption_of(picture, caption, fields.where());
                        waiting.push_back({picture, {id, texts.keep(caption.text)}});
                      });
  for (const Waiting& late : waiting) sink.caption_of(late.picture, late.caption, place(late.caption.id));
}

}  // namespace tessera
