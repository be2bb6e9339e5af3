// The command `vilt`: reads the line, tells what is wrong with it, and calls what was asked for.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "autograd/finite.h"
#include "io/printable.h"
#include "tensor/device.h"
#include "tensor/error.h"
#include "train/interruption.h"
#include "vilt/command/gradcheck.h"
#include "vilt/command/options.h"
#include "vilt/command/standard_streams.h"

namespace tessera::command {

int run_gradcheck(const GradcheckArguments& arguments) {
  const Device device = device_named("--device", arguments.device);
  check_available(device);
  if (device.kind == Device::cuda) {
    check(!arguments.plant, "gradcheck: --plant is for the CPU's gradients");
    check(!arguments.exhaustive,
          "gradcheck: --exhaustive is for the CPU's gradients; --device cuda compares every number");
    return run_device_table(std::cout, arguments.op, arguments.seed, device);
  }
  return run_gradcheck_table(std::cout, arguments.op, arguments.seed, arguments.plant, arguments.exhaustive);
}

namespace {

// The names are few and short: the one with the longest common beginning is what was meant, if any begins alike. An
// existing name gives itself.
std::string nearest_command(const CLI::App& app, const std::string& typed) {
  std::string best;
  size_t longest = 0;
  for (const CLI::App* command : app.get_subcommands({})) {
    const std::string& name = command->get_name();
    const auto common =
        static_cast<size_t>(std::mismatch(name.begin(), name.end(), typed.begin(), typed.end()).first - name.begin());
    if (common > longest) {
      longest = common;
      best = name;
    }
  }
  return best;
}

void add_commands(CLI::App& app, Action& action) {
  app.description("ViLT, a vision-and-language transformer, trained and used from the command line.");
  app.footer(
      "`vilt COMMAND --help` explains a command and ends with an example.\n"
      "From nothing to a trained model:\n"
      "  vilt scenes --kind scenes-quick --out runs/data/scenes-quick\n"
      "  vilt vocab --kind scenes-quick --captions runs/data/scenes-quick/dataset.json \\\n"
      "      --out runs/data/scenes-quick/vocab.txt\n"
      "  vilt train configs/scenes-quick.toml\n"
      "With a published checkpoint:\n"
      "  vilt info vilt-b32-finetuned-vqa\n"
      "  vilt answer --model vilt-b32-finetuned-vqa photo.jpg \"how many dogs are there?\"");
  app.set_version_flag("--version", std::string("vilt (tessera) ") + TESSERA_VERSION);
  app.require_subcommand(0, 1);
  add_scenes(app, action);
  add_vocabulary(app, action);
  add_data(app, action);
  add_train(app, action);
  add_report(app, action);
  add_eval(app, action);
  add_answer(app, action);
  add_fill(app, action);
  add_match(app, action);
  add_rank(app, action);
  add_reason(app, action);
  add_align(app, action);
  add_embed(app, action);
  add_search(app, action);
  add_classify(app, action);
  add_regions(app, action);
  add_serve(app, action);
  add_zoo(app, action);
  add_convert(app, action);
  add_info(app, action);
  add_gradcheck(app, action);
}

// In reverse, as CLI11 wants them. It does not end the options of a command at `--`, and reads "++" and a caption such
// as "[MASK] ring [MASK]" as signs of its own: what is not to be looked into is marked, for `unmark` to take it back.
std::vector<std::string> arguments_of(const std::vector<std::string>& typed) {
  std::vector<std::string> out;
  bool options_end = false, has_command = false;
  for (const std::string& argument : typed) {
    if (argument == "--" && !options_end) {
      options_end = true;
      continue;
    }
    const bool is_list = argument.starts_with('[') && argument.ends_with(']');
    const bool marked = is_list || argument == "++" || (options_end && has_command);
    out.push_back(marked ? kMark + argument : argument);
    has_command |= !argument.starts_with('-');
  }
  std::reverse(out.begin(), out.end());
  return out;
}

// What a command that ran out of memory could do with less of.
std::string memory_advice(const std::string& command) {
  if (command == "train")
    return "lower train.batch_size, raise train.accumulate, switch train.checkpoint_blocks on, or lower data.prefetch, "
           "data.cache_bytes, train.threads or the sizes of the model";
  if (command == "scenes") return "lower --train, --val, --test or --test-unseen";
  if (command == "data") return "lower --threads or --megabytes, or use smaller pictures";
  if (command == "vocab") return "learn from fewer captions (--split)";
  if (command == "eval" || command == "report") return "close other programs, or take a machine with more memory";
  if (command == "info") return "lower the sizes of the model, --batch, --text or --grid";
  if (command == "gradcheck") return "check fewer ops at once (--op)";
  if (command == "zoo") return "lower --batch or --size, or measure fewer --systems";
  if (command == "serve") return "lower --batch, --connections, --megabytes or --megapixels";
  if (command == "align" || command == "convert") return "use a smaller model or picture";
  return "lower --batch or use smaller pictures";
}

[[noreturn]] void fail_for_memory(const std::string& found, const std::string& command) {
  throw std::runtime_error(found + "; " + memory_advice(command));
}

int carried_out(const Action& action, const std::string& command) {
  try {
    return action();
  } catch (const std::bad_alloc&) {
    fail_for_memory("out of memory", command);
  } catch (const std::length_error&) {  // more elements than a container can have
    fail_for_memory("out of memory", command);
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::resource_unavailable_try_again) throw;
    fail_for_memory("no more threads can be started: the system has no memory for them, or a limit on them", command);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find("out of memory: ") == std::string::npos) throw;
    fail_for_memory(message, command);
  }
}

