#include "data/shards/sample.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/text/unicode.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

bool is_unsafe(std::string_view name) {
  if (name.empty() || name.starts_with('/') || name.find('\0') != std::string_view::npos) return true;
  for (;;) {
    const size_t end = std::min(name.find('/'), name.size());
    if (name.substr(0, end) == "..") return true;
    if (end == name.size()) return false;
    name.remove_prefix(end + 1);
  }
}

// "__meta__/info.json" and the like, which the webdataset library keeps for itself.
bool is_metadata(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('/'));
  return first.size() >= 4 && first.starts_with("__") && first.ends_with("__");
}

std::string lower_case(std::string_view text) {
  std::string out;
  for (size_t position = 0; position < text.size();)
    unicode::append_utf8(out, unicode::lower_case(unicode::next_code_point(text, position)));
  return out;
}

// Byte position of the dot between key and extension; none for a name that has not both.
std::optional<size_t> dot_of(std::string_view name) {
  const size_t slash = name.rfind('/');
  const size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
  const size_t dot = name.find('.', begin);
  if (dot == std::string_view::npos || dot == begin) return {};
  return dot;
}

// All that Unicode calls white space, and the separators of ASCII.
bool is_blank(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

// `text` is UTF-8.
std::string without_blanks_at_ends(std::string_view text) {
  size_t begin = std::string_view::npos, end = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t at = position;
    if (is_blank(unicode::next_code_point(text, position))) continue;
    begin = std::min(begin, at);
    end = position;
  }
  return begin == std::string_view::npos ? std::string() : std::string(text.substr(begin, end - begin));
}

const ShardPart* image_of(const ShardSample& sample, std::string& unusable) {
  const ShardPart* image = nullptr;
  for (const char* extension : {"jpg", "jpeg", "png"})
    if (!image) image = sample.find(extension);
  if (image) {
    if (image->data.empty()) unusable = "empty image";
    return image;
  }
  unusable = "no image";
  for (const char* other : {"webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "jp2", "jxl", "avif", "heic"})
    if (sample.find(other)) unusable = "image format not supported";
  return nullptr;
}

std::string caption_of(const ShardSample& sample, std::string& unusable) {
  std::string caption;
  if (const ShardPart* txt = sample.find("txt")) {
    if (!unicode::is_utf8(txt->data)) {
      unusable = "caption is not UTF-8";
      return {};
    }
    caption = without_blanks_at_ends(txt->data);
  } else if (const ShardPart* json = sample.find("json")) {
    nlohmann::json record;
    try {
      record = parse_strict_json(json->data, sample.key);
    } catch (const Error&) {
      unusable = "json cannot be read";
      return {};
    }
    if (!record.is_object() || !record.contains("caption") || !record["caption"].is_string()) {
      unusable = "no caption";
      return {};
    }
    caption = without_blanks_at_ends(record["caption"].get_ref<const std::string&>());
  } else {
    unusable = "no caption";
    return {};
  }
  if (caption.empty()) unusable = "empty caption";
  return caption;
}

}  // namespace

const ShardPart* ShardSample::find(std::string_view extension) const {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const ShardPart& part) { return part.extension == extension; });
  return found == parts.end() ? nullptr : &*found;
}

ShardReader::ShardReader(TextPieces pieces, const std::string& name, ShardOptions options)
    : tar_(std::move(pieces), name), options_(std::move(options)) {}

std::optional<ShardSample> ShardReader::next() {
  while (!ended_)
    if (std::optional<ShardSample> finished = read_member()) return finished;
  return {};
}

void ShardReader::skipped(SkippedMember::Kind kind, const TarMember& member, std::string reason) const {
  if (options_.on_skipped) options_.on_skipped({kind, member.name, std::move(reason)});
}

