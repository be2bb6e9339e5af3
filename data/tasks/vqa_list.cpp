#include "data/tasks/vqa_list.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "data/sets/column_names.h"
#include "data/sets/list_lines.h"
#include "data/sets/records.h"
#include "data/sets/separated_values.h"
#include "data/sets/splits.h"
#include "data/tasks/normalise_answer.h"
#include "data/text/unicode.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

namespace {

enum Column : uint8_t { kPicture, kQuestion, kAnswer, kSplit, kColumns };
constexpr const char* kColumnWords[] = {"the picture (image, file_name, …)", "the question (question or text)",
                                        "the answer (answer)"};
constexpr size_t kNeeded = std::size(kColumnWords);

bool is_column(std::string_view name, Column column) {
  switch (column) {
    case kPicture:
      return name == "image_id" || name == "picture" ||
             std::find(kPictureColumns.begin(), kPictureColumns.end(), name) != kPictureColumns.end();
    case kQuestion: return name == "question" || name == "text";
    case kAnswer: return name == "answer";
    default: return name == kSplitColumn;
  }
}

std::string_view without_spaces(std::string_view value) {
  value.remove_prefix(std::min(value.find_first_not_of(" \t\r\n"), value.size()));
  value.remove_suffix(value.size() - (value.find_last_not_of(" \t\r\n") + 1));
  return value;
}

std::string kept_answer(const std::string& written) {
  std::string answer = normalise_answer(written);
  return answer.empty() ? clean_answer(written) : answer;
}

// What a row says, as text.
using Row = std::array<std::string, kColumns>;

class ListReader {
 public:
  ListReader(const fs::path& file, const fs::path& images, const VqaListOptions& options)
      : file_(file), where_("VQA list: " + shown(file)), folder_(images.string()), options_(options) {
    if (!folder_.empty() && !folder_.ends_with('/')) folder_ += '/';
  }

  VqaList read(const TextPieces& contents) {
    std::string_view first = contents();
    if (first.starts_with("\xef\xbb\xbf")) first.remove_prefix(3);
    const size_t begin = first.find_first_not_of(" \t\r\n");
    const char kind = begin == std::string_view::npos ? '\0' : first[begin];
    const std::string_view beginning = first;
    const TextPieces pieces = [&] { return first.empty() ? contents() : std::exchange(first, {}); };
    if (kind == '{')
      read_json_rows(pieces);
    else if (kind == '[')
      read_array(pieces);
    else
      read_table(pieces, beginning);
    check(!questions_.empty() || list_.left_out.count > 0, where_, " holds no question");
    list_.left_out.check(options_.max_left_out, static_cast<int64_t>(questions_.size()), where_);
    check(!questions_.empty(), where_, " holds no question that can be used");
    put_in_splits();
    return std::move(list_);
  }

 private:
  void read_json_rows(const TextPieces& pieces) {
    for_each_list_line(pieces, where_, [&](int64_t number, std::string_view line) {
      if (without_spaces(line).empty()) return;
      const std::string place = line_place(where_, number);
      try_row([&] { add(row_of(parse_strict_json(line, place), place), place); });
    });
  }

  void read_array(const TextPieces& pieces) {
    for_each_json_entry(pieces, {}, "", where_, [&](const std::string&, int64_t index, const nlohmann::json& entry) {
      const std::string place = text(where_, ": entry ", index);
      try_row([&] { add(row_of(entry, place), place); });
    });
  }

  void read_table(const TextPieces& pieces, std::string_view beginning) {
    const std::string_view line = beginning.substr(0, beginning.find('\n'));
    char separator = ',';
    for (const char other : {'\t', ';', '|'})
      if (std::count(line.begin(), line.end(), other) > std::count(line.begin(), line.end(), separator))
        separator = other;
    std::array<std::optional<size_t>, kColumns> places;
    size_t columns = 0;
    for_each_value_record(pieces, separator, where_, [&](const ValueRecord& record) {
      if (columns == 0) {
        columns = record.fields.size();
        places = places_of(record.fields, line);
        return;
      }
      const std::string place = line_place(where_, record.line);
      try_row([&] {
        check(record.damage.empty(), place, ": ", record.damage);
        check(record.fields.size() == columns, place, " has ", record.fields.size(), " fields, the header ", columns,
              record.fields.size() > columns ? "; a field with a separator needs quotes" : "");
        Row row;
        for (size_t c = 0; c < kColumns; ++c)
          if (places[c]) row[c] = record.fields[*places[c]];
        add(row, place);
      });
    });
  }

  std::array<std::optional<size_t>, kColumns> places_of(const std::vector<std::string>& header,
                                                        std::string_view line) const {
    std::array<std::optional<size_t>, kColumns> places;
    for (size_t i = 0; i < header.size(); ++i) {
      std::string name(without_spaces(header[i]));
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      for (size_t c = 0; c < kColumns; ++c)
        if (!places[c] && is_column(name, static_cast<Column>(c))) places[c] = i;
    }
    for (size_t c = 0; c < kNeeded; ++c)
      check(places[c].has_value(), where_, ": the first line is ", printable(line), ", which names no column for ",
            kColumnWords[c], "; expected a header, as image,question,answer, or lines of JSON");
    return places;
  }

