#include "vilt/tasks/training_data.h"

#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// `remaining`: the split of pictures of which nothing tells theirs; empty: some of them are held out.
Dataset open(const Settings& settings, const std::string& captions, std::vector<std::string> splits,
             const std::string& remaining) {
  const auto& data = settings.data;
  DatasetOptions options;
  options.splits = std::move(splits);
  if (captions == data.captions) options.annotations = data.annotations;
  options.max_missing = data.max_bad_files;
  options.kind = data.kind;
  options.remaining_split = remaining;
  return Dataset::open(captions, data.images, options);
}

// In a file of its own, validation takes all that has no other split; then nothing is held out of the training's.
std::string remaining_of_training(const Settings& settings) {
  return settings.data.validation_captions.empty() ? "" : settings.data.train_split;
}

bool has_split(const Dataset& dataset, const std::string& split) { return dataset.remarks().splits.contains(split); }

}  // namespace

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

TrainingData open_training_data(const Settings& settings, std::ostream& log) {
  const auto& data = settings.data;
  const bool one_file = data.validation_captions.empty() && data.test_captions.empty();
  std::vector<std::string> splits{data.train_split};
  if (data.validation_captions.empty()) splits.push_back(data.validation_split);
  if (one_file) splits.push_back(data.test_split);
  if (data.test_captions.empty() && !data.unseen_split.empty()) splits.push_back(data.unseen_split);
  const Dataset all = open(settings, data.captions, splits, remaining_of_training(settings));
  tell_remarks(all, data.captions, log);
  tell_missing(all, log, data.train_split);

  TrainingData out;
  out.train = all.part(data.train_split);
  if (data.validation_captions.empty()) {
    out.validation = all.part(data.validation_split).without_missing();
  } else {
    const Dataset validation = open(settings, data.validation_captions, {data.validation_split}, data.validation_split);
    tell_remarks(validation, data.validation_captions, log);
    tell_missing(validation, log);
    out.validation = validation.without_missing();
    if (data.test_captions.empty() && !has_split(validation, data.test_split))
      log << "the figures at the end are of the validation pictures: " << shown(data.validation_captions)
          << " has no split '" << data.test_split << "', and data.test_captions is empty\n";
  }
  if (one_file)
    all.part(data.test_split).without_missing();
  else
    open_test_data(settings);
  if (!data.unseen_split.empty())
    out.unseen =
        data.test_captions.empty() ? all.part(data.unseen_split).without_missing() : open_unseen_data(settings);
  return out;
}

Dataset open_test_data(const Settings& settings) {
  const auto& data = settings.data;
  if (!data.test_captions.empty())
    return open(settings, data.test_captions, {data.test_split}, data.test_split).without_missing();
  if (data.validation_captions.empty()) return open(settings, data.captions, {data.test_split}, "").without_missing();
  const Dataset validation = open(settings, data.validation_captions, {data.validation_split}, data.validation_split);
  if (!has_split(validation, data.test_split)) return validation.without_missing();
  return open(settings, data.validation_captions, {data.test_split}, data.validation_split).without_missing();
}

Dataset open_unseen_data(const Settings& settings) {
  const auto& data = settings.data;
  const std::string& captions = data.test_captions.empty() ? data.captions : data.test_captions;
  return open(settings, captions, {data.unseen_split}, remaining_of_training(settings)).without_missing();
}

}  // namespace tessera
