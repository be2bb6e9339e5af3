#include "models/parts/resnet_file.h"

#include "tensor/error.h"

namespace tessera {
namespace {

bool is_torchvision_name(std::string_view name) {
  return name.starts_with("conv1.") || name.starts_with("bn1.") || name.starts_with("layer") || name.starts_with("fc.");
}

}  // namespace

WeightFile read_resnet_file(const std::filesystem::path& path) {
  WeightFile file = read_weight_file(path, is_torchvision_name);
  const size_t counters =
      std::erase_if(file.tensors, [](const auto& entry) { return entry.first.ends_with(".num_batches_tracked"); });
  const size_t classifier =
      std::erase_if(file.tensors, [](const auto& entry) { return entry.first.starts_with("fc."); });
  if (counters > 0) file.notes.push_back(text("ignored: num_batches_tracked of ", counters, " batch norms"));
  if (classifier > 0) file.notes.push_back(text("ignored: the classifier, ", classifier, " tensors"));
  return file;
}

}  // namespace tessera
