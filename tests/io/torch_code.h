// Torch files made by hand.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/torch_file.h"
#include "tensor/error.h"
#include "tests/io/pickle_code.h"
#include "tests/io/zip_writer.h"

namespace tessera::tests {

using Members = std::map<std::string, std::string>;

inline std::vector<uint8_t> archive_of(const std::string& pickle, const Members& members) {
  ZipWriter zip;
  zip.add("a/data.pkl", as_bytes(pickle));
  for (const auto& [name, contents] : members) zip.add("a/" + name, as_bytes(contents));
  return zip.finish();
}

inline TorchFile load(const std::string& pickle, const Members& members = {}) {
  return load_torch_file(archive_of(pickle, members), "file");
}

inline std::string message_of(const std::vector<uint8_t>& bytes) {
  try {
    load_torch_file(bytes, "file");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
inline std::string message_of(const std::string& pickle, const Members& members) {
  return message_of(archive_of(pickle, members));
}

template <class T>
inline std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string storage(const std::string& type, int64_t elements, const std::string& key = "0") {
  return tuple(pickled("storage") + global("torch", type) + pickled(key) + pickled("cpu") + pickled(elements)) + "Q";
}

inline std::string counts(const std::vector<int64_t>& values) {
  std::string items;
  for (const int64_t value : values) items += pickled(value);
  return tuple(items);
}

inline const std::string kRest = "\x89" + call("collections", "OrderedDict", "");  // requires_grad, hooks

inline std::string tensor(const std::string& of, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
  return call("torch._utils", "_rebuild_tensor_v2", of + pickled(offset) + counts(shape) + counts(strides) + kRest);
}

inline std::string entry(const std::string& name, const std::string& value) { return pickled(name) + value; }

// A file whose only entry, "x", is a tensor on a storage of six floats.
inline std::string refusal(const std::string& value) {
  return message_of(program(dict(entry("x", value))), {{"data/0", std::string(24, '\0')}});
}

inline const Members kSix = {{"data/0", bytes_of<float>({0, 1, 2, 3, 4, 5})}};
inline const std::string kTensor = tensor(storage("FloatStorage", 6), 0, {2, 3}, {3, 1});

}  // namespace tessera::tests
