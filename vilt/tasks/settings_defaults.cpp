// What settings are where nobody says it: ViLT's published ones (Kim, Son, Kim 2021, and its repository), by the task.
#include "vilt/tasks/settings.h"

namespace tessera {

Settings Settings::defaults_of(const std::string& task) {
  Settings settings;
  if (task == settings.train.task) return settings;
  settings.train.task = task;
  settings.train.epochs = 10;
  settings.train.batch_size = task == "nlvr2" ? 128 : 256;
  settings.image.max_patches = 0;
  settings.image.augment = "randaugment";
  settings.optimizer.head_factor = task == "vqa" ? 10 : 1;
  if (task == "retrieval") {  // pictures, each of which is compared with all captions of them all
    settings.train.evaluate_samples = 20;
    settings.train.test_samples = 100;
  }
  return settings;
}

}  // namespace tessera
