#include "io/torch_file.h"

#include <vector>

#include "io/zip_archive.h"
#include "tensor/allocator.h"
#include "tests/fuzz/targets.h"
#include "tests/io/zip_writer.h"

namespace tessera::fuzz {
namespace {

void check_loaded(Bytes archive) {
  reset_peak_memory();
  const int64_t before = memory_statistics().live_bytes;
  TorchFile file;
  if (!accepted([&] { file = load_torch_file(archive, "fuzz"); })) return;
  ensure(!file.tensors.empty(), "a file without tensors");
  constexpr int64_t kSmallestBlock = 256;  // tensor/allocator.cpp
  const int64_t most =
      5 * static_cast<int64_t>(archive.size()) + kSmallestBlock * static_cast<int64_t>(file.tensors.size() + 1);
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
  tests::ZipWriter zip;
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