bool begins_with_dash(const std::string& argument) { return argument.size() > 1 && argument.starts_with('-'); }

// How to say a text that CLI11 took for options.
std::string dash_advice(const std::string& argument) {
  return text("; if '", argument, "' is a text or the name of a file, put -- before all of them: vilt COMMAND OPTIONS ",
              "-- FILE TEXT");
}

// Whether help was asked for; "-how many" is -h to CLI11.
void check_asked(const std::vector<std::string>& typed, const std::string& see) {
  std::string first;
  for (const std::string& argument : typed) {
    if (argument == "-h" || argument == "--help" || argument == "--version") return;
    if (argument == "--") break;
    if (first.empty() && begins_with_dash(argument) && !argument.starts_with("--")) first = argument;
  }
  if (!first.empty()) fail("there is no option '", first, "'", dash_advice(first), see);
}

// What a ParseError leaves unsaid: a word with a blank, or with one dash, is hardly a mistyped option.
std::string advice_on(const CLI::App& app) {
  for (const std::string& argument : app.remaining(true))
    if (begins_with_dash(argument) && (!argument.starts_with("--") || argument.find(' ') != std::string::npos))
      return dash_advice(argument);
  return "";
}

// The words that name it, each with a blank behind it: "data shard ".
std::string chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? "" : chosen[0]->get_name() + " " + chosen_command(*chosen[0]);
}

int run(int argc, char** argv) {
  CLI::App app("", "vilt");
  Action action;
  add_commands(app, action);
  unmark_all(app);
  const std::vector<std::string> typed(argv + std::min(argc, 1), argv + argc);
  const auto command = std::find_if(typed.begin(), typed.end(), [](const auto& word) { return word != "--"; });
  if (command != typed.end() && !command->starts_with('-')) {
    const std::string nearest = nearest_command(app, *command);
    const std::string advice = nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
    check(nearest == *command, "there is no command '", *command, "'", advice, " (vilt --help lists them)");
  }
  const auto see = [&app] { return text(" (see vilt ", chosen_command(app), "--help)"); };
  try {
    app.parse(arguments_of(typed));
  } catch (const CLI::Success& asked) {  // --help, --version
    check_asked(typed, see());
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    fail(error.what(), advice_on(app), see());
  }
  if (!action) {
    std::cout << app.help();
    return 0;
  }
  return carried_out(action, app.get_subcommands()[0]->get_name());
}

}  // namespace
}  // namespace tessera::command

// 0: done. 1: failed. 2: bad input. 130, 143: ended by SIGINT, SIGTERM.
int main(int argc, char** argv) {
  tessera::command::open_closed_descriptors();
  tessera::command::StandardStreams streams;
  std::string message;
  int status = 2;
  try {
    status = tessera::command::run(argc, argv);
  } catch (const tessera::Interrupted& error) {
    message = error.what();
    status = 128 + error.signal;  // as a shell says it of a program that the signal killed
  } catch (const tessera::NonFinite& error) {
    message = error.what();
    status = 1;
  } catch (const tessera::Error& error) {
    message = error.what();
  } catch (const std::filesystem::filesystem_error& error) {
    message = tessera::shown(error.path1()) + ": " + error.code().message();
  } catch (const std::exception& error) {
    message = error.what();
    status = 1;
  }
  // A command may have ended early for this reason, and then knows less of it.
  if (const int error = streams.close_output(); error != 0 && (message.empty() || status == 1)) {
    message = std::string("the output could not be written to standard output: ") + std::strerror(error);
    status = 1;
  }
  if (!message.empty()) std::cerr << "vilt: " << message << std::endl;
  return status;
}
