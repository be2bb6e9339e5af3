// torch_files: weights in torch's own formats, against the same weights in ../vilt_mlm/model.safetensors; and files
// that must be refused.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/torch_file.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"
#include "vilt/files/weights.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// To half precision, ties to even, and back. A half has 11 significant bits and no exponent below 2^-14, so it is a
// multiple of 2^(exponent - 10), or of 2^-24 below 2^-14; nearbyint rounds ties to even.
float rounded_to_half(float value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), -14);
  const float rounded = std::ldexp(std::nearbyint(std::ldexp(value, 10 - exponent)), exponent - 10);
  return std::abs(rounded) > 65504.0f ? std::copysign(INFINITY, value) : rounded;
}

Tensor to_half(const Tensor& tensor) {
  if (tensor.dtype() != DType::f32) return tensor;
  std::vector<float> values = tensor.to_vector<float>();
  for (float& value : values) value = rounded_to_half(value);
  return Tensor::from(values, tensor.shape());
}

Tensor to_bfloat16(const Tensor& tensor) { return tensor.dtype() == DType::f32 ? tensor.to(DType::bf16) : tensor; }

void check_equal(const Tensor& got, const Tensor& expected, const std::string& what) {
  check(got.dtype() == expected.dtype() && got.shape() == expected.shape(), what, ": ", describe(got), ", expected ",
        describe(expected));
  dispatch_any(got.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const std::vector<T> a = got.to_vector<T>(), b = expected.to_vector<T>();
    for (size_t i = 0; i < a.size(); ++i)
      check(std::memcmp(&a[i], &b[i], sizeof(T)) == 0, what, ": element ", i, " differs");
  });
}

// The tensors of the file, all but position_ids, are those of the reference after `rounding`.
size_t compare_weights(const fs::path& path, const SafeTensors& reference, Tensor (*rounding)(const Tensor&)) {
  const TorchFile file = load_torch_file(path.string());
  for (const auto& [name, expected] : reference.tensors) {
    const auto found = file.tensors.find(name);
    check(found != file.tensors.end(), path.string(), ": no tensor ", name);
    check_equal(found->second, rounding(expected), path.string() + ": " + name);
  }
  for (const auto& item : file.tensors)
    check(reference.contains(item.first) || item.first.ends_with(".position_ids"), path.string(),
          ": unexpected tensor ", item.first);
  return reference.tensors.size();
}

void compare_names(const fs::path& path, const json& shapes) {
  const TorchFile file = load_torch_file(path.string());
  for (const auto& item : shapes.items()) {
    const auto found = file.tensors.find(item.key());
    check(found != file.tensors.end(), path.string(), ": no tensor ", item.key());
    const auto sizes = item.value().get<std::vector<int64_t>>();
    const Shape expected{std::span<const int64_t>(sizes)};
    check(found->second.shape() == expected, path.string(), ": ", item.key(), " is ", found->second.shape(),
          ", expected ", expected);
  }
  check(file.tensors.size() == shapes.size(), path.string(), ": ", file.tensors.size(), " tensors, expected ",
        shapes.size());
  check(!file.beside.empty(), path.string(), ": no entries beside the state dict");
}

// The authors' names mean what the reference's do. The file may hold heads that the reference's class has no place for.
size_t compare_mapped(const fs::path& path, const SafeTensors& reference) {
  const StateDict got = read_weights(path).state.tensors;
  const StateDict expected = our_names(reference.tensors, reference.path).tensors;
  for (const auto& [name, tensor] : expected) {
    const auto found = got.find(name);
    check(found != got.end(), path.string(), ": no tensor ", name);
    check_equal(found->second, tensor, path.string() + ": " + name);
  }
  return expected.size();
}

void compare_shared(const fs::path& path) {
  const TorchFile file = load_torch_file(path.string());
  const auto at = [&](const char* name) {
    const auto found = file.tensors.find(name);
    check(found != file.tensors.end(), path.string(), ": no tensor ", name);
    return found->second;
  };
  std::vector<float> counted(24);
  for (size_t i = 0; i < counted.size(); ++i) counted[i] = static_cast<float>(i);
  const Tensor whole = Tensor::from(counted, {4, 6});
  check_equal(at("whole"), whole, path.string() + ": whole");
  check_equal(at("transposed"), whole.transpose(0, 1), path.string() + ": transposed");
  check_equal(at("row"), whole.select(0, 2), path.string() + ": row");
  check_equal(at("scalar"), Tensor::scalar(2.5), path.string() + ": scalar");
  check(file.tensors.size() == 4 && file.ignored.size() == 2, path.string(), ": ", file.tensors.size(), " tensors and ",
        file.ignored.size(), " other entries, expected 4 and 2");
}

size_t refuse_all(const fs::path& directory) {
  size_t refused = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".bin" && entry.path().extension() != ".ckpt") continue;
    bool loaded = true;
    try {
      load_torch_file(entry.path().string());
    } catch (const Error& error) {
      loaded = false;
      check(std::string(error.what()).find(entry.path().string()) != std::string::npos,
            "a message does not name its file ", entry.path().string(), ": ", error.what());
    }
    check(!loaded, entry.path().string(), ": was not refused");
    ++refused;
  }
  // What the hostile pickles would do if they were run.
  for (const fs::path& place : {fs::path("."), directory, directory.parent_path()})
    check(!fs::exists(place / "executed"), (place / "executed").string(), " exists: a pickle was run");
  return refused;
}

}  // namespace

Outcome run_torch_files(const fs::path& directory) {
  const SafeTensors reference = load_safetensors((directory.parent_path() / "vilt_mlm" / "model.safetensors").string());
  size_t tensors =
      compare_weights(directory / "pytorch_model.bin", reference, [](const Tensor& tensor) { return tensor; }) +
      compare_weights(directory / "half.bin", reference, to_half) +
      compare_weights(directory / "bfloat16.bin", reference, to_bfloat16);
  const json names = read_json(directory / "names.json");
  for (const auto& item : names.items()) {
    compare_names(directory / item.key(), item.value());
    tensors += compare_mapped(directory / item.key(), reference);
  }
  compare_shared(directory / "shared_storage.bin");
  const size_t refused = refuse_all(directory / "bad");
  return {true, text(tensors, " tensors equal bit for bit, names and shapes of ", names.size(),
                     " Lightning file, shared storages, ", refused, " bad files refused")};
}

}  // namespace tessera::golden
