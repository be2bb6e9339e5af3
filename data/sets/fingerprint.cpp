#include "data/sets/fingerprint.h"

#include <cstdint>

#include "data/shards/shard_set.h"
#include "tensor/error.h"

namespace tessera {
void FingerprintHash::add(std::string_view part) {
  add(static_cast<uint64_t>(part.size()));
  for (const char c : part) add_byte(static_cast<uint8_t>(c));
}

void FingerprintHash::add(uint64_t number) {
  for (int i = 0; i < 8; ++i) add_byte(static_cast<uint8_t>(number >> (8 * i)));
}

void FingerprintHash::add_file(std::string_view path, std::string_view folder) {
  std::string_view name = path;
  if (name.starts_with(folder)) name.remove_prefix(folder.size());
  while (name.starts_with('/')) name.remove_prefix(1);
  add(name);
  std::error_code missing;
  add(static_cast<uint64_t>(std::filesystem::file_size(path, missing)));
}

std::string FingerprintHash::hexadecimal() const {
  std::string out;
  for (int i = 15; i >= 0; --i) out += "0123456789abcdef"[value_ >> (4 * i) & 15];
  return out;
}

std::map<std::string, std::string> fingerprint(const Dataset& dataset, const std::string& image_folder) {
  FingerprintHash texts, files;
  for (const DatasetSentence& sentence : dataset.sentences()) {
    texts.add(static_cast<uint64_t>(sentence.image));
    texts.add(sentence.text);
  }
  for (const DatasetImage& image : dataset.images()) files.add_file(image.file, image_folder);
  for (const auto& shards : dataset.shards())
    for (const auto& [what, value] : shards->fingerprint()) files.add(value);
  return {{"captions", std::to_string(dataset.sentences().size())},
          {"images", std::to_string(dataset.images().size())},
          {"caption texts", texts.hexadecimal()},
          {"image files", files.hexadecimal()}};
}

}  // namespace tessera
