// data/webdataset, data/formats/webdataset and data/formats/bad/tar: tar shards, whole, odd and damaged.
#include <fstream>
#include <set>

#include "data/images/image.h"
#include "data/shards/sample.h"
#include "data/shards/sources.h"
#include "io/sha256.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string first_digits(std::string_view data) {
  Sha256 hash;
  hash.add(data);
  return hash.hexadecimal().substr(0, 16);
}

std::string hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(byte) >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

// The file quotes names that are not UTF-8 as Python has them, with halves of surrogate pairs, which are no JSON. They
// stand in remarks on another reader that are not compared.
json read_expected(const fs::path& file) {
  std::ifstream in = open_file(file);
  std::string contents{std::istreambuf_iterator<char>(in), {}};
  for (size_t at = contents.find("\\ud"); at != std::string::npos; at = contents.find("\\ud", at + 6)) {
    const bool has_first_half = at >= 6 && contents.compare(at - 6, 3, "\\ud") == 0 &&
                                std::string_view("89ab").find(contents[at - 3]) != std::string_view::npos;
    const bool is_second_half = std::string_view("cdef").find(contents[at + 3]) != std::string_view::npos;
    if (is_second_half && !has_first_half) contents.replace(at, 6, "\\ufffd");
  }
  return json::parse(contents);
}

struct ReadShard {
  std::vector<ShardSample> samples;
  std::vector<SkippedMember> refused, ignored;
  std::string error;
};

ReadShard read_shard(const fs::path& file) {
  ReadShard out;
  ShardOptions options;
  options.on_skipped = [&out](const SkippedMember& member) {
    (member.kind == SkippedMember::Kind::refused ? out.refused : out.ignored).push_back(member);
  };
  ShardReader reader(open_shard(file.string()), file.string(), options);
  while (auto sample = reader.next()) out.samples.push_back(std::move(*sample));
  out.error = reader.error();
  return out;
}

void compare_sample(const ShardSample& got, const json& expected, const std::string& where) {
  check(got.key == expected["key"], where, ": key ", got.key, ", expected ", expected["key"]);
  check(got.parts.size() == expected["parts"].size(), where, ": ", got.parts.size(), " parts, expected ",
        expected["parts"].size());
  for (const auto& item : expected["parts"].items()) {
    const ShardPart* part = got.find(item.key());
    check(part != nullptr, where, ": no part '", item.key(), "'");
    check(part->data.size() == item.value()[0] && first_digits(part->data) == item.value()[1], where, ": part '",
          item.key(), "' has ", part->data.size(), " bytes ", first_digits(part->data), ", expected ", item.value());
  }
  const ImageText pair = image_text(got);
  const std::string unusable = expected.value("unusable", "");
  check(pair.unusable == unusable, where, ": unusable for '", pair.unusable, "', expected '", unusable, "'");
  if (!unusable.empty()) return;
  check(pair.image->extension == expected["image"], where, ": the image is ", pair.image->extension);
  check(pair.caption == expected["caption"], where, ": the caption is '", pair.caption, "', expected ",
        expected["caption"]);
}

void compare_skipped(const std::vector<SkippedMember>& got, const json& expected, const std::string& where) {
  check(got.size() == expected.size(), where, ": ", got.size(), " members, expected ", expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    std::string name = got[i].name, reason = got[i].reason;
    if (reason == "name is not UTF-8") {
      name = hexadecimal(name);
      reason += " (given in hexadecimal)";
    }
    check(name == expected[i][0] && reason == expected[i][1], where, ": ", name, ": ", reason, ", expected ",
          expected[i]);
  }
}

bool names_error(const std::string& got, const json& expected) {
  return expected.is_null() ? got.empty() : got.find(expected.get<std::string>()) != std::string::npos;
}

