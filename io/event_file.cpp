#include "io/event_file.h"

#include <bit>
#include <cstring>

#include "io/crc32c.h"

namespace tessera {
namespace {

// Wire types of protocol buffers.
enum Wire : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

template <class Number>
void append_number(std::string& out, Number value) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof(Number)];
  std::memcpy(bytes, &value, sizeof(Number));
  out.append(bytes, sizeof(Number));
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

void append_key(std::string& out, uint64_t field, Wire wire) { append_varint(out, field << 3 | wire); }

void append_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  append_key(out, field, kBytes);
  append_varint(out, bytes.size());
  out += bytes;
}

void append_text(std::string& out, uint64_t field, std::string_view text) {
  if (!text.empty()) append_bytes(out, field, text);
}

void append_integer(std::string& out, uint64_t field, int64_t value) {
  if (value == 0) return;
  append_key(out, field, kVarint);
  append_varint(out, static_cast<uint64_t>(value));
}

std::string image_value(const EventImage& image) {
  std::string inner, value;
  append_integer(inner, 1, image.height);
  append_integer(inner, 2, image.width);
  append_integer(inner, 3, image.colorspace);
  append_text(inner, 4, image.png);
  append_text(value, 1, image.tag);
  append_bytes(value, 4, inner);
  return value;
}

std::string encoded(const Event& event) {
  std::string out, summary;
  if (std::bit_cast<uint64_t>(event.wall_time) != 0) {
    append_key(out, 1, kFixed64);
    append_number(out, event.wall_time);
  }
  append_integer(out, 2, event.step);
  append_text(out, 3, event.file_version);
  for (const auto& [tag, number] : event.scalars) {
    std::string value;
    append_text(value, 1, tag);
    append_key(value, 2, kFixed32);
    append_number(value, number);
    append_bytes(summary, 1, value);
  }
  if (event.image) append_bytes(summary, 1, image_value(*event.image));
  append_text(out, 5, summary);
  if (!event.writer.empty()) {
    std::string metadata;
    append_text(metadata, 1, event.writer);
    append_bytes(out, 10, metadata);
  }
  return out;
}

template <class Number>
Number number_at(std::string_view bytes, size_t place) {
  Number value;
  std::memcpy(&value, bytes.data() + place, sizeof(Number));
  return value;
}

bool take_varint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

// The field `step`; 0 where it is not, and where the event is none.
int64_t step_of(std::string_view event) {
  int64_t step = 0;
  for (uint64_t key = 0, value = 0; take_varint(event, key);) {
    size_t skipped = 0;
    switch (key & 7) {
      case kVarint:
        if (!take_varint(event, value)) return step;
        if (key >> 3 == 2) step = static_cast<int64_t>(value);
        break;
      case kFixed64: skipped = 8; break;
      case kFixed32: skipped = 4; break;
      case kBytes:
        if (!take_varint(event, value) || value > event.size()) return step;
        skipped = static_cast<size_t>(value);
        break;
      default: return step;
    }
    if (skipped > event.size()) return step;
    event.remove_prefix(skipped);
  }
  return step;
}

}  // namespace

std::string event_record(const Event& event) {
  const std::string data = encoded(event);
  std::string out;
  append_number(out, static_cast<uint64_t>(data.size()));
  append_number(out, masked_crc32c(out));
  out += data;
  append_number(out, masked_crc32c(data));
  return out;
}

std::vector<EventRecord> read_event_records(std::string_view contents) {
  constexpr size_t kHeader = 12, kAround = kHeader + 4;
  std::vector<EventRecord> records;
  for (size_t place = 0; contents.size() - place >= kAround;) {
    const std::string_view rest = contents.substr(place);
    const auto length = number_at<uint64_t>(rest, 0);
    if (number_at<uint32_t>(rest, 8) != masked_crc32c(rest.substr(0, 8)) || length > rest.size() - kAround) break;
    const std::string_view data = rest.substr(kHeader, static_cast<size_t>(length));
    if (number_at<uint32_t>(rest, kHeader + data.size()) != masked_crc32c(data)) break;
    const size_t end = place + kAround + data.size();
    records.push_back({static_cast<int64_t>(place), static_cast<int64_t>(end), step_of(data)});
    place = end;
  }
  return records;
}

}  // namespace tessera
