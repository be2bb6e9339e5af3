#include "data/tasks/nlvr2.h"

#include <algorithm>
#include <unordered_set>

#include "data/tasks/task_lines.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

namespace {

// Paths of the two pictures of a pair, in one of several folders. Looks first where the latest were found.
class PicturePairs {
 public:
  explicit PicturePairs(const fs::path& folder) : folder_(folder.string()) {
    if (!folder_.empty() && !folder_.ends_with('/')) folder_ += '/';
  }

  // `within`: "train/49" or "dev". `pair`: "train-4768-0".
  std::array<std::string, 2> find(const std::string& within, const std::string& pair, bool check_files,
                                  const std::string& place) {
    const bool training = within.starts_with("train/");
    const std::string split = within.substr(0, within.find('/'));
    // The first of each two is the published one; the later ones are without the numbered folder.
    std::vector<std::string> folders = {"images/" + within + "/", within + "/", "images/" + split + "/", split + "/",
                                        ""};
    if (!training) std::swap(folders[0], folders[1]);
    constexpr const char* kEndings[] = {".png", ".jpg"};
    const size_t forms = folders.size() * std::size(kEndings);
    for (size_t i = 0; i < forms; ++i) {
      const size_t form = (latest_ + i) % forms;
      const std::array<std::string, 2> pictures =
          paths(folders[form % folders.size()], pair, kEndings[form / folders.size()]);
      if (check_files && !(is_file(pictures[0]) && is_file(pictures[1]))) continue;
      if (check_files) latest_ = form;
      return pictures;
    }
    const std::array<std::string, 2> published = paths(folders[0], pair, kEndings[0]);
    fail(place, ": the picture ", shown(is_file(published[0]) ? published[1] : published[0]),
         " is not there; nor are the two in another folder below ", shown(folder_), " that was tried");
  }

 private:
  static bool is_file(const std::string& path) {
    std::error_code ignored;
    return fs::is_regular_file(path, ignored);
  }
  std::array<std::string, 2> paths(const std::string& within, const std::string& pair, const char* ending) const {
    return {folder_ + within + pair + "-img0" + ending, folder_ + within + pair + "-img1" + ending};
  }

  std::string folder_;
  size_t latest_ = 0;
};

bool truth_of(const JsonFields& fields) {
  const std::string& label = fields.string("label");
  if (label != "True" && label != "False")
    fail(fields.where(), ": field 'label' is ", quoted_text(label), ", expected True or False");
  return label == "True";
}

Nlvr2Data read_lines(const TextPieces& contents, const fs::path& file, const fs::path& images,
                     const Nlvr2Options& options) {
  Nlvr2Data data;
  PicturePairs pictures(images);
  std::unordered_set<std::string> seen;
  const auto read_line = [&](const std::string& place, std::string_view line) {
    const nlohmann::json record = parse_strict_json(line, place);
    const JsonFields fields(record, place);
    Nlvr2Example example;
    example.identifier = fields.string("identifier");
    std::string within;
    try {
      within = nlvr2_identifier_parts(example.identifier)[0];
    } catch (const Error& error) {
      fail(place, ": ", error.what());
    }
    example.sentence = fields.string("sentence");
    check(!example.sentence.empty(), place, ": field 'sentence' is empty");
    example.label = truth_of(fields);
    if (within == "train") within += "/" + std::to_string(fields.identifier("directory"));
    const std::string pair = example.identifier.substr(0, example.identifier.rfind('-'));
    example.images = pictures.find(within, pair, options.check_files, place);
    check(seen.insert(example.identifier).second, place, ": an earlier line has the same identifier ",
          quoted_text(example.identifier));
    data.examples.push_back(std::move(example));
  };
  const std::string where = "NLVR2: " + shown(file);
  data.left_out = for_each_task_line(contents, where, options.max_left_out, read_line);
  check(!data.examples.empty(), where, " holds no statement that can be used",
        data.left_out.reasons.empty() ? "" : "; " + data.left_out.reasons.front());
  return data;
}

}  // namespace

std::array<std::string_view, 4> nlvr2_identifier_parts(std::string_view identifier) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  std::array<std::string_view, 4> parts;
  size_t count = 0;
  bool right = true;
  for (std::string_view rest = identifier; count < 5; ++count) {
    const size_t end = rest.find('-');
    const std::string_view part = rest.substr(0, end);
    if (count < 4) parts[count] = part;
    right = right && !part.empty() && std::all_of(part.begin(), part.end(), plain);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (!right || count != 3)
    fail("the identifier is ", quoted_text(identifier), ", expected split-set-pair-sentence, as dev-850-0-1");
  return parts;
}

Nlvr2Data read_nlvr2(const fs::path& file, const fs::path& images, const Nlvr2Options& options) {
  return read_lines(file_pieces(file), file, images, options);
}

Nlvr2Data parse_nlvr2(std::string_view lines, const fs::path& file, const fs::path& images,
                      const Nlvr2Options& options) {
  return read_lines(pieces_of(lines), file, images, options);
}

}  // namespace tessera
