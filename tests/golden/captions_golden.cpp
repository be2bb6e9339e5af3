// data/formats and data/coco_captions_api: captions files as data sets publish them, against the pictures and captions
// that other readers found in them, and damaged files.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "data/sets/dataset.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A picture below the image folder with its captions.
struct Picture {
  std::string file, split;
  std::vector<std::string> captions;
};

std::vector<Picture> pictures_of(const Dataset& dataset, const fs::path& folder) {
  std::vector<Picture> out;
  for (const DatasetImage& image : dataset.images()) {
    Picture& picture = out.emplace_back();
    picture.file = image.path().lexically_relative(folder).generic_string();
    picture.split = image.split;
    for (int64_t s = image.first_sentence; s < image.first_sentence + image.sentence_count; ++s)
      picture.captions.emplace_back(dataset.sentences()[static_cast<size_t>(s)].text);
  }
  return out;
}

// As Dataset keeps them: without line ends, and each once.
std::vector<std::string> kept(const std::vector<std::string>& captions) {
  std::vector<std::string> out;
  for (std::string caption : captions) {
    while (caption.ends_with('\n') || caption.ends_with('\r')) caption.pop_back();
    if (std::find(out.begin(), out.end(), caption) == out.end()) out.push_back(caption);
  }
  return out;
}

// A set of the expected captions, where the reference is a set.
void compare(const std::vector<Picture>& found, const std::vector<Picture>& expected, const std::string& what) {
  check(found.size() == expected.size(), what, ": ", found.size(), " pictures, expected ", expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string at = text(what, ": picture ", i);
    check(found[i].file == expected[i].file, at, " is ", found[i].file, ", expected ", expected[i].file);
    check(expected[i].split.empty() || found[i].split == expected[i].split, at, " is of ", found[i].split,
          ", expected ", expected[i].split);
    check(found[i].captions == kept(expected[i].captions), at, ": its ", found[i].captions.size(),
          " captions differ from the expected ", expected[i].captions.size());
  }
}

size_t count_captions(const std::vector<Picture>& pictures) {
  size_t count = 0;
  for (const Picture& picture : pictures) count += picture.captions.size();
  return count;
}

Dataset open_whole(const fs::path& captions, const fs::path& images, int64_t max_missing = 0) {
  return Dataset::open(captions, images, {.splits = {}, .annotations = {}, .max_missing = max_missing});
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& ending) {
  std::set<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().ends_with(ending)) found.insert(entry.path());
  check(!found.empty(), folder.string(), ": has no file *", ending);
  return {found.begin(), found.end()};
}

// [[picture, caption], ...]
std::vector<Picture> expected_rows(const json& rows, const std::string& split) {
  std::vector<Picture> out;
  for (const json& row : rows) out.push_back({row.at(0), split, {row.at(1)}});
  return out;
}

std::string error_of(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// The lines of a list whose pictures it numbers: those that were kept.
std::set<int64_t> kept_lines(const Dataset& dataset) {
  std::set<int64_t> lines;
  for (const DatasetImage& image : dataset.images()) lines.insert(std::stoll(image.path().filename().string()) + 1);
  return lines;
}

void check_lines(const fs::path& file, const json& lines) {
  const Dataset dataset = Dataset::open(file, file.parent_path(),
                                        {.splits = {}, .annotations = {}, .check_files = false, .max_missing = 1000});
  const std::set<int64_t> found = kept_lines(dataset);
  for (const json& line : lines) {
    const int64_t number = line.at("line");
    check(found.contains(number) == line.at("accept").get<bool>(), file.string(), ": line ", number, " is ",
          found.contains(number) ? "kept" : "left out", ", which is wrong: ", line.at("reason").get<std::string>());
  }
}

}  // namespace

Outcome run_karpathy_captions(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  std::vector<Picture> pictures;
  for (const json& record : expected.at("records")) {
    const std::string split = record.at("split");
    pictures.push_back({record.at("path"), split == "restval" ? "train" : split, record.at("captions")});
  }
  size_t pairs = 0, captions = 0;
  for (const fs::path& file : files_in(directory / "karpathy", ".json")) {
    const Dataset dataset = open_whole(file, directory);
    compare(pictures_of(dataset, directory), pictures, file.filename());
    pairs = dataset.part("train").sentences().size();
    captions = dataset.sentences().size();
    const size_t right = expected.at("training_pairs");
    check(pairs == right, "there are ", pairs, " pairs for training, expected ", right);
  }
  return {true, text(pictures.size(), " pictures, ", captions, " captions, ", pairs, " of them for training")};
}

Outcome run_visual_genome(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  std::vector<Picture> pictures;
  for (const json& record : expected.at("records")) pictures.push_back({record.at("path"), "", record.at("captions")});
  for (const fs::path& file : files_in(directory / "annotations", ".json"))
    for (const fs::path& images : {directory, directory / "images"}) {
      std::vector<Picture> found = pictures_of(open_whole(file, images), directory);
      compare(found, pictures, file.filename());
    }
  return {true, text(pictures.size(), " pictures, ", count_captions(pictures), " regions")};
}

Outcome run_web_captions(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  size_t rows = 0, files = 0;
  const auto compare_file = [&](const fs::path& file, const std::string& split, const std::string& expected_split) {
    compare(pictures_of(open_whole(file, directory), directory), expected_rows(expected.at(split), expected_split),
            file.filename());
    rows += expected.at(split).size();
    ++files;
  };
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    const bool whole = expected.size() == 1;  // one list, whose name tells no split
    const std::string split = name.starts_with("val") || name.starts_with("Val") ? "val" : "train";
    if (name.ends_with("annot.json") || name.ends_with(".tsv") || name.ends_with("captions.txt"))
      compare_file(entry.path(), split, whole ? "" : split);
  }
  check(files >= 2, "there are no lists");
  return {true, text(files, " lists, ", rows, " captions")};
}

