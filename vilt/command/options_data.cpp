// Options of the commands that look after data sets: vilt data ….
#include "vilt/command/options.h"

namespace tessera::command {
namespace {

void add_data_shard(CLI::App& data, Action& action) {
  CLI::App* command =
      add_command(data, "shard", "Writes a data set as tar shards (WebDataset), or goes on where it was killed",
                  "vilt data shard --captions dataset.json --images images --out shards");
  auto arguments = std::make_shared<DataShardArguments>();
  command->add_option("--captions", arguments->captions, "Captions file or shards (docs/data.md)")->required();
  command->add_option("--images", arguments->images, "Folder of the images; of shards none");
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

void add_source(CLI::App* command, DataSourceArguments& source) {
  command->add_option(
      "SHARDS", source.shards,
      "Tar shards: files, folders, patterns as shards/train-{0000..0999}.tar or 'shards/*.tar', or pipe:COMMAND");
  command->add_option("--captions", source.captions, "Instead of shards: a captions file (docs/data.md)");
  command->add_option("--images", source.images, "Folder of its images");
  command->add_option("--split", source.split, "Only this split of it");
  add_count(command, "--threads", source.threads,
            "Shards, or parts of the captions file, at once (default: all cores)");
}

void add_data_verify(CLI::App& data, Action& action) {
  CLI::App* command = add_command(data, "verify", "Reads every sample and decodes its picture; lists what is bad",
                                  "vilt data verify 'shards/train-*.tar' --out shards/verified");
  auto arguments = std::make_shared<DataVerifyArguments>();
  add_source(command, arguments->source);
  command->add_option("--out", arguments->out,
                      "Folder for the list of bad samples, and from which a verification that was killed goes on");
  command->callback([arguments, &action] { action = [arguments] { return run_data_verify(*arguments); }; });
}

void add_data_stats(CLI::App& data, Action& action) {
  CLI::App* command = add_command(data, "stats", "Counts pictures, captions, their lengths and sizes",
                                  "vilt data stats --captions dataset.json --images images --vocab vocab.txt \\\n"
                                  "      --sheet sheet.png");
  auto arguments = std::make_shared<DataStatsArguments>();
  add_source(command, arguments->source);
  command->add_option("--vocab", arguments->vocabulary,
                      "vocab.txt or tokenizer.json: lengths are in tokens then, and otherwise in words");
  add_count(command, "--max-length", arguments->max_length,
            "Tokens of a text, [CLS] and [SEP] among them: longer captions are cut (default 40)");
  command->add_option("--sheet", arguments->sheet, "Contact sheet to write, PNG: pictures drawn from all");
  add_count(command, "--pictures", arguments->pictures, "... so many (default 64)");
  command->add_flag("--json", arguments->json, "One JSON object");
  command->add_flag("--force", arguments->force, "Replaces the contact sheet");
  command->callback([arguments, &action] { action = [arguments] { return run_data_stats(*arguments); }; });
}

}  // namespace

void add_data(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("data", "Looks after data sets: writes shards, verifies, counts");
  command->require_subcommand(1);
  add_data_shard(*command, action);
  add_data_verify(*command, action);
  add_data_stats(*command, action);
}

}  // namespace tessera::command