size_t compare_shard(const fs::path& file, const json& expected) {
  const std::string where = file.filename().string();
  const ReadShard got = read_shard(file);
  const json& samples = expected["samples"];
  const bool fewer = expected.value("fewer_samples_allowed", false);
  check(got.samples.size() == samples.size() || (fewer && got.samples.size() < samples.size()), where, ": ",
        got.samples.size(), " samples, expected ", samples.size());
  for (size_t i = 0; i < got.samples.size(); ++i)
    compare_sample(got.samples[i], samples[i], text(where, ": sample ", i));
  compare_skipped(got.refused, expected["refused"], where + ": refused");
  compare_skipped(got.ignored, expected["ignored"], where + ": ignored");
  check(names_error(got.error, expected["error"]), where, ": error '", got.error, "', expected ", expected["error"]);
  check(got.error.empty() || got.error.find(file.string()) != std::string::npos, where, ": the error '", got.error,
        "' does not name its file");
  return got.samples.size();
}

// All members, by name, size and digest, whatever sample they belong to.
size_t compare_members(const fs::path& file, const json& expected) {
  const std::string where = file.filename().string();
  const ReadShard got = read_shard(file);
  check(got.error.empty() && got.refused.empty(), where, ": ", got.error, ", ", got.refused.size(), " refused");
  size_t count = 0;
  for (const ShardSample& sample : got.samples)
    for (const ShardPart& part : sample.parts) {
      check(count < expected.size(), where, ": more than ", expected.size(), " members");
      const json member = {sample.key + "." + part.extension, part.data.size(), first_digits(part.data)};
      check(member == expected[count], where, ": member ", member, ", expected ", expected[count]);
      ++count;
    }
  check(count == expected.size(), where, ": ", count, " members, expected ", expected.size());
  return count;
}

// Whose image and caption can be used; the picture is decoded.
std::set<std::string> good_keys(const ReadShard& shard) {
  std::set<std::string> keys;
  for (const ShardSample& sample : shard.samples) {
    const ImageText pair = image_text(sample);
    if (!pair.unusable.empty()) continue;
    try {
      const std::string& bytes = pair.image->data;
      decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, sample.key);
      keys.insert(sample.key);
    } catch (const Error&) {
    }
  }
  return keys;
}

}  // namespace

Outcome run_webdataset(const fs::path& directory) {
  size_t samples = 0;
  const json expected = read_expected(directory / "expected.json")["shards"];
  for (const auto& item : expected.items()) samples += compare_shard(directory / item.key(), item.value());
  return {true, text(expected.size(), " archives, ", samples, " samples with their parts, ",
                     "and what is refused, ignored and wrong in them")};
}

Outcome run_webdataset_members(const fs::path& directory) {
  size_t members = 0;
  const json expected = read_json(directory / "expected.json")["archives"];
  for (const auto& item : expected.items()) members += compare_members(directory / item.key(), item.value()["members"]);
  return {true, text(expected.size(), " archives, ", members, " members by name, size and digest")};
}

Outcome run_bad_shards(const fs::path& directory) {
  size_t archives = 0;
  const json manifest = read_json(directory.parent_path() / "manifest.json");
  for (const json& one : manifest["files"]) {
    const std::string file = one["file"];
    if (!file.starts_with("tar/")) continue;
    const ReadShard got = read_shard(directory.parent_path() / file);
    const auto expected = one["good_keys"].get<std::set<std::string>>();
    check(good_keys(got) == expected, file, ": ", good_keys(got).size(), " good samples, expected ", expected.size());
    // Where a name leaves the folder the member is refused, and the rest is read.
    const bool by_member = one["verdict"] != "reject" || one["reason"] == "parent_path";
    check(got.error.empty() == by_member, file, ": the error is '", got.error, "'");
    check(one["reason"] != "parent_path" || !got.refused.empty(), file, ": nothing was refused");
    ++archives;
  }
  return {true, text(archives, " archives: errors, and the samples that are good all the same")};
}

}  // namespace tessera::golden
