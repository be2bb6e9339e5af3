// Options of `vilt zoo`.
#include "tensor/error.h"
#include "vilt/command/options.h"

namespace tessera::command {
namespace {

// What measures the same again.
std::string typed_again(const ZooArguments& arguments) {
  std::string out = "vilt zoo";
  const auto list = [&out](const char* option, const auto& values) {
    if (values.empty()) return;
    out += text(' ', option, ' ');
    for (size_t i = 0; i < values.size(); ++i) out += text(i > 0 ? "," : "", values[i]);
  };
  list("--systems", arguments.systems);
  list("--batch", arguments.batches);
  list("--precision", arguments.precisions);
  out += text(" --repeat ", arguments.repeat);
  if (arguments.threads > 0) out += text(" --threads ", arguments.threads);
  if (!arguments.size.empty()) out += " --size " + arguments.size;
  for (size_t i = 0; i < arguments.runs.size(); ++i) out += (i == 0 ? " --runs " : " ") + arguments.runs[i];
  if (arguments.processor_time) out += " --processor-time";
  if (arguments.quick) out += " --quick";
  return out + " --html " + arguments.html;
}

}  // namespace

void add_zoo(CLI::App& app, Action& action) {
  CLI::App* command = add_command(
      app, "zoo", "Measures the systems of ViLT's paper, part by part, with random weights of published sizes",
      "vilt zoo --systems uniter-36,pixelbert,vilt --batch 1 --html zoo.html");
  auto arguments = std::make_shared<ZooArguments>();
  command
      ->add_option("--systems", arguments->systems,
                   "Which, with commas between them: vse, clip-b32, clip-rn50, uniter-36, uniter-100, vilbert, "
                   "pixelbert, vilt (default all)")
      ->delimiter(',');
  command->add_option("--batch", arguments->batches, "Pairs that are run together (default 1,8)")->delimiter(',');
  command
      ->add_option("--precision", arguments->precisions,
                   "highest (f32), high or bf16, with commas between them (default highest,bf16); convolutions, GRU "
                   "and detector run in f32")
      ->delimiter(',');
  add_count(command, "--repeat", arguments->repeat,
            "Runs that are measured, after one that is not (default 3); parts of over 4 s once");
  add_count(command, "--threads", arguments->threads, "Threads (default all cores)");
  command->add_option("--size", arguments->size,
                      "HEIGHTxWIDTH of the pictures (default each system's published size); CLIP's is fixed");
  command
      ->add_option(
          "--runs", arguments->runs,
          "Finished runs, with spaces between them: what they have learnt and in what time, in a table besides")
      ->expected(1, -1);
  command->add_option("--json", arguments->json, "File for all figures");
  command->add_option("--html", arguments->html, "File for a page with charts and tables");
  command->add_flag("--processor-time", arguments->processor_time,
                    "Measures the processor's time, of all threads together, on a machine that has other work");
  command->add_flag("--quick", arguments->quick, "Everything tiny: for trying the command out, not for figures");
  command->add_flag("--force", arguments->force, "Replaces files that hold something else");
  command->callback([arguments, &action] {
    check(arguments->threads <= 1024, "--threads is ", arguments->threads, ", expected at most 1024");
    arguments->typed = typed_again(*arguments);
    action = [arguments] { return run_zoo(*arguments); };
  });
}

}  // namespace tessera::command
