#include "models/vse/task.h"

#include <algorithm>
#include <cmath>

#include "autograd/tape.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "models/parts/resnet_file.h"
#include "models/parts/whole_pictures.h"
#include "models/vse/pictures.h"
#include "nn/init.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

VseWords words_of(const VseTaskOptions& options, const SampleSource& train) {
  if (!options.vocabulary.empty()) return VseWords::from_file(options.vocabulary);
  std::map<std::string, int64_t> counts;
  for (int64_t caption = 0; caption < train.captions(); ++caption) VseWords::count(train.caption(caption), counts);
  return VseWords::of_counts(counts, options.least_count);
}

// As published: the projection by Xavier's rule, words uniform within 0.1, the recurrent network as torch's begins. The
// residual network as torchvision's: normal, with the deviation that keeps the variance of gradients, (2 / outputs)^½.
void initialise(Vse& model, uint64_t seed) {
  const VseConfig& config = model.config;
  model.visit("", [&](const std::string& name, Variable& parameter) {
    const Shape& shape = parameter.shape();
    if (name == "img_enc.fc.weight")
      init_uniform_(parameter, name, seed, std::sqrt(6.0 / static_cast<double>(config.features + config.embed)));
    else if (name == "txt_enc.embed.weight")
      init_uniform_(parameter, name, seed, 0.1);
    else if (name.starts_with("txt_enc.rnn."))
      init_uniform_(parameter, name, seed, 1 / std::sqrt(static_cast<double>(config.embed)));
    else if (shape.dim() == 4)
      init_normal_(parameter, name, seed, std::sqrt(2.0 / static_cast<double>(shape[0] * shape[2] * shape[3])));
  });
}

void load_resnet(Vse& model, const fs::path& path) {
  const WeightFile file = read_resnet_file(path);
  std::map<std::string, Tensor> expected;
  model.cnn->visit("", [&](const std::string& name, Variable& parameter) { expected[name] = parameter.value(); });
  const std::string differences = compare_state(expected, file.tensors);
  check(differences.empty(), file.source, ": the tensors are not those of the network; nothing was loaded",
        differences);
  model.cnn->visit("", [&](const std::string& name, Variable& parameter) {
    parameter.mutable_value().copy_(file.tensors.at(name).to(parameter.dtype()));
  });
}

std::optional<StoredFeatures> stored(const VseTaskOptions& options) {
  if (options.features.empty()) return std::nullopt;
  check(options.resnet.empty(), "vse: stored features and a file of weights for the network that would make them");
  return StoredFeatures(options.features, options.image_folder);
}

Vse drawn_vse(const VseTaskOptions& options, const VseWords& words, const StoredFeatures* features) {
  VseConfig config = options.config;
  config.vocab = words.size();
  if (features) config.cnn.reset();
  check(features || config.cnn.has_value(), "vse: there is no network that reads pictures, and no features of them");
  config.features = features ? features->size() : config.cnn->features();
  Vse model(config);
  initialise(model, options.draws.seed);
  if (!options.resnet.empty()) load_resnet(model, options.resnet);
  return model;
}

PairDrawOptions draws_of(const VseTaskOptions& options) {
  PairDrawOptions draws = options.draws;
  draws.decode = options.features.empty();
  return draws;
}

// What keeps the running statistics as they are while it lives: the first pass over a step must not move them twice.
class KeptStatistics {
 public:
  explicit KeptStatistics(Vse& model) {
    model.visit("", [this](const std::string&, Variable& variable) {
      if (!variable.requires_grad()) kept_.emplace_back(variable.value(), variable.value().clone());
    });
  }
  ~KeptStatistics() {
    for (auto& [place, before] : kept_) place.copy_(before);
  }
  KeptStatistics(const KeptStatistics&) = delete;
  KeptStatistics& operator=(const KeptStatistics&) = delete;

 private:
  std::vector<std::pair<Tensor, Tensor>> kept_;
};

}  // namespace

VseTask::VseTask(const VseTaskOptions& options, const SampleSource& train, Quarantine& quarantine, Share share)
    : options_(options),
      train_(train),
      features_(stored(options)),
      words_(words_of(options, train)),
      model_(drawn_vse(options, words_, features_ ? &*features_ : nullptr)),
      parameters_(model_, DType::f32, "", options.device),
      draws_(train, draws_of(options), quarantine, share),
      loss_([this](const WholeStepLoss::Features& all, std::span<const Variable>) {
        return ranking_hinge_loss(model_.similarity(all[0], all[1]), options_.margin, negatives_);
      }) {
  check(std::isfinite(options.margin) && options.margin > 0, "vse: the margin is ", options.margin,
        ", expected more than 0");
}

ParameterGroup VseTask::group(const std::string& name, const Variable& parameter) const {
  return default_group(name, parameter);
}

std::optional<std::set<std::string>> VseTask::trained() const {
  if (options_.train_resnet) return std::nullopt;
  std::set<std::string> out;
  for (const std::string& name : parameters_.names())
    if (!name.starts_with("img_enc.cnn.")) out.insert(name);
  return out;
}

