// What programs write before the names of a model's tensors, and into them.
//
//   module.       torch's DataParallel and DistributedDataParallel, averaged models
//   _orig_mod.    torch.compile
//   _fsdp_wrapped_module., _checkpoint_wrapped_module.
//   model., net.  whatever the member is called that holds the model: Lightning's modules, trainers
//
// The first three kinds may stand anywhere, since parts of a model can be wrapped; the last counts where every name has
// it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "io/safetensors.h"

namespace tessera {

// Whether a tensor of a model may have this name.
using NameTest = std::function<bool(std::string_view name)>;

// The plain names of `file`, by its own, where these are the model's but for such additions; all unchanged where they
// are not. Two that have the same plain name are an error; `source` begins it.
std::map<std::string, std::string> plain_names(const NamedTensors& file, const std::string& source,
                                               const NameTest& is_name);

// What was taken off, for people; "" if nothing was.
std::string taken_off(const std::map<std::string, std::string>& plain);

}  // namespace tessera
