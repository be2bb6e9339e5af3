// Options of the commands that look after data sets: vilt data ….
#include "vilt/command/options.h"

namespace tessera::command {
namespace {

void add_data_shard(CLI::App& data, Action& action) {
  CLI::App* command =
      add_command(data, "shard", "Writes a data set as tar shards (WebDataset), or goes on where it was killed",
                  "vilt data shard --captions dataset.json --images images --out shards");
  auto arguments = std::make_shared<DataShardArguments>();
  command->add_option("--captions", arguments->captions, "Captions file (docs/data.md)")->required();
  command->add_option("--images", arguments->images, "Folder of the images")->required();
  command->add_option("--out", arguments->out, "Folder to write")->required();
  command->add_option("--split", arguments->split, "Split (default train); '' for all");
  command->add_option("--prefix", arguments->prefix, "Beginning of the shards' names (default: the split)");
  add_count(command, "--megabytes", arguments->megabytes, "A shard ends before it is larger (default 1000)");
  add_count(command, "--samples", arguments->samples, "... or when it has so many pictures (default 10000)");
  add_count(command, "--max-bad-files", arguments->max_bad_files,
            "So many pictures that cannot be read are left out (default 0)");
  command->add_flag("--force", arguments->force, "Replaces shards of other data, or with other limits");
  command->callback([arguments, &action] { action = [arguments] { return run_data_shard(*arguments); }; });
}

}  // namespace

void add_data(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("data", "Looks after data sets: writes shards of them");
  command->require_subcommand(1);
  add_data_shard(*command, action);
}

}  // namespace tessera::command
