// Pixel-BERT as a system that `vilt train` knows (models/training/job.h).
#pragma once

#include "models/pixelbert/pretraining.h"
#include "models/training/job.h"

namespace tessera {

// model.*, init.*, objectives.*
struct PixelBertSettings {
  // The network: lists are numbers with commas between them.
  std::string resnet_block = "bottleneck";  // or "basic"
  std::string resnet_layers = "3,4,6,3", resnet_widths = "64,128,256,512";
  // Sizes but those of the network above. The vocabulary's is that of the words found.
  PixelBertConfig model;
  int64_t size_divisor = 32;  // sides of pictures are multiples of it
  // How the network is trained: BackboneTraining's names.
  std::string backbone = "batch_statistics";
  std::string backbone_from;  // a file of torchvision's weights to begin with; empty: drawn ones
  double backbone_rate = 1;   // factor on its learning rate

  std::string linear = "normal", positions = "normal";  // or "fan_in", "cosine": PixelBertInit
  double std = 0.02;

  double mlm_weight = 1, itm_weight = 1;
  std::string masking = "strict";  // or "official" (data/text/masking.h)
  double mask_rate = 0.15, content_first = 0;
  double sibling_negatives = 0;
  std::string false_images = "all";  // or "batch": from where false pictures are that are no siblings
  int64_t sampled_cells = 100;       // of a grid, in training; 0: all

  SettingSlots slots();
  void validate(const SystemSettings& settings) const;
  int64_t patch() const { return size_divisor; }
  int64_t max_length() const { return model.bert.max_position_embeddings; }
  static void defaults(SystemSettings& settings);

  // With words so many.
  PixelBertConfig config(int64_t vocabulary) const;
};

struct PixelBertSystem {
  static constexpr const char* kName = "pixelbert";
  using Options = PixelBertSettings;
  using Settings = SettingsOf<Options>;

  static std::string described(const Settings& settings);

  class Task : public PixelBertPretraining {
   public:
    Task(const Settings& settings, const SystemData& data);

    std::vector<PixelBertBatch> step(int64_t number) const { return collator_.step(number); }
    DType activations() const { return DType::f32; }
    std::vector<std::string> beginnings() const { return beginnings_; }
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const;
    void save(const std::filesystem::path& folder);
    std::function<void()> open(const std::filesystem::path& folder);

   private:
    const Wordpiece& vocabulary_;
    Sampler sampler_;
    PixelBertCollator collator_;
    std::vector<std::string> beginnings_;
  };
};

}  // namespace tessera
