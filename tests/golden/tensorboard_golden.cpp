// data/tensorboard: TensorBoard's event files byte for byte, checksums, and files that are cut or damaged.
#include <bit>
#include <cstdlib>

#include "io/crc32c.h"
#include "io/event_file.h"
#include "io/files.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

std::string contents_of(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

std::string from_hexadecimal(const std::string& digits) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out += static_cast<char>(std::strtol(digits.substr(i, 2).c_str(), nullptr, 16));
  return out;
}

// A number, or "nan", "inf", "-inf".
float number_of(const json& value) {
  return value.is_string() ? std::strtof(value.get<std::string>().c_str(), nullptr) : value.get<float>();
}

Event event_of(const json& record) {
  const json& from = record.at("event");
  Event event;
  event.wall_time = std::bit_cast<double>(
      static_cast<uint64_t>(std::strtoull(record.at("wall_time_bits").get<std::string>().c_str(), nullptr, 16)));
  event.step = from.value("step", int64_t{0});
  event.file_version = from.value("file_version", "");
  event.writer = from.value("writer", "");
  for (const json& scalar : from.value("scalars", json::array()))
    event.scalars.emplace_back(scalar[0].get<std::string>(), number_of(scalar[1]));
  if (from.contains("image")) {
    const json& image = from["image"];
    event.image = EventImage{image.at("tag"), from_hexadecimal(image.at("png")), image.at("height"), image.at("width"),
                             image.at("colorspace")};
  }
  return event;
}

}  // namespace

Outcome run_tensorboard(const std::filesystem::path& directory) {
  const json expected = read_json(directory / "records.json");
  std::string written, wrong;
  std::vector<int64_t> steps;
  for (const json& record : expected.at("records")) {
    const std::string bytes = event_record(event_of(record));
    if (bytes != from_hexadecimal(record.at("bytes"))) wrong += text(" record at ", record.at("offset").get<int64_t>());
    written += bytes;
    steps.push_back(record.at("event").value("step", int64_t{0}));
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().filename().string().starts_with("events.out.tfevents") && contents_of(entry.path()) != written)
      wrong += " " + entry.path().filename().string();
  const std::vector<EventRecord> read = read_event_records(written);
  for (size_t i = 0; i < std::max(read.size(), steps.size()); ++i)
    if (i >= read.size() || i >= steps.size() || read[i].step != steps[i]) wrong += text(" step of record ", i);
  size_t damaged = 0;
  const json damage = read_json(directory / "damaged" / "expected.json");
  for (const auto& [name, count] : damage.at("records_before_the_damage").items()) {
    if (read_event_records(contents_of(directory / "damaged" / name)).size() != count.get<size_t>())
      wrong += " " + name;
    ++damaged;
  }
  size_t checksums = 0;
  const json table = read_json(directory / "crc32c.json");
  for (const json& row : table.at("rows")) {
    const std::string input = from_hexadecimal(row[0]);
    const auto hexadecimal = [](const json& value) {
      return static_cast<uint32_t>(std::strtoul(value.get<std::string>().c_str(), nullptr, 16));
    };
    if (crc32c(input) != hexadecimal(row[1]) || masked_crc32c(input) != hexadecimal(row[2]))
      wrong += text(" crc of ", row[0]);
    ++checksums;
  }
  if (checksums == 0 || damaged == 0 || steps.empty()) wrong += " nothing was compared";
  if (!wrong.empty()) return {false, "differ:" + wrong};
  return {true,
          text(steps.size(), " records and ", checksums, " checksums byte for byte, ", damaged, " damaged files")};
}

}  // namespace tessera::golden
