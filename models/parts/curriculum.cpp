#include "models/parts/curriculum.h"

#include "tensor/error.h"

namespace tessera {

std::vector<int64_t> curriculum_captions(const SampleSource& source, const SamplerOptions& options,
                                         const std::string& group) {
  check(source.captions() > 0, "data: the training split has no captions");
  if (options.curriculum_steps == 0) return {};
  source.require(AnnotationField::group, "train.curriculum");
  std::vector<int64_t> out;
  for (int64_t s = 0; s < source.captions(); ++s)
    if (source.group(s) == group) out.push_back(s);
  check(!out.empty(), "data: no caption of the training split is in the group '", group, "' (train.curriculum_group)");
  return out;
}

}  // namespace tessera
