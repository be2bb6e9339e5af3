#include "data/shards/shard_index.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Ordered = nlohmann::ordered_json;

// A file's name may be no UTF-8, which JSON cannot say.
std::string line_of(const Ordered& value) {
  return value.dump(-1, ' ', false, Ordered::error_handler_t::replace) + "\n";
}

}  // namespace

std::string summary_line(const ShardSummary& summary) {
  Ordered left_out = Ordered::array();
  for (const LeftOutSample& one : summary.left_out) left_out.push_back({{"file", one.file}, {"reason", one.reason}});
  return line_of({{"shard", summary.shard},
                  {"bytes", summary.bytes},
                  {"sha256", summary.sha256},
                  {"samples", summary.samples},
                  {"captions", summary.captions},
                  {"first_image", summary.first_image},
                  {"end_image", summary.end_image},
                  {"left_out", left_out}});
}

std::string sample_line(const std::string& key, uint64_t offset, uint64_t length) {
  return line_of({{"key", key}, {"offset", offset}, {"length", length}});
}

std::string shard_name(const std::string& prefix, int64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return prefix + "-" + digits + ".tar";
}

std::filesystem::path index_path(const std::filesystem::path& shard) {
  std::filesystem::path path = shard;
  return path.replace_extension(".index.jsonl");
}

std::optional<ShardSummary> read_shard_summary(const std::filesystem::path& shard) {
  const std::filesystem::path path = index_path(shard);
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) return {};
  // The line is as long as the list of pictures that were left out.
  constexpr size_t kLongest = size_t{64} << 20;
  const TextPieces pieces = file_pieces(path);
  std::string line;
  for (std::string_view piece = pieces(); !piece.empty(); piece = pieces()) {
    const size_t end = piece.find('\n');
    line += piece.substr(0, end);
    if (end != std::string_view::npos) break;
    check(line.size() < kLongest, shown(path), ": its first line has more than ", kLongest, " bytes");
  }
  const std::string where = shown(path) + ", line 1";
  const nlohmann::json value = parse_strict_json(line, where);
  const JsonFields fields(value, where);
  ShardSummary summary;
  summary.shard = fields.string("shard");
  summary.bytes = static_cast<uint64_t>(fields.identifier("bytes"));
  summary.sha256 = fields.string("sha256");
  summary.samples = fields.identifier("samples");
  summary.captions = fields.identifier("captions");
  summary.first_image = fields.identifier("first_image");
  summary.end_image = fields.identifier("end_image");
  for (const nlohmann::json& one : fields.array("left_out")) {
    const JsonFields item(one, where + ", left_out");
    summary.left_out.push_back({item.string("file"), item.string("reason")});
  }
  return summary;
}

}  // namespace tessera
