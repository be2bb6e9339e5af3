// `vilt zoo`: what the systems of ViLT's paper cost, part by part, on this machine.
#include "vilt/command/zoo.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "io/printable.h"
#include "tensor/parallel.h"
#include "train/progress_line.h"
#include "vilt/command/command.h"
#include "vilt/command/overwriting.h"

namespace tessera::command {
namespace {

// Of Linux's processor; nothing where it does not say.
std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      if (const size_t at = line.find(": "); at != std::string::npos) return line.substr(at + 2) + ", ";
  return "";
}

std::string machine(int64_t threads) {
  return text(processor(), threads, threads == 1 ? " thread, " : " threads, ",
              describe_precision(DType::f32, Device{}));
}

std::vector<zoo::System> all_systems() {
  std::vector<zoo::System> all = zoo::systems();
  all.push_back(zoo_vilt());
  return all;
}

std::vector<zoo::System> chosen_systems(const std::vector<std::string>& names) {
  const std::vector<zoo::System> all = all_systems();
  if (names.empty()) return all;
  std::vector<zoo::System> out;
  for (const std::string& name : names) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const zoo::System& one) { return one.name == name; });
    if (found == all.end()) {
      std::string known;
      for (const zoo::System& one : all) known += (known.empty() ? "" : ", ") + one.name;
      fail("--systems: there is no system ", text("'", name, "'"), "; there are ", known);
    }
    check(std::none_of(out.begin(), out.end(), [&](const zoo::System& one) { return one.name == name; }),
          "--systems: ", name, " is named twice");
    out.push_back(*found);
  }
  return out;
}

Size2d picture_size(const std::string& typed) {
  constexpr int64_t kMost = 4096;
  if (typed.empty()) return 0;
  Size2d size;
  char separator = 0;
  std::istringstream in(typed);
  const bool read =
      static_cast<bool>(in >> size.height >> separator >> size.width) && in.peek() == EOF && separator == 'x';
  check(read && size.least() >= 32 && size.height <= kMost && size.width <= kMost, "--size is ", text("'", typed, "'"),
        ", expected HEIGHTxWIDTH of 32 to ", kMost, " pixels, such as 384x640");
  return size;
}

zoo::MeasureOptions options_of(const ZooArguments& arguments) {
  constexpr int64_t kMostPairs = 64;
  zoo::MeasureOptions options{.batches = arguments.batches, .precisions = {}};
  for (const int64_t batch : options.batches) {
    check(batch >= 1 && batch <= kMostPairs, "--batch is ", batch, ", expected 1 to ", kMostPairs, " pairs");
    check(std::count(options.batches.begin(), options.batches.end(), batch) == 1, "--batch: ", batch,
          " is named twice");
  }
  for (const std::string& name : arguments.precisions) {
    options.precisions.push_back(precision_named("--precision", name));
    check(options.precisions.back() != Precision::tf32, "--precision: tf32 is for a GPU; the systems are measured on ",
          "the CPU");
    check(std::count(options.precisions.begin(), options.precisions.end(), options.precisions.back()) == 1,
          "--precision: ", name, " is named twice");
  }
  check(arguments.repeat >= 1, "--repeat is ", arguments.repeat, ", expected at least 1");
  options.repeat = arguments.repeat;
  options.picture = picture_size(arguments.size);
  options.quick = arguments.quick;
  options.processor_time = arguments.processor_time;
  return options;
}

}  // namespace

int64_t parameters_without_text(const zoo::MeasuredSystem& system) {
  int64_t sum = 0;
  for (const zoo::MeasuredPart& part : system.parts)
    if (part.part.role != zoo::Role::text) sum += part.part.parameters;
  return sum;
}

int run_zoo(const ZooArguments& arguments) {
  const std::vector<zoo::System> systems = chosen_systems(arguments.systems);
  ZooResult result{.machine = "",
                   .options = options_of(arguments),
                   .systems = {},
                   .suppression = {},
                   .runs = read_zoo_runs(arguments.runs)};
  // Minutes of measuring are not to end at a file that is in the way.
  if (!arguments.json.empty()) check_may_write(arguments.json, arguments.force);
  if (arguments.threads > 0) set_thread_count(static_cast<int>(arguments.threads));
  result.machine = machine(thread_count());
  {
    const ProgressLine progress;
    result.options.progress = [&progress](const std::string& line) { progress.show(line); };
    result.systems = zoo::measure(systems, result.options);
    progress.show("suppression by classes …");
    result.suppression = zoo::measure_suppression(arguments.quick, arguments.repeat, arguments.processor_time);
    result.options.progress = {};
  }
  std::cout << zoo_table(result);
  if (!arguments.json.empty()) {
    write_output(arguments.json, zoo_json(result), arguments.force);
    std::cout << "figures: " << shown(arguments.json) << '\n';
  }
  if (!arguments.html.empty()) {
    write_page(arguments.html, zoo_page(result, arguments.typed), kZooMark, arguments.force);
    std::cout << "page: " << shown(arguments.html) << '\n';
  }
  return 0;
}

}  // namespace tessera::command
