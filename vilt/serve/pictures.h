// Pictures of requests, opened: decoded within limits, cut into patches, and kept for the next question about them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>

#include "vilt/files/load_model.h"
#include "vilt/serve/folder.h"
#include "vilt/serve/recent.h"
#include "vilt/serve/request.h"

namespace tessera::serve {

struct PictureLimits {
  int64_t bytes = 16 << 20, pixels = 50'000'000;
  int64_t patches = 1024;  // of one picture: attention grows with their square
  bool respect_orientation = false;
};

struct OpenedPicture {
  std::string key;   // the same picture has the same
  std::string name;  // as it was asked for
  std::shared_ptr<const PatchedImage> patched;
};

// Safe for several threads.
class PictureStore {
 public:
  // The model must outlive it. `folder` may be null; `tests`: the run's test pictures by name.
  PictureStore(const LoadedModel& model, const PictureLimits& limits, const Folder* folder,
               std::map<std::string, std::filesystem::path> tests);

  // Refusal or Error: what is wrong with the picture.
  OpenedPicture open(const GivenPicture& given);
  // A file as it is, and its type for HTTP, "image/png".
  struct File {
    std::string bytes, type;
  };
  File file(const GivenPicture& given) const;
  // A small JPEG of it.
  File thumbnail(const GivenPicture& given);

 private:
  struct Source {
    std::string bytes, key;
  };
  int open_file(const GivenPicture& given) const;
  DecodeOptions decoding() const;

  const LoadedModel& model_;
  const PictureLimits limits_;
  const Folder* folder_;
  const std::map<std::string, std::filesystem::path> tests_;
  Recent<PatchedImage> patched_{int64_t{256} << 20};
  Recent<std::string> thumbnails_{int64_t{32} << 20};
  std::counting_semaphore<64> decoders_;  // a decoded photograph is large
};

}  // namespace tessera::serve
