#include "nn/torch_file.h"

#include <vector>

#include "nn/zip_archive.h"
#include "tensor/allocator.h"
#include "tests/fuzz/checksum.h"

namespace tessera::fuzz {
namespace {

// A zip archive whose members are stored as they are.
class ZipWriter {
 public:
  void add(std::string_view name, Bytes contents) {
    const size_t at = bytes_.size();
    append(bytes_, 0x04034b50, 4);
    describe(bytes_, name, contents);
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.insert(bytes_.end(), contents.begin(), contents.end());
    append(directory_, 0x02014b50, 4);
    append(directory_, 20, 2);  // version of the writer
    describe(directory_, name, contents);
    append(directory_, 0, 2 + 2 + 2 + 4);  // comment, disk, attributes
    append(directory_, at, 4);
    directory_.insert(directory_.end(), name.begin(), name.end());
    ++count_;
  }
  std::vector<uint8_t> finish() {
    const size_t at = bytes_.size();
    bytes_.insert(bytes_.end(), directory_.begin(), directory_.end());
    append(bytes_, 0x06054b50, 4);
    append(bytes_, 0, 4);  // disks
    append(bytes_, count_, 2);
    append(bytes_, count_, 2);
    append(bytes_, directory_.size(), 4);
    append(bytes_, at, 4);
    append(bytes_, 0, 2);  // comment
    return bytes_;
  }

 private:
  // Little-endian.
  static void append(std::vector<uint8_t>& to, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) to.push_back(i < 8 ? static_cast<uint8_t>(value >> (8 * i)) : uint8_t{0});
  }
  // What the local and the central header have in common: version, flags, method 0, time, checksum, sizes, lengths.
  static void describe(std::vector<uint8_t>& to, std::string_view name, Bytes contents) {
    append(to, 20, 2);
    append(to, 0, 2 + 2 + 4);
    append(to, crc32(contents), 4);
    append(to, contents.size(), 4);
    append(to, contents.size(), 4);
    append(to, name.size(), 2);
    append(to, 0, 2);  // extra
  }

  std::vector<uint8_t> bytes_, directory_;
  size_t count_ = 0;
};

void check_loaded(Bytes archive) {
  reset_peak_memory();
  const int64_t before = memory_statistics().live_bytes;
  TorchFile file;
  if (!accepted([&] { file = load_torch_file(archive, "fuzz"); })) return;
  ensure(!file.tensors.empty(), "a file without tensors");
  constexpr int64_t kSmallestBlock = 256;  // tensor/allocator.cpp
  const int64_t most = 5 * static_cast<int64_t>(archive.size()) + kSmallestBlock * static_cast<int64_t>(file.tensors.size() + 1);
  const int64_t peak = memory_statistics().peak_bytes - before;
  ensure(peak <= most, "tensors took ", peak, " bytes, the archive has ", archive.size());
  file.report();
  // Every element can be read, and the names can be written.
  safetensors_bytes(file.tensors);
}

}  // namespace

// The pickle alone is foreseen by nobody: checksums of an archive that was changed at random are nearly always wrong.
void torch_file(Bytes bytes) {
  std::vector<uint8_t> numbers(64);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<uint8_t>(i * 37);
  const std::vector<uint8_t> flags(16, 1);
  ZipWriter zip;
  zip.add("a/data.pkl", bytes);
  zip.add("a/byteorder", {reinterpret_cast<const uint8_t*>("little"), 6});
  zip.add("a/data/0", numbers);
  zip.add("a/data/1", flags);
  check_loaded(zip.finish());
}

void zip_archive(Bytes bytes) {
  accepted([&] {
    const ZipArchive archive(bytes, "fuzz");
    for (const ZipMember& member : archive.members()) {
      ensure(member.size <= bytes.size(), "a member of ", member.size, " bytes");
      accepted([&] { ensure(archive.read(member).size() == member.size, "a member that was not read to its end"); });
    }
  });
  check_loaded(bytes);
}

}  // namespace tessera::fuzz
