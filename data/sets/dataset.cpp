#include "data/sets/dataset.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "data/sets/layouts.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// The index of an image or a sentence of another split, or of a repeated caption.
constexpr int64_t kNotChosen = -1;

bool known_split(std::string_view split) {
  for (const char* exact : {"train", "restval", "val", "test"})
    if (split == exact) return true;
  return split.starts_with("val_") || split.starts_with("test_");
}

// Whether the name's parts are as they are when a path is written in its shortest form.
bool is_normal(std::string_view name) {
  for (;;) {
    const size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    if (end == name.size()) return true;
    name.remove_prefix(end + 1);
  }
}

// An untrusted file's name of what lies below the image folder.
const std::string& checked_name(const std::string& name, const char* field, const std::string& where) {
  if (name.empty() || name.find('\0') != std::string::npos)
    fail(where, ": field '", field, "' is ", quoted_text(name), ", expected a file name");
  if (is_normal(name)) return name;
  const fs::path path(name);
  if (path.is_absolute() || std::find(path.begin(), path.end(), fs::path("..")) != path.end())
    fail(where, ": field '", field, "' is ", quoted_text(name), ", which leaves the image folder");
  return name;
}

void append_name(std::string& path, std::string_view name) {
  if (!path.empty() && !path.ends_with('/')) path += '/';
  path += name;
}

// False too where the path cannot even be looked up, because it is too long, say.
bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::string_view without_line_end(std::string_view caption) {
  while (caption.ends_with('\n') || caption.ends_with('\r')) caption.remove_suffix(1);
  return caption;
}

}  // namespace

class DatasetReader {
 public:
  DatasetReader(const fs::path& file, const fs::path& folder, const DatasetOptions& options)
      : file_(file), folder_(folder), options_(options) {
    dataset_.file_ = shown(file);
    dataset_.annotations_file_ = shown(options.annotations);
  }

  void read(const TextPieces& contents) {
    layout_of(file_).read(contents, text("dataset: ", shown(file_)),
                          [this](int64_t index, const json& record) { read_image(index, record); });
    check_splits();
    check_missing();
  }

  void attach_annotations(const TextPieces& contents) {
    std::unordered_set<int64_t> seen;
    read_annotations(contents, options_.annotations, [&](Annotation&& annotation) {
      check(seen.insert(annotation.sentence_id).second, "annotations: ", shown(options_.annotations), ": sentence ",
            annotation.sentence_id, " is annotated twice");
      attach(std::move(annotation));
    });
  }

  Dataset take() { return std::move(dataset_); }

 private:
  void read_image(int64_t index, const json& record) {
    std::string where = "dataset: " + shown(file_) + ": image " + std::to_string(index);
    DatasetImage image;
    image.id = JsonFields(record, where).identifier("imgid");
    where += " (imgid " + std::to_string(image.id) + ")";
    const JsonFields fields(record, where);
    check(dataset_.image_index_.insert(image.id, kNotChosen), where, ": an earlier image has the same imgid");
    image.split = counted_split(fields.string("split"), where);

    const bool chosen = wanted(image.split);
    const std::string path = read_path(fields);
    read_sentences(fields, image, chosen);
    if (!chosen) return;
    *dataset_.image_index_.find(image.id) = static_cast<int64_t>(dataset_.images_.size());
    image.file = dataset_.texts_->keep(path);
    image.missing = options_.check_files && !is_file(path);
    dataset_.images_.push_back(image);
  }

  // The split's name among the data set's texts.
  std::string_view counted_split(std::string_view split, const std::string& where) {
    if (!known_split(split))
      fail(where, ": field 'split' is ", quoted_text(split),
           ", expected train, restval, val, test, or a name that starts with val_ or test_");
    if (split == "restval") split = "train";
    auto found = split_sizes_.find(split);
    if (found == split_sizes_.end()) found = split_sizes_.emplace(dataset_.texts_->keep(split), 0).first;
    ++found->second;
    return found->first;
  }

  // The path of an image file, with the image folder. Two images are not of one file.
  std::string read_path(const JsonFields& fields) {
    std::string name;  // below the image folder
    if (fields.has("filepath")) name = checked_name(fields.string("filepath"), "filepath", fields.where());
    append_name(name, checked_name(fields.string("filename"), "filename", fields.where()));
    std::string path = folder_.string();
    append_name(path, name);
    if (!is_normal(name)) name = fs::path(name).lexically_normal().string();
    check(!files_.contains(name), fields.where(), ": an earlier image names the same file ", shown(path));
    files_.insert(names_.keep(name));
    return path;
  }

