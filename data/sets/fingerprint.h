// By what a data set is known again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "data/sets/dataset.h"

namespace tessera {

// FNV-1a (Fowler, Noll, Vo) of 64 bits, each part with its length before it, so that "ab", "c" is not "a", "bc".
class FingerprintHash {
 public:
  void add(std::string_view part);
  void add(uint64_t number);
  // A file's name, from `folder` on where it lies there, and its size in bytes.
  void add_file(std::string_view path, std::string_view folder);
  std::string hexadecimal() const;

 private:
  void add_byte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

// "captions" and "images", their numbers; "caption texts" and "image files", hashes (64 bits, hexadecimal) of the
// texts, and of the files' names and sizes in bytes, both in order. Names count from the image folder on, so that the
// folder may be moved. Pictures are not read.
std::map<std::string, std::string> fingerprint(const Dataset& dataset, const std::string& image_folder);

}  // namespace tessera
