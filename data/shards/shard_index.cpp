#include "data/shards/shard_index.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "data/sets/splits.h"
#include "data/text/unicode.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "io/tar_header.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Ordered = nlohmann::ordered_json;

// The first line is as long as the list of pictures that were left out.
constexpr size_t kLongestFirstLine = size_t{64} << 20, kLongestSampleLine = size_t{1} << 20;
constexpr int64_t kMostCaptions = UINT32_MAX;  // of a shard

// A file's name may be no UTF-8, which JSON cannot say.
std::string line_of(const Ordered& value) {
  return value.dump(-1, ' ', false, Ordered::error_handler_t::replace) + "\n";
}

Ordered list_of(const std::vector<LeftOutSample>& samples) {
  Ordered out = Ordered::array();
  for (const LeftOutSample& one : samples) out.push_back({{"file", one.file}, {"reason", one.reason}});
  return out;
}

std::vector<LeftOutSample> left_out_in(const JsonFields& fields, const char* name) {
  std::vector<LeftOutSample> out;
  for (const nlohmann::json& one : fields.array(name)) {
    const JsonFields item(one, fields.where() + ", " + name);
    out.push_back({item.string("file"), item.string("reason")});
  }
  return out;
}

ShardSummary summary_of(const std::string& line, const std::string& where) {
  const nlohmann::json value = parse_strict_json(line, where);
  const JsonFields fields(value, where);
  ShardSummary summary;
  summary.shard = fields.string("shard");
  summary.bytes = static_cast<uint64_t>(fields.identifier("bytes"));
  summary.sha256 = fields.string("sha256");
  summary.samples = fields.identifier("samples");
  summary.captions = fields.identifier("captions");
  const JsonFields splits(fields.object("splits"), where + ", splits");
  for (const auto& split : fields.object("splits").items()) {
    check(is_split(split.key()), where, ": the split ", quoted_text(split.key()),
          ", expected train, val, test or such");
    summary.splits[split.key()] = splits.identifier(split.key().c_str());
  }
  summary.first_image = fields.identifier("first_image");
  summary.end_image = fields.identifier("end_image");
  summary.left_out = left_out_in(fields, "left_out");
  if (!fields.has("unusable")) return summary;
  summary.unusable = fields.identifier("unusable");
  summary.first_unusable = left_out_in(fields, "first_unusable");
  summary.error = fields.string("error");
  return summary;
}

// The lines of a text that comes in pieces; of one that is in the present piece nothing is copied.
class IndexLines {
 public:
  IndexLines(const TextPieces& pieces, const std::string& where) : pieces_(pieces), where_(where) {}

  // False at the end. The last line need not end.
  bool next(std::string_view& line, size_t longest) {
    ++number_;
    joined_.clear();
    for (;;) {
      if (piece_.empty()) piece_ = pieces_();
      if (piece_.empty()) {
        line = joined_;
        return !joined_.empty();
      }
      const size_t end = piece_.find('\n');
      const std::string_view part = piece_.substr(0, end);
      check(joined_.size() + part.size() <= longest, place(), ": has more than ", longest, " bytes");
      piece_.remove_prefix(end == std::string_view::npos ? piece_.size() : end + 1);
      if (end != std::string_view::npos && joined_.empty()) {
        line = part;
        return true;
      }
      joined_ += part;
      if (end == std::string_view::npos) continue;
      line = joined_;
      return true;
    }
  }
  std::string place() const { return text(where_, ", line ", number_); }

 private:
  const TextPieces& pieces_;
  const std::string& where_;
  std::string_view piece_;
  std::string joined_;
  int64_t number_ = 0;
};

struct SampleLine {
  std::string key;
  uint64_t offset = 0, length = 0;
  int64_t captions = 0;
};

bool take_word(std::string_view& line, std::string_view word) {
  if (!line.starts_with(word)) return false;
  line.remove_prefix(word.size());
  return true;
}

// Decimal digits without a zero before them, of a number below 2^63.
template <class Number>
bool take_number(std::string_view& line, Number& number) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  const bool right = error == std::errc() && line[0] != '-' && static_cast<uint64_t>(number) <= INT64_MAX &&
                     (line[0] != '0' || end == line.data() + 1);
  if (right) line.remove_prefix(static_cast<size_t>(end - line.data()));
  return right;
}

// The line as sample_line() writes it, without any escape in the key: of ten million each takes part of a microsecond.
bool read_plain_line(std::string_view line, SampleLine& out) {
  if (!take_word(line, "{\"key\":\"")) return false;
  size_t end = 0;
  while (end < line.size() && line[end] != '"') {
    const auto byte = static_cast<unsigned char>(line[end++]);
    if (byte < 0x20 || byte >= 0x7f || byte == '\\') return false;
  }
  out.key.assign(line.substr(0, end));
  line.remove_prefix(end);
  return take_word(line, "\",\"offset\":") && take_number(line, out.offset) && take_word(line, ",\"length\":") &&
         take_number(line, out.length) && take_word(line, ",\"captions\":") && take_number(line, out.captions) &&
         line == "}";
}

