// step_instructions f32|bf16: two updates of the tiny model on one thread, of which valgrind counts the second, for
// bench/count_instructions.sh. What an update does does not depend on values, so the parameters stay as they are made,
// which is quicker.
#include <valgrind/callgrind.h>

#include <string_view>

#include "autograd/tape.h"
#include "bench/bench_model.h"
#include "nn/adamw.h"
#include "tensor/parallel.h"
#include "vilt/objectives.h"

namespace tessera {
namespace {

struct Training {
  DType activations;
  ViltWithHeads model{bench::make_config(bench::model_size("tiny"))};
  ParameterSet parameters{model};
  AdamW optimizer{parameters, {}};
  bench::MadeBatch made = bench::make_batch(bench::model_size("tiny"), 2, true, true);

  void update(uint32_t step) {
    TicketSource tickets(0, step);
    const ForwardContext context{.training = true, .tickets = &tickets, .activations = activations};
    const std::vector<int64_t> divisors = count_divisors({&made.batch, 1});
    pretrain_objectives(model, made.batch, {}, divisors, context).total.backward();
    parameters.global_norm();
    optimizer.step(1e-4);
    parameters.clear_gradients();
  }
};

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::set_thread_count(1);
  const bool bf16 = argc > 1 && std::string_view(argv[1]) == "bf16";
  tessera::Training training{bf16 ? tessera::DType::bf16 : tessera::DType::f32};
  training.update(0);
  CALLGRIND_START_INSTRUMENTATION;
  training.update(1);
  CALLGRIND_STOP_INSTRUMENTATION;
  return 0;
}
