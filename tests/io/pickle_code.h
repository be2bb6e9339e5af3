// Pickles, opcode by opcode.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tessera::tests {

inline std::string little_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

// A program that begins with protocol 2 and ends; `code` leaves one value.
inline std::string program(const std::string& code) { return "\x80\x02" + code + "."; }

inline std::string pickled(const std::string& text) {
  return "X" + little_endian(text.size(), 4) + text;
}  // BINUNICODE
inline std::string pickled(int64_t value) {
  return "\x8a\x08" + little_endian(static_cast<uint64_t>(value), 8);
}  // LONG1
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(const std::string& items) { return "(" + items + "t"; }
inline std::string list(const std::string& items) { return "](" + items + "e"; }
inline std::string dict(const std::string& items) { return "}(" + items + "u"; }
inline std::string call(const std::string& module, const std::string& name, const std::string& arguments) {
  return global(module, name) + tuple(arguments) + "R";
}

inline std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace tessera::tests
