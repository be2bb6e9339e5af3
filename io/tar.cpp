#include "io/tar.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "io/file_kind.h"
#include "io/printable.h"
#include "io/tar_header.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// Of an extended header or a long name. Real ones have some hundred bytes.
constexpr uint64_t kMostExtension = uint64_t{1} << 20;

uint64_t padding_after(uint64_t size) { return (kTarBlock - size % kTarBlock) % kTarBlock; }

bool is_link_or_device(char type) { return type >= '1' && type <= '6'; }

}  // namespace

struct TarReader::Header {
  TarBlock block;
  uint64_t size = 0;
};

TarReader::TarReader(TextPieces pieces, std::string where) : pieces_(std::move(pieces)), where_(std::move(where)) {}

void TarReader::fail_here(const std::string& what) const { fail(where_, ": at byte ", header_, ": ", what); }

// Up to `wanted` bytes of what comes next; none at the end of the stream.
size_t TarReader::give(size_t wanted, std::string_view& bytes) {
  if (piece_.empty()) piece_ = pieces_();
  bytes = piece_.substr(0, wanted);
  piece_.remove_prefix(bytes.size());
  position_ += bytes.size();
  return bytes.size();
}

// How many bytes of the block there were.
size_t TarReader::fill(TarBlock& block) {
  size_t filled = 0;
  for (std::string_view part; filled < kTarBlock && give(kTarBlock - filled, part) > 0; filled += part.size())
    std::memcpy(block.bytes.data() + filled, part.data(), part.size());
  return filled;
}

void TarReader::pass_over(uint64_t bytes) {
  for (std::string_view part; bytes > 0; bytes -= part.size())
    if (give(static_cast<size_t>(std::min<uint64_t>(bytes, SIZE_MAX)), part) == 0)
      fail_here(text("truncated data: ", bytes, " bytes of the member are missing"));
}

// Of the padding, some or all may be missing at the end: it holds nothing.
void TarReader::end_data() {
  std::string_view part;
  while (padding_ > 0 && give(padding_, part) > 0) padding_ -= part.size();
  padding_ = 0;
}

void TarReader::skip() {
  pass_over(std::exchange(left_, 0));
  end_data();
}

void TarReader::read(std::string& data) {
  data.clear();
  uint64_t wanted = std::exchange(left_, 0);
  for (std::string_view part; wanted > 0; wanted -= part.size()) {
    if (give(wanted, part) == 0) fail_here(text("truncated data: ", wanted, " bytes of the member are missing"));
    data += part;
  }
  end_data();
}

// What follows the end is nothing to the archive, but a compressed stream has its checksum there, and a command its
// status. Tar programs fill up to 10 KiB, some to a megabyte.
void TarReader::drain() {
  constexpr uint64_t kMostFilling = uint64_t{1} << 20;
  const uint64_t end = position_ + kMostFilling;
  for (std::string_view part; position_ < end && give(SIZE_MAX, part) > 0;) {
  }
}

// False at the end. `extended`: a member has to follow.
bool TarReader::read_header(Header& header, bool extended) {
  header_ = position_;
  const char* missing = "a header for the next member without the member";
  TarBlock& block = header.block;
  const size_t filled = fill(block);
  if (filled == 0) {
    check(position_ > 0, where_, ": is empty, expected a tar archive");
    if (extended) fail_here(missing);
    return false;
  }
  if (filled == kTarBlock && block.is_zero()) {
    if (extended) fail_here(missing);
    drain();
    return false;
  }
  if (header_ == 0 && (filled < kTarBlock || !block.checksum_is_right())) {
    const std::string kind = file_kind(block.field(0, filled));
    const bool known = !kind.empty() && kind != "a tar archive";
    fail_here(text(filled < kTarBlock ? "truncated header" : "bad checksum of the first header",
                   known ? "; the file is " + kind + ", expected a tar archive" : "; is this a tar archive?"));
  }
  if (filled < kTarBlock) fail_here(text("truncated header: ", filled, " bytes of ", kTarBlock));
  if (!block.checksum_is_right())
    fail_here(text("bad checksum of a header (the name in it: ", printable(block.name()),
                   "); what follows cannot be told apart"));
  const auto size = block.size();
  if (!size)
    fail_here(text("bad size of the member ", printable(block.name()), ": its field holds ",
                   printable(block.field(124, 12)), ", expected a number from 0 to 2^63 - 1"));
  header.size = *size;
  return true;
}

std::string TarReader::read_extension(uint64_t size, const char* what) {
  if (size > kMostExtension) fail_here(text(what, ": it has ", size, " bytes, the limit is ", kMostExtension));
  left_ = size;
  padding_ = padding_after(size);
  std::string data;
  read(data);
  return data;
}

