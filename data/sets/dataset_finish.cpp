// What DatasetReader does after the last record.
#include <algorithm>
#include <unordered_set>

#include "data/sets/dataset_reader.h"
#include "data/sets/splits.h"
#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// False too where the path cannot even be looked up, because it is too long, say.
bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

}  // namespace

void DatasetReader::finish() {
  files_.clear();
  arrange();
  divide();
  for (const auto& [what, count] : passed_over_)
    dataset_.remarks_.notes.push_back(text("passed over: ", what, " (", with_thousands(count), ")"));
  for (const auto& [split, size] : split_sizes_)
    if (size > 0) dataset_.remarks_.splits.emplace(split, size);
  check_left_out();
  check_splits();
  check_missing();
  index_captions();
}

void DatasetReader::arrange() {
  std::vector<DatasetImage>& images = dataset_.images_;
  const auto has_none = [](const DatasetImage& image) { return image.sentence_count == 0; };
  if (late_.empty() && std::none_of(images.begin(), images.end(), has_none)) return;
  std::stable_sort(late_.begin(), late_.end(),
                   [](const LateCaption& a, const LateCaption& b) { return a.image < b.image; });
  std::deque<DatasetSentence> arranged;
  std::unordered_set<std::string_view> captions;
  auto late = late_.begin();
  size_t kept = 0, keys = 0, kept_keys = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    DatasetImage image = images[i];
    const auto first = static_cast<int64_t>(arranged.size()), index = static_cast<int64_t>(kept);
    captions.clear();
    for (int64_t s = image.first_sentence; s < image.first_sentence + image.sentence_count; ++s) {
      arranged.push_back(dataset_.sentences_[static_cast<size_t>(s)]);
      arranged.back().image = index;
      captions.insert(arranged.back().text);
    }
    for (; late != late_.end() && late->image == static_cast<int64_t>(i); ++late)
      if (captions.insert(late->text).second) arranged.push_back({late->id, index, late->text, -1});
    image.first_sentence = first;
    image.sentence_count = static_cast<int64_t>(arranged.size()) - first;
    const bool stays = image.sentence_count > 0;
    *dataset_.image_index_.find(image.id) = stays ? index : -1;
    if (image.split.empty()) {
      const uint64_t split_key = split_keys_[keys++];
      if (stays) split_keys_[kept_keys++] = split_key;
    }
    if (stays)
      images[kept++] = image;
    else {
      pass_over("pictures without a caption");
      --split_sizes_[image.split];
    }
  }
  images.resize(kept);
  split_keys_.resize(kept_keys);
  dataset_.sentences_ = std::move(arranged);
  late_ = {};
}

void DatasetReader::divide() {
  const auto none = split_sizes_.find(std::string_view());
  if (none == split_sizes_.end()) return;
  split_sizes_.erase(none);
  std::vector<DatasetImage>& images = dataset_.images_;
  // Where some records say their split, a record that does not is no test.
  std::vector<std::string_view> splits(split_keys_.size(), "train");
  if (!has_split_fields_) splits = held_out_splits(split_keys_);
  std::map<std::string_view, int64_t> sizes;
  auto next = splits.begin();
  for (DatasetImage& image : images)
    if (image.split.empty()) ++sizes[image.split = *next++];
  for (const auto& [split, size] : sizes) split_sizes_[split] += size;
  if (sizes["val"] > 0)
    dataset_.remarks_.notes.push_back(text("nothing tells the splits of its pictures, ",
                                           with_thousands(static_cast<int64_t>(splits.size())),
                                           " of them: held out by their names are ", with_thousands(sizes["val"]),
                                           " as val and ", with_thousands(sizes["test"]), " as test (docs/data.md)"));
  if (!options_.splits.empty())
    dataset_ = dataset_.chosen_images([this](const DatasetImage& image) { return wanted(image.split); });
}

void DatasetReader::index_captions() {
  if (options_.annotations.empty()) return;
  for (size_t s = 0; s < dataset_.sentences_.size(); ++s)
    *sentence_index_.find(dataset_.sentences_[s].id) = static_cast<int64_t>(s);
}

