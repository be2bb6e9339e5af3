// Options of the commands that ask a model.
#include "vilt/command/options.h"

namespace tessera::command {

void add_fill(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "fill", "Fills in the hidden words of a caption, given the picture",
                                  "vilt fill --model runs/scenes-quick picture.jpg \"a [MASK] ring\"");
  auto arguments = std::make_shared<FillArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG or PNG")->required();
  command->add_option("TEXT", arguments->text, "Caption with [MASK] for each hidden word piece")->required();
  add_count(command, "--top", arguments->top, "Answers for each [MASK] (default 5)");
  command->callback([arguments, &action] { action = [arguments] { return run_fill(*arguments); }; });
}

void add_match(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "match", "Tells how probable it is that a caption belongs to a picture",
                                  "vilt match --model runs/scenes-quick picture.jpg \"a red ring\" \"a blue ring\"");
  auto arguments = std::make_shared<MatchArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG or PNG")->required();
  command->add_option("CAPTION", arguments->captions, "One or more captions, each in quotes")->required();
  command->callback([arguments, &action] {
    for (std::string& caption : arguments->captions)
      if (caption.starts_with(" [")) caption.erase(0, 1);  // the blank of arguments_of
    action = [arguments] { return run_match(*arguments); };
  });
}

void add_align(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "align", "Draws where each word of a caption looks: a heat map per word, as PNG",
                                  "vilt align --model runs/scenes-quick picture.jpg \"a red ring\" --out maps");
  auto arguments = std::make_shared<AlignArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG or PNG")->required();
  command->add_option("CAPTION", arguments->caption, "Caption, in quotes")->required();
  command->add_option("--out", arguments->out, "Folder to write to; made if absent")->required();
  command->add_option("--map", arguments->map,
                      "attention (default; mean over heads), plan (optimal transport, beta 0.1, 1,000 iterations) or "
                      "plan-training (beta 0.5, 50 iterations)");
  add_count(command, "--layer", arguments->layer, "Layer of the attention, from 1 (default: the last)");
  command->callback([arguments, &action] { action = [arguments] { return run_align(*arguments); }; });
}

}  // namespace tessera::command
