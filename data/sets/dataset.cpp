#include "data/sets/dataset.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "io/files.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

bool known_split(const std::string& split) {
  for (const char* exact : {"train", "restval", "val", "test"})
    if (split == exact) return true;
  return split.starts_with("val_") || split.starts_with("test_");
}

// A path below the image folder, made of what an untrusted file says.
fs::path checked_path(const fs::path& folder, const std::string& name, const char* field, const std::string& where) {
  check(!name.empty() && name.find('\0') == std::string::npos, where, ": field '", field, "' is ", quoted_text(name),
        ", expected a file name");
  const fs::path path(name);
  const bool leaves = path.is_absolute() || std::find(path.begin(), path.end(), fs::path("..")) != path.end();
  check(!leaves, where, ": field '", field, "' is ", quoted_text(name), ", which leaves the image folder");
  return folder / path;
}

// False too where the path cannot even be looked up, because it is too long, say.
bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Of bytes that live until the end of the statement.
std::string_view as_text(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void trim_line_end(std::string& caption) {
  while (!caption.empty() && (caption.back() == '\n' || caption.back() == '\r')) caption.pop_back();
}

}  // namespace

class DatasetReader {
 public:
  DatasetReader(const fs::path& file, const fs::path& folder, const DatasetOptions& options)
      : file_(file), folder_(folder), options_(options) {
    dataset_.file_ = file.string();
    dataset_.annotations_file_ = options.annotations.string();
  }

  void read(std::string_view contents) {
    for_each_json_record(contents, "images", "tokens", text("dataset: ", file_.string()),
                         [this](int64_t index, const json& record) { read_image(index, record); });
    check_splits();
  }

  void attach_annotations(std::string_view contents) {
    std::unordered_set<int64_t> seen;
    read_annotations(contents, options_.annotations, [&](Annotation&& annotation) {
      check(seen.insert(annotation.sentence_id).second, "annotations: ", options_.annotations.string(), ": sentence ",
            annotation.sentence_id, " is annotated twice");
      attach(std::move(annotation));
    });
  }

  Dataset take() { return std::move(dataset_); }

 private:
  void read_image(int64_t index, const json& record) {
    std::string where = text("dataset: ", file_.string(), ": image ", index);
    DatasetImage image;
    image.id = JsonFields(record, where).identifier("imgid");
    where += text(" (imgid ", image.id, ")");
    const JsonFields fields(record, where);
    check(image_ids_.insert(image.id).second, where, ": an earlier image has the same imgid");

    image.split = fields.string("split");
    check(known_split(image.split), where, ": field 'split' is ", quoted_text(image.split),
          ", expected train, restval, val, test, or a name that starts with val_ or test_");
    if (image.split == "restval") image.split = "train";
    ++split_sizes_[image.split];

    fs::path folder = folder_;
    if (fields.has("filepath")) folder = checked_path(folder_, fields.string("filepath"), "filepath", where);
    image.path = checked_path(folder, fields.string("filename"), "filename", where);
    check(paths_.insert(image.path.lexically_normal().string()).second, where, ": an earlier image names the same file ",
          image.path.string());

    const bool chosen = wanted(image.split);
    check(!chosen || !options_.check_files || is_file(image.path), where, ": the file ", image.path.string(),
          " does not exist");
    read_sentences(fields, image, chosen);
    if (!chosen) return;
    dataset_.image_index_[image.id] = static_cast<int64_t>(dataset_.images_.size());
    dataset_.images_.push_back(std::move(image));
  }

  void read_sentences(const JsonFields& image_fields, DatasetImage& image, bool chosen) {
    const json& sentences = image_fields.array("sentences");
    check(!sentences.empty(), image_fields.where(), ": field 'sentences' is empty, expected at least one caption");
    image.first_sentence = static_cast<int64_t>(dataset_.sentences_.size());
    std::unordered_set<std::string> captions;
    for (size_t i = 0; i < sentences.size(); ++i) {
      const JsonFields fields(sentences[i], text(image_fields.where(), ", sentence ", i));
      DatasetSentence sentence;
      sentence.id = fields.identifier("sentid");
      check(sentence_ids_.insert(sentence.id).second, fields.where(), ": an earlier sentence has the same sentid ", sentence.id);
      check(!fields.has("imgid") || fields.identifier("imgid") == image.id, fields.where(), ": field 'imgid' is not that of its image");
      sentence.text = fields.string("raw");
      trim_line_end(sentence.text);
      check(sentence.text.find_first_not_of(" \t\r\n") != std::string::npos, fields.where(), ": field 'raw' is empty, expected a caption");
      if (!chosen) continue;
      if (!captions.insert(sentence.text).second) {
        ++dataset_.repeated_captions_;
        continue;
      }
      sentence.image = static_cast<int64_t>(dataset_.images_.size());
      sentence_index_[sentence.id] = dataset_.sentences_.size();
      dataset_.sentences_.push_back(std::move(sentence));
    }
    image.sentence_count = static_cast<int64_t>(dataset_.sentences_.size()) - image.first_sentence;
  }

