// How the time of a step grows: with threads, tokens, batch and width, one at a time, from `small` (256 wide, 66 tokens) with 16
// pairs. Each line has the factor by which the time is that of the line before.
#include <cstdio>

#include "autograd/tape.h"
#include "bench/bench_model.h"
#include "nn/adamw.h"
#include "tensor/parallel.h"
#include "vilt/objectives.h"

namespace tessera::bench {
namespace {

double step_ms(const ModelSize& size, int batch, const Arguments& arguments) {
  ViltWithHeads model = make_model(size);
  ParameterSet parameters(model);
  AdamW optimizer(parameters, {});
  const MadeBatch made = make_batch(size, batch, false, true);
  const LossDivisors divisors{made.batch.masked(), made.batch.pairs()};
  uint32_t step = 0;
  const auto update = [&] {
    TicketSource tickets(0, step++);
    BlockContext context{arguments.dropout, arguments.dropout, true, &tickets, arguments.checkpoint_blocks};
    pretrain_objectives(model, made.batch, {}, divisors, context).total.backward();
    optimizer.step(1e-4);
    parameters.clear_gradients();
  };
  return median_ms(update, arguments.warmup, arguments.reps).median;
}

}  // namespace

void bench_scaling(const Arguments& arguments) {
  const ModelSize base = model_size("small");
  constexpr int kBatch = 16;
  double before = 0;
  const auto line = [&](const char* what, int64_t value, const ModelSize& size, int batch) {
    const double ms = step_ms(size, batch, arguments);
    std::printf("%-8s %6lld %10.1f ms", what, static_cast<long long>(value), ms);
    if (before > 0) std::printf("   x %.2f", ms / before);
    std::printf("\n");
    std::fflush(stdout);
    before = ms;
  };
  for (int threads = 1; threads <= arguments.threads; threads *= 2) {
    set_thread_count(threads);
    line("threads", threads, base, kBatch);
  }
  set_thread_count(arguments.threads);
  before = 0;
  for (const int64_t rows : {4, 7, 11, 16}) {
    ModelSize size = base;
    size.grid_rows = size.grid_columns = size.table_side = rows;
    line("tokens", size.words + 1 + size.patches(), size, kBatch);
  }
  before = 0;
  for (const int batch : {4, 8, 16, 32}) line("batch", batch, base, batch);
  before = 0;
  for (const int64_t hidden : {128, 256, 512}) {
    ModelSize size = base;
    size.hidden = hidden;
    line("width", hidden, size, kBatch);
  }
}

}  // namespace tessera::bench
