// ViLBERT's pre-training by settings: a system of models/training/job.h.
#pragma once

#include "models/training/job.h"
#include "models/training/region_systems.h"
#include "models/vilbert/task.h"

namespace tessera {

struct VilbertSystem {
  static constexpr const char* kName = "vilbert";

  struct Options {
    RegionSettings regions;
    VilbertConfig model;              // vocabulary, features and classes are the data's
    int64_t co_attention_layers = 6;  // the last ones of both streams have one before them
    VilbertWeights weights;
    double region_shown = 0.1;  // share of the masked regions that are seen all the same
    bool false_pairs = true;    // whether masks of false pairs are to be told (models/parts/region_collator.h)

    Options() { regions.max_length = 36; }
    SettingSlots slots();
    void validate(const SystemSettings& settings) const;
    int64_t patch() const { return 1; }  // pictures are not read
    int64_t max_length() const { return regions.max_length; }
    static void defaults(SystemSettings& settings);
    // With the schedule that co_attention_layers says.
    VilbertConfig config() const;
  };
  using Settings = SettingsOf<Options>;
  static std::string described(const Settings& settings);

  class Task : public VilbertTask {
   public:
    Task(const Settings& settings, const SystemData& data)
        : Task(settings, data, open_regions(settings, settings.options.regions)) {}
    DType activations() const { return DType::f32; }
    std::vector<std::string> beginnings() const { return beginnings_; }
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const;

   private:
    Task(const Settings& settings, const SystemData& data, const OpenedRegions& regions);
    bool has_words_ = false;
    std::vector<std::string> beginnings_;
  };
};

}  // namespace tessera
