#include "data/sets/fingerprint.h"

#include <cstdint>

#include "tensor/error.h"

namespace tessera {
namespace {

// FNV-1a (Fowler, Noll, Vo), each part with its length before it, so that "ab", "c" is not "a", "bc".
class Hash {
 public:
  void add(std::string_view part) {
    add(static_cast<uint64_t>(part.size()));
    for (const char c : part) add_byte(static_cast<uint8_t>(c));
  }
  void add(uint64_t number) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<uint8_t>(number >> (8 * i)));
  }
  std::string hexadecimal() const {
    std::string out;
    for (int i = 15; i >= 0; --i) out += "0123456789abcdef"[value_ >> (4 * i) & 15];
    return out;
  }

 private:
  void add_byte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

std::map<std::string, std::string> fingerprint(const Dataset& dataset, const std::string& image_folder) {
  Hash texts, files;
  for (const DatasetSentence& sentence : dataset.sentences()) {
    texts.add(static_cast<uint64_t>(sentence.image));
    texts.add(sentence.text);
  }
  for (const DatasetImage& image : dataset.images()) {
    std::string_view name = image.file;
    if (name.starts_with(image_folder)) name.remove_prefix(image_folder.size());
    while (name.starts_with('/')) name.remove_prefix(1);
    files.add(name);
    std::error_code missing;
    files.add(static_cast<uint64_t>(std::filesystem::file_size(image.path(), missing)));
  }
  return {{"captions", std::to_string(dataset.sentences().size())},
          {"images", std::to_string(dataset.images().size())},
          {"caption texts", texts.hexadecimal()},
          {"image files", files.hexadecimal()}};
}

}  // namespace tessera
