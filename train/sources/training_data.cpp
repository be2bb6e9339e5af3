#include "train/sources/training_data.h"

#include "data/shards/sources.h"
#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"
#include "train/progress_line.h"

namespace tessera {
namespace {

// A captions file with what belongs to it.
struct Source {
  std::string captions, images, annotations, kind;
};

Source source_of(const DataSettings& data, const std::string& captions) {
  const std::string& images = data.images.empty() && !data.sets.empty() ? data.sets[0].images : data.images;
  return {captions, images, captions == data.captions ? data.annotations : "", data.kind};
}

// `remaining`: the split of pictures of which nothing tells theirs; empty: some of them are held out.
Dataset open(const DataSettings& data, const Source& source, std::vector<std::string> splits,
             const std::string& remaining) {
  DatasetOptions options;
  options.splits = std::move(splits);
  options.annotations = source.annotations;
  options.max_missing = data.max_bad_files;
  options.kind = source.kind;
  options.remaining_split = remaining;
  const ProgressLine progress;
  progress.show(text("reading ", shown(source.captions), " …"));
  Dataset dataset = Dataset::open(source.captions, source.images, options);
  progress.clear();
  return dataset;
}

Dataset open(const DataSettings& data, const std::string& captions, std::vector<std::string> splits,
             const std::string& remaining) {
  return open(data, source_of(data, captions), std::move(splits), remaining);
}

// In a file of its own, validation takes all that has no other split; then nothing is held out of the training's.
std::string remaining_of_training(const DataSettings& data) {
  return data.validation_captions.empty() ? "" : data.train_split;
}

bool has_split(const Dataset& dataset, const std::string& split) { return dataset.remarks().splits.contains(split); }

// Of the data sets data.sets, whole, in order.
std::vector<Dataset> open_sets(const DataSettings& data) {
  std::vector<Dataset> sets;
  for (const DataSetSettings& set : data.sets)
    sets.push_back(open(data, {set.captions, set.images, set.annotations, set.kind}, {}, remaining_of_training(data)));
  return sets;
}

// The split of those sets that have it.
Dataset joined_split(const std::vector<Dataset>& sets, const std::string& split) {
  std::vector<Dataset> parts;
  for (const Dataset& set : sets)
    if (has_split(set, split)) parts.push_back(set.part(split).without_missing());
  check(!parts.empty(), "dataset: no set of data.sets has the split '", split,
        "'; data.validation_captions and data.test_captions name files that have (docs/data.md)");
  return Dataset::joined(parts);
}

// What is trained on: missing pictures are among the others.
Dataset joined_training(const DataSettings& data, const std::vector<Dataset>& sets) {
  std::vector<Dataset> parts;
  for (const Dataset& set : sets) parts.push_back(set.part(data.train_split));
  return Dataset::joined(parts);
}

Dataset open_validation_file(const DataSettings& data, std::ostream& log) {
  const Dataset validation = open(data, data.validation_captions, {data.validation_split}, data.validation_split);
  tell_remarks(validation, data.validation_captions, log);
  tell_missing(validation, log);
  if (data.test_captions.empty() && !has_split(validation, data.test_split))
    log << "the figures at the end are of the validation pictures: " << shown(data.validation_captions)
        << " has no split '" << data.test_split << "', and data.test_captions is empty\n";
  return validation.without_missing();
}

// Shards are of one split: all else is in files of its own.
TrainingData open_with_shards(const DataSettings& data, std::ostream& log) {
  TrainingData out;
  out.shards = open_training_shards(data, log);
  out.validation = open_validation_file(data, log);
  open_test_data(data);
  if (!data.unseen_split.empty()) out.unseen = open_unseen_data(data);
  return out;
}

TrainingData open_training_sets(const DataSettings& data, std::ostream& log) {
  const std::vector<Dataset> sets = open_sets(data);
  for (size_t i = 0; i < sets.size(); ++i) {
    tell_remarks(sets[i], data.sets[i].captions, log);
    tell_missing(sets[i], log, data.train_split);
  }
  TrainingData out;
  out.train = joined_training(data, sets);
  out.validation =
      data.validation_captions.empty() ? joined_split(sets, data.validation_split) : open_validation_file(data, log);
  if (data.validation_captions.empty() && data.test_captions.empty())
    joined_split(sets, data.test_split);
  else
    open_test_data(data);
  if (!data.unseen_split.empty())
    out.unseen = data.test_captions.empty() ? joined_split(sets, data.unseen_split) : open_unseen_data(data);
  for (size_t i = 0; i < sets.size(); ++i) {
    const int64_t captions = out.train.part_sizes()[i];
    log << "trained on: " << with_thousands(captions) << " captions of " << shown(data.sets[i].captions);
    if (data.sets[i].weight > 0) log << ", weight " << data.sets[i].weight;
    log << '\n';
  }
  return out;
}

}  // namespace

void refuse_commands(const DataSettings& data, const std::string& where) {
  std::vector<std::string> all{data.captions, data.validation_captions, data.test_captions};
  for (const DataSetSettings& set : data.sets) all.push_back(set.captions);
  for (const std::string& captions : all)
    check(!captions.starts_with(kPipe), where, ": names the command ", printable(captions),
          " as captions; commands are run for `vilt train` and for what stands on the command line alone");
}

void tell_remarks(const Dataset& dataset, const std::string& captions, std::ostream& out) {
  const DatasetRemarks& remarks = dataset.remarks();
  out << shown(captions) << ": " << remarks.layout << '\n';
  for (const std::string& note : remarks.notes) out << shown(captions) << ": " << note << '\n';
  for (const std::string& reason : remarks.reasons) out << "left out: " << reason << '\n';
  const auto named = static_cast<int64_t>(remarks.reasons.size());
  if (remarks.left_out > named) out << "left out: " << with_thousands(remarks.left_out - named) << " more lines\n";
}

void tell_missing(const Dataset& dataset, std::ostream& out, const std::string& except) {
  for (const DatasetImage& image : dataset.images())
    if (image.missing && image.split != except)
      out << "left out: " << shown(image.path()) << ": there is no such file\n";
}

TrainingData open_training_data(const DataSettings& data, std::ostream& log) {
  if (trains_on_shards(data)) return open_with_shards(data, log);
  if (!data.sets.empty()) return open_training_sets(data, log);
  const bool one_file = data.validation_captions.empty() && data.test_captions.empty();
  std::vector<std::string> splits{data.train_split};
  if (data.validation_captions.empty()) splits.push_back(data.validation_split);
  if (one_file) splits.push_back(data.test_split);
  if (data.test_captions.empty() && !data.unseen_split.empty()) splits.push_back(data.unseen_split);
  const Dataset all = open(data, data.captions, splits, remaining_of_training(data));
  tell_remarks(all, data.captions, log);
  tell_missing(all, log, data.train_split);

  TrainingData out;
  out.train = all.part(data.train_split);
  if (data.validation_captions.empty()) {
    out.validation = all.part(data.validation_split).without_missing();
  } else {
    out.validation = open_validation_file(data, log);
  }
  if (one_file)
    all.part(data.test_split).without_missing();
  else
    open_test_data(data);
  if (!data.unseen_split.empty())
    out.unseen = data.test_captions.empty() ? all.part(data.unseen_split).without_missing() : open_unseen_data(data);
  return out;
}

Dataset open_test_data(const DataSettings& data) {
  if (!data.test_captions.empty())
    return open(data, data.test_captions, {data.test_split}, data.test_split).without_missing();
  if (data.validation_captions.empty() && !data.sets.empty()) return joined_split(open_sets(data), data.test_split);
  if (data.validation_captions.empty()) return open(data, data.captions, {data.test_split}, "").without_missing();
  const Dataset validation = open(data, data.validation_captions, {data.validation_split}, data.validation_split);
  if (!has_split(validation, data.test_split)) return validation.without_missing();
  return open(data, data.validation_captions, {data.test_split}, data.validation_split).without_missing();
}

Dataset open_unseen_data(const DataSettings& data) {
  if (data.test_captions.empty() && !data.sets.empty()) return joined_split(open_sets(data), data.unseen_split);
  const std::string& captions = data.test_captions.empty() ? data.captions : data.test_captions;
  return open(data, captions, {data.unseen_split}, remaining_of_training(data)).without_missing();
}

}  // namespace tessera
