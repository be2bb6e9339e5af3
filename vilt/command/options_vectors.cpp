// Options of the commands that hold pictures and texts against each other by their vectors.
#include "tensor/error.h"
#include "vilt/command/options.h"

namespace tessera::command {
namespace {

void add_two_towers(CLI::App* command, VectorArguments& arguments) {
  command
      ->add_option("--model", arguments.model,
                   "CLIP: a run, a Hugging Face directory, or a file of weights with its names or OpenAI's")
      ->required();
  command->add_option("--config", arguments.config, "config.json, for weights without one beside them");
  command->add_option(
      "--vocab", arguments.vocabulary,
      "tokenizer.json, vocab.json (with merges.txt beside it) or bpe_simple_vocab_16e6.txt.gz, likewise");
  add_precision(command, arguments.precision, "highest (f32, default), high, tf32 (on a GPU) or bf16");
  add_device(command, arguments.device, "cpu (default) or cuda: the first GPU");
  add_count(command, "--batch", arguments.batch, "Pictures that are run together (default 32)");
  command->add_flag("--truncate", arguments.truncate, "Cuts texts that are too long for the model");
}

void on_parse(CLI::App* command, const std::shared_ptr<VectorArguments>& arguments, Action& action,
              int (*run)(const VectorArguments&)) {
  command->callback([arguments, run, &action] {
    check(arguments->batch >= 1, "--batch is ", arguments->batch, ", expected at least 1");
    check(arguments->top >= 1, "--top is ", arguments->top, ", expected at least 1");
    action = [arguments, run] { return run(*arguments); };
  });
}

}  // namespace

void add_embed(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "embed", "Writes the vectors of pictures or texts, of unit length (CLIP)",
                                  "vilt embed --model clip-vit-base-patch32 --images photos --out photos.safetensors");
  auto arguments = std::make_shared<VectorArguments>();
  add_two_towers(command, *arguments);
  auto* images = command->add_option("--images", arguments->folder,
                                     "Folder of pictures, with the folders in it; vilt search takes the file as "
                                     "--index. One that holds vectors already is brought up to date");
  auto* texts = command->add_option("--texts", arguments->text_file, "File with a text a line");
  images->excludes(texts);
  command->add_option("--out", arguments->output, "The file: safetensors, `vectors` [n, size]")->required();
  command->add_flag("--force", arguments->force, "Replaces a file that holds something else");
  on_parse(command, arguments, action, run_embed);
}

void add_search(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "search", "Finds the pictures of a folder that are nearest to a text (CLIP)",
                                  "vilt search --model clip-vit-base-patch32 photos \"a dog on a beach\"");
  auto arguments = std::make_shared<VectorArguments>();
  add_two_towers(command, *arguments);
  command->add_option("FOLDER", arguments->folder, "Pictures, with those of the folders in it")->required();
  command->add_option("TEXT", arguments->texts, "One or more, each in quotes")->required()->expected(1, -1);
  command->add_option("--index", arguments->index,
                      "File that keeps the pictures' vectors: made if absent; only pictures that are new or have "
                      "changed are computed again");
  add_count(command, "--top", arguments->top, "Pictures that are shown for each text (default 10)");
  command->add_flag("--json", arguments->json, "One JSON line for each text");
  on_parse(command, arguments, action, run_search);
}

void add_classify(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "classify", "Tells which of several classes a picture shows, untrained (CLIP)",
                                  "vilt classify --model clip-vit-base-patch32 --classes \"cat,dog,horse\" photo.jpg");
  auto arguments = std::make_shared<VectorArguments>();
  add_two_towers(command, *arguments);
  command->add_option("IMAGE", arguments->images, "One or more pictures")->required()->expected(1, -1);
  command
      ->add_option("--classes", arguments->classes, "Their names, with commas between them, or a file with one a line")
      ->required();
  command
      ->add_option("--template", arguments->templates,
                   "What a name is put into at {} (default \"a photo of a {}.\"); may be repeated: a class is the mean "
                   "of its prompts' vectors")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  add_count(command, "--top", arguments->top, "Classes that are shown for each picture (default 10)");
  command->add_flag("--json", arguments->json, "One JSON line for each picture");
  on_parse(command, arguments, action, run_classify);
}

}  // namespace tessera::command
