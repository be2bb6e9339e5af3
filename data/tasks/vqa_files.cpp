#include "data/tasks/vqa_files.h"

#include <algorithm>
#include <map>
#include <utility>

#include "data/sets/id_index.h"
#include "data/tasks/coco_pictures.h"
#include "data/tasks/normalise_answer.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// A string beside the array of records, where it stands before it, as it does in the published files.
class StringField : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit StringField(std::string_view key) : key_(key) {}
  std::string value;

  bool start_object(size_t) override { return ++depth_ < kDeepest; }
  bool end_object() override { return --depth_ > 0; }
  bool start_array(size_t) override { return ++depth_ < kDeepest; }
  bool end_array() override { return --depth_ > 0; }
  bool key(std::string& name) override {
    wanted_ = depth_ == 1 && name == key_;
    return true;
  }
  bool string(std::string& given) override {
    if (wanted_ && depth_ == 1) value = given;
    return value.empty();
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  static constexpr int kDeepest = 32;
  std::string_view key_;
  int depth_ = 0;
  bool wanted_ = false;
};

// "train2014": what the file says, or else its name (v2_OpenEnded_mscoco_train2014_questions.json). It becomes part of
// the pictures' paths, so that it is a plain word or nothing.
std::string part_of_coco(std::string_view head, const fs::path& file) {
  StringField field("data_subtype");
  nlohmann::json::sax_parse(head.begin(), head.end(), &field);
  std::string part = field.value;
  if (part.empty()) {
    const std::string name = file.stem().string();
    const size_t end = name.rfind('_'), begin = end == std::string::npos || end == 0 ? end : name.rfind('_', end - 1);
    if (begin != std::string::npos && begin < end) part = name.substr(begin + 1, end - begin - 1);
  }
  const bool plain = std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
  return plain ? part : "";
}

class VqaReader {
 public:
  VqaReader(const VqaFiles& files, const VqaOptions& options) : files_(files), options_(options) {}

  void read_questions(const TextPieces& contents) {
    std::string_view first = contents();
    part_ = part_of_coco(first, files_.questions);
    const TextPieces pieces = [&] { return first.empty() ? contents() : std::exchange(first, {}); };
    const std::string where = "VQA: " + shown(files_.questions);
    for_each_json_record(pieces, "questions", "", where, [&](int64_t index, const nlohmann::json& record) {
      std::string place = where + ": question " + std::to_string(index);
      VqaQuestion question;
      question.id = JsonFields(record, place).identifier("question_id");
      place += " (question_id " + std::to_string(question.id) + ")";
      const JsonFields fields(record, place);
      question.question = fields.string("question");
      check(!question.question.empty(), place, ": field 'question' is empty");
      check(index_.insert(question.id, static_cast<int64_t>(questions_.size())), place,
            ": an earlier question has the same question_id");
      images_.push_back(fields.identifier("image_id"));
      questions_.push_back(std::move(question));
    });
    check(!questions_.empty(), where, " holds no question");
  }

  void read_annotations(const TextPieces& contents) {
    const std::string where = "VQA: " + shown(files_.annotations);
    order_.reserve(questions_.size());
    for_each_json_record(contents, "annotations", "", where, [&](int64_t index, const nlohmann::json& record) {
      std::string place = where + ": annotation " + std::to_string(index);
      const int64_t id = JsonFields(record, place).identifier("question_id");
      place += " (question_id " + std::to_string(id) + ")";
      const int64_t* found = index_.find(id);
      check(found != nullptr, place, ": ", shown(files_.questions), " has no question with this question_id");
      VqaQuestion& question = questions_[static_cast<size_t>(*found)];
      const JsonFields fields(record, place);
      check(question.answers.empty(), place, ": an earlier annotation is of the same question");
      const int64_t image = images_[static_cast<size_t>(*found)];
      check(fields.identifier("image_id") == image, place, ": field 'image_id' is ", fields.identifier("image_id"),
            ", but the question's is ", image);
      if (fields.has("answer_type")) question.answer_type = fields.string("answer_type");
      if (fields.has("question_type")) question.question_type = fields.string("question_type");
      read_answers(fields, question);
      question.table_answer =
          normalise_answer(fields.has("multiple_choice_answer") ? fields.string("multiple_choice_answer")
                                                                : most_frequent(question.answers));
      order_.push_back(static_cast<size_t>(*found));
    });
    check_complete();
  }

