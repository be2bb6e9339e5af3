#include "data/tasks/coco_pictures.h"

#include <cstdio>
#include <utility>

namespace tessera {
namespace {

constexpr const char* kExtensions[] = {".jpg", ".jpeg", ".png", ".webp", ".gif"};
constexpr size_t kExtensionCount = std::size(kExtensions);
constexpr size_t kForms = 2 * (3 + kExtensionCount);

std::string padded(int64_t id, int width = 12) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%0*lld", width, static_cast<long long>(id));
  return digits;
}

}  // namespace

CocoPictures::CocoPictures(const std::filesystem::path& folder, std::string part)
    : folder_(folder.string()), part_(std::move(part)) {
  if (!folder_.empty() && !folder_.ends_with('/')) folder_ += '/';
  if (const size_t dev = part_.find("-dev"); dev != std::string::npos) part_.erase(dev, 4);
}

// Even forms lie in the part's own folder, odd ones do not.
std::string CocoPictures::name(int64_t id, size_t form) const {
  std::string file;
  switch (form / 2) {
    case 0: file = "COCO_" + part_ + "_" + padded(id) + ".jpg"; break;
    case 1: file = padded(id) + ".jpg"; break;
    case 2: file = padded(id, 6) + ".jpg"; break;
    default: file = std::to_string(id) + kExtensions[form / 2 - 3];
  }
  return folder_ + (form % 2 == 0 && !part_.empty() ? part_ + "/" : "") + file;
}

std::string CocoPictures::published(int64_t id) const { return name(id, part_.empty() ? 3 : 0); }

std::string CocoPictures::find(int64_t id) {
  std::error_code ignored;
  for (size_t i = 0; i < kForms; ++i) {
    const size_t form = (latest_ + i) % kForms;
    std::string file = name(id, form);
    if (!std::filesystem::is_regular_file(file, ignored)) continue;
    latest_ = form;
    return file;
  }
  return {};
}

}  // namespace tessera
