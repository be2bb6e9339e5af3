// What people call the picture and its caption in lists and tables. Internal to data/sets/.
#pragma once

#include <array>
#include <string_view>

namespace tessera {

// The first that is there counts.
inline constexpr std::array<std::string_view, 11> kPictureColumns = {
    "image",      "image_path", "img_path", "file_name", "filename",  "filepath",
    "image_name", "img",        "file",     "path",      "image_file"};
inline constexpr std::array<std::string_view, 8> kCaptionColumns = {"text",     "caption",   "captions", "texts",
                                                                    "sentence", "sentences", "comment",  "title"};
inline constexpr std::string_view kSplitColumn = "split";

}  // namespace tessera
