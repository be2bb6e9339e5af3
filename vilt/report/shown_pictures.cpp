#include "vilt/report/shown_pictures.h"

#include <algorithm>

#include "data/images/resize.h"
#include "report/html.h"
#include "vilt/report/map_svg.h"
#include "vilt/report/report_parts.h"

namespace tessera {
namespace {

constexpr int kThumbnail = 160;  // pixels of the longer side: sharp at the 75 of a screen with two to each

Image thumbnail_of(const Image& image) {
  const int longer = std::max(image.width, image.height);
  if (longer <= kThumbnail) return image;
  const auto side = [&](int pixels) { return std::max(1, pixels * kThumbnail / longer); };
  return resize_bicubic(image, {side(image.height), side(image.width)});
}

}  // namespace

const char* const kShownMapNote =
    "Beside or below a picture, where the words of the text look: attention of the last layer, mean over heads, summed "
    "over the words; a patch's share in units of the flat one.";

std::string ShownPictures::figure(int64_t picture, const std::string& description) {
  const std::string id = text("picture-", picture);
  auto& image = images_[picture];
  if (!image) {
    image = source_.pictures.resized(picture);
    symbols_ += picture_symbol(id, image->image);
  }
  return "<figure>" + picture_html(id, image->image, description) + "</figure>";
}

std::string ShownPictures::map(int64_t picture, const WordMaps& maps, const std::string& words) {
  const Image& image = images_.at(picture)->image;
  return "<figure class=\"map\">" +
         map_svg(map_canvas(text("picture-", picture), image, source_.options.patch),
                 escape_html("where it looks: " + words), text_map(maps)) +
         "<figcaption>attention <b></b></figcaption></figure>";
}

std::string ShownPictures::thumbnail(int64_t picture, const std::string& description) {
  const std::string id = text("small-picture-", picture);
  const auto [image, is_new] = thumbnails_.try_emplace(picture);
  if (is_new) {
    image->second = thumbnail_of(source_.pictures.resized(picture)->image);
    symbols_ += picture_symbol(id, image->second);
  }
  return text("<svg class=\"thumbnail\" viewBox=\"0 0 ", image->second.width, ' ', image->second.height,
              "\" role=\"img\" aria-label=\"", escape_html(description), "\"><use href=\"#", id, "\"/></svg>");
}

std::string bar_html(const std::string& name, double share, const std::string& value, bool right) {
  return text("<li", right ? " class=\"right\"" : "",
              "><span class=\"bar\" style=\"width:", fixed(100 * std::clamp(share, 0.0, 1.0), 1), "%\"></span><span>",
              escape_html(name), "</span><span>", value, "</span></li>");
}

}  // namespace tessera
