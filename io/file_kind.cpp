#include "io/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;  // at the file's beginning
  const char* words;
};

// Of two that begin alike the longer one stands first.
constexpr Magic kMagics[] = {
    {"\xff\xd8\xff"sv, "a JPEG picture"},
    {"\x89PNG\r\n\x1a\n"sv, "a PNG picture"},
    {"GIF87a"sv, "a GIF picture"},
    {"GIF89a"sv, "a GIF picture"},
    {"II*\0"sv, "a TIFF picture"},
    {"MM\0*"sv, "a TIFF picture"},
    {"II+\0"sv, "a BigTIFF picture"},
    {"MM\0+"sv, "a BigTIFF picture"},
    {"\0\0\0\x0cJXL \r\n\x87\n"sv, "a JPEG XL picture"},
    {"\xff\x0a"sv, "a JPEG XL picture"},
    {"\0\0\0\x0cjP  \r\n\x87\n"sv, "a JPEG 2000 picture"},
    {"\xff\x4f\xff\x51"sv, "a JPEG 2000 picture"},
    {"8BPS\0\1"sv, "a Photoshop picture"},
    {"\x76\x2f\x31\x01"sv, "an OpenEXR picture"},
    {"\0\0\1\0"sv, "an icon (ICO)"},
    {"%PDF-"sv, "a PDF document"},
    {"\x1a\x45\xdf\xa3"sv, "a WebM or Matroska video"},
    {"\x1f\x8b"sv, "compressed by gzip (gunzip unpacks it)"},
    {"BZh"sv, "compressed by bzip2 (bunzip2 unpacks it)"},
    {"\xfd\x37zXZ\0"sv, "compressed by xz (unxz unpacks it)"},
    {"\x28\xb5\x2f\xfd"sv, "compressed by zstd (unzstd unpacks it)"},
    {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive"},
    {"Rar!\x1a\x07"sv, "a RAR archive"},
    {"PK\3\4"sv, "a ZIP archive"},
    {"PK\5\6"sv, "a ZIP archive without any member"},
    {"PK\7\x08"sv, "one of several parts of a ZIP archive"},
    {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv, "a file of torch before version 1.6"},
    {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    {"\x93NUMPY"sv, "an array of NumPy"},
    {"GGUF"sv, "a GGUF file"},
    {"PAR1"sv, "a Parquet file"},
    {"ARROW1"sv, "an Arrow file"},
    {"SQLite format 3\0"sv, "an SQLite database"},
    {"\x7f"
     "ELF"sv,
     "a program (ELF)"},
};

std::string known_magic(std::string_view head) {
  for (const Magic& magic : kMagics)
    if (head.starts_with(magic.bytes)) return magic.words;
  // Nothing but the beginning of one of them.
  if (head.size() >= 2 && head[0] != '\0')
    for (const Magic& magic : kMagics)
      if (magic.bytes.starts_with(head)) return text("cut short: the first ", head.size(), " bytes of ", magic.words);
  return {};
}

uint32_t little_endian(std::string_view head, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(head[at + i])} << (8 * i);
  return value;
}

// Two letters are too few to know it by: nothing in the reserved bytes, and one of the lengths that a header has.
bool is_bmp(std::string_view head) {
  if (!head.starts_with("BM") || head.size() < 18 || head.substr(6, 4) != "\0\0\0\0"sv) return false;
  static constexpr std::array<uint32_t, 8> kHeaders = {12, 16, 40, 52, 56, 64, 108, 124};
  return std::find(kHeaders.begin(), kHeaders.end(), little_endian(head, 14)) != kHeaders.end();
}

// Chunks of a length each in one that names the format (RIFF).
std::string riff_kind(std::string_view head) {
  if (!head.starts_with("RIFF") || head.size() < 12) return {};
  const std::string_view form = head.substr(8, 4);
  if (form == "WEBP") return "a WebP picture";
  if (form == "AVI ") return "an AVI video";
  return form == "WAVE" ? "a WAV sound" : "a RIFF file";
}

// ISO base media files name a major brand, and those that they fit, too (ISO/IEC 14496-12).
std::string brand_kind(std::string_view head) {
  if (head.size() < 12 || head.substr(4, 4) != "ftyp") return {};
  const auto kind_of = [](std::string_view brand) -> const char* {
    if (brand == "avif" || brand == "avis") return "an AVIF picture";
    for (const char* heic : {"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"})
      if (brand == heic) return "a HEIC picture";
    return nullptr;
  };
  const std::string_view major = head.substr(8, 4);
  if (const char* kind = kind_of(major)) return kind;
  const size_t length = static_cast<uint8_t>(head[2]) * 256u + static_cast<uint8_t>(head[3]);
  for (size_t at = 16; at + 4 <= std::min(length, head.size()); at += 4)
    if (const char* kind = kind_of(head.substr(at, 4))) return kind;
  return major == "mif1" || major == "msf1" ? "a HEIF picture" : "an MP4 or QuickTime video";
}

// The length of a header in JSON, and its first byte.
bool is_safetensors(std::string_view head) {
  return head.size() > 8 && little_endian(head, 4) == 0 && little_endian(head, 0) >= 2 && head[8] == '{';
}

bool is_text(std::string_view head) {
  return std::none_of(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f') || byte == 0x7f;
  });
}

