#include "vilt/tasks/downstream_files.h"

#include <sstream>

#include "data/sets/splits.h"
#include "data/shards/sources.h"
#include "data/tasks/vqa_files.h"
#include "data/tasks/vqa_list.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "train/sources/training_data.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

bool is_published_vqa(const fs::path& file) { return file.filename().string().ends_with("questions.json"); }

// The file of a part; validation's for test where there is none for it. Empty: the part is a split of data.captions.
std::string file_of(const DataSettings& data, DataPart part) {
  if (part == DataPart::train) return data.captions;
  if (part == DataPart::unseen) return data.unseen_captions;
  if (part == DataPart::test && !data.test_captions.empty()) return data.test_captions;
  return data.validation_captions;
}

const std::string& split_of(const DataSettings& data, DataPart part) {
  return part == DataPart::train        ? data.train_split
         : part == DataPart::validation ? data.validation_split
                                        : data.test_split;
}

void tell(const LeftOut& left_out, std::ostream& log) {
  for (const std::string& reason : left_out.reasons) log << "left out: " << reason << '\n';
  const auto named = static_cast<int64_t>(left_out.reasons.size());
  if (left_out.count > named) log << "left out: " << left_out.count - named << " more lines\n";
}

std::vector<VqaQuestion> published_questions(const DataSettings& data, const fs::path& file, std::ostream& log) {
  const fs::path annotations = annotations_beside(file);
  check(!annotations.empty(), shown(file), ": there are no annotations beside it (v2_mscoco_…_annotations.json), so ",
        "that nothing says what is right");
  VqaData read = read_vqa({file, annotations, data.images}, {.max_missing = data.max_bad_files});
  if (read.missing_images > 0)
    log << "left out: the questions of " << read.missing_images << " pictures that have no file\n";
  return std::move(read.questions);
}

std::vector<VqaQuestion> listed_questions(const DataSettings& data, const fs::path& file, DataPart part,
                                          std::ostream& log) {
  const std::string& wanted = split_of(data, part);
  VqaListOptions options{.max_left_out = data.max_bad_files};
  // A file of its own need not say which part it is, nor training's where validation has one.
  const bool of_training = file == data.captions;
  if (!of_training) options.remaining_split = wanted;
  if (of_training && !data.validation_captions.empty() && data.validation_captions != data.captions)
    options.remaining_split = data.train_split;
  VqaList list = read_vqa_list(file, data.images, options);
  if (part == DataPart::train) tell(list.left_out, log);
  if (const auto found = list.splits.find(wanted); found != list.splits.end()) return std::move(found->second);
  const bool one = list.splits.size() == 1;
  if (one && !data.validation_captions.empty()) return std::move(list.splits.begin()->second);
  const bool by_name = one && split_of_file_name(file.stem().native()) == list.splits.begin()->first;
  fail(shown(file), ": no question has the split '", wanted, "'",
       by_name
           ? text("; by the file's name all are of '", list.splits.begin()->first,
                  "': data.validation_captions names a file for validation, and of a file whose name tells no split a "
                  "twentieth of the pictures is held out for it (docs/data.md)")
           : "");
}

DownstreamPart questions_of(const DataSettings& data, DataPart part, std::ostream& log) {
  const std::string own = file_of(data, part);
  const fs::path file = own.empty() ? data.captions : own;
  check(part == DataPart::train || !own.empty() || !is_published_vqa(file),
        "setting 'data.validation_captions' is empty, ", "expected the questions of validation: ", shown(file),
        " has those of training alone");
  DownstreamPart out;
  out.questions =
      is_published_vqa(file) ? published_questions(data, file, log) : listed_questions(data, file, part, log);
  check(!out.questions.empty(), shown(file), ": has no questions");
  out.words = shown(file);
  return out;
}

DownstreamPart statements_of(const DataSettings& data, DataPart part, std::ostream& log) {
  const std::string file = file_of(data, part);
  check(!file.empty(), "setting 'data.validation_captions' is empty, expected the statements of validation");
  DownstreamPart out;
  Nlvr2Data read = read_nlvr2(file, data.images, {.max_left_out = data.max_bad_files});
  tell(read.left_out, log);
  out.statements = std::move(read.examples);
  check(!out.statements.empty(), shown(file), ": has no statements");
  out.words = shown(file);
  return out;
}

void refuse_shards(const DownstreamTask& task, const DataSettings& data) {
  for (const std::string& captions : {data.captions, data.validation_captions, data.test_captions})
    check(captions.empty() || !are_shards(captions, data.kind), shown(captions),
          ": tar shards are for pre-training; the task '", task.name, "' needs a file of ", task.samples,
          " and a folder of pictures (docs/finetuning.md)");
}

}  // namespace

std::string_view DownstreamPart::text(size_t index) const {
  if (!questions.empty()) return questions[index].question;
  if (!statements.empty()) return statements[index].sentence;
  return captions.sentences()[index].text;
}

DownstreamSet DownstreamPart::set(const AnswerTable& table, Unanswerable rule) const {
  if (!questions.empty()) return questions_set(questions, table, rule);
  return statements.empty() ? captions_set(captions) : statements_set(statements);
}

bool has_unseen_part(const DownstreamTask& task, const Settings& settings) {
  return !(task.classifies ? settings.data.unseen_captions : settings.data.unseen_split).empty();
}

DownstreamPart read_part(const DownstreamTask& task, const Settings& settings, DataPart part, std::ostream& log) {
  refuse_shards(task, settings.data);
  if (task.images == 2) return statements_of(settings.data, part, log);
  if (task.classifies) return questions_of(settings.data, part, log);
  DownstreamPart out;
  out.words = settings.data.captions;
  if (part == DataPart::test || part == DataPart::unseen) {
    out.captions = part == DataPart::test ? open_test_data(settings.data) : open_unseen_data(settings.data);
    return out;
  }
  // Both parts are read at once, and what is to be told is told with the first.
  std::ostringstream told;
  TrainingData data = open_training_data(settings.data, part == DataPart::train ? log : told);
  out.captions = part == DataPart::train ? std::move(data.train) : std::move(data.validation);
  return out;
}

fs::path annotations_beside(const fs::path& questions) {
  std::string name = questions.filename().string();
  if (const size_t at = name.find("OpenEnded_"); at != std::string::npos) name.erase(at, 10);
  const size_t at = name.rfind("questions");
  if (at == std::string::npos) return {};
  const fs::path found = questions.parent_path() / name.replace(at, 9, "annotations");
  return fs::exists(found) ? found : fs::path();
}

int64_t steps_of_epochs(int64_t samples, int64_t batch_size, int64_t accumulate, int64_t epochs) {
  const int64_t micro_batch = batch_size / accumulate;
  return std::max<int64_t>(1, (samples + micro_batch - 1) / micro_batch * epochs / accumulate);
}

}  // namespace tessera