  bool wanted(const std::string& split) const {
    return options_.splits.empty() || std::find(options_.splits.begin(), options_.splits.end(), split) != options_.splits.end();
  }

  void check_splits() const {
    std::string present;
    for (const auto& [split, size] : split_sizes_) present += text(present.empty() ? "" : ", ", split, " (", size, ")");
    if (present.empty()) present = "no images at all";
    check(!dataset_.images_.empty() || !options_.splits.empty(), "dataset: ", file_.string(), ": has no images");
    for (const std::string& split : options_.splits)
      check(split_sizes_.contains(split), "dataset: ", file_.string(), ": no image has the split ", quoted_text(split),
            "; the file has ", present);
  }

  void attach(Annotation&& annotation) {
    const fs::path& path = options_.annotations;
    const int64_t id = annotation.sentence_id;
    check(sentence_ids_.contains(id), "annotations: ", path.string(), ": no sentence of ", file_.string(), " has the sentid ", id);
    const auto found = sentence_index_.find(id);
    if (found == sentence_index_.end()) return;  // of another split, or a repeated caption
    DatasetSentence& sentence = dataset_.sentences_[found->second];
    check_spans(annotation, sentence.text, path);
    if (annotation.sibling) {
      check(dataset_.image_index_.contains(*annotation.sibling), "annotations: ", path.string(), ": sentence ", id, ": sibling ",
            *annotation.sibling, " is no image of the chosen splits of ", file_.string());
      check(*annotation.sibling != dataset_.images_[static_cast<size_t>(sentence.image)].id, "annotations: ", path.string(),
            ": sentence ", id, ": its sibling is its own image");
    }
    sentence.annotation = static_cast<int64_t>(dataset_.annotations_.size());
    dataset_.annotations_.push_back(std::move(annotation));
  }

  fs::path file_, folder_;
  DatasetOptions options_;
  Dataset dataset_;
  std::unordered_set<int64_t> image_ids_, sentence_ids_;
  std::unordered_set<std::string> paths_;
  std::unordered_map<int64_t, size_t> sentence_index_;
  std::map<std::string, int64_t> split_sizes_;
};

Dataset Dataset::open(const fs::path& json_file, const fs::path& image_folder, const DatasetOptions& options) {
  std::error_code ignored;
  check(fs::is_directory(image_folder, ignored), "dataset: ", image_folder.string(), ": the image folder does not exist");
  DatasetReader reader(json_file, image_folder, options);
  reader.read(as_text(read_file(json_file)));
  if (!options.annotations.empty()) reader.attach_annotations(as_text(read_file(options.annotations)));
  return reader.take();
}

Dataset Dataset::parse(std::string_view captions, std::string_view annotations, const fs::path& json_file,
                       const fs::path& image_folder, const DatasetOptions& options) {
  DatasetReader reader(json_file, image_folder, options);
  reader.read(captions);
  if (!options.annotations.empty()) reader.attach_annotations(annotations);
  return reader.take();
}

int64_t Dataset::image_index(int64_t image_id) const {
  const auto found = image_index_.find(image_id);
  return found == image_index_.end() ? -1 : found->second;
}

const Annotation* Dataset::annotation(int64_t sentence) const {
  const int64_t index = sentences_.at(static_cast<size_t>(sentence)).annotation;
  return index < 0 ? nullptr : &annotations_[static_cast<size_t>(index)];
}

int64_t Dataset::sibling(int64_t sentence) const {
  const Annotation* found = annotation(sentence);
  check(found != nullptr && found->sibling, "dataset: ", file_, ": sentence ", sentences_[static_cast<size_t>(sentence)].id,
        " has no annotation 'sibling'");
  return image_index(*found->sibling);
}

void Dataset::require(AnnotationField field, std::string_view option) const {
  check(!annotations_file_.empty(), option, " needs the annotation field '", name(field), "', but ", file_,
        " was opened without annotations; name an annotations.jsonl (docs/data.md) or turn the option off");
  for (const DatasetSentence& sentence : sentences_) {
    if (sentence.annotation >= 0) {
      annotations_[static_cast<size_t>(sentence.annotation)].require(field, option);
      continue;
    }
    fail(option, " needs the annotation field '", name(field), "', but ", annotations_file_, " has no line for sentence ",
         sentence.id);
  }
}

}  // namespace tessera
