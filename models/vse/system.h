// VSE++ as a system that `vilt train` trains: its settings, and its task with them (models/training/job.h).
#pragma once

#include <string>
#include <vector>

#include "models/training/data.h"
#include "models/training/two_towers.h"
#include "models/vse/task.h"

namespace tessera {

struct VseSystem {
  static constexpr const char* kName = "vse";

  // model.*, objectives.*; as published, with a ResNet-50.
  struct Options {
    int64_t resnet = 50;         // 10, 18 or 34 (blocks of two convolutions), 50, 101 or 152 (bottlenecks)
    int64_t resnet_width = 64;   // channels of its first stage, which double from stage to stage
    std::string features;        // features of pictures in its place (models/vse/stored_features.h); empty: none
    std::string resnet_weights;  // a file with torchvision's names; empty: drawn
    bool train_resnet = true;
    int64_t image_size = 224;  // pixels: the square that pictures are laid in (models/vse/pictures.h)
    int64_t embed = 1024, word_dim = 300, layers = 1;
    std::string measure = "cosine";  // or "order", for which use_abs is meant
    bool no_imgnorm = false, use_abs = false;
    std::string vocabulary;   // words.txt; empty: the words of the captions
    int64_t least_count = 4;  // captions have a word so often
    double margin = 0.2;
    double hardest_from = 0;  // share of the steps with hinges of all negatives; behind it, of the hardest; 1: all

    SettingSlots slots();
    void validate(const SystemSettings& settings) const;
    int64_t patch() const { return 1; }
    static int64_t max_length() { return 77; }  // of WordPiece, which is not used
    // 224 pixels; rate 2e-4 without decay, gradients clipped to 2, 128 pairs a step.
    static void defaults(SystemSettings& settings);
  };
  using Settings = SettingsOf<Options>;

  class Task : public VseTask {
   public:
    Task(const Settings& settings, const SystemData& data);
    static DType activations() { return DType::f32; }
    std::vector<std::string> beginnings() const;
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
      return evaluate_vectors(*this, source, options);
    }

   private:
    std::string resnet_weights_;
  };

  static std::string described(const Settings& settings);
};

}  // namespace tessera