  VqaData take() {
    VqaData data;
    find_pictures(data);
    if (std::is_sorted(order_.begin(), order_.end())) {  // as published; also where there are no annotations
      data.questions = std::move(questions_);
    } else {
      data.questions.reserve(order_.size());
      for (const size_t i : order_) data.questions.push_back(std::move(questions_[i]));
    }
    std::erase_if(data.questions, [](const VqaQuestion& question) { return question.image.empty(); });
    return data;
  }

 private:
  static const std::string& most_frequent(const std::vector<std::string>& answers) {
    const std::string* best = &answers[0];
    int64_t most = 0;
    for (const std::string& answer : answers) {
      const int64_t count = std::count(answers.begin(), answers.end(), answer);
      if (count > most) best = &answer;
      most = std::max(most, count);
    }
    return *best;
  }

  static void read_answers(const JsonFields& fields, VqaQuestion& question) {
    const nlohmann::json& answers = fields.array("answers");
    check(!answers.empty(), fields.where(), ": field 'answers' is empty, expected at least one");
    std::vector<int64_t> ids;
    question.answers.reserve(answers.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      const auto answer = answers[i].find("answer");
      const bool is_text = answers[i].is_object() && answer != answers[i].end() && answer->is_string();
      if (!is_text)
        fail(fields.where(), ", answer ", i, ": expected {\"answer\": \"…\"} with a string, found ",
             described_type(answers[i].is_object() && answer != answers[i].end() ? *answer : answers[i]));
      question.answers.push_back(answer->get_ref<const std::string&>());
      const auto id = answers[i].find("answer_id");
      if (id != answers[i].end() && id->is_number_unsigned() &&
          std::find(ids.begin(), ids.end(), id->get<int64_t>()) == ids.end())
        ids.push_back(id->get<int64_t>());
    }
    if (ids.size() < answers.size()) question.records = records_of(answers);
  }

  // What the answers' objects hold besides the answer, numbered.
  static std::vector<int32_t> records_of(const nlohmann::json& answers) {
    std::map<std::string, int32_t> numbers;
    std::vector<int32_t> records;
    for (nlohmann::json answer : answers) {
      answer.erase("answer");
      records.push_back(numbers.emplace(answer.dump(), static_cast<int32_t>(numbers.size())).first->second);
    }
    return records;
  }

  void check_complete() const {
    if (order_.size() == questions_.size()) return;
    const auto first = std::find_if(questions_.begin(), questions_.end(),
                                    [](const VqaQuestion& question) { return question.answers.empty(); });
    fail("VQA: ", shown(files_.annotations), ": ", questions_.size() - order_.size(), " of the ", questions_.size(),
         " questions of ", shown(files_.questions), " have no annotation, the first is question_id ", first->id,
         "; do the two files belong together?");
  }

  void find_pictures(VqaData& data) {
    CocoPictures pictures(files_.images, part_);
    IdIndex missing;
    std::string named;
    for (size_t i = 0; i < questions_.size(); ++i) {
      questions_[i].image = options_.check_files ? pictures.find(images_[i]) : pictures.published(images_[i]);
      if (!questions_[i].image.empty() || !missing.insert(images_[i], 0)) continue;
      if (data.missing_images++ == 0) named = pictures.published(images_[i]);
    }
    check(data.missing_images <= options_.max_missing, "VQA: ", shown(files_.questions),
          ": pictures that are not there: ", data.missing_images, ", the first is ", shown(named), "; expected below ",
          shown(files_.images),
          options_.max_missing > 0 ? text("; at most ", options_.max_missing, " may be missing") : "");
  }

  const VqaFiles& files_;
  const VqaOptions& options_;
  std::string part_;
  std::vector<VqaQuestion> questions_;
  std::vector<int64_t> images_;  // of each question
  IdIndex index_;                // of question ids
  std::vector<size_t> order_;    // questions in the order of their annotations
};

}  // namespace

VqaData read_vqa(const VqaFiles& files, const VqaOptions& options) {
  VqaReader reader(files, options);
  reader.read_questions(file_pieces(files.questions));
  if (!files.annotations.empty()) reader.read_annotations(file_pieces(files.annotations));
  return reader.take();
}

VqaData parse_vqa(std::string_view questions, std::string_view annotations, const VqaFiles& files,
                  const VqaOptions& options) {
  VqaReader reader(files, options);
  reader.read_questions(pieces_of(questions));
  if (!files.annotations.empty()) reader.read_annotations(pieces_of(annotations));
  return reader.take();
}

}  // namespace tessera