void VseTask::add_pixels(const SampleSource& source, const ResizedImage& image, VseBatch& batch) const {
  const auto side = static_cast<int>(model_.config.image_size);
  const size_t begin = batch.pictures.size(), values = 3 * static_cast<size_t>(side) * static_cast<size_t>(side);
  batch.pictures.resize(begin + values);
  centred_planes(image.image, side, source.options().norm, std::span(batch.pictures).subspan(begin));
}

void VseTask::add_features(const SampleSource& source, int64_t image, VseBatch& batch) const {
  features_->append(source.dataset().images()[static_cast<size_t>(image)].path(), batch.pictures);
}

std::vector<VseBatch> VseTask::step(int64_t number) const {
  const DrawnPairs drawn = draws_.step(number);
  std::vector<VseBatch> out;
  for (const std::vector<int64_t>& captions : drawn.micro_batches) {
    VseBatch& batch = out.emplace_back();
    batch.step = number;
    for (const int64_t caption : captions) {
      if (features_)
        add_features(train_, train_.image_of(caption), batch);
      else
        add_pixels(train_, drawn.images[train_.image_of(caption)], batch);
      batch.texts.push_back(words_.encode(train_.caption(caption)));
      batch.sample_ids.push_back(train_.id_of(caption));
    }
  }
  return out;
}

Variable VseTask::picture_embeddings(const VseBatch& batch, bool training) const {
  const auto count = static_cast<int64_t>(batch.pictures.size());
  if (features_) {
    const Tensor features = Tensor::from(batch.pictures, {count / features_->size(), features_->size()});
    return model_.image_embeddings(l2_normalise(Variable(features.to(parameters_.device()))));
  }
  const int64_t side = model_.config.image_size, values = 3 * side * side;
  const Tensor pixels = Tensor::from(batch.pictures, {count / values, 3, side, side});
  const Variable here(pixels.to(parameters_.device()));
  if (!training || options_.train_resnet) return model_.image_embeddings_of_pixels(here, training);
  Variable features;
  {
    const NoGrad frozen;
    features = l2_normalise(model_.cnn_features(here, false));
  }
  return model_.image_embeddings(features);
}

WholeStepLoss::Features VseTask::features(const VseBatch& batch) const {
  return {picture_embeddings(batch, true), model_.text_embeddings(VseTexts::of(batch.texts)).embeddings};
}

void VseTask::begin_step(std::span<const VseBatch> step, Communicator& ranks, TicketSource) {
  const bool hardest = options_.hardest_from >= 0 && step[0].step >= options_.hardest_from;
  negatives_ = hardest ? ops::Negatives::hardest : ops::Negatives::all;
  const KeptStatistics kept(model_);
  loss_.begin(step.size(), {}, ranks, [&](size_t number) { return features(step[number]); });
}

Losses VseTask::losses(const VseBatch& batch, std::span<const int64_t>, TicketSource&) {
  Losses out;
  out.total = loss_.next(features(batch), {});
  out.terms = {{"hinge", out.total, {}, {}}};
  return out;
}

std::string VseTask::samples(std::span<const VseBatch> step) const {
  std::vector<int64_t> ids;
  for (const VseBatch& batch : step) ids.insert(ids.end(), batch.sample_ids.begin(), batch.sample_ids.end());
  return captions_text(ids);
}

void VseTask::save(const fs::path& folder) {
  save_safetensors((folder / "model.safetensors").string(), parameters_.state());
  write_file_atomically(folder / "config.json", model_.config.to_json());
  write_file_atomically(folder / "preprocessor_config.json", whole_pictures_json(train_.options()));
  words_.write(folder / "words.txt");
}

std::function<void()> VseTask::open(const fs::path& folder) {
  check(VseWords::from_file(folder / "words.txt").words() == words_.words(), shown(folder),
        ": was trained with another vocabulary; use --fresh to start over or train.out=FOLDER for another place");
  const std::vector<uint8_t> bytes = read_file(folder / "config.json");
  const std::string name = shown(folder / "config.json");
  check(VseConfig::from_json({bytes.begin(), bytes.end()}, name).to_json() == model_.config.to_json(), name,
        ": is of a model of other sizes; use --fresh to start over or train.out=FOLDER for another place");
  const std::string source = shown(folder / "model.safetensors");
  return [this, source, tensors = load_safetensors((folder / "model.safetensors").string()).tensors] {
    parameters_.load_state(tensors, source);
  };
}

Tensor VseTask::text_vectors(const SampleSource& source, std::span<const int64_t> captions) const {
  const NoGrad no_grad;
  std::vector<std::vector<int64_t>> texts;
  for (const int64_t caption : captions) texts.push_back(words_.encode(source.caption(caption)));
  return model_.text_embeddings(VseTexts::of(texts)).embeddings.value().to(Device{});
}

Tensor VseTask::picture_vectors(const SampleSource& source, std::span<const int64_t> images) const {
  const NoGrad no_grad;
  VseBatch batch;
  for (const int64_t image : images)
    features_ ? add_features(source, image, batch) : add_pixels(source, *source.resized(image), batch);
  return picture_embeddings(batch, false).value().to(Device{});
}

double VseTask::score(const float* picture, const float* text, int64_t size) const {
  return vse_score(model_.config.measure, picture, text, size);
}

}  // namespace tessera
