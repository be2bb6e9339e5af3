#include "models/uniter/task.h"

#include <algorithm>

#include "autograd/tape.h"
#include "models/uniter/files.h"
#include "tensor/ops/reduce.h"

namespace tessera {
namespace {

// Questions that the model reads at once in evaluation.
constexpr size_t kUniterSlice = 64;

UniterWithHeads drawn_uniter(const UniterTaskOptions& options) {
  options.mix.validate();
  UniterWithHeads model(options.model, options.mix.heads());
  model.visit("", drawing(options.drawn));
  if (options.centred_places) centre_places(model.uniter.region_embeddings.place_projection, kMiddleOfSeven);
  // Row 0 stands for regions that are not masked, and nothing reads it.
  model.uniter.region_embeddings.mask_embedding.weight.mutable_value().select(0, 0).fill_(0);
  return model;
}

RegionCollatorOptions checked(const RegionCollatorOptions& options) {
  check(options.masking.region_shown == 0, "uniter: masked regions are always hidden; region_shown is ",
        options.masking.region_shown, ", expected 0");
  return options;
}

}  // namespace

UniterTask::UniterTask(const UniterTaskOptions& options, const SampleSource& train, RegionLookup regions,
                       Quarantine& quarantine, Share share)
    : options_(options),
      collator_(train, std::move(regions), options.model.img_dim, options.model.img_label_dim,
                checked(options.collator), quarantine, share),
      model_(drawn_uniter(options)),
      parameters_(model_, DType::f32, "", options.device) {}

std::vector<UniterTaskBatch> UniterTask::step(int64_t number) const {
  const UniterObjective objective = options_.mix.drawn(options_.collator.seed, number);
  const bool words = objective == UniterObjective::mlm, pairs = objective == UniterObjective::itm;
  const std::vector<RegionPair> drawn =
      collator_.step(number, {.false_pictures = pairs, .masked_words = words, .masked_regions = !words && !pairs});
  std::vector<Batch> batches;
  const auto size = static_cast<size_t>(collator_.micro_batch());
  for (size_t first = 0; first < drawn.size(); first += size)
    batches.push_back(Batch::of(objective, std::span(drawn).subspan(first, std::min(size, drawn.size() - first)),
                                collator_.source(), options_.model));
  return batches;
}

std::set<std::string> UniterTask::trained() const {
  std::set<std::string> out;
  for (const std::string& name : parameters_.names())
    if (uniter_reaches(name, options_.mix)) out.insert(name);
  return out;
}

Losses UniterTask::losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const {
  ForwardContext training = context();
  training.training = true;
  training.tickets = &tickets;
  training.checkpoint_blocks = options_.checkpoint_blocks;
  return uniter_losses(model_, batch, options_.mix, divisors, training);
}

std::string UniterTask::samples(std::span<const Batch> step) const { return named_sentences(step); }

template <class Use>
void UniterTask::in_slices(const SampleSource& source, std::span<const RegionQuestion> questions,
                           const Use& use) const {
  const NoGrad guard;
  for (size_t first = 0; first < questions.size(); first += kUniterSlice) {
    const auto slice = questions.subspan(first, std::min(kUniterSlice, questions.size() - first));
    std::vector<UniterSample> samples;
    for (const RegionQuestion& question : slice)
      samples.push_back(uniter_sample(question.ids, collator_.regions(source, question.image).regions));
    const UniterBatch batch = UniterBatch::of(samples, options_.model);
    use(slice, batch, model_.uniter(batch, context()));
  }
}

std::vector<double> UniterTask::match_scores(const SampleSource& source, std::span<const RegionQuestion> pairs) const {
  std::vector<double> out;
  in_slices(source, pairs, [&](auto, const UniterBatch& batch, const Variable& hidden) {
    const std::vector<double> logits =
        model_.matching_logits(hidden, batch).value().to(DType::f64).to(Device{}).template to_vector<double>();
    for (size_t i = 0; i < logits.size(); i += 2) out.push_back(logits[i + 1] - logits[i]);
  });
  return out;
}

std::vector<std::vector<int64_t>> UniterTask::told_words(const SampleSource& source,
                                                         std::span<const RegionQuestion> questions) const {
  std::vector<std::vector<int64_t>> out;
  in_slices(source, questions, [&](auto slice, const UniterBatch& batch, const Variable& hidden) {
    const std::vector<int64_t> rows = rows_of_places(slice, batch.cu_seqlens.to_vector<int64_t>());
    std::vector<int64_t> ids;
    if (!rows.empty())
      ids = ops::argmax(model_.word_logits(hidden, Tensor::from(rows)).value(), 1, false)
                .to(Device{})
                .template to_vector<int64_t>();
    append_by_question(slice, ids, out);
  });
  return out;
}

void UniterTask::save(const std::filesystem::path& folder) const {
  save_uniter(folder, options_.model, parameters_, collator_.source().vocabulary());
}

std::function<void()> UniterTask::open(const std::filesystem::path& folder) {
  return open_uniter(folder, parameters_, collator_.source().vocabulary());
}

}  // namespace tessera
