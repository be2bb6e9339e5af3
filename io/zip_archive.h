// Reader of zip archives: what torch.save writes since version 1.6 is one.
//
// Archives are untrusted. The members' sizes are checked when the archive is opened: one that would be larger than the
// whole archive when unpacked (a compression bomb) is refused, and so are encrypted members and two of one name.
// Reading a member to its end checks its checksum.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera {

struct ZipMember {
  std::string name;
  uint64_t index = 0;  // in the archive's directory
  uint64_t size = 0;   // unpacked; at most the archive's size
  bool stored = true;  // not compressed
};

class ZipArchive {
 public:
  explicit ZipArchive(const std::string& path);
  // An archive in memory, which must outlive this object; `name` stands for the path in messages.
  ZipArchive(std::span<const uint8_t> bytes, const std::string& name);
  ~ZipArchive();
  ZipArchive(ZipArchive&&) noexcept;
  ZipArchive& operator=(ZipArchive&&) = delete;

  const std::string& path() const;
  uint64_t bytes() const;                                // of the archive
  const std::vector<ZipMember>& members() const;         // in the order of the directory
  const ZipMember* find(const std::string& name) const;  // null if there is none

  std::vector<uint8_t> read(const ZipMember& member) const;

  // The contents of one member, from its beginning to its end.
  class Stream {
   public:
    ~Stream();
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) = delete;
    // An error if the member holds fewer bytes.
    void read(void* to, uint64_t bytes);
    // Checks that the end is reached and the checksum is right.
    void finish();

   private:
    friend class ZipArchive;
    struct Handle;
    explicit Stream(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
  };
  Stream open(const ZipMember& member) const;

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

}  // namespace tessera
