// What img2dataset writes with output_format=files: 00000/000000000.jpg with .txt (the caption) and .json beside it.
// What it could not fetch is not there.
#include <algorithm>
#include <map>
#include <set>

#include "data/sets/layout_readers.h"
#include "data/sets/list_lines.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLongestCaptionFile = 1 << 20;

std::string contents_of(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_file(path, kLongestCaptionFile);
  return {bytes.begin(), bytes.end()};
}

// The files of one sample: KEY.jpg, KEY.txt, KEY.json.
struct SampleFiles {
  std::string picture, text, json;
};

void read_sample(const CaptionsFile& file, const fs::path& folder, const std::string& key, const SampleFiles& of,
                 RecordSink& sink) {
  const fs::path at = folder / key;
  const std::string where = file.where + ": " + shown(folder.filename() / key);
  std::string caption, reason;
  try {
    if (!of.text.empty())
      caption = contents_of(folder / of.text);
    else if (!of.json.empty()) {
      const nlohmann::json record = parse_strict_json(contents_of(folder / of.json), where + ".json");
      caption = JsonFields(record, where + ".json").string("caption");
    } else
      reason = where + " has no caption (.txt or .json)";
  } catch (const Error& error) {
    reason = error.what();
  }
  if (!reason.empty()) return sink.leave_out(reason);
  const std::string name = (folder.filename() / (of.picture.empty() ? key + ".jpg" : of.picture)).string();
  add_list_entry(sink, {.file = name, .naming = Naming::number}, caption, where);
}

// In the order of their names, so that the order of the file system plays no part.
void read_shard(const CaptionsFile& file, const fs::path& folder, RecordSink& sink) {
  std::map<std::string, SampleFiles> samples;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    const fs::path extension = name.extension();
    if (extension == ".txt") samples[name.stem()].text = name;
    if (extension == ".json") samples[name.stem()].json = name;
    for (const char* of_picture : {".jpg", ".jpeg", ".png", ".webp", ".gif"})
      if (extension == of_picture) samples[name.stem()].picture = name;
  }
  for (const auto& [key, files] : samples) read_sample(file, folder, key, files, sink);
}

}  // namespace

bool is_img2dataset(const FileBeginning& beginning) { return beginning.folder; }

void read_img2dataset(const CaptionsFile& file, RecordSink& sink) {
  std::set<fs::path> shards;
  for (const auto& entry : fs::directory_iterator(file.path))
    if (entry.is_directory()) shards.insert(entry.path());
  check(!shards.empty(), file.where,
        ": has no folders of pictures and captions (00000/000000000.jpg and .txt), as img2dataset writes them with "
        "output_format=files");
  for (const fs::path& shard : shards) read_shard(file, shard, sink);
}

}  // namespace tessera
