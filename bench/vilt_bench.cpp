// vilt_bench step|infer|rank|attention|ipot|adamw|gemm|conv|loader|shards|scaling: how long the parts of a ViLT
// training take, one JSON line for each measurement. vilt_bench zoo-…: whole models of other systems. vilt_bench
// device: what is measured on.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>

#include "bench/bench_model.h"
#include "tensor/device.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace tessera::bench {

JsonValue::JsonValue(double value) {
  std::ostringstream out;
  out << std::setprecision(15) << value;
  text = out.str();
}

void report(const Arguments& arguments, const Milliseconds& ms, const JsonFields& extra) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::vector<std::pair<const char*, JsonValue>> fields{{"peer", "tessera " TESSERA_VERSION}, {"work", arguments.work}};
  fields.insert(fields.end(), extra.begin(), extra.end());
  fields.insert(fields.end(), {{"threads", arguments.threads},
                               {"ms", rounded(ms.median, 3)},
                               {"min_ms", rounded(ms.least, 3)},
                               {"max_ms", rounded(ms.most, 3)},
                               {"peak_rss_bytes", int64_t{usage.ru_maxrss} * 1024}});
  const char* separator = "{";
  for (const auto& [key, value] : fields) {
    std::cout << separator << '"' << key << "\": " << value.text;
    separator = ", ";
  }
  std::cout << '}' << std::endl;
}

namespace {

const std::map<std::string, void (*)(const Arguments&)> kWorks{
    {"adamw", bench_adamw},
    {"attention", bench_attention},
    {"conv", bench_conv},
    {"device", bench_device},
    {"gemm", bench_gemm},
    {"infer", bench_infer},
    {"ipot", bench_ipot},
    {"loader", bench_loader},
    {"rank", bench_rank},
    {"scaling", bench_scaling},
    {"shards", bench_shards},
    {"step", bench_step},
    {"zoo-clip", bench_zoo_clip},
    {"zoo-clip-step", bench_zoo_clip_step},
    {"zoo-gru", bench_zoo_gru},
    {"zoo-gru-step", bench_zoo_gru_step},
    {"zoo-regions", bench_zoo_regions},
    {"zoo-resnet50", bench_zoo_resnet50},
    {"zoo-resnet50-step", bench_zoo_resnet50_step},
    {"zoo-uniter", bench_zoo_uniter},
};

bool runs_on_gpu(const std::string& work) {
  return work == "attention" || work == "device" || work == "gemm" || work == "infer" || work == "rank" ||
         work == "step";
}

std::vector<std::string> work_names() {
  std::vector<std::string> names;
  for (const auto& [name, function] : kWorks) names.push_back(name);
  return names;
}

int run(int argc, char** argv) {
  Arguments arguments;
  arguments.threads = thread_count();
  CLI::App app{
      "Measures the parts of a ViLT training; one JSON line for each measurement.\n"
      "Every time is the median of --reps calls after --warmup calls."};
  app.add_option("work", arguments.work, "what to measure")->required()->check(CLI::IsMember(work_names()));
  app.add_option("--model", arguments.model, "size of the model")
      ->check(CLI::IsMember({"b32", "small", "tiny", "scenes", "mini"}))
      ->capture_default_str();
  app.add_option("--batch", arguments.batch, "pairs in a batch")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--precision", arguments.precision,
                 "f32; high: f32 with split products; tf32: on a GPU, products in TF32; bf16 activations")
      ->check(CLI::IsMember({"f32", "high", "tf32", "bf16"}))
      ->capture_default_str();
  std::string device = "cpu";
  app.add_option("--device", device, "cpu or cuda; cuda: step, infer, rank, attention, gemm")->capture_default_str();
  app.add_flag("--cuda-graph", arguments.cuda_graph, "step on a GPU: each as one CUDA graph");
  app.add_flag("--upload", arguments.upload,
               "step on a GPU: its batch is new, with 8-bit patches, and goes there in every step");
  app.add_flag("--turns", arguments.turns,
               "says 'ready' when it has warmed up, and measures once for each line it is given");
  app.add_option("--dropout", arguments.dropout)->check(CLI::Range(0.0, 0.999))->capture_default_str();
  app.add_flag("--ragged", arguments.ragged, "texts and images of different lengths, as in COCO");
  app.add_flag("--checkpoint-blocks", arguments.checkpoint_blocks,
               "blocks are computed again in backward, to save memory");
  app.add_flag("--table", arguments.table,
               "gemm, conv: at the end a table of the shares of the peak; always where the output is a terminal");
  app.add_flag("--processor-time", arguments.processor_time, "zoo-…: the processor's time, of all threads together");
  app.add_flag("--compile", arguments.compile, "accepted and ignored");
  app.add_option("--compile-mode", arguments.compile_mode, "accepted and ignored");
  app.add_option("--threads", arguments.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--warmup", arguments.warmup, "calls before the measurement")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--reps", arguments.reps, "calls that are measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--workers", arguments.workers,
                 "loader: packed batches of --batch pictures by so many worker threads (0: by the caller), in the "
                 "processor's time; without it pictures alone")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--samples", arguments.samples,
                 "shards: so many, of one pixel; a million take 2 GB of temporary files")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  set_thread_count(arguments.threads);
  arguments.device = device_named("--device", device);
  if (const std::string reason = why_unavailable(arguments.device); !reason.empty()) {
    std::cerr << "vilt_bench: device " << device << ": " << reason << '\n';
    return 2;
  }
  if (arguments.device.kind == Device::cuda && !runs_on_gpu(arguments.work)) {
    std::cerr << "vilt_bench: " << arguments.work << " is measured on the CPU alone\n";
    return 2;
  }
  kWorks.at(arguments.work)(arguments);
  return 0;
}

}  // namespace
}  // namespace tessera::bench

int main(int argc, char** argv) {
  try {
    return tessera::bench::run(argc, argv);
  } catch (const tessera::Error& error) {
    std::cerr << "vilt_bench: " << error.what() << '\n';
    return 1;
  }
}