Outcome run_bad_captions(const fs::path& directory) {
  const json manifest = read_json(directory / "manifest.json");
  const fs::path pictures = directory.parent_path() / "coco";
  size_t refused = 0, accepted = 0, lines = 0;
  for (const json& entry : manifest.at("files")) {
    const std::string name = entry.at("file"), verdict = entry.at("verdict");
    const fs::path file = directory / name;
    if (name.ends_with(".tsv") && entry.contains("lines")) {
      check_lines(file, entry["lines"]);
      lines += entry["lines"].size();
    } else if (name.ends_with(".tsv")) {
      const std::vector<Picture> found = pictures_of(
          Dataset::open(file, directory, {.splits = {}, .annotations = {}, .check_files = false}), directory);
      check(!found.empty() && !found[0].captions[0].starts_with("\xef\xbb\xbf"), name,
            ": the byte order mark is in the caption");
      ++accepted;
    } else if (name.starts_with("karpathy/")) {
      const std::string error = error_of([&] { open_whole(file, pictures); });
      check(error.empty() == (verdict == "accept"), name, " is ", verdict, " (", entry.at("what").get<std::string>(),
            "), and the reader says: ", error.empty() ? "nothing" : error);
      ++(error.empty() ? accepted : refused);
    }
  }
  return {true, text(refused, " captions files refused, ", accepted, " accepted, ", lines, " lines told apart")};
}

namespace {

void compare_coco_splits(const fs::path& directory, const json& expected, size_t& captions) {
  for (const auto& [name, split] : expected.items()) {
    if (!split.is_object() || !split.contains("records")) continue;
    const fs::path file = directory / "annotations" / ("captions_" + name + ".json");
    std::vector<Picture> pictures;
    for (const json& record : split["records"]) {
      Picture picture{record.at("path"), name.starts_with("val") ? "val" : "train", {}};
      for (const json& caption : record.at("captions")) picture.captions.push_back(caption.at(1));
      if (!picture.captions.empty()) pictures.push_back(picture);
    }
    // Pictures may be missing from this excerpt.
    const Dataset dataset = open_whole(file, directory, 1000);
    compare(pictures_of(dataset, directory), pictures, name);
    for (const DatasetSentence& sentence : dataset.sentences()) {
      const auto& image = dataset.images()[static_cast<size_t>(sentence.image)];
      const auto record = std::find_if(split["records"].begin(), split["records"].end(),
                                       [&](const json& r) { return r.at("image_id") == image.id; });
      check(record != split["records"].end(), name, ": no picture has the id ", image.id);
      const bool known = std::any_of((*record)["captions"].begin(), (*record)["captions"].end(), [&](const json& c) {
        return c.at(0) == sentence.id && kept({c.at(1)}).at(0) == sentence.text;
      });
      check(known, name, ": caption ", sentence.id, " is not that of picture ", image.id);
      ++captions;
    }
  }
}

size_t refuse_bad_coco_files(const fs::path& directory, const json& bad) {
  const fs::path images = directory / bad.at("folder_of_images").get<std::string>();
  for (const auto& [name, what] : bad.at("files").items()) {
    const fs::path file = directory / "bad" / name;
    const std::string error = error_of([&] { open_whole(file, images); });
    check(error.find(name) != std::string::npos && error.find('\n') == std::string::npos, name, " (",
          what.get<std::string>(),
          "): expected one line that names the file, got: ", error.empty() ? "nothing" : error);
  }
  return bad.at("files").size();
}

// Rows of address and caption, or of picture and caption.
void compare_list(const fs::path& file, const json& rows) {
  const Dataset dataset = Dataset::open(file, fs::is_directory(file) ? file : file.parent_path(),
                                        {.splits = {}, .annotations = {}, .check_files = fs::is_directory(file)});
  const std::vector<Picture> found = pictures_of(dataset, fs::is_directory(file) ? file : file.parent_path());
  std::vector<Picture> expected;
  for (size_t i = 0; i < rows.size(); ++i) {
    const json& row = rows[i];
    std::string name = row.at(0);
    const json& captions = row.back();
    if (name.find("://") != std::string::npos) name = found.at(i).file;  // numbered pictures have no names
    if (expected.empty() || expected.back().file != name) expected.push_back({name, "", {}});
    for (const json& caption : captions.is_array() ? captions : json::array({captions}))
      expected.back().captions.push_back(caption);
  }
  compare(found, expected, file.filename());
}

}  // namespace

Outcome run_coco_captions_api(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  size_t captions = 0;
  compare_coco_splits(directory, expected, captions);
  for (const auto& [name, entry] : expected.items())
    if (entry.is_object() && entry.contains("error"))
      check(!error_of([&, file = directory / "annotations" / name] { open_whole(file, directory, 1000); }).empty(),
            name, " was read, but: ", entry["error"].get<std::string>());
  const size_t refused = refuse_bad_coco_files(directory, expected.at("bad"));
  size_t lists = 0;
  for (const auto& [name, list] : expected.at("lists").items()) {
    const fs::path file = fs::exists(directory / "lists" / name) ? directory / "lists" / name : directory / name;
    compare_list(file, list.at("rows"));
    ++lists;
  }
  return {true, text(captions, " captions, ", lists, " lists, ", refused, " damaged files refused")};
}

}  // namespace tessera::golden
