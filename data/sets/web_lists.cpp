// Lists of captions with addresses: Conceptual Captions (3M: caption, tab, address; 12M: the other way round) and SBU.
// They name no files; the published preparation scripts number the pictures by line, and so does this.
#include <algorithm>
#include <array>

#include "data/sets/id_index.h"
#include "data/sets/layout_readers.h"
#include "data/sets/list_lines.h"
#include "data/sets/picture_folders.h"
#include "data/sets/splits.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

bool is_address(std::string_view column) {
  return column.find("://") != std::string_view::npos && column.find(' ') == std::string_view::npos;
}

// Which of a line's two columns is the address, or -1.
int address_column(std::string_view line) {
  const size_t tab = line.find('\t');
  if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos) return -1;
  const bool first = is_address(line.substr(0, tab)), second = is_address(line.substr(tab + 1));
  return first == second ? -1 : first ? 0 : 1;
}

// Knows lines again that have been there, by 126 bits of hashes.
class SeenLines {
 public:
  // False if it was there before.
  bool insert(std::string_view line) {
    uint64_t first = 0xcbf29ce484222325u, second = 0x9ae16a3b2f90404fu;
    for (const char c : line) {
      first = (first ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
      second = (second + static_cast<uint8_t>(c)) * 0xff51afd7ed558ccdu;
      second ^= second >> 32;
    }
    const auto id = static_cast<int64_t>(first >> 1), rest = static_cast<int64_t>(second);
    if (lines_.insert(id, rest)) return true;
    return *lines_.find(id) != rest;
  }

 private:
  IdIndex lines_;
};

PictureFolders folders_of(const CaptionsFile& file) {
  const std::string_view split = split_of_file_name(file.path.filename().native());
  return {file.images, {text("images_", split.empty() ? "train" : split), "images", ""}};
}

void add_numbered(RecordSink& sink, const PictureFolders& folders, int64_t number, std::string_view caption,
                  const std::string& where) {
  const std::string name = numbered_picture(number), found = folders.find(name);
  add_list_entry(sink, {.file = found, .key = name, .naming = Naming::number}, caption, where);
}

// SBU's other file, of the same lines.
fs::path addresses_beside(const fs::path& captions) {
  std::string name = captions.filename().string();
  const size_t at = name.find("captions");
  if (at == std::string::npos) return {};
  return captions.parent_path() / name.replace(at, 8, "urls");
}

void check_parallel(const CaptionsFile& file, int64_t captions, int64_t addresses, const std::string& of) {
  check(captions == addresses, file.where, ": ", captions, " captions, but ", addresses, " addresses in ", of,
        "; the two lists belong together entry by entry");
}

void read_sbu_json(const CaptionsFile& file, RecordSink& sink) {
  const PictureFolders folders = folders_of(file);
  int64_t captions = 0, addresses = 0;
  for_each_json_entry(file.contents, {"captions", "image_urls"}, "", file.where,
                      [&](const std::string& key, int64_t index, const nlohmann::json& entry) {
                        const std::string where = text(file.where, ": entry ", index, " of '", key, "'");
                        check(entry.is_string(), where, " is ", described_type(entry), ", expected a string");
                        if (key == "image_urls") {
                          ++addresses;
                          return;
                        }
                        ++captions;
                        add_numbered(sink, folders, index, entry.get_ref<const std::string&>(), where);
                      });
  check_parallel(file, captions, addresses, "'image_urls'");
}

void read_sbu_lines(const CaptionsFile& file, TextPieces contents, RecordSink& sink) {
  const PictureFolders folders = folders_of(file);
  int64_t captions = 0, addresses = 0;
  for_each_list_line(contents, file.where, [&](int64_t number, std::string_view line) {
    ++captions;
    add_numbered(sink, folders, number - 1, line, line_place(file.where, number));
  });
  const fs::path beside = addresses_beside(file.path);
  std::error_code ignored;
  if (beside.empty() || !fs::is_regular_file(beside, ignored)) return;
  for_each_list_line(file_pieces(beside), "dataset: " + shown(beside), [&](int64_t, std::string_view) { ++addresses; });
  check_parallel(file, captions, addresses, shown(beside));
}

}  // namespace

