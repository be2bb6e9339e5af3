#include "vilt/tasks/settings_memory.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "io/words.h"
#include "tensor/device.h"
#include "tensor/error.h"

namespace tessera {
namespace {

struct Part {
  const char* what;
  double bytes;
  std::string settings;  // that lower it
};

std::string with_value(const char* key, int64_t value) { return text(key, " (", value, ")"); }

std::string amount(double bytes) {
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (bytes /= 1024; bytes >= 1024 && unit + 1 < std::size(units); bytes /= 1024) ++unit;
  return fixed_text(bytes, bytes < 10 ? 1 : 0) + " " + units[unit];
}

// The word table is left out: the vocabulary has not been read yet. `copies`: of each f32 number.
std::vector<Part> model_parts(const ModelConfig& c, double copies) {
  const auto d = static_cast<double>(c.hidden_size), hidden = static_cast<double>(c.intermediate_size);
  const auto layers = static_cast<double>(c.num_hidden_layers), side = static_cast<double>(c.table_side());
  const double bytes = 4 * copies;
  const std::string layer_setting = with_value("model.num_hidden_layers", c.num_hidden_layers);
  const std::string width = with_value("model.hidden_size", c.hidden_size);
  return {{"the position table of the text", bytes * d * static_cast<double>(c.max_position_embeddings),
           with_value("model.max_position_embeddings", c.max_position_embeddings)},
          {"the position table of the image", bytes * d * side * side, with_value("model.image_size", c.image_size)},
          {"the patch projection", bytes * d * static_cast<double>(c.patch_values()),
           with_value("model.patch_size", c.patch_size)},
          {"the blocks' attention and the heads", bytes * d * d * (4 * layers + 2), width + " or " + layer_setting},
          {"the blocks' MLP", bytes * 2 * d * hidden * layers,
           with_value("model.intermediate_size", c.intermediate_size) + " or " + layer_setting}};
}

void check_parts(const std::vector<Part>& parts, double limit, const char* subject) {
  double total = 0;
  for (const Part& part : parts) total += part.bytes;
  if (total <= limit) return;
  const Part& largest =
      *std::max_element(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.bytes < b.bytes; });
  fail("settings: ", subject, " takes at least ", amount(total), " of memory, ", amount(limit),
       " are there; most of it, ", amount(largest.bytes), ", is for ", largest.what, ": lower ", largest.settings);
}

// The number in a file of the system; infinity where there is none.
double number_in(const char* path) {
  std::ifstream file(path);
  double value = 0;
  return file >> value ? value : INFINITY;
}

}  // namespace

double memory_limit() {
  double limit = INFINITY;
  struct sysinfo machine {};
  if (sysinfo(&machine) == 0)
    limit = (static_cast<double>(machine.totalram) + static_cast<double>(machine.totalswap)) * machine.mem_unit;
  for (const auto resource : {RLIMIT_AS, RLIMIT_DATA}) {
    struct rlimit of_process {};
    if (getrlimit(resource, &of_process) == 0 && of_process.rlim_cur != RLIM_INFINITY)
      limit = std::min(limit, static_cast<double>(of_process.rlim_cur));
  }
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    limit = std::min(limit, number_in(path));
  return limit;
}

void refuse_memory_that_is_not_there() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which map terabytes that they do not use
  std::ifstream file("/proc/meminfo");
  double bytes = 0;
  std::string name, unit;
  for (double value = 0; file >> name >> value; std::getline(file, unit))
    if (name == "MemAvailable:" || name == "SwapFree:") bytes += value * 1024;
  struct rlimit limit {};
  if (bytes == 0 || getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = std::min(limit.rlim_cur, static_cast<rlim_t>(std::min(bytes, memory_limit())));
  setrlimit(RLIMIT_DATA, &limit);
#endif
}

void check_model_memory(const ModelConfig& config, double limit) {
  check_parts(model_parts(config, 1), limit, "the model");
}

void check_memory(const Settings& settings, double limit) {
  const auto& [data, image, model, init, objectives, downstream, optimizer, train] = settings;
  const bool on_gpu = device_named("train.device", train.device).kind == Device::cuda;
  // Of an image whose shorter side is resized both sides have so many patches; of others there is one.
  const int64_t side = image.resize == "shorter" ? std::max<int64_t>(1, image.shorter / model.patch_size) : 1;
  const auto patches =
      static_cast<double>(image.max_patches > 0 ? std::min(side * side, image.max_patches) : side * side);
  const double pairs = static_cast<double>(train.batch_size) / static_cast<double>(train.accumulate);
  const double step = static_cast<double>(train.batch_size) * patches * static_cast<double>(model.patch_values()) * 4;
  const auto ahead = static_cast<double>(std::min(data.prefetch, train.steps - 1));
  // Parameters, gradients and two moments.
  std::vector<Part> parts = model_parts(model, on_gpu ? 1 : 4);
  const std::string batch = with_value("train.batch_size", train.batch_size);
  parts.push_back({"the pictures of a step", step, batch});
  parts.push_back(
      {"the steps that are made ahead", step * ahead, with_value("data.prefetch", data.prefetch) + " or " + batch});
  if (!on_gpu) {
    // Of [CLS], a word, [SEP] and the image, what a block keeps for backward: its input, or eight rows of the width and
    // the hidden layer (vilt/tasks/memory.cpp).
    const auto d = static_cast<double>(model.hidden_size), hidden = static_cast<double>(model.intermediate_size);
    const double row = (train.checkpoint_blocks ? d : 8 * d + hidden) * (train.precision == "bf16" ? 2 : 4);
    parts.push_back(
        {"what backward needs of the blocks",
         pairs * (4 + patches) * row * static_cast<double>(model.num_hidden_layers),
         text(batch, ", raise train.accumulate (", train.accumulate, ") or switch train.checkpoint_blocks on")});
  }
  check_parts(parts, limit, "training");
}

}  // namespace tessera
