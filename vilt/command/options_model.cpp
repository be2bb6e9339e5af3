// Options of the commands about a model or the library itself.
#include "vilt/command/options.h"

namespace tessera::command {

void add_convert(CLI::App& app, Action& action) {
  CLI::App* command =
      add_command(app, "convert",
                  "Writes a model, ViLT or CLIP, in the form that transformers opens; UNITER or ViLBERT as a folder",
                  "vilt convert vilt_200k_mlm_itm.ckpt vilt-mlm --vocab bert-base-uncased/vocab.txt");
  auto arguments = std::make_shared<ConvertArguments>();
  command
      ->add_option("IN", arguments->from,
                   "A run, a checkpoint, a Hugging Face directory, or a .safetensors, .bin or .ckpt")
      ->required();
  command->add_option("OUT", arguments->to, "Folder to write (with --names authors: a file, NAME.safetensors)")
      ->required();
  command->add_option("--names", arguments->names, "huggingface (default) or authors (of CLIP: OpenAI's)");
  command->add_option("--dtype", arguments->dtype, "f32 (default) or bf16");
  add_weights(command, arguments->weights);
  command->add_flag("--force", arguments->force,
                    "Replace OUT: a file, or a folder that holds a converted model and nothing else");
  command->callback([arguments, &action] { action = [arguments] { return run_convert(*arguments); }; });
}

void add_info(CLI::App& app, Action& action) {
  CLI::App* command =
      add_command(app, "info", "Tells what a model or a file of weights holds: tensors, heads, size, arithmetic",
                  "vilt info configs/scenes.toml --text 12 --grid 5x5");
  auto arguments = std::make_shared<InfoArguments>();
  command
      ->add_option("WHAT", arguments->what,
                   "A run, a checkpoint, a Hugging Face directory, a .safetensors, .bin or .ckpt, or a TOML file")
      ->required();
  command->add_flag("--tensors", arguments->tensors, "List every tensor with its type and shape");
  add_weights(command, arguments->weights);
  add_count(command, "--text", arguments->text, "Text tokens with [CLS] and [SEP] (default: as many as fit)");
  command->add_option("--grid", arguments->grid, "Patches of the image, ROWSxCOLUMNS (default: the position table's)");
  add_count(command, "--batch", arguments->batch, "Pairs at once (default: the settings' or 32)");
  command->add_flag("--memory", arguments->memory, "Only the memory of training");
  command->add_flag("--checkpoint-blocks", arguments->checkpoint_blocks, "... with train.checkpoint_blocks=true");
  add_precision(command, arguments->precision, "... with train.precision=highest, high, tf32 or bf16");
  command->callback([arguments, &action] { action = [arguments] { return run_info(*arguments); }; });
}

void add_gradcheck(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "gradcheck", "Checks the gradient of every op against central differences",
                                  "vilt gradcheck --op layer_norm");
  auto arguments = std::make_shared<GradcheckArguments>();
  command->add_option("--op", arguments->op, "Only ops whose name contains this");
  add_count(command, "--seed", arguments->seed, "Of the inputs (default 0)");
  add_device(command, arguments->device, "cuda: each op there in f32 against the CPU's in f64, values and gradients");
  command->add_flag("--plant", arguments->plant, "Makes each gradient wrong by 1 %, to see the checks fail");
  command->add_flag("--exhaustive", arguments->exhaustive,
                    "Every element also of large inputs, of which random directions are compared otherwise");
  command->callback([arguments, &action] { action = [arguments] { return run_gradcheck(*arguments); }; });
}

}  // namespace tessera::command
