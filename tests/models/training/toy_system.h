// A system as small as one can be: how bright is a picture, and does its caption name a bright colour? It learns which
// words go with bright pictures.
#pragma once

#include <numeric>

#include "autograd/functions.h"
#include "data/step_images.h"
#include "io/safetensors.h"
#include "models/training/job.h"
#include "nn/embedding.h"
#include "nn/linear.h"

namespace tessera::tests {

struct ToySystem {
  static constexpr const char* kName = "toy";

  struct Options {
    double scale = 1;
    SettingSlots slots() { return {{"model.scale", &scale}}; }
    void validate(const SystemSettings&) const { expect_above_zero("model.scale", scale); }
    int64_t patch() const { return 16; }
    int64_t max_length() const { return 40; }
    static void defaults(SystemSettings& settings) { settings.optimizer.learning_rate = 0.01; }
  };
  static std::string described(const SettingsOf<Options>&) { return "loss = brightness"; }

  class Task {
   public:
    struct Batch {
      std::vector<int64_t> captions, ids;  // of ids all words, `owner` the caption's place
      std::vector<int64_t> owner;
      std::vector<float> brightness;
    };

    Task(const SettingsOf<Options>& settings, const SystemData& data)
        : data_(data), sampler_(system_sampler(settings, data.train)), scale_(settings.options.scale) {
      table_ = zero_parameter({static_cast<int64_t>(data.vocabulary.size()), 1});
      struct Model {
        Variable& table;
        void visit(const std::string& prefix, const ParameterVisitor& visitor) {
          visitor(join_name(prefix, "table"), table);
        }
      } model{table_};
      parameters_.emplace(model);
    }

    ParameterSet& parameters() { return *parameters_; }
    DType activations() const { return DType::f32; }
    FigureTable figure_table() const { return {{"brightness", ""}}; }
    ParameterGroup group(const std::string& name, const Variable& p) const { return default_group(name, p); }
    std::optional<std::set<std::string>> trained() const { return std::nullopt; }
    std::vector<int64_t> divisors(const Batch& batch) const { return {std::ssize(batch.captions)}; }
    Losses losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource&) const {
      Losses out;
      for (size_t i = 0; i < batch.captions.size(); ++i) {
        std::vector<int64_t> own;
        for (size_t w = 0; w < batch.ids.size(); ++w)
          if (batch.owner[w] == static_cast<int64_t>(i)) own.push_back(batch.ids[w]);
        const Variable wrong =
            mean(embedding(table_, Tensor::from(own))) - Variable(Tensor::full({}, batch.brightness[i]));
        const Variable loss = wrong * wrong * (scale_ / static_cast<double>(divisors[0]));
        out.total = out.total.defined() ? out.total + loss : loss;
      }
      out.terms = {{"brightness", out.total, {}, {}}};
      return out;
    }
    std::string samples(std::span<const Batch> step) const { return text("captions from ", step[0].captions[0]); }
    std::vector<Batch> step(int64_t number) const {
      StepImages images(data_.train, data_.quarantine, number, std::nullopt);
      Batch batch;
      for (const int64_t caption : sampler_.samples(number)) {
        if (!images.usable(data_.train.image_of(caption))) continue;
        for (const int64_t id : data_.train.text(caption).ids) {
          batch.ids.push_back(id);
          batch.owner.push_back(std::ssize(batch.captions));
        }
        batch.captions.push_back(caption);
        batch.brightness.push_back(brightness(images[data_.train.image_of(caption)].image));
      }
      return {batch};
    }
    void save(const std::filesystem::path& folder) {
      save_safetensors((folder / "toy.safetensors").string(), parameters_->state());
    }
    std::function<void()> open(const std::filesystem::path& folder) {
      return [this, state = load_safetensors((folder / "toy.safetensors").string()).tensors] {
        parameters_->load_state(state, "toy");
      };
    }
    std::vector<std::string> beginnings() const { return {"begins with zeros"}; }
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
      CaptionModel model;
      model.threshold = false;
      model.scores = [&](const std::vector<int64_t>& captions, const std::vector<int64_t>& images) {
        std::vector<double> out;
        for (size_t i = 0; i < captions.size(); ++i) {
          const std::vector<int64_t> ids = source.text(captions[i]).ids;
          double sum = 0;
          for (const int64_t id : ids) sum += static_cast<double>(table_.value().data<float>()[id]);
          out.push_back(-std::abs(sum / static_cast<double>(ids.size()) -
                                  static_cast<double>(brightness(source.resized(images[i])->image))));
        }
        return out;
      };
      return evaluate_captions(source, model, options);
    }

   private:
    static float brightness(const Image& image) {
      const double sum = std::accumulate(image.pixels.begin(), image.pixels.end(), 0.0);
      return static_cast<float>(sum / static_cast<double>(image.pixels.size()) / 255);
    }

    SystemData data_;
    Sampler sampler_;
    double scale_;
    Variable table_;
    std::optional<ParameterSet> parameters_;
  };
};

}  // namespace tessera::tests
