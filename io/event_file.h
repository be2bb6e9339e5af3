// TensorBoard's event files: records of protocol buffers (tensorboard/compat/proto/event.proto), each
//
//   u64 length, u32 masked CRC-32C of those 8 bytes, the event, u32 masked CRC-32C of the event     (little endian)
//
// Readers stop at the first record that does not check, silently: what is appended after a cut end is never seen.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct EventImage {
  std::string tag, png;
  int64_t height = 0, width = 0;
  int64_t colorspace = 3;  // 1 grey, 3 RGB, 4 RGBA
};

struct Event {
  double wall_time = 0;  // seconds since 1970
  int64_t step = 0;
  std::string file_version;  // "brain.Event:2" in the first record of a file
  std::string writer;
  std::vector<std::pair<std::string, float>> scalars;  // by tag; "loss/mlm" is shown as mlm in the group loss
  std::optional<EventImage> image;
};

// The record. Fields stand in the order of their numbers; what is zero or empty is left out, but the value of a scalar.
std::string event_record(const Event& event);

// The records of a file up to the first that does not check.
struct EventRecord {
  int64_t begin = 0, end = 0;  // bytes in the file
  int64_t step = 0;
};
std::vector<EventRecord> read_event_records(std::string_view contents);

}  // namespace tessera
