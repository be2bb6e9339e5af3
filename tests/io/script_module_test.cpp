#include "io/script_module.h"

#include <doctest/doctest.h>

#include "tests/io/torch_code.h"

namespace tessera::script_module_test {

using namespace tessera::tests;

namespace {

using doctest::Contains;

// NEWOBJ of a class, then BUILD with its attributes.
std::string module(const std::string& attributes, const std::string& name = "___torch_mangle_7") {
  return global("__torch__.torch.nn.modules.module." + name, "Module") + ")\x81" + dict(attributes) + "b";
}

const std::string kUsual = entry("training", "\x88") + entry("_is_full_backward_hook", "N");

std::string nested(int depth) {
  std::string value = kTensor;
  for (int i = 0; i < depth; ++i) value = module(entry("a", value));
  return value;
}

}  // namespace

TEST_CASE("script module: attributes by path, halves widened, code and constants not looked at") {
  const std::string half = tensor(storage("HalfStorage", 2, "1"), 0, {2}, {1});
  const TorchFile file =
      load(program(module(entry("weight", kTensor) + entry("version", pickled(3)) + kUsual +
                          entry("visual", module(kUsual + entry("conv1", module(entry("weight", half) + kUsual)))) +
                          entry("empty", global("__torch__.Empty", "Module") + ")\x81"))),
           {{"data/0", kSix.at("data/0")},
            {"data/1", bytes_of<uint16_t>({0x3c00, 0xc000})},
            {"constants.pkl", "no pickle"},
            {"code/__torch__/x.py", "import os"}});
  CHECK(file.tensors.size() == 2);
  CHECK(file.tensors.at("weight").shape() == Shape{2, 3});
  CHECK(file.tensors.at("visual.conv1.weight").to_vector<float>() == std::vector<float>{1, -2});
  CHECK(file.converted == std::map<std::string, std::string>{{"visual.conv1.weight", "HalfStorage"}});
  CHECK(file.ignored == std::map<std::string, std::string>{{"version", "integer 3"}});
  CHECK(file.state_dict == "");
}

TEST_CASE("script module: a module that is used twice has its tensors twice") {
  // The memo: "q" keeps, "h" gives again.
  const std::string shared = module(entry("w", kTensor)) + std::string("q\x09", 2);
  const TorchFile file = load(program(module(entry("a", shared) + entry("b", std::string("h\x09", 2)))), kSix);
  CHECK(file.tensors.count("a.w") == 1);
  CHECK(file.tensors.count("b.w") == 1);
}

TEST_CASE("script module: what is refused") {
  CHECK(message_of(program(module(kUsual)), kSix) == "file: holds a TorchScript module without tensors");
  CHECK(message_of(program(nested(64)), kSix) == "");
  CHECK_THROWS_WITH_AS(load(program(nested(65)), kSix), Contains("nested more than 64 deep"), Error);
  CHECK_THROWS_WITH_AS(load(program(module(entry("a.b", kTensor) + entry("a", module(entry("b", kTensor))))), kSix),
                       Contains("the key 'a.b' twice"), Error);
  CHECK_THROWS_WITH_AS(load(program(module(pickled(1) + kTensor)), kSix), Contains("integer 1 as the name"), Error);
  CHECK_THROWS_WITH_AS(load(program(global("__torch__.M", "Module") + ")\x81" + list("") + "b"), kSix),
                       Contains("are list of 0, expected a dict"), Error);
  // No other name becomes a module, and inside of one there are data alone.
  CHECK_THROWS_WITH_AS(
      load(program(global("__torch__evil", "Module") + ")\x81" + dict(entry("a", kTensor)) + "b"), kSix),
      Contains("file"), Error);
  CHECK_THROWS_WITH_AS(load(program(module(entry("a", kTensor) + entry("x", list(module("") + "")))), kSix),
                       Contains("of the state dict holds"), Error);
  // A module that holds itself.
  const std::string itself =
      global("__torch__.M", "Module") + std::string(")\x81q\x09", 4) + dict(entry("a", std::string("h\x09", 2))) + "b";
  CHECK_THROWS_WITH_AS(load(program(itself), kSix), Contains("nested more than 64 deep"), Error);
  // Twice the one before, forty times over: 2^40 paths.
  std::string doubled = module(entry("w", kTensor));
  for (int i = 0; i < 40; ++i) {
    const char slot = static_cast<char>(10 + i);
    doubled = module(entry("a", doubled + "q" + slot) + entry("b", std::string("h") + slot));
  }
  CHECK_THROWS_WITH_AS(load(program(doubled), kSix), Contains("more than 100000 attributes"), Error);
}

}  // namespace tessera::script_module_test