void DatasetReader::check_splits() const {
  std::string present;
  for (const auto& [split, size] : dataset_.remarks_.splits)
    present += text(present.empty() ? "" : ", ", split, " (", size, ")");
  if (present.empty()) present = "no images at all";
  check(!dataset_.images_.empty() || !options_.splits.empty(), "dataset: ", shown(file_), ": has no images");
  for (const std::string& split : options_.splits) {
    check(dataset_.remarks_.splits.contains(split), "dataset: ", shown(file_), ": no image has the split '", split,
          "'; the file has ", present,
          file_split_.empty() || has_split_fields_
              ? ""
              : ", as its name says; another file may have the others (docs/data.md)");
  }
}

void DatasetReader::check_left_out() const {
  const DatasetRemarks& remarks = dataset_.remarks_;
  if (remarks.left_out <= options_.max_missing) return;
  std::string reasons;
  for (const std::string& reason : remarks.reasons) reasons += "\n  " + reason;
  fail("dataset: ", shown(file_), ": ", with_thousands(remarks.left_out),
       remarks.left_out == 1 ? " line cannot be used" : " lines cannot be used", "; at most ", options_.max_missing,
       " may be left out (data.max_bad_files; with vilt eval and vilt vocab --max-bad-files)",
       remarks.left_out > static_cast<int64_t>(remarks.reasons.size()) ? "; the first:" : ":", reasons);
}

// Counted to the end: whoever has to fetch them wants to know how many they are, and whether it is the folder.
void DatasetReader::check_missing() {
  if (!options_.check_files) return;
  constexpr int64_t kNamed = 10;
  int64_t count = 0;
  std::string names;
  for (DatasetImage& image : dataset_.images_) {
    image.missing = image.shards == 0 && !is_file(std::string(image.file));
    if (image.missing && ++count <= kNamed) names += text(count == 1 ? "" : ", ", shown(image.path()));
  }
  if (count <= options_.max_missing) return;
  const auto all = static_cast<int64_t>(dataset_.images_.size());
  const std::string files = count == 1 ? text("the file ", names, " does not exist (1 of ", all, " images)")
                                       : text(count, " of ", all, " images have no file: ", names);
  fail(
      "dataset: ", shown(file_), ": ", files, count > kNamed ? text(", and ", count - kNamed, " more") : "",
      count == all && count > 1 ? text("; is ", shown(folder_), " the folder that their names begin in?") : "",
      options_.max_missing > 0 ? text("; at most ", options_.max_missing, " may be missing (data.max_bad_files)") : "");
}

void DatasetReader::attach_annotations(const TextPieces& contents) {
  std::unordered_set<int64_t> seen;
  read_annotations(contents, options_.annotations, [&](Annotation&& annotation) {
    check(seen.insert(annotation.sentence_id).second, "annotations: ", shown(options_.annotations), ": sentence ",
          annotation.sentence_id, " is annotated twice");
    attach(std::move(annotation));
  });
}

void DatasetReader::attach(Annotation&& annotation) {
  const fs::path& path = options_.annotations;
  const int64_t id = annotation.sentence_id;
  const int64_t* found = sentence_index_.find(id);
  check(found != nullptr, "annotations: ", shown(path), ": no sentence of ", shown(file_), " has the sentid ", id);
  if (*found < 0) return;
  DatasetSentence& sentence = dataset_.sentences_[static_cast<size_t>(*found)];
  check_spans(annotation, sentence.text, path);
  if (annotation.sibling) {
    dataset_.check_sibling(annotation);
    check(*annotation.sibling != dataset_.images_[static_cast<size_t>(sentence.image)].id, "annotations: ", shown(path),
          ": sentence ", id, ": its sibling is its own image");
  }
  sentence.annotation = static_cast<int64_t>(dataset_.annotations_.size());
  dataset_.annotations_.push_back(std::move(annotation));
}

}  // namespace tessera
