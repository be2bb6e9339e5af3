#include "data/shards/sources.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "io/command_output.h"
#include "io/printable.h"
#include "io/tar.h"
#include "io/unpacking.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostShards = 1'000'000;

// Of "0000..0999" every number, as wide as the wider end if one begins with a zero; backwards where the first is
// larger.
std::optional<std::vector<std::string>> numbers_in(std::string_view inside) {
  const size_t dots = inside.find("..");
  if (dots == std::string_view::npos) return {};
  const std::string_view ends[] = {inside.substr(0, dots), inside.substr(dots + 2)};
  int64_t values[2];
  for (int i = 0; i < 2; ++i) {
    const std::string_view digits = ends[i];
    if (digits.empty() || digits.size() > 15 || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return {};
    std::from_chars(digits.data(), digits.data() + digits.size(), values[i]);
  }
  const auto padded = [](std::string_view digits) { return digits.size() > 1 && digits[0] == '0'; };
  const size_t width = padded(ends[0]) || padded(ends[1]) ? std::max(ends[0].size(), ends[1].size()) : 0;
  const int64_t count = std::abs(values[1] - values[0]) + 1, step = values[1] < values[0] ? -1 : 1;
  check(static_cast<uint64_t>(count) <= kMostShards, "shards: {", std::string(inside), "} are ", count,
        " names, the limit is ", kMostShards);
  std::vector<std::string> out;
  for (int64_t i = 0; i < count; ++i) {
    std::string number = std::to_string(values[0] + i * step);
    if (number.size() < width) number.insert(0, width - number.size(), '0');
    out.push_back(std::move(number));
  }
  return out;
}

// The parts between the commas that stand in no further braces; none without such a comma.
std::optional<std::vector<std::string>> list_in(std::string_view inside) {
  std::vector<std::string> out(1);
  int depth = 0;
  for (const char c : inside) {
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (c == ',' && depth == 0)
      out.emplace_back();
    else
      out.back() += c;
  }
  if (out.size() < 2) return {};
  return out;
}

// Of the brace at `open`; npos if there is none.
size_t closing_brace(std::string_view pattern, size_t open) {
  int depth = 0;
  for (size_t i = open; i < pattern.size(); ++i) {
    depth += pattern[i] == '{' ? 1 : pattern[i] == '}' ? -1 : 0;
    if (depth == 0) return i;
  }
  return std::string_view::npos;
}

// Puts in what stands in the first braces from `from` on, then in those that follow and in those that were within.
void expand_braces(const std::string& pattern, size_t from, bool lists, std::vector<std::string>& out) {
  for (size_t open = pattern.find('{', from); open != std::string::npos; open = pattern.find('{', open + 1)) {
    const size_t close = closing_brace(pattern, open);
    if (close == std::string::npos) break;
    const std::string_view inside = std::string_view(pattern).substr(open + 1, close - open - 1);
    auto choices = numbers_in(inside);
    if (!choices && lists) choices = list_in(inside);
    if (!choices) continue;
    for (const std::string& choice : *choices)
      expand_braces(pattern.substr(0, open) + choice + pattern.substr(close + 1), open, lists, out);
    return;
  }
  check(out.size() < kMostShards, "shards: the pattern names more than ", kMostShards, " shards");
  out.push_back(pattern);
}

void append_matches(const std::string& pattern, std::vector<std::string>& out) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  for (size_t i = 0; status == 0 && i < found.gl_pathc && out.size() <= kMostShards; ++i)
    out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  check(status == 0 || status == GLOB_NOMATCH, "shards: ", shown(pattern), ": the folder cannot be read");
  check(status == 0, "shards: no file is named as ", shown(pattern));
}

bool is_archive_name(std::string_view name) {
  for (const char* end : {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"})
    if (name.ends_with(end)) return true;
  return false;
}

std::vector<std::string> archives_in(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_archive_name(entry.path().filename().native()) && entry.is_regular_file()) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

bool begins_as_shard(const std::string& path) {
  try {
    const TextPieces pieces = open_shard(path);
    std::string first;
    for (std::string_view piece = pieces(); !piece.empty() && first.size() < kTarBlock; piece = pieces())
      first += piece.substr(0, kTarBlock);
    return begins_as_tar(first);
  } catch (const Error&) {
    return false;  // packed and damaged, or not to be opened: the reader of captions says so
  }
}

bool is_there(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::exists(path, unknown);
}

}  // namespace

bool are_shards(const std::string& captions, std::string_view kind) {
  if (kind != "auto") return kind == kShardsKind;
  if (captions.starts_with(kPipe)) return true;
  std::error_code unknown;
  if (fs::is_directory(captions, unknown)) return !archives_in(captions).empty();
  if (is_archive_name(captions)) return true;
  if (!is_there(captions)) return captions.find_first_of("*?[{") != std::string::npos;
  return fs::is_regular_file(captions, unknown) && begins_as_shard(captions);
}

std::vector<std::string> expand_shards(const std::string& pattern) {
  check(!pattern.empty() && pattern != kPipe, "shards: the pattern is empty, expected a file, a pattern or ", kPipe,
        "COMMAND");
  const bool is_pipe = pattern.starts_with(kPipe);
  std::error_code unknown;
  if (!is_pipe && fs::is_directory(pattern, unknown)) {
    std::vector<std::string> found = archives_in(pattern);
    check(!found.empty(), "shards: ", shown(pattern), ": the folder has no .tar, .tar.gz, .tgz, .tar.zst or .tzst");
    return found;
  }
  if (!is_pipe && is_there(pattern)) return {pattern};
  std::vector<std::string> names, out;
  expand_braces(pattern, 0, !is_pipe, names);
  if (is_pipe) return names;
  for (const std::string& name : names) {
    if (name.find_first_of("*?[") != std::string::npos && !is_there(name))
      append_matches(name, out);
    else
      out.push_back(name);
    check(out.size() <= kMostShards, "shards: the pattern names more than ", kMostShards, " shards");
  }
  return out;
}

std::vector<std::string> expand_shards(const std::vector<std::string>& patterns) {
  std::vector<std::string> out;
  for (const std::string& pattern : patterns) {
    std::vector<std::string> shards = expand_shards(pattern);
    check(out.size() + shards.size() <= kMostShards, "shards: the patterns name more than ", kMostShards, " shards");
    std::move(shards.begin(), shards.end(), std::back_inserter(out));
  }
  return out;
}

TextPieces open_shard(const std::string& shard) {
  if (shard.starts_with(kPipe)) return unpacked(command_output(shard.substr(kPipe.size())), shown(shard));
  return unpacked(file_pieces(shard), shown(shard));
}

}  // namespace tessera
