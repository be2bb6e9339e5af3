#include "data/sets/dataset_reader.h"

#include <algorithm>
#include <unordered_set>

#include "data/sets/layouts.h"
#include "data/sets/splits.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// The index of an image or a sentence of another split, or of a repeated caption.
constexpr int64_t kNotChosen = -1;

constexpr size_t kReasons = 10;  // that are kept of lines that were left out

void append_name(std::string& path, std::string_view name) {
  if (!path.empty() && !path.ends_with('/')) path += '/';
  path += name;
}

std::string_view without_line_end(std::string_view caption) {
  while (caption.ends_with('\n') || caption.ends_with('\r')) caption.remove_suffix(1);
  return caption;
}

}  // namespace

DatasetReader::DatasetReader(const fs::path& file, const fs::path& folder, const DatasetOptions& options)
    : file_(file), folder_(folder), options_(options) {
  dataset_.file_ = shown(file);
  dataset_.annotations_file_ = shown(options.annotations);
  const fs::path name = file.has_filename() ? file.filename() : file.parent_path().filename();
  file_split_ = split_of_file_name(name.native());
}

void DatasetReader::read(TextPieces contents) {
  CaptionsFile file{file_, folder_, std::move(contents), "dataset: " + shown(file_)};
  const CaptionLayout& layout = find_layout(file, options_.kind);
  names_of_fields_ = layout.names;
  dataset_.remarks_.layout = text(layout.words, " (data.kind = \"", layout.kind, "\")");
  layout.read(file, *this);
  finish();
}

void DatasetReader::picture(const PictureRecord& record, const std::string& where) {
  // All checks come first: an error leaves no trace of the record.
  check(record.id < 0 || dataset_.image_index_.find(record.id) == nullptr, where, ": an earlier image has the same ",
        names_of_fields_.picture);
  const std::string_view split = split_of(record, where);
  if (!record.sample) check_picture_name(record.file, names_of_fields_.file, where);
  std::string name;  // that the index of files has; none where it cannot be another picture's
  if (record.naming != Naming::number) {
    name = normal_name(record.file);
    if (const auto found = files_.find(name); found != files_.end()) {
      check(record.naming == Naming::again, where, ": an earlier image names the same file ",
            shown(folder_ / record.file));
      return add_again(found->second, record, split, where);
    }
  }
  check_captions(record, where);

  const bool chosen = split.empty() || wanted(split);
  const auto index = static_cast<int64_t>(dataset_.images_.size());
  DatasetImage image;
  image.id = record.id < 0 ? next_picture_++ : record.id;
  dataset_.image_index_.insert(image.id, chosen ? index : kNotChosen);
  if (!name.empty()) files_.emplace(names_.keep(name), chosen ? index : kNotChosen);
  auto counted = split_sizes_.find(split);
  if (counted == split_sizes_.end()) counted = split_sizes_.emplace(dataset_.texts_->keep(split), 0).first;
  ++counted->second;
  image.split = counted->first;
  image.first_sentence = static_cast<int64_t>(dataset_.sentences_.size());
  std::unordered_set<std::string_view> captions;
  for (const CaptionText& caption : record.captions) {
    const int64_t id = add_caption_id(caption.id);
    const std::string_view words = without_line_end(caption.text);
    if (!chosen || (record.captions.size() > 1 && !captions.insert(words).second)) continue;
    dataset_.sentences_.push_back({id, index, dataset_.texts_->keep(words), -1});
  }
  if (!chosen) return;
  image.sentence_count = static_cast<int64_t>(dataset_.sentences_.size()) - image.first_sentence;
  std::string path;
  if (record.sample) {
    image.shards = 1;
    image.sample = *record.sample;
  } else {
    path = folder_.string();
  }
  append_name(path, record.file);
  image.file = dataset_.texts_->keep(path);
  dataset_.images_.push_back(image);
  if (split.empty()) split_keys_.push_back(split_key(record.key.empty() ? record.file : record.key));
}

