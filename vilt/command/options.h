// What can be typed after `vilt`: one function for each command, which adds its options to the command line and leaves
// what is to be done in `action`. The files options*.cpp and main.cpp alone know CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "vilt/command/command.h"

namespace tessera::command {

using Action = std::function<int()>;

// options_training.cpp
void add_scenes(CLI::App& app, Action& action);
void add_vocabulary(CLI::App& app, Action& action);
void add_train(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
// options_data.cpp
void add_data(CLI::App& app, Action& action);
// options_questions.cpp
void add_answer(CLI::App& app, Action& action);
void add_fill(CLI::App& app, Action& action);
void add_match(CLI::App& app, Action& action);
void add_rank(CLI::App& app, Action& action);
void add_reason(CLI::App& app, Action& action);
void add_align(CLI::App& app, Action& action);
// options_vectors.cpp
void add_embed(CLI::App& app, Action& action);
void add_search(CLI::App& app, Action& action);
void add_classify(CLI::App& app, Action& action);
// options_regions.cpp
void add_regions(CLI::App& app, Action& action);
// options_serve.cpp
void add_serve(CLI::App& app, Action& action);
// options_model.cpp
void add_convert(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);
void add_gradcheck(CLI::App& app, Action& action);
// options_zoo.cpp
void add_zoo(CLI::App& app, Action& action);

// Stands before an argument that CLI11 must not look into (main.cpp); nobody types it.
inline constexpr char kMark = '\x01';

// Takes the mark from the values of all options before anything else sees them.
inline void unmark_all(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    for (CLI::Option* option : command->get_options())
      option->transform([](const std::string& value) { return value.starts_with(kMark) ? value.substr(1) : value; },
                        "");
    unmark_all(*command);
  }
}

// CLI11 reads "-1" as a large number where none below 0 exists.
inline const CLI::Validator kWholeNumber(
    [](const std::string& typed) {
      const bool digits = !typed.empty() && typed.find_first_not_of("0123456789") == std::string::npos;
      return digits && typed.size() < 19 ? std::string() : "'" + typed + "' is no whole number from 0 on";
    },
    "");

template <class Integer>
void add_count(CLI::App* command, const std::string& name, Integer& target, const std::string& description) {
  command->add_option(name, target, description)->check(kWholeNumber);
}

inline CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                             const std::string& example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  return command;
}

// Where the parts of a model are that its weights do not bring.
inline void add_weights(CLI::App* command, WeightsArguments& arguments) {
  command->add_option("--config", arguments.config, "config.json, for weights without one beside them");
  command->add_option("--vocab", arguments.vocabulary, "vocab.txt or tokenizer.json, likewise");
  command->add_option("--labels", arguments.labels,
                      "The classifier's labels: a JSON list, an object {\"0\": \"label\"}, a config.json with "
                      "id2label, or one a line");
  add_count(command, "--attention-heads", arguments.attention_heads,
            "Number of attention heads, where neither config.json nor the weights say it");
  command->add_flag("--partial", arguments.partial, "Load what fits and tell what does not");
}

inline void add_precision(CLI::App* command, std::string& precision, const char* description) {
  command->add_option("--precision", precision, description)->check(CLI::IsMember({"highest", "high", "tf32", "bf16"}));
}

inline void add_device(CLI::App* command, std::string& device, const char* description) {
  command->add_option("--device", device, description)->check(CLI::IsMember({"cpu", "cuda"}));
}

// --model and what belongs to it, as every command that uses a model has them.
inline void add_model(CLI::App* command, ModelArguments& arguments) {
  command
      ->add_option(
          "--model", arguments.path,
          "A run (its newest checkpoint is taken), a checkpoint, a Hugging Face directory, or a file of weights")
      ->required();
  add_precision(command, arguments.precision,
                "highest (f32, default), high, tf32 (on a GPU) or bf16: faster, less exact");
  add_device(command, arguments.device, "cpu (default) or cuda: the first GPU");
  add_weights(command, arguments.weights);
}

}  // namespace tessera::command