// Where a file looks like text: its marks, whatever their case, after a byte order mark and blanks.
std::string text_kind(std::string_view head) {
  if (head.starts_with("version https://git-lfs.github.com/spec/") ||
      head.starts_with("version https://hawser.github.com/spec/"))
    return "a pointer of git-lfs (the file itself was not downloaded: git lfs pull)";
  if (!is_text(head)) return {};
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\f"), head.size()));
  if (head.empty()) return "blank";
  std::string lower(head);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* mark : {"<!doctype html", "<html", "<head", "<body", "<title"})
    if (lower.starts_with(mark)) return "an HTML page (what a server sent instead of the file?)";
  if (lower.starts_with("<svg") || (lower.starts_with("<?xml") && lower.find("<svg") != std::string::npos))
    return "an SVG picture";
  if (lower.find("<html") != std::string::npos) return "an HTML page (what a server sent instead of the file?)";
  if (lower.starts_with("<?xml")) return "an XML document (what a server sent instead of the file?)";
  if (head.starts_with('{') || head.starts_with('[')) return "JSON";
  constexpr size_t kShown = 40;
  const std::string_view line = head.substr(0, head.find_first_of("\r\n"));
  // Text in no encoding that can be shown, or one character that happens to be one.
  if (line.size() < 4 || std::any_of(line.begin(), line.end(), [](char c) { return c < 0; })) return {};
  return text("text that begins ", printable(line.substr(0, kShown)));
}

}  // namespace

std::string file_kind(std::string_view head) {
  head = head.substr(0, kFileKindBytes);
  if (head.empty()) return "empty";
  if (std::string known = known_magic(head); !known.empty()) return known;
  if (is_bmp(head)) return "a BMP picture";
  if (std::string known = riff_kind(head); !known.empty()) return known;
  if (std::string known = brand_kind(head); !known.empty()) return known;
  constexpr size_t kTarMagicAt = 257;
  if (head.size() > kTarMagicAt && head.substr(kTarMagicAt).starts_with("ustar")) return "a tar archive";
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) return "a pickle of Python";
  if (head.size() >= 8 && head.find_first_not_of('\0') == std::string_view::npos)
    return "nothing but zero bytes as far as was looked (a download that did not end?)";
  if (is_safetensors(head)) return "a safetensors file";
  return text_kind(head);
}

std::string file_kind(std::span<const uint8_t> head) {
  return file_kind(std::string_view(reinterpret_cast<const char*>(head.data()), head.size()));
}

std::string wrong_kind(std::span<const uint8_t> head, std::string_view expected) {
  if (const std::string kind = file_kind(head); !kind.empty())
    return text("the file is ", kind, ", expected ", expected);
  constexpr size_t kShown = 8;
  std::string bytes;
  for (const uint8_t byte : head.first(std::min(head.size(), kShown))) {
    std::array<char, 4> digits;
    std::snprintf(digits.data(), digits.size(), " %02x", byte);
    bytes += digits.data();
  }
  return text("the file is of no kind known here (it begins", bytes, "), expected ", expected);
}

}  // namespace tessera
