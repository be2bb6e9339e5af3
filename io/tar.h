// Reader of tar archives, as a stream: v7, ustar, GNU (long names, base-256 sizes) and pax (extended and global
// headers). The archive may be of any size; of a member no more is in memory than is asked for.
//
// Archives are untrusted, and what is damaged must not be passed over in silence: of a shard that goes on after a
// header that was not understood, samples would come out mixed up. That is why this is not libarchive's reader (3.6).
// It skips an extended header that it cannot parse and gives the next member under another name, with a warning in
// words alone; it hands out members of unknown types and sparse files as ordinary files; and where the padding after
// the last member is missing, so that nothing is lost, it says that the data are cut.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/files.h"

namespace tessera {

// Of headers and of data, which are filled up with zeros.
inline constexpr size_t kTarBlock = 512;

// Whether these first bytes of a file, a block of them, are the header of a tar archive's first member.
bool begins_as_tar(std::string_view bytes);

struct TarBlock;

struct TarMember {
  enum class Use : uint8_t {
    file,     // an ordinary file
    refused,  // a link, a device, a pipe, a sparse file: its contents are not what its data say
    ignored,  // a folder, a volume label, a type that nobody knows
  };
  std::string name;    // as it is in the archive: any bytes, maybe none
  uint64_t begin = 0;  // position of its first header, those for extensions included, in the unpacked archive
  uint64_t size = 0;   // bytes of data in the archive; up to 2^63 - 1, whatever the archive has
  Use use = Use::file;
  std::string reason;  // of refused and ignored: "hard link", "unknown type 'Z'"
};

class TarReader {
 public:
  // `where` begins every message.
  TarReader(TextPieces pieces, std::string where);

  // The next member; what is left of the present one is passed over. False at the end: at the first block of zeros, as
  // tar programs have it, or where the archive ends between two members.
  //
  // Throws where it cannot be read on. The messages have one of: "bad checksum", "bad size", "bad pax header", "bad
  // long name", "truncated header", "truncated data", "a header for the next member without the member".
  bool next(TarMember& member);
  // The data of the member that next() gave. Memory is taken as they come, not as the header says.
  void read(std::string& data);
  void skip();
  // Where the next header begins, when the present member has been read or skipped: as far as the archive has been
  // read.
  uint64_t position() const { return position_; }
  // Whether a header for all members that follow has told of their names or sizes: read from the middle, without it,
  // the archive would say something else.
  bool members_need_global_header() const { return members_need_global_header_; }

 private:
  // What a pax header says that matters here. An empty path takes back what was said for all members.
  struct Extension {
    std::optional<std::string> path;
    std::optional<uint64_t> size;
    bool sparse = false;
  };
  struct Header;

  bool read_header(Header& header, bool extended);
  size_t fill(TarBlock& block);
  size_t give(size_t wanted, std::string_view& bytes);
  void pass_over(uint64_t bytes);
  void end_data();
  void read_pax(uint64_t size, Extension& extension);
  std::string read_long_name(uint64_t size);
  std::string read_extension(uint64_t size, const char* what);
  void describe(const Header& header, const Extension& extension, const std::string& long_name,
                TarMember& member) const;
  void skip_sparse_map(const Header& header);
  void drain();
  [[noreturn]] void fail_here(const std::string& what) const;

  TextPieces pieces_;
  std::string where_;
  std::string_view piece_;  // what is left of the present one
  uint64_t position_ = 0;
  uint64_t header_ = 0;   // position of the header that is being read
  uint64_t left_ = 0;     // data of the present member
  uint64_t padding_ = 0;  // after them
  Extension global_;      // for all members that follow
  bool members_need_global_header_ = false;
};

}  // namespace tessera
