// Options of the commands that use a detector: vilt regions ….
#include "vilt/command/options.h"

namespace tessera::command {
namespace {

void add_detector(CLI::App* command, RegionsArguments& arguments) {
  command
      ->add_option("--model", arguments.model,
                   "A run of a detector (its newest checkpoint is taken), a checkpoint, or a file of torchvision's "
                   "fasterrcnn_resnet50_fpn and its kind (.pth, .safetensors)")
      ->required();
  command->add_option(
      "--classes", arguments.classes,
      "File with the names of the classes, one a line, background first, where the detector brings none");
  add_device(command, arguments.device, "cpu (default) or cuda: the first GPU");
}

void add_detect(CLI::App& regions, Action& action) {
  CLI::App* command = add_command(regions, "detect", "Tells the objects of pictures and where they are",
                                  "vilt regions detect --model runs/scenes-regions photo.jpg --draw found.png");
  auto arguments = std::make_shared<RegionsArguments>();
  add_detector(command, *arguments);
  command->add_option("IMAGE", arguments->images, "One or more pictures")->required()->expected(1, -1);
  command->add_option("--score", arguments->least_score, "Objects from this score on (default 0.5)")
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--jsonl", arguments->json, "One JSON line for each picture");
  command->add_option("--draw", arguments->draw, "Writes the picture with its boxes, PNG; of one picture");
  command->add_flag("--force", arguments->force, "Replaces the file of --draw");
  command->callback([arguments, &action] { action = [arguments] { return run_regions_detect(*arguments); }; });
}

void add_extract(CLI::App& regions, Action& action) {
  CLI::App* command =
      add_command(regions, "extract", "Writes the regions of pictures for models that read them (docs/regions.md)",
                  "vilt regions extract --model runs/scenes-regions --captions dataset.json --images images \\\n"
                  "      --output regions.safetensors");
  auto arguments = std::make_shared<RegionsArguments>();
  add_detector(command, *arguments);
  command->add_option("--captions", arguments->captions,
                      "Captions file, whose pictures are taken, or tar shards; without it all pictures of the folder");
  command->add_option("--images", arguments->folder, "Folder of the pictures");
  command->add_option("--output", arguments->output, "File to write")->required();
  add_count(command, "--shard-size", arguments->shard_megabytes,
            "Several files FILE-000000.safetensors …, each of at most so many megabytes (default: one file)");
  add_count(command, "--least", arguments->least, "Regions of a picture, at least (default 10; of the scenes 4)");
  add_count(command, "--most", arguments->most, "... and at most (default 100; of the scenes 8)");
  command
      ->add_option("--confidence", arguments->confidence,
                   "Regions from this confidence on, between the two numbers (default 0.2)")
      ->check(CLI::Range(0.0, 1.0));
  add_count(command, "--batch", arguments->batch, "Pictures that are read at once (default 32)");
  command->add_flag("--bf16", arguments->half, "Features and distributions in half the space, with 8 bits");
  command->add_flag("--continue", arguments->go_on, "Keeps the files of --shard-size that are there, and goes on");
  command->add_flag("--force", arguments->force, "Replaces what is there");
  command->callback([arguments, &action] { action = [arguments] { return run_regions_extract(*arguments); }; });
}

}  // namespace

void add_regions(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "regions", "Objects and regions of pictures, by a detector",
                                  "vilt regions detect --model runs/scenes-regions photo.jpg");
  command->require_subcommand(1);
  add_detect(*command, action);
  add_extract(*command, action);
}

}  // namespace tessera::command