// Records of "LENGTH KEY=VALUE\n", the length being that of the whole record.
void TarReader::read_pax(uint64_t size, Extension& extension) {
  const std::string data = read_extension(size, "bad pax header");
  const auto require = [this](bool holds, const char* what, std::string_view record) {
    if (!holds) fail_here(text("bad pax header: ", what, ", in ", printable(record.substr(0, 60))));
  };
  std::string_view rest = data;
  // Some programs fill the header's block by zeros and count them.
  while (rest.find_first_not_of('\0') != std::string_view::npos) {
    const size_t blank = rest.find(' ');
    const auto length = decimal_number(rest.substr(0, std::min(blank, rest.size())));
    require(blank != std::string_view::npos && length.has_value(), "a record does not begin with its length", rest);
    require(*length > blank + 1 && *length <= rest.size(), "a record's length does not fit", rest);
    const std::string_view record = rest.substr(0, *length);
    require(record.ends_with('\n'), "a record does not end with a line break", record);
    const std::string_view text = record.substr(blank + 1, record.size() - blank - 2);
    const size_t equals = text.find('=');
    require(equals != std::string_view::npos && equals > 0, "a record without KEY=", record);
    const std::string_view key = text.substr(0, equals), value = text.substr(equals + 1);
    if (key == "path") extension.path = value;
    if (key == "size") {
      extension.size = decimal_number(value);
      require(extension.size.has_value(), "the size is no number from 0 to 2^63 - 1", record);
    }
    extension.sparse |= key.starts_with("GNU.sparse.");
    rest.remove_prefix(*length);
  }
}

std::string TarReader::read_long_name(uint64_t size) {
  std::string name = read_extension(size, "bad long name");
  return name.substr(0, name.find('\0'));
}

// GNU's own format for sparse files has further blocks between the header and the data.
void TarReader::skip_sparse_map(const Header& header) {
  TarBlock block;
  for (bool more = header.block.map_goes_on(); more; more = block.further_map_goes_on())
    if (fill(block) < kTarBlock) fail_here("truncated header: the map of a sparse file ends early");
}

void TarReader::describe(const Header& header, const Extension& extension, const std::string& long_name,
                         TarMember& member) const {
  const std::optional<std::string>& path = extension.path ? extension.path : global_.path;
  member.name = path && !path->empty() ? *path : !long_name.empty() ? long_name : header.block.name();
  member.size = extension.size.value_or(global_.size.value_or(header.size));
  const auto is = [&](TarMember::Use use, std::string reason) {
    member.use = use;
    member.reason = std::move(reason);
  };
  using Use = TarMember::Use;
  const char type = header.block.type();
  is(Use::file, "");
  switch (type) {
    case '\0':  // before there was a type for folders, the end of their names told
      if (member.name.ends_with('/')) is(Use::ignored, "folder");
      break;
    case '0':
    case '7':  // in one piece on the disk: an ordinary file to others
      break;
    case '1': is(Use::refused, "hard link"); break;
    case '2': is(Use::refused, "symbolic link"); break;
    case '3':
    case '4': is(Use::refused, "device"); break;
    case '5': is(Use::ignored, "folder"); break;
    case '6': is(Use::refused, "pipe"); break;
    case 'S': is(Use::refused, "sparse file"); break;
    case 'V': is(Use::ignored, "volume label"); break;
    default: is(Use::ignored, "unknown type " + printable(std::string_view(&type, 1)));
  }
  if (member.use == Use::file && (extension.sparse || global_.sparse)) is(Use::refused, "sparse file");
  // Links, devices, folders and pipes have no data; some programs write the size of what a link points at.
  if (is_link_or_device(type) || member.reason == "folder") member.size = 0;
}

bool TarReader::next(TarMember& member) {
  skip();
  Header header;
  Extension extension;
  std::string long_name;
  bool extended = false;
  const uint64_t begin = position_;
  for (;;) {
    if (!read_header(header, extended)) return false;
    const char type = header.block.type();
    if (type == 'g') {
      read_pax(header.size, global_);
      members_need_global_header_ = members_need_global_header_ || global_.path || global_.size || global_.sparse;
      continue;
    }
    if (type == 'x' || type == 'X') {
      read_pax(header.size, extension);
    } else if (type == 'L') {
      long_name = read_long_name(header.size);
    } else if (type == 'K') {  // of a link: whatever it points at, it is refused
      read_long_name(header.size);
    } else {
      break;
    }
    extended = true;
  }
  member.begin = begin;
  describe(header, extension, long_name, member);
  if (header.block.type() == 'S') skip_sparse_map(header);
  left_ = member.size;
  padding_ = padding_after(member.size);
  return true;
}

}  // namespace tessera
