// How the time of a step grows, in f32 and bf16: with tokens, batch and width, one at a time, from `small` (256 wide,
// 66 tokens) with 16 pairs, and with threads, for `small` and, with 4 pairs, `b32`. Beside each time the factor by
// which it is that of the line before; for threads, how many times as fast it is.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "autograd/tape.h"
#include "bench/bench_model.h"
#include "nn/adamw.h"
#include "tensor/parallel.h"
#include "vilt/objectives.h"

namespace tessera::bench {
namespace {

constexpr std::array<const char*, 2> kPrecisions{"f32", "bf16"};

double step_ms(const ModelSize& size, int batch, const std::string& precision, const Arguments& arguments) {
  ViltWithHeads model = make_model(size, arguments.dropout);
  const DType activations = use_precision(precision, Device{});
  ParameterSet parameters(model);
  AdamW optimizer(parameters, {});
  const MadeBatch made = make_batch(size, batch, false, true);
  const std::vector<int64_t> divisors = count_divisors({&made.batch, 1});
  uint32_t step = 0;
  const auto update = [&] {
    TicketSource tickets(0, step++);
    const ForwardContext context{.training = true,
                                 .tickets = &tickets,
                                 .checkpoint_blocks = arguments.checkpoint_blocks,
                                 .activations = activations};
    pretrain_objectives(model, made.batch, {}, divisors, context).total.backward();
    optimizer.step(1e-4);
    parameters.clear_gradients();
  };
  return median_ms(update, arguments.warmup, arguments.reps).median;
}

// The lines of one quantity, with the times of both precisions.
class Table {
 public:
  Table(const std::string& title, bool speeds, const Arguments& arguments) : speeds_(speeds), arguments_(arguments) {
    std::printf("%-24s", title.c_str());
    for (const char* precision : kPrecisions) std::printf(" %22s", precision);
    std::printf("\n");
  }

  void line(int64_t value, const ModelSize& size, int batch) {
    std::printf("%24lld", static_cast<long long>(value));
    for (size_t i = 0; i < kPrecisions.size(); ++i) {
      const double ms = step_ms(size, batch, kPrecisions[i], arguments_);
      std::printf(" %10.1f ms", ms);
      if (before_[i] > 0)
        std::printf("  x %5.2f", speeds_ ? before_[i] / ms : ms / before_[i]);
      else
        std::printf("         ");
      std::fflush(stdout);
      before_[i] = ms;
    }
    std::printf("\n");
  }

 private:
  bool speeds_;
  const Arguments& arguments_;
  std::array<double, kPrecisions.size()> before_{};
};

void threads_table(const std::string& model, int batch, const Arguments& arguments) {
  Table table("threads, " + model, true, arguments);
  for (int threads = 1; threads <= arguments.threads; threads *= 2) {
    set_thread_count(threads);
    table.line(threads, model_size(model), batch);
  }
  set_thread_count(arguments.threads);
}

}  // namespace

void bench_scaling(const Arguments& arguments) {
  const ModelSize base = model_size("small");
  constexpr int kBatch = 16;
  {
    Table table("tokens of a pair", false, arguments);
    for (const int64_t rows : {4, 7, 11, 16}) {
      ModelSize size = base;
      size.grid_rows = size.grid_columns = size.table_side = rows;
      table.line(size.words + 1 + size.patches(), size, kBatch);
    }
  }
  {
    Table table("pairs in a batch", false, arguments);
    for (const int batch : {4, 8, 16, 32}) table.line(batch, base, batch);
  }
  {
    Table table("width", false, arguments);
    for (const int64_t hidden : {128, 256, 512}) {
      ModelSize size = base;
      size.hidden = hidden;
      table.line(hidden, size, kBatch);
    }
  }
  threads_table("small", kBatch, arguments);
  Arguments few = arguments;  // a step takes seconds
  few.warmup = std::min(1, arguments.warmup);
  few.reps = std::min(3, arguments.reps);
  threads_table("b32", 4, few);
}

}  // namespace tessera::bench
