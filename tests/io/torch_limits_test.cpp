// Torch files that are as they should be but for their size.
#include <doctest/doctest.h>

#include <string>

#include "io/torch_file.h"
#include "tests/io/zip_writer.h"

namespace tessera::torch_limits_test {

namespace {

std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TorchFile load(const std::string& pickle) {
  const std::string storage(8, '\0');
  tests::ZipWriter zip;
  zip.add("a/data.pkl", as_bytes(pickle));
  zip.add("a/data/0", as_bytes(storage));
  return load_torch_file(zip.finish(), "file");
}

// BINUNICODE
std::string string_of(const std::string& text) {
  return std::string{'X', static_cast<char>(text.size()), 0, 0, 0} + text;
}

// A tensor of two elements with the given stride, at an offset of one element if there is only one; memo number 0.
std::string tensor(int64_t size, int64_t stride) {
  const auto number = [](int64_t value) {  // LONG1
    std::string out = "\x8a\x08";
    for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
  };
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + string_of("storage") + "ctorch\nFloatStorage\n" + string_of("0") +
         string_of("cpu") + number(2) + "tQ" + number(2 - size) + number(size) + "\x85" + number(stride) +
         "\x85\x89"
         "ccollections\nOrderedDict\n)RtRq" +
         std::string(1, '\0');
}

const std::string kStart = "\x80\x02}", kTensor("h\0", 2);

}  // namespace

TEST_CASE("torch: a stride that is never walked may be any number") {
  const TorchFile file = load(kStart + string_of("t") + tensor(1, INT64_MAX) + "s.");
  CHECK(file.tensors.at("t").to_vector<float>() == std::vector<float>{0});
}

TEST_CASE("torch: a state dict has a bounded number of entries") {
  const auto with_entries = [](int count) {
    std::string pickle = kStart + string_of("0") + tensor(2, 1) + "s";
    for (int i = 1; i < count; ++i) pickle += string_of(std::to_string(i)) + kTensor + "s";
    return pickle + ".";
  };
  CHECK(load(with_entries(100'000)).tensors.size() == 100'000);
  CHECK_THROWS_WITH_AS(load(with_entries(100'001)),
                       "file: the state dict has 100001 entries, at most 100000 are allowed", Error);
}

TEST_CASE("torch: settings that contain themselves again and again") {
  std::string settings = "}q\x01" + string_of("a") + "K\x07s";
  for (int i = 0; i < 20'000; ++i) settings += string_of("k" + std::to_string(i)) + "h\x01s";
  const TorchFile file = load(kStart + string_of("state_dict") + "}" + string_of("t") + tensor(2, 1) + "ss" +
                              string_of("hyper_parameters") + settings + "s.");
  CHECK(file.settings == std::map<std::string, std::string>{{"a", "7"}});
}

}  // namespace tessera::torch_limits_test
