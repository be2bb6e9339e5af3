// Which of the names that a pickle may import mean something to us, which are harmless, and which are refused.
#pragma once

#include <string_view>

namespace tessera {

enum class GlobalKind {
  data,     // tensors, their storages, OrderedDict, set: we know what they make
  inert,    // in a module that weight files are known to carry names of; kept as a name and never called
  refused,  // anything else
};

GlobalKind classify_global(std::string_view module, std::string_view name);

// True of the data names that a state dict may hold the calls of: functions that rebuild a tensor, and sets.
bool is_data_callee(std::string_view module, std::string_view name);

}  // namespace tessera
