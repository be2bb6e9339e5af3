#include "models/regions/task.h"

#include "models/regions/folder.h"
#include "models/regions/initialise.h"

namespace tessera {
namespace {

constexpr uint64_t kBoxStream = 101;  // of a step's and micro-batch's choice of boxes (data/sampler.h: SamplingStream)

// In the order of the figures.
const char* const kTerms[] = {"objectness", "proposal_boxes", "classes", "boxes", "attributes"};

RegionsConfig with_labels(RegionsConfig config, const RegionLabels& labels) {
  config.classes = static_cast<int64_t>(labels.classes.size());
  config.attributes = static_cast<int64_t>(labels.attributes.size());
  return config;
}

}  // namespace

RegionsConfig scenes_detector() {
  RegionsConfig config;
  config.cnn = {.bottleneck = true, .layers = {1, 1, 1, 1}, .widths = {16, 24, 32, 48}, .stem = 16};
  config.channels = 32;
  config.representation = 96;
  config.anchor_sizes = {{18, 30}, {18, 30}, {24, 40}, {32, 48}, {40, 64}};
  config.aspect_ratios = {1};
  config.bins = 6;
  config.min_size = 80;  // so that pictures of 64 x 96, 96 x 64 and 80 x 80 pixels stay what they are
  config.max_size = 96;
  config.proposals = {.before_nms = 200, .after_nms = 16, .nms = 0.6};
  config.training_proposals = {.before_nms = 300, .after_nms = 64, .nms = 0.7};
  config.anchors.count = 64;
  config.regions = {.high = 0.5, .low = 0.5, .count = 32, .fraction = 0.25};
  config.detections.count = 20;
  return config;
}

RegionsTask::RegionsTask(const RegionsTaskOptions& options, const SampleSource& train, const SampleSource* validation,
                         Quarantine* quarantine)
    : options_(options),
      train_(train),
      validation_(validation),
      labels_(labels_of(train.dataset(), options.keys)),
      sampler_(train.images(), {.batch_size = options.batch_size, .seed = options.seed}),
      quarantine_(quarantine != nullptr ? quarantine : &strict_) {
  check(options.accumulate > 0 && options.batch_size % options.accumulate == 0, "regions: a batch of ",
        options.batch_size, " pictures in ", options.accumulate, " parts, expected equal ones");
  options_.model = with_labels(options.model, labels_);
  model_ = std::make_unique<FasterRcnn>(options_.model);
  initialise_detector(*model_, options.seed);
  parameters_ = std::make_unique<ParameterSet>(*model_, DType::f32, "", options.device);
}

FigureTable RegionsTask::figure_table() const {
  FigureTable out;
  for (const char* name : kTerms) out.push_back({name, ""});
  return out;
}

ParameterGroup RegionsTask::group(const std::string& name, const Variable& parameter) const {
  ParameterGroup out = default_group(name, parameter);
  if (name.ends_with("cls_embedding.weight")) out.decay = false;
  return out;
}

Losses RegionsTask::losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource&) const {
  Random random(options_.seed, kBoxStream, batch.step, batch.part);
  const FasterRcnn::Losses of = model_->losses(batch.pictures, batch.truths, random, options_.batch_statistics);
  const double share = static_cast<double>(batch.images.size()) / static_cast<double>(divisors[0]);
  Losses out;
  const Variable terms[] = {of.proposals.scores, of.proposals.boxes, of.regions.scores, of.regions.boxes,
                            of.attributes};
  for (size_t i = 0; i < std::size(kTerms); ++i)
    out.terms.push_back({kTerms[i], terms[i].defined() ? terms[i] * share : Variable(), Variable(), Tensor()});
  out.total = of.total() * share;
  return out;
}

std::string RegionsTask::samples(std::span<const Batch> step) const {
  std::string out;
  for (const Batch& batch : step)
    for (const int64_t image : batch.images)
      out +=
          (out.empty() ? "pictures " : ", ") + std::to_string(train_.dataset().images()[static_cast<size_t>(image)].id);
  return out;
}

int64_t RegionsTask::usable_image(int64_t image, int64_t step, int64_t slot, StepImages& images) const {
  if (images.usable(image)) return image;
  const auto other = sampler_.replacement(step, slot, [&](int64_t candidate) { return images.usable(candidate); });
  check(other.has_value(), "data: of ", train_.images(), " images not one can be used");
  return *other;
}

std::vector<RegionsTask::Batch> RegionsTask::step(int64_t number) const {
  std::vector<int64_t> images = sampler_.samples(number);
  StepImages decoded(train_, *quarantine_, number, std::nullopt);
  for (size_t i = 0; i < images.size(); ++i)
    images[i] = usable_image(images[i], number, sampler_.first_slot() + static_cast<int64_t>(i), decoded);
  const size_t each = images.size() / static_cast<size_t>(options_.accumulate);
  std::vector<Batch> out;
  for (size_t first = 0; first < images.size(); first += each) {
    Batch& batch = out.emplace_back();
    batch.step = number;
    batch.part = static_cast<int64_t>(first / each);
    std::vector<Tensor> pictures;
    for (size_t i = first; i < first + each; ++i) {
      pictures.push_back(picture_pixels(decoded[images[i]].image));
      batch.truths.push_back(true_boxes(train_.dataset(), images[i], labels_, options_.keys));
      batch.images.push_back(images[i]);
    }
    batch.pictures = picture_batch(pictures, options_.model, parameters_->dtype());
    batch.pictures.pixels = batch.pictures.pixels.to(parameters_->device());
  }
  return out;
}

Evaluated RegionsTask::evaluate() const {
  if (validation_ == nullptr) return {"{}", "no pictures to evaluate on"};
  const RegionEvaluation of =
      evaluate_regions(*model_, labels_, options_.keys, *validation_, {.limit = options_.evaluate_samples});
  return {of.json(), of.words()};
}

void RegionsTask::save(const std::filesystem::path& folder) const {
  save_detector(folder, options_.model, labels_, *parameters_);
}

std::function<void()> RegionsTask::open(const std::filesystem::path& folder) {
  return open_detector(folder, options_.model, labels_, *parameters_);
}

}  // namespace tessera
