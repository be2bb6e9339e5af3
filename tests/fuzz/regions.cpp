#include <sys/mman.h>
#include <unistd.h>

#include "data/regions/region_file.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

// What is read of each picture is what its file may hold, and no larger than it.
void regions(Bytes bytes) {
  const int descriptor = ::memfd_create("regions", 0);
  ensure(descriptor >= 0 && ::write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
         "no file in memory");
  accepted([&] {
    const RegionFile file(text("/proc/self/fd/", descriptor));
    int64_t count = 0;
    for (int64_t i = 0; i < file.pictures(); ++i) {
      ensure(!file.name(i).empty(), "a picture without a name");
      count += file.count(i);
    }
    ensure(count == file.regions(), "regions that belong to no picture");
    for (int64_t i = 0; i < file.pictures(); ++i)
      accepted([&] {
        Regions regions = file.read(i);
        ensure(static_cast<uint64_t>(regions.boxes.bytes()) <= bytes.size(), "regions larger than their file");
        check_regions(regions, file.features(), static_cast<int64_t>(file.classes().size()), "again");
      });
  });
  ::close(descriptor);
}

}  // namespace tessera::fuzz