  static Row row_of(const nlohmann::json& record, const std::string& place) {
    check(record.is_object(), place, ": not a JSON object");
    Row row;
    std::array<bool, kColumns> found{};
    for (const auto& [key, value] : record.items())
      for (size_t c = 0; c < kColumns; ++c) {
        if (found[c] || !is_column(key, static_cast<Column>(c))) continue;
        // Numbers of pictures and counted things are written either way.
        const bool is_number = (c == kPicture || c == kAnswer) && value.is_number_integer();
        if (c == kSplit && value.is_null()) continue;
        check(value.is_string() || is_number, place, ": field '", key, "' is ", described_type(value),
              ", expected a string", c == kPicture || c == kAnswer ? " or a whole number" : "");
        row[c] = is_number ? value.dump() : value.get_ref<const std::string&>();
        found[c] = true;
      }
    for (size_t c = 0; c < kNeeded; ++c) check(found[c], place, ": no field names ", kColumnWords[c]);
    return row;
  }

  template <class Read>
  void try_row(const Read& read) {
    try {
      read();
    } catch (const Error& error) {
      list_.left_out.add(error.what());
    }
    ++rows_;
  }

  void add(const Row& row, const std::string& place) {
    for (const std::string& value : row) check(unicode::is_utf8(value), place, " is no valid UTF-8");
    VqaQuestion question;
    question.id = rows_;
    question.question = without_spaces(row[kQuestion]);
    check(!question.question.empty(), place, ": the question is empty");
    question.table_answer = kept_answer(row[kAnswer]);
    check(!question.table_answer.empty(), place, ": the answer is empty");
    question.answers.assign(10, question.table_answer);
    const std::string_view split = split_of_word(without_spaces(row[kSplit]));
    check(split.empty() || is_split(split), place, ": the split is ", quoted_text(split),
          ", expected train, val or test");
    question.image = picture_of(std::string(without_spaces(row[kPicture])), place);
    questions_.push_back(std::move(question));
    splits_.push_back(split == "restval" ? "train" : std::string(split));
  }

  std::string picture_of(const std::string& name, const std::string& place) {
    check_picture_name(name, "image", place);
    if (!options_.check_files) return folder_ + name;
    constexpr std::array<const char*, 6> kEndings = {"", ".png", ".jpg", ".jpeg", ".webp", ".gif"};
    for (size_t i = 0; i < kEndings.size(); ++i) {
      const size_t ending = (ending_ + i) % kEndings.size();  // as the picture before
      std::string path = folder_ + name + kEndings[ending];
      std::error_code ignored;
      if (!fs::is_regular_file(path, ignored)) continue;
      ending_ = ending;
      return path;
    }
    fail(place, ": the picture ", shown(folder_ + name), " is not there");
  }

  void put_in_splits() {
    std::string_view of_file = split_of_file_name(file_.stem().native());
    if (of_file.empty()) of_file = options_.remaining_split;
    std::unordered_map<std::string_view, std::string_view> held_out;  // by picture
    if (of_file.empty()) {
      std::vector<std::string_view> pictures;
      std::vector<uint64_t> keys;
      for (size_t i = 0; i < questions_.size(); ++i) {
        const std::string_view picture = questions_[i].image;
        if (!splits_[i].empty() || !held_out.emplace(picture, "").second) continue;
        pictures.push_back(picture);
        keys.push_back(split_key(picture.substr(folder_.size())));
      }
      const std::vector<std::string_view> chosen = held_out_splits(keys);
      for (size_t i = 0; i < pictures.size(); ++i) held_out[pictures[i]] = chosen[i];
    }
    for (size_t i = 0; i < questions_.size(); ++i)
      if (splits_[i].empty()) splits_[i] = of_file.empty() ? held_out.at(questions_[i].image) : of_file;
    for (size_t i = 0; i < questions_.size(); ++i) list_.splits[splits_[i]].push_back(std::move(questions_[i]));
  }

  fs::path file_;
  std::string where_, folder_;
  VqaListOptions options_;
  VqaList list_;
  int64_t rows_ = 0;
  std::vector<VqaQuestion> questions_;
  std::vector<std::string> splits_;  // of each question
  size_t ending_ = 0;
};

}  // namespace

VqaList read_vqa_list(const fs::path& file, const fs::path& images, const VqaListOptions& options) {
  return ListReader(file, images, options).read(file_pieces(file));
}

VqaList parse_vqa_list(std::string_view contents, const fs::path& file, const fs::path& images,
                       const VqaListOptions& options) {
  return ListReader(file, images, options).read(pieces_of(contents));
}

}  // namespace tessera
