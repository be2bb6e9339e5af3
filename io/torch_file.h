// Reader of torch's weight files: `pytorch_model.bin` and Lightning's `.ckpt`, as torch.save writes them since
// version 1.6.
//
//   NAME/data.pkl    a pickle: the state dict, or a dict that holds it, as "state_dict" or by another name
//   NAME/data/KEY    the elements of one storage, little-endian, not compressed; tensors are views of storages
//   NAME/byteorder   "little" (newer files)
//
// A TorchScript archive (torch.jit.save; OpenAI's published weights of CLIP) is read too: the state dict is what its
// module and the modules in it hold, by path (io/script_module.h). Its code and constants are not looked at.
//
// Files are untrusted. No file can run code: the pickle's names are never imported (io/pickle.h). Inside the state dict
// a name without a meaning for tensors is an error; outside it (Lightning's settings and callbacks) names of modules
// that such files are known to carry stay inert placeholders, which are reported. Every size is checked against the
// file's before memory is taken: tensors take at most four times the file's size.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/safetensors.h"

namespace tessera {

struct TorchFile {
  // The state dict's tensors, contiguous; those of one storage may share memory. Types: float, double, bfloat16, int64
  // and uint8 are read as they are; half becomes f32, int32 becomes i64, bool becomes u8 (0 or 1).
  NamedTensors tensors;
  std::map<std::string, std::string> converted;  // tensors of another type in the file → its storage ("HalfStorage")
  std::map<std::string, std::string> ignored;    // other entries of the state dict → what they are ("list of 2")
  std::map<std::string, std::string> beside;     // entries beside it → what they are; empty for a bare state dict
  std::map<std::string, int64_t> placeholders;   // "module.name" outside the state dict → how often it is used
  // Numbers, strings and booleans ("True", "False") of Lightning's "hyper_parameters", which say how the model was
  // made, by their path: "config.num_heads" → "12".
  std::map<std::string, std::string> settings;
  std::string path;
  std::string state_dict;  // where in the file it lies ("state_dict", "checkpoint.model"); empty for a bare one

  // Lines for people: what was ignored and which placeholders there are.
  std::vector<std::string> report() const;
};

TorchFile load_torch_file(const std::string& path);
// A file in memory; `name` stands for the path in messages.
TorchFile load_torch_file(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace tessera
