#include <doctest/doctest.h>

#include "tests/io/torch_code.h"

namespace tessera::torch_script_test {
namespace {

using namespace tests;

// NEWOBJ with a class below __torch__, then BUILD with its attributes.
std::string module(const std::string& attributes, const std::string& name = "Module") {
  return global("__torch__.torch.nn.modules.module.___torch_mangle_7", name) + ")\x81" + dict(attributes) + "b";
}
const std::string kTrue = "\x88";

}  // namespace

TEST_CASE("TorchScript: tensors by the path of their modules") {
  const std::string inner = module(entry("weight", kTensor) + entry("training", kTrue) + entry("hook", "N"));
  const std::string outer =
      module(entry("scale", kTensor) + entry("ln", inner) + entry("none", module("")) + entry("count", pickled(3)));
  const TorchFile file = load(program(outer), kSix);
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors.at("scale").shape() == Shape{2, 3});
  CHECK(file.tensors.at("ln.weight").to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(file.is_script);
  CHECK(file.report() ==
        std::vector<std::string>{"taken: the tensors of a TorchScript program's modules; its code was not run"});
  // With what such programs have beside it.
  Members members = kSix;
  members["constants.pkl"] = program(")");
  members["code/__torch__.py"] = "class Module";
  CHECK(load(program(outer), members).tensors.size() == 2);
}

TEST_CASE("TorchScript: a module that stands in two places, or in itself, is taken once") {
  // BINPUT 1, BINGET 1
  const std::string shared = module(entry("weight", kTensor)) + "q\x01";
  const TorchFile file = load(program(module(entry("a", shared) + entry("b", std::string("h\x01")))), kSix);
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors.contains("a.weight"));
  const std::string own = global("__torch__", "Module") + ")\x81q\x01" +
                          dict(entry("self", std::string("h\x01")) + entry("weight", kTensor)) + "b";
  CHECK(load(program(own), kSix).tensors.size() == 1);
}

TEST_CASE("TorchScript: what is refused") {
  CHECK(message_of(program(module("")), {}) == "file: a TorchScript program without tensors");
  CHECK(message_of(program(module(entry("x", kTensor) + entry("x", kTensor))), kSix) ==
        "file: the program has the tensor x twice");
  CHECK(message_of(program(module(pickled(1) + kTensor)), kSix) ==
        "file: a module has integer 1 as the name of an attribute, expected a string");
  CHECK(message_of(program(module(entry("a\nb", kTensor))), kSix).find("which has bytes that are no text") !=
        std::string::npos);
  CHECK(message_of(program(module(entry(std::string(2000, 'x'), kTensor))), kSix).find("longer than 1024 bytes") !=
        std::string::npos);
  // Paths that grow with the depth end at the same bound, not in memory.
  std::string deep = module(entry("weight", kTensor));
  for (int i = 0; i < 600; ++i) deep = module(entry("mm", deep));
  CHECK(message_of(program(deep), kSix).find("longer than 1024 bytes") != std::string::npos);
  // A name that is no plain one is refused below __torch__, too.
  CHECK(message_of(program(global("__torch__", "os.system") + ")\x81" + dict(entry("x", kTensor)) + "b"), kSix)
            .find("which does not belong into a weight file; nothing was run") != std::string::npos);
  // Other objects are as little a state dict as before.
  CHECK(message_of(program(global("torch.nn", "Module") + ")\x81" + dict(entry("x", kTensor)) + "b"), kSix)
            .find("expected a dict of tensors") != std::string::npos);
}

}  // namespace tessera::torch_script_test
