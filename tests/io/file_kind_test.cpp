#include "io/file_kind.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace tessera::file_kind_test {

using namespace std::string_literals;

std::string message(const std::string& head) {
  return wrong_kind(std::span(reinterpret_cast<const uint8_t*>(head.data()), head.size()), "a picture");
}

TEST_CASE("file kinds: pictures and videos") {
  const auto brand = [](const std::string& brands) {
    return "\0\0\0"s + static_cast<char>(8 + brands.size()) + "ftyp" + brands;
  };
  CHECK(file_kind("\xff\xd8\xff\xe0"s) == "a JPEG picture");
  CHECK(file_kind("\x89PNG\r\n\x1a\n...."s) == "a PNG picture");
  CHECK(file_kind("RIFF\x10\0\0\0WEBPVP8 "s) == "a WebP picture");
  CHECK(file_kind("RIFF\x10\0\0\0WAVEfmt "s) == "a WAV sound");
  CHECK(file_kind("RIFF\x10\0\0\0AVI LIST"s) == "an AVI video");
  CHECK(file_kind("GIF87a.."s) == "a GIF picture");
  CHECK(file_kind("GIF89a.."s) == "a GIF picture");
  CHECK(file_kind("BM\x36\x51\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"s) == "a BMP picture");
  CHECK(file_kind("BM\x36\x51\0\0\0\0\0\0\x8a\0\0\0\x7c\0\0\0"s) == "a BMP picture");
  CHECK(file_kind("BMW is a maker of cars"s) == "text that begins 'BMW is a maker of cars'");
  CHECK(file_kind("II*\0\x08\0\0\0"s) == "a TIFF picture");
  CHECK(file_kind("MM\0*\0\0\0\x08"s) == "a TIFF picture");
  CHECK(file_kind("MM\0+\0\x08\0\0"s) == "a BigTIFF picture");
  CHECK(file_kind(brand("avif\0\0\0\0avifmif1"s)) == "an AVIF picture");
  CHECK(file_kind(brand("mif1\0\0\0\0mif1avif"s)) == "an AVIF picture");
  CHECK(file_kind(brand("heic\0\0\0\0mif1heic"s)) == "a HEIC picture");
  CHECK(file_kind(brand("mif1\0\0\0\0mif1heic"s)) == "a HEIC picture");
  CHECK(file_kind(brand("mif1\0\0\0\0mif1"s) + "heic") == "a HEIF picture");
  CHECK(file_kind(brand("isom\0\0\2\0isommp42"s)) == "an MP4 or QuickTime video");
  CHECK(file_kind("\0\0\0\x0cJXL \r\n\x87\n"s) == "a JPEG XL picture");
  CHECK(file_kind("<svg width=\"1\"/>"s) == "an SVG picture");
  CHECK(file_kind("<?xml version=\"1.0\"?>\n<!-- x -->\n<SVG>"s) == "an SVG picture");
}

TEST_CASE("file kinds: what a download leaves instead of a file") {
  const std::string page = "an HTML page (what a server sent instead of the file?)";
  for (const char* html : {"<!DOCTYPE html><html>404</html>", "\xef\xbb\xbf \r\n<html lang=en>", "<HTML><HEAD>",
                           "<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0\"><html>",
                           "<!-- made by a proxy --><html>"})
    CHECK(file_kind(std::string(html)) == page);
  CHECK(file_kind("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"s) ==
        "an XML document (what a server sent instead of the file?)");
  const std::string pointer = "a pointer of git-lfs (the file itself was not downloaded: git lfs pull)";
  CHECK(file_kind("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12345\n"s) == pointer);
  CHECK(file_kind("version https://hawser.github.com/spec/v1\n"s) == pointer);
  CHECK(file_kind("Entry not found"s) == "text that begins 'Entry not found'");
  CHECK(file_kind("{\"error\": 1}"s) == "JSON");
  CHECK(file_kind(""s) == "empty");
  CHECK(file_kind(" \n"s) == "blank");
  CHECK(file_kind(std::string(600, '\0')).starts_with("nothing but zero bytes"));
}

TEST_CASE("file kinds: archives, weights, data") {
  CHECK(file_kind("\x1f\x8b\x08\0"s) == "compressed by gzip (gunzip unpacks it)");
  CHECK(file_kind("PK\3\4\x14\0"s) == "a ZIP archive");
  CHECK(file_kind("\x28\xb5\x2f\xfd\x04"s) == "compressed by zstd (unzstd unpacks it)");
  CHECK(file_kind(std::string(257, 'a') + "ustar") == "a tar archive");
  CHECK(file_kind(std::string(256, 'a') + "ustar") != "a tar archive");
  CHECK(file_kind("\x89HDF\r\n\x1a\n"s) == "an HDF5 file");
  CHECK(file_kind("\x80\4}q\0."s) == "a pickle of Python");
  CHECK(file_kind("\x40\0\0\0\0\0\0\0{\"a\":"s) == "a safetensors file");
  CHECK(file_kind("\x93NUMPY\1\0"s) == "an array of NumPy");
  CHECK(file_kind("GGUF\3\0\0\0"s) == "a GGUF file");
}

TEST_CASE("file kinds: a file cut short, and bytes that tell nothing") {
  CHECK(file_kind("\x89PN"s) == "cut short: the first 3 bytes of a PNG picture");
  CHECK(file_kind("\xff\xd8"s) == "cut short: the first 2 bytes of a JPEG picture");
  CHECK(file_kind("\x01\x02\x03\x04"s).empty());
  CHECK(file_kind("\xff"s).empty());
  CHECK(file_kind("\0\0"s).empty());
  CHECK(message("BM\x36\x51\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"s) == "the file is a BMP picture, expected a picture");
  CHECK(message("\x01\x02\x03\x04"s) ==
        "the file is of no kind known here (it begins 01 02 03 04), expected a picture");
  CHECK(message("") == "the file is empty, expected a picture");
  // What a terminal must not obey.
  CHECK(message("text \xc2\x9b").find('\xc2') == std::string::npos);
}

}  // namespace tessera::file_kind_test