void read_sample_line(std::string_view line, const std::string& where, SampleLine& out) {
  const nlohmann::json value = parse_strict_json(line, where);
  const JsonFields fields(value, where);
  out.key = fields.string("key");
  out.offset = static_cast<uint64_t>(fields.identifier("offset"));
  out.length = static_cast<uint64_t>(fields.identifier("length"));
  out.captions = fields.identifier("captions");
}

}  // namespace

uint32_t shard_key_hash(std::string_view key) { return static_cast<uint32_t>(split_key(key)); }

void ShardIndex::add(std::string_view key, uint64_t offset, uint64_t length, int64_t captions) {
  check(offset >= end, "offset is ", offset, ", and the sample before ends at ", end);
  check(length >= kTarBlock && length <= INT64_MAX, "length is ", length, ", expected at least ", kTarBlock);
  check(offset % kTarBlock == 0, "offset is ", offset, ", expected a multiple of ", kTarBlock);
  const uint64_t block = offset / kTarBlock;
  check(block <= UINT32_MAX, "offset is ", offset, ", expected less than 2 TiB");
  const int64_t before = this->captions();
  check(captions >= 1 && captions <= kMostCaptions - before, "captions is ", captions, ", expected 1 to ",
        kMostCaptions - before);
  if (captions != 1 && captions_before.empty())
    for (size_t sample = 0; sample <= blocks.size(); ++sample) captions_before.push_back(static_cast<uint32_t>(sample));
  if (!captions_before.empty()) captions_before.push_back(static_cast<uint32_t>(before + captions));
  blocks.push_back(static_cast<uint32_t>(block));
  key_hashes.push_back(shard_key_hash(key));
  end = offset + length;
}

int64_t ShardIndex::first_caption(int64_t sample) const {
  return captions_before.empty() ? sample : captions_before[static_cast<size_t>(sample)];
}

int64_t ShardIndex::captions_of(int64_t sample) const {
  return captions_before.empty() ? 1
                                 : int64_t{captions_before[static_cast<size_t>(sample) + 1]} - first_caption(sample);
}

int64_t ShardIndex::sample_of(int64_t caption) const {
  if (captions_before.empty()) return caption;
  return std::upper_bound(captions_before.begin(), captions_before.end(), static_cast<uint32_t>(caption)) -
         captions_before.begin() - 1;
}

std::string summary_line(const ShardSummary& summary) {
  Ordered line = {{"shard", summary.shard},
                  {"bytes", summary.bytes},
                  {"sha256", summary.sha256},
                  {"samples", summary.samples},
                  {"captions", summary.captions},
                  {"splits", Ordered::object()},
                  {"first_image", summary.first_image},
                  {"end_image", summary.end_image},
                  {"left_out", list_of(summary.left_out)}};
  for (const auto& [split, count] : summary.splits) line["splits"][split] = count;
  if (summary.unusable > 0 || !summary.error.empty()) {
    line["unusable"] = summary.unusable;
    line["first_unusable"] = list_of(summary.first_unusable);
    line["error"] = summary.error;
  }
  return line_of(line);
}

std::string sample_line(const std::string& key, uint64_t offset, uint64_t length, int64_t captions) {
  return line_of({{"key", key}, {"offset", offset}, {"length", length}, {"captions", captions}});
}

std::string shard_name(const std::string& prefix, int64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return prefix + "-" + digits + ".tar";
}

std::filesystem::path index_path(const std::filesystem::path& shard) {
  std::filesystem::path path = shard;
  if (path.extension() == ".tar") path.replace_extension();
  return path += ".index.jsonl";
}

std::optional<ShardSummary> read_shard_summary(const std::filesystem::path& shard) {
  const std::filesystem::path path = index_path(shard);
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) return {};
  const TextPieces pieces = file_pieces(path);
  const std::string where = shown(path);
  IndexLines lines(pieces, where);
  std::string_view line;
  lines.next(line, kLongestFirstLine);
  return summary_of(std::string(line), lines.place());
}

std::optional<ShardIndex> read_shard_index(const std::filesystem::path& shard) {
  const std::filesystem::path path = index_path(shard);
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) return {};
  return parse_shard_index(file_pieces(path), shown(path));
}

ShardIndex parse_shard_index(const TextPieces& contents, const std::string& where) {
  IndexLines lines(contents, where);
  std::string_view line;
  lines.next(line, kLongestFirstLine);
  ShardIndex index;
  index.summary = summary_of(std::string(line), lines.place());
  SampleLine sample;
  while (lines.next(line, kLongestSampleLine)) {
    if (!read_plain_line(line, sample)) read_sample_line(line, lines.place(), sample);
    try {
      index.add(sample.key, sample.offset, sample.length, sample.captions);
    } catch (const Error& error) {
      fail(lines.place(), ": ", error.what());
    }
  }
  const ShardSummary& summary = index.summary;
  check(summary.samples == index.samples() && summary.captions == index.captions(), where, ": its lines are ",
        index.samples(), " samples with ", index.captions(), " captions, the first line says ", summary.samples,
        " with ", summary.captions);
  for (auto* table : {&index.blocks, &index.key_hashes, &index.captions_before}) table->shrink_to_fit();
  return index;
}

}  // namespace tessera