  void read_sentences(const JsonFields& image_fields, DatasetImage& image, bool chosen) {
    const json& sentences = image_fields.array("sentences");
    check(!sentences.empty(), image_fields.where(), ": field 'sentences' is empty, expected at least one caption");
    image.first_sentence = static_cast<int64_t>(dataset_.sentences_.size());
    std::unordered_set<std::string_view> captions;
    for (size_t i = 0; i < sentences.size(); ++i) {
      const JsonFields fields(sentences[i], image_fields.where() + ", sentence " + std::to_string(i));
      const int64_t id = fields.identifier("sentid");
      check(sentence_index_.insert(id, kNotChosen), fields.where(), ": an earlier sentence has the same sentid ", id);
      check(!fields.has("imgid") || fields.identifier("imgid") == image.id, fields.where(),
            ": field 'imgid' is not that of its image");
      const std::string_view caption = without_line_end(fields.string("raw"));
      check(caption.find_first_not_of(" \t\r\n") != std::string_view::npos, fields.where(),
            ": field 'raw' is empty, expected a caption");
      if (!chosen || !captions.insert(caption).second) continue;
      *sentence_index_.find(id) = static_cast<int64_t>(dataset_.sentences_.size());
      dataset_.sentences_.push_back(
          {id, static_cast<int64_t>(dataset_.images_.size()), dataset_.texts_->keep(caption), -1});
    }
    image.sentence_count = static_cast<int64_t>(dataset_.sentences_.size()) - image.first_sentence;
  }

  bool wanted(std::string_view split) const {
    return options_.splits.empty() ||
           std::find(options_.splits.begin(), options_.splits.end(), split) != options_.splits.end();
  }

  void check_splits() const {
    std::string present;
    for (const auto& [split, size] : split_sizes_) present += text(present.empty() ? "" : ", ", split, " (", size, ")");
    if (present.empty()) present = "no images at all";
    check(!dataset_.images_.empty() || !options_.splits.empty(), "dataset: ", shown(file_), ": has no images");
    for (const std::string& split : options_.splits)
      check(split_sizes_.contains(split), "dataset: ", shown(file_), ": no image has the split ", quoted_text(split),
            "; the file has ", present);
  }

  // Counted to the end: whoever has to fetch them wants to know how many they are, and whether it is the folder.
  void check_missing() const {
    constexpr int64_t kNamed = 10;
    int64_t count = 0;
    std::string names;
    for (const DatasetImage& image : dataset_.images_)
      if (image.missing && ++count <= kNamed) names += text(count == 1 ? "" : ", ", shown(image.file));
    if (count <= options_.max_missing) return;
    const auto all = static_cast<int64_t>(dataset_.images_.size());
    const std::string files = count == 1 ? text("the file ", names, " does not exist (1 of ", all, " images)")
                                         : text(count, " of ", all, " images have no file: ", names);
    fail("dataset: ", shown(file_), ": ", files, count > kNamed ? text(", and ", count - kNamed, " more") : "",
         count == all && count > 1 ? text("; is ", shown(folder_), " the folder that their names begin in?") : "",
         options_.max_missing > 0 ? text("; at most ", options_.max_missing, " may be missing (data.max_bad_files)")
                                  : "");
  }

  void attach(Annotation&& annotation) {
    const fs::path& path = options_.annotations;
    const int64_t id = annotation.sentence_id;
    const int64_t* found = sentence_index_.find(id);
    check(found != nullptr, "annotations: ", shown(path), ": no sentence of ", shown(file_), " has the sentid ", id);
    if (*found == kNotChosen) return;
    DatasetSentence& sentence = dataset_.sentences_[static_cast<size_t>(*found)];
    check_spans(annotation, sentence.text, path);
    if (annotation.sibling) {
      dataset_.check_sibling(annotation);
      check(*annotation.sibling != dataset_.images_[static_cast<size_t>(sentence.image)].id,
            "annotations: ", shown(path), ": sentence ", id, ": its sibling is its own image");
    }
    sentence.annotation = static_cast<int64_t>(dataset_.annotations_.size());
    dataset_.annotations_.push_back(std::move(annotation));
  }

