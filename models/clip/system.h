// CLIP as a system that `vilt train` trains: its settings, and its task with them (models/training/job.h).
#pragma once

#include <string>
#include <vector>

#include "models/clip/task.h"
#include "models/training/data.h"
#include "models/training/two_towers.h"

namespace tessera {

struct ClipSystem {
  static constexpr const char* kName = "clip";

  // model.*; those of ViT-B/32, whose vocabulary has 49,408 tokens.
  struct Options {
    int64_t vision_size = 768, vision_layers = 12, vision_heads = 12;  // hidden size, blocks, heads
    int64_t text_size = 512, text_layers = 12, text_heads = 8;
    int64_t projection_size = 512;
    int64_t patch_size = 32, image_size = 224;  // pixels; the table of positions covers a square of image_size
    int64_t max_position_embeddings = 77;       // tokens of a text; longer captions are cut
    std::string activation = "quick_gelu";      // or "gelu"
    std::string init = "published";             // or "fan_in": models/clip/initialise.h
    std::string vocabulary;                     // byte pairs, in any of their forms; empty: learnt from the captions
    int64_t vocab_size = 49408;                 // at most, where they are learnt
    double patch_projection_factor = 1;         // of the learning rate

    SettingSlots slots();
    void validate(const SystemSettings& settings) const;
    int64_t patch() const { return patch_size; }
    int64_t max_length() const { return max_position_embeddings; }
    // 224 pixels; decay 0.2, betas 0.9 and 0.98, epsilon 1e-6, rate 5e-4.
    static void defaults(SystemSettings& settings);
  };
  using Settings = SettingsOf<Options>;

  class Task : public ClipTask {
   public:
    Task(const Settings& settings, const SystemData& data);
    DType activations() const { return activations_; }
    std::vector<std::string> beginnings() const;
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
      return evaluate_vectors(*this, source, options);
    }
    static double score(const float* picture, const float* text, int64_t size) {
      return inner_product(picture, text, size);
    }

   private:
    DType activations_;
  };

  static std::string described(const Settings& settings);
};

}  // namespace tessera
