// UNITER's pre-training by settings: a system of models/training/job.h.
#pragma once

#include "models/training/job.h"
#include "models/training/region_systems.h"
#include "models/uniter/task.h"

namespace tessera {

struct UniterSystem {
  static constexpr const char* kName = "uniter";

  struct Options {
    RegionSettings regions;
    BertConfig bert;  // its vocabulary is the data's
    UniterMix mix;

    SettingSlots slots();
    void validate(const SystemSettings& settings) const;
    int64_t patch() const { return 1; }  // pictures are not read
    int64_t max_length() const { return regions.max_length; }
    static void defaults(SystemSettings& settings);
  };
  using Settings = SettingsOf<Options>;
  static std::string described(const Settings& settings);

  class Task : public UniterTask {
   public:
    Task(const Settings& settings, const SystemData& data)
        : Task(settings, data, open_regions(settings, settings.options.regions)) {}
    std::vector<std::string> beginnings() const { return beginnings_; }
    NamedFigures evaluate(const SampleSource& source, const CaptionEvaluation& options) const;

   private:
    Task(const Settings& settings, const SystemData& data, const OpenedRegions& regions);
    bool has_words_ = false;
    std::vector<std::string> beginnings_;
  };
};

}  // namespace tessera
