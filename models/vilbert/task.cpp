#include "models/vilbert/task.h"

#include <algorithm>

#include "autograd/tape.h"
#include "models/vilbert/files.h"
#include "tensor/ops/reduce.h"

namespace tessera {
namespace {

// Questions that the model reads at once in evaluation.
constexpr size_t kVilbertSlice = 64;

VilbertPretraining drawn_vilbert(const VilbertTaskOptions& options) {
  options.weights.validate();
  VilbertPretraining model(options.model);
  model.visit("", drawing(options.drawn));
  if (options.centred_places) centre_places(model.bert.region_embeddings.image_location_embeddings, kMiddleOfFive);
  return model;
}

}  // namespace

VilbertTask::VilbertTask(const VilbertTaskOptions& options, const SampleSource& train, RegionLookup regions,
                         Quarantine& quarantine, Share share)
    : options_(options),
      collator_(train, std::move(regions), options.model.v_feature_size, options.model.v_target_size, options.collator,
                quarantine, share),
      model_(drawn_vilbert(options)),
      parameters_(model_, DType::f32, "", options.device) {}

std::vector<VilbertTaskBatch> VilbertTask::step(int64_t number) const {
  const VilbertWeights& weights = options_.weights;
  const std::vector<RegionPair> drawn = collator_.step(
      number,
      {.false_pictures = weights.match > 0, .masked_words = weights.mlm > 0, .masked_regions = weights.mrm > 0});
  std::vector<Batch> batches;
  const auto size = static_cast<size_t>(collator_.micro_batch());
  for (size_t first = 0; first < drawn.size(); first += size)
    batches.push_back(Batch::of(std::span(drawn).subspan(first, std::min(size, drawn.size() - first)),
                                collator_.source(), options_.model));
  return batches;
}

std::set<std::string> VilbertTask::trained() const {
  std::set<std::string> out;
  for (const std::string& name : parameters_.names())
    if (vilbert_reaches(name, options_.weights)) out.insert(name);
  return out;
}

Losses VilbertTask::losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const {
  const ForwardContext training{.training = true, .tickets = &tickets, .checkpoint_blocks = options_.checkpoint_blocks};
  return vilbert_task_losses(model_, batch, options_.weights, divisors, training);
}

std::string VilbertTask::samples(std::span<const Batch> step) const { return named_sentences(step); }

template <class Use>
void VilbertTask::in_slices(const SampleSource& source, std::span<const RegionQuestion> questions,
                            const Use& use) const {
  const NoGrad guard;
  for (size_t first = 0; first < questions.size(); first += kVilbertSlice) {
    const auto slice = questions.subspan(first, std::min(kVilbertSlice, questions.size() - first));
    std::vector<std::vector<int64_t>> texts;
    std::vector<PictureRows> pictures;
    for (const RegionQuestion& question : slice) {
      const Regions regions = collator_.regions(source, question.image).regions;
      texts.push_back(question.ids);
      pictures.push_back(picture_rows(regions.features, regions.boxes, static_cast<double>(regions.width),
                                      static_cast<double>(regions.height)));
    }
    const VilbertTexts packed = VilbertTexts::of(texts, options_.model);
    const VilbertPictures rows = VilbertPictures::of(pictures, options_.model).to(DType::f32, options_.device);
    use(slice, packed, model_.bert(packed, rows, {}));
  }
}

std::vector<double> VilbertTask::match_scores(const SampleSource& source, std::span<const RegionQuestion> pairs) const {
  std::vector<double> out;
  in_slices(source, pairs, [&](auto, const VilbertTexts&, const Vilbert::Output& states) {
    const std::vector<double> logits =
        model_.alignment(states.fused).value().to(DType::f64).to(Device{}).template to_vector<double>();
    for (size_t i = 0; i < logits.size(); i += 2) out.push_back(logits[i] - logits[i + 1]);
  });
  return out;
}

std::vector<std::vector<int64_t>> VilbertTask::told_words(const SampleSource& source,
                                                          std::span<const RegionQuestion> questions) const {
  std::vector<std::vector<int64_t>> out;
  in_slices(source, questions, [&](auto slice, const VilbertTexts& texts, const Vilbert::Output& states) {
    const std::vector<int64_t> rows = rows_of_places(slice, texts.cu_seqlens.to_vector<int64_t>());
    std::vector<int64_t> ids;
    if (!rows.empty())
      ids = ops::argmax(model_.word_scores(states.streams.text, Tensor::from(rows)).value(), 1, false)
                .to(Device{})
                .template to_vector<int64_t>();
    append_by_question(slice, ids, out);
  });
  return out;
}

void VilbertTask::save(const std::filesystem::path& folder) const {
  save_vilbert(folder, options_.model, parameters_, collator_.source().vocabulary());
}

std::function<void()> VilbertTask::open(const std::filesystem::path& folder) {
  return open_vilbert(folder, parameters_, collator_.source().vocabulary());
}

}  // namespace tessera
