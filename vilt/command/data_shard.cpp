// `vilt data shard`: a data set as tar shards.
#include <iostream>

#include "data/shards/write_shards.h"
#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"
#include "vilt/command/command.h"

namespace tessera::command {

int run_data_shard(const DataShardArguments& arguments) {
  DatasetOptions read;
  if (!arguments.split.empty()) read.splits = {arguments.split};
  read.max_missing = arguments.max_bad_files;
  const Dataset dataset = Dataset::open(arguments.captions, arguments.images, read);
  WriteShardsOptions options;
  options.prefix = !arguments.prefix.empty() ? arguments.prefix : arguments.split.empty() ? "all" : arguments.split;
  check(arguments.megabytes >= 1 && arguments.megabytes <= int64_t{1} << 20, "data shard: --megabytes is ",
        arguments.megabytes, ", expected 1 to 1048576");
  options.most_bytes = static_cast<uint64_t>(arguments.megabytes) * 1'000'000;
  options.most_samples = arguments.samples;
  options.max_bad_files = arguments.max_bad_files;
  options.force = arguments.force;
  const WrittenShards written = write_shards(dataset, arguments.images, arguments.out, options,
                                             terminal_progress(text("shards of ", options.prefix)));
  for (const LeftOutSample& picture : written.left_out)
    std::cerr << "left out: " << escape_controls(picture.reason) << '\n';
  const bool kept = written.found == written.shards;
  std::cout << (kept ? "kept " : "written ") << shown(arguments.out) << '/' << options.prefix
            << "-*.tar: " << with_thousands(written.shards) << (written.shards == 1 ? " shard" : " shards");
  if (!kept && written.found > 0) std::cout << " (" << with_thousands(written.found) << " of them found)";
  std::cout << ", " << with_thousands(written.samples) << " pictures, " << with_thousands(written.captions)
            << " captions, " << with_thousands(static_cast<int64_t>(written.bytes)) << " bytes";
  if (!written.left_out.empty()) std::cout << ", " << written.left_out.size() << " pictures left out";
  std::cout << '\n';
  return 0;
}

}  // namespace tessera::command
