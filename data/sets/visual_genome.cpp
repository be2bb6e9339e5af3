// Visual Genome's region_descriptions.json: phrases about parts of a picture, some fifty of each.
#include "data/sets/layout_readers.h"
#include "data/sets/picture_folders.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

bool is_visual_genome(const FileBeginning& beginning) {
  return beginning.is_json && beginning.json.list && has_any(beginning.json.record, {"regions"});
}

void read_visual_genome(const CaptionsFile& file, RecordSink& sink) {
  const PictureFolders folders(file.images,
                               {"VG_100K", "VG_100K_2", "images/VG_100K", "images/VG_100K_2", "images", ""});
  for_each_json_entry(
      file.contents, {}, "synsets", file.where, [&](const std::string&, int64_t index, const nlohmann::json& record) {
        std::string where = file.where + ": image " + std::to_string(index);
        const JsonFields first(record, where);
        const int64_t id = first.identifier(first.has("id") ? "id" : "image_id");
        where += " (id " + std::to_string(id) + ")";
        const JsonFields fields(record, where);
        std::vector<CaptionText> captions;
        int64_t number = 0;
        for (const nlohmann::json& region : fields.array("regions")) {
          const JsonFields of(region, where + ", region " + std::to_string(number++));
          const std::string& phrase = of.string("phrase");
          if (is_blank(phrase))
            sink.pass_over("regions without words");
          else
            captions.push_back({-1, phrase});
        }
        const std::string name = std::to_string(id) + ".jpg", found = folders.find(name);
        sink.picture({.id = id, .file = found, .key = name, .captions = captions, .naming = Naming::number}, where);
      });
}

}  // namespace tessera
