#include "io/pickle_globals.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace tessera {
namespace {

constexpr size_t kMaxNameBytes = 256;

struct Name {
  std::string_view module, name;
};

constexpr Name kCallees[] = {
    {"torch._utils", "_rebuild_tensor_v2"},
    {"torch._utils", "_rebuild_tensor"},
    {"torch._utils", "_rebuild_parameter"},
    {"torch._utils", "_rebuild_parameter_with_state"},
    {"torch._tensor", "_rebuild_from_type_v2"},
    {"builtins", "set"},
    {"builtins", "frozenset"},
    {"__builtin__", "set"},  // how protocol 2 spells the module
    {"__builtin__", "frozenset"},
};

constexpr Name kValues[] = {
    {"collections", "OrderedDict"},
    {"torch", "Tensor"},
    {"torch.nn.parameter", "Parameter"},
    {"torch", "FloatStorage"},
    {"torch", "DoubleStorage"},
    {"torch", "HalfStorage"},
    {"torch", "BFloat16Storage"},
    {"torch", "LongStorage"},
    {"torch", "IntStorage"},
    {"torch", "ShortStorage"},
    {"torch", "CharStorage"},
    {"torch", "ByteStorage"},
    {"torch", "BoolStorage"},
    {"torch", "ComplexFloatStorage"},
    {"torch", "ComplexDoubleStorage"},
};

// Libraries whose types settings, callbacks and optimiser states of published checkpoints are made of.
constexpr std::string_view kLibraries[] = {
    "__torch__",  // the classes of a TorchScript archive
    "argparse",
    "collections",
    "datetime",
    "easydict",
    "lightning",
    "lightning_fabric",
    "lightning_utilities",
    "numpy",
    "omegaconf",
    "pathlib",
    "pytorch_lightning",
    "sacred",
    "torch",
    "torchmetrics",
    "torchvision",
    "yacs",
};

// Of modules that hold harmful names, too, these alone.
constexpr Name kHarmless[] = {
    {"_codecs", "encode"},  // bytes in protocol 2
    {"copy_reg", "_reconstructor"},
    {"copyreg", "_reconstructor"},
    {"typing", "Any"},  // in omegaconf's containers
    {"typing", "Dict"},
    {"typing", "List"},
};

constexpr std::string_view kBuiltinTypes[] = {
    "bool",   "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int",     "list",
    "object", "range",     "set",   "slice",   "str",  "tuple", "long",      "unicode", "xrange",  // in protocol 2
};

// These would read a pickle inside the pickle.
constexpr Name kReaders[] = {
    {"torch.storage", "_load_from_bytes"},
    {"torch", "load"},
    {"torch.serialization", "load"},
};

bool contains(const auto& names, std::string_view module, std::string_view name) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](const Name& one) { return one.module == module && one.name == name; });
}

bool contains(const auto& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Identifiers joined by dots.
bool is_dotted_name(std::string_view text) {
  bool at_start = true;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '.' ? at_start : !(std::isalpha(byte) || byte == '_' || (!at_start && std::isdigit(byte))))
      return false;
    at_start = character == '.';
  }
  return !at_start;
}

// A dot in a name makes Python follow attributes, and `torch` has an attribute path to `os.system`. Only classes inside
// classes are let through: each part but the last begins with a capital.
bool is_plain_name(std::string_view name) {
  if (!is_dotted_name(name)) return false;
  for (size_t dot = name.find('.'), from = 0; dot != name.npos; from = dot + 1, dot = name.find('.', from)) {
    if (!std::isupper(static_cast<unsigned char>(name[from]))) return false;
    if (!std::isupper(static_cast<unsigned char>(name[dot + 1]))) return false;
  }
  return true;
}

}  // namespace

GlobalKind classify_global(std::string_view module, std::string_view name) {
  // A bound on the length keeps the time for names that are used again and again in proportion to the pickle.
  if (module.size() > kMaxNameBytes || name.size() > kMaxNameBytes) return GlobalKind::refused;
  if (!is_dotted_name(module) || !is_plain_name(name)) return GlobalKind::refused;
  if (contains(kCallees, module, name) || contains(kValues, module, name)) return GlobalKind::data;
  if (contains(kReaders, module, name)) return GlobalKind::refused;
  if (contains(kHarmless, module, name)) return GlobalKind::inert;
  if (module == "builtins" || module == "__builtin__")
    return contains(kBuiltinTypes, name) ? GlobalKind::inert : GlobalKind::refused;
  return contains(kLibraries, module.substr(0, module.find('.'))) ? GlobalKind::inert : GlobalKind::refused;
}

bool is_data_callee(std::string_view module, std::string_view name) { return contains(kCallees, module, name); }

}  // namespace tessera