void DatasetReader::add_again(int64_t image, const PictureRecord& record, std::string_view split,
                              const std::string& where) {
  const bool same = image == kNotChosen ? !split.empty() && !wanted(split)
                                        : dataset_.images_[static_cast<size_t>(image)].split == split;
  check(same || record.split.empty(), where, ": the split is ", quoted_text(split),
        ", and another one where the picture ", quoted_text(record.file), " was named before");
  check_captions(record, where);
  for (const CaptionText& caption : record.captions) {
    const int64_t id = add_caption_id(caption.id);
    if (image != kNotChosen && !add_to_latest(image, id, caption.text))
      late_.push_back({image, id, dataset_.texts_->keep(without_line_end(caption.text))});
  }
}

// In most lists the captions of a picture follow each other.
bool DatasetReader::add_to_latest(int64_t image, int64_t id, std::string_view caption) {
  constexpr int64_t kFew = 16;  // that are compared one by one
  DatasetImage& latest = dataset_.images_.back();
  const bool few = image + 1 == static_cast<int64_t>(dataset_.images_.size()) && latest.sentence_count < kFew;
  if (!few) return false;
  const std::string_view words = without_line_end(caption);
  for (int64_t s = latest.first_sentence; s < latest.first_sentence + latest.sentence_count; ++s)
    if (dataset_.sentences_[static_cast<size_t>(s)].text == words) return true;
  dataset_.sentences_.push_back({id, image, dataset_.texts_->keep(words), -1});
  ++latest.sentence_count;
  return true;
}

void DatasetReader::caption_of(int64_t picture, const CaptionText& caption, const std::string& where) {
  const int64_t* image = dataset_.image_index_.find(picture);
  if (image == nullptr) fail(where, ": no image of the file has the number ", picture);
  const PictureRecord record{.captions = {&caption, 1}};
  check_captions(record, where);
  const int64_t id = add_caption_id(caption.id);
  if (*image != kNotChosen) late_.push_back({*image, id, dataset_.texts_->keep(without_line_end(caption.text))});
}

void DatasetReader::leave_out(const std::string& reason) {
  DatasetRemarks& remarks = dataset_.remarks_;
  ++remarks.left_out;
  if (remarks.reasons.size() < kReasons) remarks.reasons.push_back(reason);
}

std::string_view DatasetReader::split_of(const PictureRecord& record, const std::string& where) {
  std::string_view split = record.split;
  if (!split.empty()) {
    if (!is_split(split))
      fail(where, ": field '", names_of_fields_.split, "' is ", quoted_text(split),
           ", expected train, restval, val, test, or a name that starts with val_ or test_");
    has_split_fields_ = true;
    if (split == "restval") split = "train";
    return split;
  }
  if (!file_split_.empty()) return file_split_;
  // A training takes all that is in its shards, so nothing of them is held out.
  return record.sample && options_.remaining_split.empty() ? "train" : std::string_view(options_.remaining_split);
}

void DatasetReader::check_captions(const PictureRecord& record, const std::string& where) const {
  std::unordered_set<int64_t> ids;
  for (size_t i = 0; i < record.captions.size(); ++i) {
    const CaptionText& caption = record.captions[i];
    if (is_blank(caption.text))
      fail(where, caption_place(record, i), ": field '", names_of_fields_.caption, "' is empty, expected a caption");
    if (caption.id >= 0 && (sentence_index_.find(caption.id) != nullptr || !ids.insert(caption.id).second))
      fail(where, caption_place(record, i), ": an earlier sentence has the same ", names_of_fields_.caption_id, ' ',
           caption.id);
  }
}

std::string DatasetReader::caption_place(const PictureRecord& record, size_t index) const {
  const char* place = names_of_fields_.caption_place;
  return place == nullptr || record.captions.empty() ? "" : place + std::to_string(index);
}

int64_t DatasetReader::add_caption_id(int64_t id) {
  // Numbers of our own are unique, and only annotations ask for them.
  const bool indexed = id >= 0 || !options_.annotations.empty();
  if (id < 0) id = next_caption_++;
  if (indexed) sentence_index_.insert(id, kNotChosen);
  return id;
}

std::string DatasetReader::normal_name(std::string_view file) const {
  return is_normal_name(file) ? std::string(file) : fs::path(file).lexically_normal().string();
}

bool DatasetReader::wanted(std::string_view split) const {
  return options_.splits.empty() ||
         std::find(options_.splits.begin(), options_.splits.end(), split) != options_.splits.end();
}

}  // namespace tessera