// A sample that ends with this member, if one does.
std::optional<ShardSample> ShardReader::read_member() {
  using Kind = SkippedMember::Kind;
  TarMember member;
  try {
    ended_ = !tar_.next(member);
  } catch (const Error& error) {
    error_ = error.what();
    ended_ = true;
  }
  if (ended_) return begin_sample("", 0);
  const bool is_file = member.use == TarMember::Use::file;
  const auto dot = dot_of(member.name);
  if (!is_file)
    skipped(member.use == TarMember::Use::refused ? Kind::refused : Kind::ignored, member, member.reason);
  else if (is_unsafe(member.name))
    skipped(Kind::refused, member, "unsafe name");
  else if (!unicode::is_utf8(member.name))
    skipped(Kind::refused, member, "name is not UTF-8");
  else if (!dot)
    skipped(Kind::ignored, member, "no key or no extension");
  else if (is_metadata(member.name))
    skipped(Kind::ignored, member, "metadata");
  else {
    const std::string key = member.name.substr(0, *dot);
    std::optional<ShardSample> finished;
    if (!begun_ || key != current_.key) finished = begin_sample(key, member.begin);
    read_part(member, lower_case(std::string_view(member.name).substr(*dot + 1)));
    return finished;
  }
  return {};
}

// Gives the sample before, if it has parts.
std::optional<ShardSample> ShardReader::begin_sample(const std::string& key, uint64_t position) {
  std::optional<ShardSample> finished;
  if (!current_.parts.empty()) finished = std::move(current_);
  current_ = {key, {}, position, position};
  begun_ = true;
  bytes_ = 0;
  key_came_before_ = !ended_ && !keys_.insert(std::hash<std::string_view>{}(key)).second;
  return finished;
}

void ShardReader::read_part(const TarMember& member, std::string extension) {
  // An empty part takes memory, too.
  constexpr uint64_t kPartBytes = 128;
  constexpr size_t kMostParts = 1000;
  const uint64_t room = options_.most_sample_bytes - std::min(options_.most_sample_bytes, bytes_ + kPartBytes);
  std::string refusal;
  if (key_came_before_)
    refusal = "the key came before";
  else if (current_.find(extension))
    refusal = "part comes twice";
  else if (current_.parts.size() == kMostParts)
    refusal = text("the sample has ", kMostParts, " parts already");
  else if (member.size > room || extension.size() > room - member.size)
    refusal = text("too large: ", member.size, " bytes, the limit of a sample is ", options_.most_sample_bytes);
  try {
    if (refusal.empty()) {
      ShardPart part{std::move(extension), {}};
      tar_.read(part.data);
      bytes_ += part.data.size() + part.extension.size() + kPartBytes;
      current_.parts.push_back(std::move(part));
    } else {
      skipped(SkippedMember::Kind::refused, member, refusal);
      tar_.skip();
    }
    current_.end = tar_.position();
  } catch (const Error& error) {
    error_ = error.what();
    ended_ = true;  // and the sample, of which this part is cut, is not given
  }
}

ImageText image_text(const ShardSample& sample) {
  ImageText out;
  out.image = image_of(sample, out.unusable);
  if (out.unusable.empty()) out.caption = caption_of(sample, out.unusable);
  return out;
}

std::vector<std::string> all_captions(const ShardSample& sample, const ImageText& pair) {
  std::vector<std::string> out;
  const ShardPart* part = sample.find("json");
  nlohmann::json record;
  try {
    if (part) record = parse_strict_json(part->data, sample.key);
  } catch (const Error&) {
  }
  if (record.is_object() && record.contains("captions") && record["captions"].is_array())
    for (const nlohmann::json& caption : record["captions"]) {
      if (!caption.is_string()) return {pair.caption};
      out.push_back(without_blanks_at_ends(caption.get_ref<const std::string&>()));
      if (out.back().empty()) return {pair.caption};
    }
  if (out.empty() || out[0] != pair.caption) return {pair.caption};
  return out;
}

}  // namespace tessera
