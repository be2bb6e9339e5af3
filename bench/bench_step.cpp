// One update of pre-training (masked words, matching, word-patch alignment; backward; AdamW), and one forward pass of
// matching.
#include "autograd/tape.h"
#include "bench/bench_model.h"
#include "nn/adamw.h"
#include "nn/precision.h"
#include "tensor/gemm/packed/weight_copies.h"
#include "tensor/gemm/precision.h"
#include "tensor/step_graph.h"
#include "vilt/objectives.h"

namespace tessera::bench {

DType use_precision(const std::string& precision, Device device) {
  if (device.kind == Device::cuda)
    return tessera::use_precision(precision_named("--precision", precision == "f32" ? "highest" : precision), device);
  if (precision == "high") set_matmul_precision(MatmulPrecision::high);
  return precision == "bf16" ? DType::bf16 : DType::f32;
}

namespace {

// The same batch as if it had just been collated: nothing of it lies on the GPU yet.
PretrainBatch fresh_copy(PretrainBatch batch) {
  PackedBatch& packed = batch.packed;
  ObjectiveTables& tables = batch.objectives;
  for (Tensor* tensor : {&packed.position_index, &packed.position_weight, &packed.token_ids, &packed.token_positions,
                         &packed.token_types, &packed.cu_seqlens, &packed.gather, &packed.modality, &tables.masked_rows,
                         &tables.masked_labels, &tables.pair_rows, &tables.pair_labels, &tables.word_rows,
                         &tables.cu_words, &tables.patch_rows, &tables.cu_patches})
    *tensor = tensor->clone();
  return batch;
}

}  // namespace

// The batch's patches lie on the device from the start, and so does the rest of it after the first step; with `upload`
// nothing does.
void bench_step(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  ViltWithHeads model = make_model(size, arguments.dropout);
  ParameterSet parameters(model, DType::f32, "", arguments.device);
  const DType activations = use_precision(arguments.precision, arguments.device);
  AdamW optimizer(parameters, {});
  MadeBatch made = make_batch(size, arguments.batch, arguments.ragged, true, arguments.upload);
  PretrainBatch& batch = made.batch;
  if (!arguments.upload) batch.packed.patches = batch.packed.patches.to(arguments.device);
  const std::vector<int64_t> divisors = count_divisors({&batch, 1});

  uint32_t step = 0;
  const auto update = [&] {
    TicketSource tickets(0, step++);
    const ForwardContext context{.training = true,
                                 .tickets = &tickets,
                                 .checkpoint_blocks = arguments.checkpoint_blocks,
                                 .activations = activations};
    const PretrainBatch& seen = arguments.upload ? fresh_copy(batch) : batch;
    pretrain_objectives(model, seen, {}, divisors, context).total.backward();
    optimizer.step(1e-4);
    parameters.clear_gradients();
  };
  std::optional<StepGraph> graph;
  if (arguments.cuda_graph) graph.emplace(arguments.device);
  const auto run = [&] { graph ? graph->run(update) : update(); };
  measure(arguments, run, [&](const Milliseconds& ms) {
    JsonFields fields{{"model", arguments.model},
                      {"batch", arguments.batch},
                      {"precision", arguments.precision},
                      {"compile", arguments.compile},
                      {"ragged", arguments.ragged},
                      {"dropout", arguments.dropout},
                      {"tokens", made.tokens},
                      {"masked", batch.masked()},
                      {"samples_per_s", rounded(arguments.batch / ms.median * 1e3, 2)},
                      {"gflops", rounded(step_flops(size, arguments.batch, batch.masked()) / ms.median / 1e6, 1)}};
    if (arguments.device.kind == Device::cuda)
      fields.insert(fields.end(), {{"cuda_graph", arguments.cuda_graph}, {"upload", arguments.upload}});
    if (graph) fields.push_back({"graphs_built", graph->built()});
    return fields;
  });
}

void bench_infer(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  ViltWithHeads model = make_model(size);
  const ParameterSet parameters(model, DType::f32, "", arguments.device);
  const ForwardContext context{.activations = use_precision(arguments.precision, arguments.device)};
  auto [batch, tokens] = make_batch(size, arguments.batch, arguments.ragged, false);
  batch.packed.patches = batch.packed.patches.to(arguments.device);
  const auto forward = [&, &batch = batch] {
    const NoGrad no_grad;
    model.matching_logits(model.vilt(batch.packed, context), batch.objectives.pair_rows);
  };
  measure(arguments, forward, [&](const Milliseconds& ms) -> JsonFields {
    return {{"model", arguments.model},
            {"batch", arguments.batch},
            {"precision", arguments.precision},
            {"compile", arguments.compile},
            {"samples_per_s", rounded(arguments.batch / ms.median * 1e3, 2)}};
  });
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
  const std::vector<Tensor> weights =
      arguments.precision == "f32" ? std::vector<Tensor>() : weights_of_products(parameters);
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
