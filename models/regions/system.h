// The detector as a system that `vilt train` trains (models/training/job.h): system.kind = "regions".
#pragma once

#include "models/regions/task.h"
#include "models/training/job.h"

namespace tessera {

struct RegionsOptions {
  RegionKeys keys;
  std::string preset = "scenes";  // the detector's sizes; or "resnet50_fpn", "resnet50_c4": torchvision's
  bool batch_statistics = true;

  SettingSlots slots();
  void validate(const SystemSettings& settings) const;
  int64_t patch() const { return 1; }        // pictures of any size, which the detector resizes by its own rule
  int64_t max_length() const { return 40; }  // of texts, which nobody reads
  static void defaults(SystemSettings& settings);
  RegionsConfig config() const;
};

struct RegionsSystem {
  static constexpr const char* kName = "regions";
  using Options = RegionsOptions;

  class Task : public RegionsTask {
   public:
    Task(const SettingsOf<Options>& settings, const SystemData& data);
    DType activations() const { return DType::f32; }
    std::vector<std::string> beginnings() const;
    // "ap50" of pairs of class and attribute, "ap50 classes" of classes alone, "ap50/ring" …; the
    // count "images". options.choice.limit: on so many pictures.
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const;
    // With the words of the captions, by which a run is continued.
    void save(const std::filesystem::path& folder) const;

   private:
    RegionKeys keys_;
    const Wordpiece& vocabulary_;
  };
  static std::string described(const SettingsOf<Options>& settings);
};

}  // namespace tessera
