// One update of pre-training (masked words, matching, word-patch alignment; backward; AdamW), and one forward pass of
// matching.
#include "autograd/tape.h"
#include "bench/bench_model.h"
#include "nn/adamw.h"
#include "tensor/products/precision.h"
#include "tensor/products/weight_copies.h"
#include "vilt/objectives.h"

namespace tessera::bench {
void use_precision(Vilt& model, const std::string& precision) {
  if (precision == "bf16") model.activations = DType::bf16;
  if (precision == "high") set_matmul_precision(MatmulPrecision::high);
}

void bench_step(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  ViltWithHeads model = make_model(size);
  use_precision(model.vilt, arguments.precision);
  ParameterSet parameters(model);
  AdamW optimizer(parameters, {});
  const auto [batch, tokens] = make_batch(size, arguments.batch, arguments.ragged, true);
  const LossDivisors divisors{batch.masked(), batch.pairs()};

  uint32_t step = 0;
  const auto update = [&, &batch = batch] {
    TicketSource tickets(0, step++);
    BlockContext context{arguments.dropout, arguments.dropout, true, &tickets, arguments.checkpoint_blocks};
    pretrain_objectives(model, batch, {}, divisors, context).total.backward();
    optimizer.step(1e-4);
    parameters.clear_gradients();
  };
  const Milliseconds ms = median_ms(update, arguments.warmup, arguments.reps);
  report(arguments, ms,
         {{"model", arguments.model},
          {"batch", arguments.batch},
          {"precision", arguments.precision},
          {"compile", arguments.compile},
          {"ragged", arguments.ragged},
          {"dropout", arguments.dropout},
          {"tokens", tokens},
          {"masked", batch.masked()},
          {"samples_per_s", rounded(arguments.batch / ms.median * 1e3, 2)},
          {"gflops", rounded(step_flops(size, arguments.batch, batch.masked()) / ms.median / 1e6, 1)}});
}

void bench_infer(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  ViltWithHeads model = make_model(size);
  use_precision(model.vilt, arguments.precision);
  const ParameterSet parameters(model);
  const auto [batch, tokens] = make_batch(size, arguments.batch, arguments.ragged, false);
  const auto forward = [&, &batch = batch] {
    const NoGrad no_grad;
    BlockContext context;
    model.matching_logits(model.vilt(batch.packed, context), batch.objectives.pair_rows);
  };
  const Milliseconds ms = median_ms(forward, arguments.warmup, arguments.reps);
  report(arguments, ms,
         {{"model", arguments.model},
          {"batch", arguments.batch},
          {"precision", arguments.precision},
          {"compile", arguments.compile},
          {"samples_per_s", rounded(arguments.batch / ms.median * 1e3, 2)}});
}

namespace {

// The weights of linear layers.
std::vector<Tensor> weights_of_products(const ParameterSet& parameters) {
  std::vector<Tensor> weights;
  for (const auto& [name, parameter, offset] : parameters.slots())
    if (parameter.value().dim() == 2 && name.ends_with(".weight") && name.find("embeddings") == std::string::npos)
      weights.push_back(parameter.value());
  return weights;
}

}  // namespace

// In precision bf16 or high every linear layer's weight has its two packed copies, as after a step in that precision.
void bench_adamw(const Arguments& arguments) {
  ViltWithHeads model = make_model(model_size("b32"));
  ParameterSet parameters(model);
  parameters.finish_gradients();
  Random random(2);
  Tensor gradients = parameters.gradients();
  float* values = gradients.mutable_data<float>();
  for (int64_t i = 0; i < gradients.numel(); ++i) values[i] = static_cast<float>(random.normal());
  AdamW optimizer(parameters, {});
  const std::vector<Tensor> weights = arguments.precision == "f32" ? std::vector<Tensor>() : weights_of_products(parameters);
  const PackedForm form = arguments.precision == "bf16" ? PackedForm::bf16 : PackedForm::split;
  int64_t packed_bytes = 0;
  const auto update = [&] {
    packed_bytes = 0;
    for (const Tensor& weight : weights)
      for (const bool transpose : {false, true}) packed_bytes += packed_weight(weight, transpose, form)->bytes();
    optimizer.step(1e-4);
  };
  const Milliseconds ms = median_ms(update, arguments.warmup, arguments.reps);
  report(arguments, ms,
         {{"parameters", parameters.total()}, {"precision", arguments.precision}, {"packed_bytes", packed_bytes}});
}

}  // namespace tessera::bench