bool is_web_table(const FileBeginning& beginning) {
  if (beginning.is_json) return false;
  std::string_view rest = beginning.text;
  for (int line = 0; line < 100 && !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view first = rest.substr(0, end);
    if (first.ends_with('\r')) first.remove_suffix(1);
    if (address_column(first) >= 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

void read_web_table(const CaptionsFile& file, RecordSink& sink) {
  const PictureFolders folders = folders_of(file);
  SeenLines seen;
  int known = -1;  // the column of the addresses, by the first line that tells
  for_each_list_line(file.contents, file.where, [&](int64_t number, std::string_view line) {
    const size_t tab = line.find('\t');
    if (known < 0) known = address_column(line);
    const auto columns = 1 + std::count(line.begin(), line.end(), '\t');
    if (columns != 2)
      return sink.leave_out(
          text(line_place(file.where, number),
               line.empty() ? " is empty" : text(" has ", columns, columns == 1 ? " column" : " columns"),
               ", expected a caption, a tab and an address"));
    const std::array<std::string_view, 2> parts = {line.substr(0, tab), line.substr(tab + 1)};
    if (known < 0 || !is_address(parts[static_cast<size_t>(known)]))
      return sink.leave_out(text(line_place(file.where, number), ": ", printable(parts[known == 0 ? 0 : 1]),
                                 " is no address, expected a caption, a tab and an address"));
    if (!seen.insert(line)) return sink.pass_over("repeated lines");
    add_numbered(sink, folders, number - 1, parts[known == 0 ? 1 : 0], line_place(file.where, number));
  });
}

bool is_sbu(const FileBeginning& beginning) {
  if (beginning.is_json) return !beginning.json.list && has_any(beginning.json.keys, {"image_urls"});
  const fs::path beside = addresses_beside(beginning.path);
  std::error_code ignored;
  return !beside.empty() && beside.filename() != beginning.path.filename() && fs::is_regular_file(beside, ignored);
}

void read_sbu(const CaptionsFile& file, RecordSink& sink) {
  const std::string_view first = file.contents();
  bool given = false;
  const TextPieces contents = [&] {
    if (given || first.empty()) return file.contents();
    given = true;
    return first;
  };
  if (const size_t begin = first.find_first_not_of(" \t\r\n\xef\xbb\xbf");
      begin != std::string_view::npos && first[begin] == '{')
    read_sbu_json({file.path, file.images, contents, file.where}, sink);
  else
    read_sbu_lines(file, contents, sink);
}

bool is_flickr_captions(const FileBeginning& beginning) {
  const std::string_view line = beginning.text.substr(0, beginning.text.find('\n'));
  return !beginning.is_json && line.find("#0\t") != std::string_view::npos;
}

void read_flickr_captions(const CaptionsFile& file, RecordSink& sink) {
  const PictureFolders folders(file.images,
                               {"flickr30k-images", "flickr30k_images", "Flickr8k_Dataset", "Flicker8k_Dataset", ""});
  for_each_list_line(file.contents, file.where, [&](int64_t number, std::string_view line) {
    if (line.empty()) return;
    const size_t tab = line.find('\t'), mark = line.substr(0, tab).rfind('#');
    const std::string where = line_place(file.where, number);
    if (tab == std::string_view::npos || mark == std::string_view::npos)
      return sink.leave_out(where + " is not of the form FILE#NUMBER, tab, caption");
    const std::string name(line.substr(0, mark)), found = folders.find(name);
    add_list_entry(sink, {.file = found, .key = name, .naming = Naming::again}, line.substr(tab + 1), where);
  });
}

}  // namespace tessera
