#include "data/sets/dataset.h"

#include "data/sets/dataset_reader.h"
#include "data/shards/shard_set.h"
#include "data/shards/sources.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

Dataset Dataset::open(const fs::path& captions, const fs::path& image_folder, const DatasetOptions& options) {
  std::error_code ignored;
  if (are_shards(captions, options.kind)) {
    check(options.annotations.empty(), "dataset: ", shown(captions),
          ": are shards, to which no annotations can be added");
    DatasetOptions of_shards = options;
    of_shards.kind = kShardsKind;
    DatasetReader reader(captions, image_folder, of_shards);
    reader.read({});
    return reader.take();
  }
  check(!image_folder.empty(), "dataset: ", shown(captions),
        ": the folder of its pictures is not named (--images, data.images)");
  check(fs::is_directory(image_folder, ignored), "dataset: ", shown(image_folder), ": the image folder does not exist");
  DatasetReader reader(captions, image_folder, options);
  reader.read(fs::is_directory(captions, ignored) ? TextPieces() : file_pieces(captions));
  if (!options.annotations.empty()) reader.attach_annotations(file_pieces(options.annotations));
  return reader.take();
}

Dataset Dataset::parse(std::string_view captions, std::string_view annotations, const fs::path& file,
                       const fs::path& image_folder, const DatasetOptions& options) {
  DatasetReader reader(file, image_folder, options);
  reader.read(pieces_of(captions));
  if (!options.annotations.empty()) reader.attach_annotations(pieces_of(annotations));
  return reader.take();
}

std::vector<uint8_t> Dataset::read_picture(int64_t image, uint64_t limit) const {
  const DatasetImage& entry = images_[static_cast<size_t>(image)];
  if (entry.shards == 0) return read_file(entry.path(), limit);
  const std::string bytes = shards_[size_t{entry.shards} - 1]->read(entry.sample).picture;
  return {bytes.begin(), bytes.end()};
}

std::string Dataset::picture_name(int64_t image) const { return shown(images_[static_cast<size_t>(image)].path()); }

Dataset Dataset::chosen_images(const std::function<bool(const DatasetImage&)>& chosen) const {
  constexpr int64_t kNotChosen = -1;
  Dataset out;
  out.remarks_ = remarks_;
  out.file_ = file_;
  out.annotations_file_ = annotations_file_;
  out.texts_ = texts_;
  out.shards_ = shards_;
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

Dataset Dataset::joined(const std::vector<Dataset>& sets) {
  Dataset out;
  for (const Dataset& set : sets) {
    const auto first_image = static_cast<int64_t>(out.images_.size());
    const auto first_sentence = static_cast<int64_t>(out.sentences_.size());
    for (DatasetImage image : set.images_) {
      image.id = static_cast<int64_t>(out.images_.size());
      image.first_sentence += first_sentence;
      if (image.shards > 0) image.shards = static_cast<uint16_t>(image.shards + out.shards_.size());
      out.image_index_.insert(image.id, image.id);
      out.images_.push_back(image);
    }
    for (DatasetSentence sentence : set.sentences_) {
      sentence.id = static_cast<int64_t>(out.sentences_.size());
      sentence.image += first_image;
      if (sentence.annotation >= 0) {
        Annotation annotation = set.annotations_[static_cast<size_t>(sentence.annotation)];
        annotation.sentence_id = sentence.id;
        if (annotation.sibling) annotation.sibling = first_image + set.image_index(*annotation.sibling);
        sentence.annotation = static_cast<int64_t>(out.annotations_.size());
        out.annotations_.push_back(std::move(annotation));
      }
      out.sentences_.push_back(sentence);
    }
    out.shards_.insert(out.shards_.end(), set.shards_.begin(), set.shards_.end());
    out.part_sizes_.push_back(static_cast<int64_t>(set.sentences_.size()));
    out.joined_texts_.push_back(set.texts_);
    out.file_ += text(out.file_.empty() ? "" : ", ", set.file_);
    if (!set.annotations_file_.empty()) out.annotations_file_ = set.annotations_file_;
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