  fs::path file_, folder_;
  DatasetOptions options_;
  Dataset dataset_;
  IdIndex sentence_index_;
  TextArena names_;
  std::unordered_set<std::string_view> files_;  // of all splits, below the image folder
  std::map<std::string_view, int64_t> split_sizes_;
};

Dataset Dataset::open(const fs::path& json_file, const fs::path& image_folder, const DatasetOptions& options) {
  std::error_code ignored;
  check(fs::is_directory(image_folder, ignored), "dataset: ", shown(image_folder), ": the image folder does not exist");
  DatasetReader reader(json_file, image_folder, options);
  reader.read(file_pieces(json_file));
  if (!options.annotations.empty()) reader.attach_annotations(file_pieces(options.annotations));
  return reader.take();
}

Dataset Dataset::parse(std::string_view captions, std::string_view annotations, const fs::path& json_file,
                       const fs::path& image_folder, const DatasetOptions& options) {
  DatasetReader reader(json_file, image_folder, options);
  reader.read(pieces_of(captions));
  if (!options.annotations.empty()) reader.attach_annotations(pieces_of(annotations));
  return reader.take();
}

template <class Chosen>
Dataset Dataset::chosen_images(const Chosen& chosen) const {
  Dataset out;
  out.file_ = file_;
  out.annotations_file_ = annotations_file_;
  out.texts_ = texts_;
  for (const DatasetImage& image : images_) {
    const bool taken = chosen(image);
    out.image_index_.insert(image.id, taken ? static_cast<int64_t>(out.images_.size()) : kNotChosen);
    if (!taken) continue;
    const auto from = sentences_.begin() + image.first_sentence;
    for (auto sentence = from; sentence != from + image.sentence_count; ++sentence) {
      DatasetSentence& added = out.sentences_.emplace_back(*sentence);
      added.image = static_cast<int64_t>(out.images_.size());
      if (added.annotation < 0) continue;
      out.annotations_.push_back(annotations_[static_cast<size_t>(added.annotation)]);
      added.annotation = static_cast<int64_t>(out.annotations_.size()) - 1;
    }
    out.images_.push_back(image);
    out.images_.back().first_sentence = static_cast<int64_t>(out.sentences_.size()) - image.sentence_count;
  }
  return out;
}

Dataset Dataset::part(std::string_view split) const {
  Dataset out = chosen_images([split](const DatasetImage& image) { return image.split == split; });
  check(!out.images_.empty(), "dataset: ", file_, ": no image of the opened splits has the split ", quoted_text(split));
  for (const Annotation& annotation : out.annotations_) out.check_sibling(annotation);
  return out;
}

Dataset Dataset::without_missing() const {
  Dataset out = chosen_images([](const DatasetImage& image) { return !image.missing; });
  check(!out.images_.empty(), "dataset: ", file_, ": of the ", images_.size(), " images of the split ",
        quoted_text(images_.empty() ? "" : images_[0].split), " not one has a file");
  for (Annotation& annotation : out.annotations_)
    if (annotation.sibling && out.image_index(*annotation.sibling) < 0) annotation.sibling.reset();
  return out;
}

void Dataset::check_sibling(const Annotation& annotation) const {
  if (!annotation.sibling) return;
  check(image_index(*annotation.sibling) >= 0, "annotations: ", annotations_file_, ": sentence ",
        annotation.sentence_id, ": sibling ", *annotation.sibling, " is no image of the chosen splits of ", file_);
}

int64_t Dataset::image_index(int64_t image_id) const {
  const int64_t* found = image_index_.find(image_id);
  return found ? *found : -1;
}

const Annotation* Dataset::annotation(int64_t sentence) const {
  const int64_t index = sentences_.at(static_cast<size_t>(sentence)).annotation;
  return index < 0 ? nullptr : &annotations_[static_cast<size_t>(index)];
}

int64_t Dataset::sibling(int64_t sentence) const {
  const Annotation* found = annotation(sentence);
  check(found != nullptr && found->sibling, "dataset: ", file_, ": sentence ",
        sentences_[static_cast<size_t>(sentence)].id, " has no annotation 'sibling'");
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
    fail(option, " needs the annotation field '", name(field), "', but ", annotations_file_,
         " has no line for sentence ", sentence.id);
  }
}

}  // namespace tessera
