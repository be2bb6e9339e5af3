#include "io/torch_file.h"

#include <doctest/doctest.h>

#include "tests/io/torch_code.h"

namespace tessera::torch_file_test {

using namespace tessera::tests;

namespace {

std::vector<float> floats(const TorchFile& file, const char* name) { return file.tensors.at(name).to_vector<float>(); }

}  // namespace

TEST_CASE("torch: views of a storage") {
  const std::string of = storage("FloatStorage", 6);
  const std::string entries = entry("whole", tensor(of, 0, {2, 3}, {3, 1})) +
                              entry("t", tensor(of, 0, {3, 2}, {1, 3})) + entry("row", tensor(of, 3, {3}, {1})) +
                              entry("every_other", tensor(of, 1, {3}, {2})) + entry("scalar", tensor(of, 5, {}, {})) +
                              entry("none", tensor(of, 0, {0, 3}, {3, 1})) +
                              entry("repeated", tensor(of, 1, {2, 2}, {0, 1}));
  const TorchFile file = load(program(dict(entries)), kSix);
  CHECK(floats(file, "whole") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(floats(file, "t") == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(floats(file, "row") == std::vector<float>{3, 4, 5});
  CHECK(floats(file, "every_other") == std::vector<float>{1, 3, 5});
  CHECK(floats(file, "scalar") == std::vector<float>{5});
  CHECK(floats(file, "repeated") == std::vector<float>{1, 2, 1, 2});
  CHECK(file.tensors.at("none").shape() == Shape{0, 3});
  CHECK(file.tensors.at("scalar").shape() == Shape{});
  for (const auto& item : file.tensors) CHECK(item.second.is_contiguous());
  CHECK(file.tensors.at("row").storage() == file.tensors.at("whole").storage());  // read once
}

TEST_CASE("torch: types") {
  const auto one = [](const std::string& type, const std::string& bytes, int64_t elements) {
    return load(program(dict(entry("x", tensor(storage(type, elements), 0, {elements}, {1})))), {{"data/0", bytes}})
        .tensors.at("x");
  };
  CHECK(one("FloatStorage", bytes_of<float>({1.5f}), 1).to_vector<float>() == std::vector<float>{1.5f});
  CHECK(one("DoubleStorage", bytes_of<double>({0.1}), 1).to_vector<double>() == std::vector<double>{0.1});
  // 1, -2, the smallest subnormal, the largest, and 1 + 2^-10
  CHECK(one("HalfStorage", bytes_of<uint16_t>({0x3c00, 0xc000, 1, 0x7bff, 0x3c01}), 5).to_vector<float>() ==
        std::vector<float>{1, -2, 0x1p-24f, 65504, 1 + 0x1p-10f});
  const Tensor half = one("BFloat16Storage", bytes_of<uint16_t>({0x3fc0}), 1);
  CHECK(half.dtype() == DType::bf16);
  CHECK(half.item() == 1.5);
  CHECK(one("LongStorage", bytes_of<int64_t>({-7}), 1).to_vector<int64_t>() == std::vector<int64_t>{-7});
  CHECK(one("IntStorage", bytes_of<int32_t>({-7}), 1).to_vector<int64_t>() == std::vector<int64_t>{-7});
  CHECK(one("ByteStorage", "\xff", 1).to_vector<uint8_t>() == std::vector<uint8_t>{255});
  CHECK(one("BoolStorage", std::string("\0\1", 2), 2).to_vector<uint8_t>() == std::vector<uint8_t>{0, 1});
  CHECK_THROWS_WITH_AS(one("BoolStorage", "\2", 1), "file: entry 'x' holds 2 in a bool storage, expected 0 or 1",
                       Error);
  CHECK_THROWS_WITH_AS(one("ShortStorage", "\2\2", 1),
                       "file: entry 'x' is of torch.ShortStorage, which is not supported", Error);
}

TEST_CASE("torch: parameters and tensors with attributes") {
  const std::string of = storage("FloatStorage", 6), arguments = of + pickled(0) + counts({6}) + counts({1});
  const std::string plain = tensor(of, 0, {6}, {1});
  const std::vector<float> expected{0, 1, 2, 3, 4, 5};
  for (const std::string& value :
       {call("torch._utils", "_rebuild_tensor", arguments), call("torch._utils", "_rebuild_parameter", plain + kRest),
        call("torch._utils", "_rebuild_parameter_with_state", plain + kRest + "}"),
        call("torch._utils", "_rebuild_tensor_v2", arguments + kRest + "}"),
        call("torch._tensor", "_rebuild_from_type_v2",
             global("torch._utils", "_rebuild_tensor_v2") + global("torch", "Tensor") + tuple(arguments + kRest) +
                 "}")}) {
    CHECK(floats(load(program(dict(entry("x", value))), kSix), "x") == expected);
  }
}

TEST_CASE("torch: a bare state dict") {
  const TorchFile file =
      load(program(call("collections", "OrderedDict", "") + "(" + entry("x", kTensor) + entry("step", pickled(7)) +
                   entry("names", list("NN")) + "u" + dict(entry("_metadata", dict(""))) + "b"),
           kSix);
  CHECK(file.path == "file");
  CHECK(file.tensors.size() == 1);
  CHECK(file.ignored == std::map<std::string, std::string>{{"step", "integer 7"}, {"names", "list of 2"}});
  CHECK(file.beside.empty());
  CHECK(file.report() == std::vector<std::string>{"ignored 'names': list of 2", "ignored 'step': integer 7"});
}

TEST_CASE("torch: a Lightning file") {
  const std::string checkpoint = global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint");
  const std::string config = call("sacred.config.custom_containers", "ReadOnlyDict", "") + "(" +
                             entry("num_heads", pickled(12)) + entry("fp16", "\x88") +
                             entry("vit", pickled("vit_base")) + entry("rate", "G?\xb9\x99\x99\x99\x99\x99\x9a") +
                             entry("losses", dict(entry("itm", pickled(1)))) + entry("nothing", "N") + "u";
  const TorchFile file = load(program(dict(entry("epoch", pickled(3)) + entry("state_dict", dict(entry("x", kTensor))) +
                                           entry("callbacks", dict(checkpoint + dict(entry("best", kTensor)))) +
                                           entry("size", call("torch", "Size", counts({1}))) +
                                           entry("score", call("numpy.core.multiarray", "scalar",
                                                               call("numpy", "dtype", pickled("f8")) +
                                                                   call("_codecs", "encode", pickled("a")))) +
                                           entry("kinds", call("builtins", "set", list(""))) +
                                           entry("hyper_parameters", dict(entry("config", config))))),
                              kSix);
  CHECK(floats(file, "x") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(file.beside.at("epoch") == "integer 3");
  CHECK(file.beside.at("callbacks") == "dict of 1");
  CHECK(file.beside.at("size") == "object made by torch.Size");
  CHECK(!file.beside.contains("state_dict"));
  CHECK(file.placeholders ==
        std::map<std::string, int64_t>{{"_codecs.encode", 1},
                                       {"numpy.core.multiarray.scalar", 1},
                                       {"numpy.dtype", 1},
                                       {"pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", 1},
                                       {"sacred.config.custom_containers.ReadOnlyDict", 1},
                                       {"torch.Size", 1}});
  CHECK(file.report().front() == "taken: the tensors of 'state_dict'");
  CHECK(file.report()[1] == "not interpreted: _codecs.encode × 1");
  CHECK(file.settings == std::map<std::string, std::string>{{"config.num_heads", "12"},
                                                            {"config.fp16", "True"},
                                                            {"config.vit", "vit_base"},
                                                            {"config.rate", "0.1"},
                                                            {"config.losses.itm", "1"}});
}

TEST_CASE("torch: the dict that holds the tensors, by whatever name and beside whatever else") {
  const std::string of = storage("FloatStorage", 6);
  const std::string two = dict(entry("a", tensor(of, 0, {2}, {1})) + entry("b", tensor(of, 2, {2}, {1})));
  const std::string other = dict(entry("a", tensor(of, 1, {2}, {1})) + entry("b", tensor(of, 3, {2}, {1})));
  const std::string loss = entry("loss", tensor(of, 5, {}, {}));
  for (const char* name : {"state_dict", "model_state_dict", "model", "ema", "anything"}) {
    const TorchFile file = load(program(dict(loss + entry(name, two))), kSix);
    CHECK(floats(file, "a") == std::vector<float>{0, 1});
    CHECK(file.tensors.size() == 2);
    CHECK(file.report().front() == text("taken: the tensors of '", name, "'"));
    CHECK(file.beside.contains("loss"));
  }
  CHECK(floats(load(program(dict(entry("ema", other) + entry("model", two))), kSix), "a") == std::vector<float>{0, 1});
  // One level deeper, beside an optimiser's moments, which are named by numbers.
  const std::string moments = dict(entry("state", dict(pickled(0) + two)));
  const TorchFile deeper =
      load(program(dict(entry("checkpoint", dict(entry("model", two) + entry("step", pickled(3)))) +
                        entry("optimizer", moments) + loss)),
           kSix);
  CHECK(floats(deeper, "b") == std::vector<float>{2, 3});
  CHECK(deeper.report().front() == "taken: the tensors of 'checkpoint.model'");
  CHECK(!deeper.beside.contains("checkpoint"));
  CHECK(deeper.beside.contains("optimizer"));
  CHECK(load(program(dict(entry("state_dict", dict(entry("net", two))))), kSix).state_dict == "state_dict.net");
  // By far the most.
  const std::string one = dict(entry("mean", tensor(of, 0, {2}, {1})));
  const std::string three = two.substr(0, two.size() - 1) + entry("c", tensor(of, 0, {2}, {1})) + two.back();
  CHECK(load(program(dict(entry("buffers", one) + entry("generator", three))), kSix).state_dict == "generator");
  // Tensors that lie beside fewer are the model's own.
  CHECK(load(program(dict(loss + entry("c", tensor(of, 0, {2}, {1})) + entry("more", two))), kSix).tensors.size() == 2);
  CHECK(message_of(program(dict(entry("one", two) + entry("two", other))), kSix) ==
        "file: 2 dicts hold tensors, 'one', 'two'; save the one that is meant by itself");
}

TEST_CASE("torch: settings in an object, by its items or its attributes") {
  const std::string config = dict(entry("config", dict(entry("num_heads", pickled(12)))));
  const std::string items = call("pytorch_lightning.utilities.parsing", "AttributeDict", "") + config.substr(1);
  const std::string attributes = call("argparse", "Namespace", "") + config + "b";
  for (const std::string& settings : {config, items, attributes}) {
    const TorchFile file =
        load(program(dict(entry("state_dict", dict(entry("x", kTensor))) + entry("hyper_parameters", settings))), kSix);
    CHECK(file.settings == std::map<std::string, std::string>{{"config.num_heads", "12"}});
  }
}

TEST_CASE("torch: names are errors inside the state dict, and everywhere if they are strange") {
  const std::string size = call("torch", "Size", counts({1}));
  const auto inside = [&](const std::string& value) {
    return message_of(program(dict(entry("state_dict", dict(entry("x", kTensor) + entry("y", value))))), kSix);
  };
  const std::string expected =
      "file: entry 'y' of the state dict holds object made by torch.Size, expected tensors, numbers, strings, lists "
      "and "
      "dicts alone; nothing was run";
  CHECK(inside(size) == expected);
  CHECK(inside(list("N" + tuple(dict("N" + size)))) == expected);
  CHECK(inside(global("torch", "float32")).find("entry 'y' of the state dict holds torch.float32") !=
        std::string::npos);
  // A name that means something for tensors may still not be called on its own.
  CHECK(inside(call("torch", "Tensor", "")).find("holds object made by torch.Tensor") != std::string::npos);
  CHECK(inside(call("torch", "Tensor", "") + ")R").find("holds object, expected") != std::string::npos);
  CHECK(inside(call("builtins", "set", list("N"))) == "");
  // Hidden in what a tensor carries along, or in the attributes of the state dict.
  CHECK(inside(call("torch._utils", "_rebuild_parameter", kTensor + "\x89" + size)) == expected);
  CHECK(message_of(program(dict(entry("x", kTensor)) + dict(entry("a", size)) + "b"), kSix)
            .find("entry '_metadata' of the state dict holds object made by torch.Size") != std::string::npos);
  CHECK(message_of(program(dict(entry("state_dict", dict(entry("x", kTensor))) +
                                entry("callbacks", call("os", "system", pickled("touch executed"))))),
                   kSix)
            .find("names 'os.system', which does not belong into a weight file; nothing was run") != std::string::npos);
}

TEST_CASE("torch: tensors that are not what they should be") {
  const std::string of = storage("FloatStorage", 6);
  const auto rebuilt = [&](const std::string& arguments) {
    return refusal(call("torch._utils", "_rebuild_tensor_v2", arguments));
  };
  CHECK(refusal(tensor(of, 0, {7}, {1})) == "file: entry 'x' has shape [7], more elements than its storage's 6");
  CHECK(refusal(tensor(of, 0, {1000}, {0})).find("more elements than its storage's 6") != std::string::npos);
  CHECK(refusal(tensor(of, 1, {2, 3}, {3, 1})) ==
        "file: entry 'x' has shape [2, 3], strides [3, 1] and offset 1, which reach beyond its storage's 6 elements");
  CHECK(refusal(tensor(of, 0, {2}, {INT64_MAX})).find("reach beyond") != std::string::npos);
  CHECK(refusal(tensor(of, INT64_MAX, {2}, {INT64_MAX})).find("reach beyond") != std::string::npos);
  CHECK(refusal(tensor(of, 0, {INT64_MAX, 3}, {3, 1})) ==
        "file: entry 'x' has shape [9223372036854775807, 3], which has too many elements");
  CHECK(refusal(tensor(of, 0, {0, INT64_MAX, 3}, {3, 1, 1})).find("too many elements") != std::string::npos);
  CHECK(refusal(tensor(of, 0, {-1}, {1})) == "file: entry 'x' has integer -1 as shape, expected a count");
  CHECK(refusal(tensor(of, 0, {1}, {-1})) == "file: entry 'x' has integer -1 as strides, expected a count");
  CHECK(refusal(tensor(of, -1, {1}, {1})) == "file: entry 'x' has integer -1 as offset, expected a count");
  CHECK(refusal(tensor(of, 0, {1, 1}, {1})) == "file: entry 'x' has shape [1, 1], but strides [1]");
  CHECK(refusal(tensor(of, 0, std::vector<int64_t>(9, 1), {1})) ==
        "file: entry 'x' has tuple of 9 as shape, expected a tuple of at most 8");
  CHECK(refusal(tensor("N", 0, {1}, {1})) == "file: entry 'x' has None as its storage");
  CHECK(refusal(tensor(tuple(pickled("module")) + "Q", 0, {1}, {1})) ==
        "file: entry 'x' has a storage that is not identified as torch does it");
  CHECK(refusal(tensor(storage("FloatStorage", 6, std::string(65, '0')), 0, {1}, {1})).find("not identified") !=
        std::string::npos);
  CHECK(refusal(tensor(storage("FloatStorage", 6, "9"), 0, {1}, {1})) ==
        "file: entry 'x' needs storage '9', which is not in the archive");
  CHECK(refusal(tensor(storage("FloatStorage", 7), 0, {1}, {1})) ==
        "file: entry 'x' needs storage '0' of 7 elements of 4 bytes, but it has 24 bytes");
  CHECK(refusal(tensor(storage("FloatStorage", INT64_MAX), 0, {1}, {1})).find("but it has 24 bytes") !=
        std::string::npos);
  CHECK(refusal(tensor(storage("FloatStorage", -1), 0, {1}, {1})) ==
        "file: entry 'x' has integer -1 as storage size, expected a count");
  CHECK(rebuilt(of) == "file: entry 'x' is rebuilt from 1 arguments, expected 6 or 7");
  CHECK(rebuilt(of + pickled(0) + counts({1}) + counts({1}) + kRest + dict(entry("neg", "\x88"))) ==
        "file: entry 'x' is a negated or conjugated view, which is not supported");
  CHECK(refusal(call("torch._utils", "_rebuild_parameter", "N")) == "file: entry 'x' is a parameter without a tensor");
  CHECK(refusal(call("torch._tensor", "_rebuild_from_type_v2", "N")) ==
        "file: entry 'x' has wrong arguments of _rebuild_from_type_v2");
  std::string nested = kTensor;
  for (int i = 0; i < 5; ++i) nested = call("torch._utils", "_rebuild_parameter", nested);
  CHECK(refusal(nested) ==
        "file: entry 'x' is rebuilt by name torch._utils._rebuild_parameter, expected a plain tensor");
  CHECK(message_of(program(dict(entry("x", kTensor) + entry("y", tensor(storage("IntStorage", 6), 0, {1}, {1})))),
                   kSix) ==
        "file: entry 'y' has storage '0' as 6 elements of torch.IntStorage, another tensor as 6 of torch.FloatStorage");
}

TEST_CASE("torch: what is no weight file") {
  const Members none;
  const std::string expected =
      ", expected the zip archive that torch.save writes (a safetensors file is named .safetensors)";
  const auto of_text = [](const std::string& bytes) { return message_of({bytes.begin(), bytes.end()}); };
  CHECK(of_text("") == "file: the file is empty" + expected);
  CHECK(of_text("version https://git-lfs.github.com/spec/v1\n") ==
        "file: the file is a pointer of git-lfs (the file itself was not downloaded: git lfs pull)" + expected);
  CHECK(of_text("<!DOCTYPE html>") ==
        "file: the file is an HTML page (what a server sent instead of the file?)" + expected);
  CHECK(of_text(std::string("\x40\0\0\0\0\0\0\0{}", 10)) == "file: the file is a safetensors file" + expected);
  CHECK(message_of({0x80, 2, '}', '.'}) == "file: is a bare pickle, expected the zip archive that torch.save writes");
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  CHECK(message_of({magic.begin(), magic.end()})
            .find("the format that torch wrote before version 1.6, which is not supported; re-save it in Python: "
                  "torch.save(") != std::string::npos);
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  CHECK(message_of({tar.begin(), tar.end()}).find("before version 1.6") != std::string::npos);
  CHECK(of_text("hello") == "file: the file is text that begins 'hello'" + expected);
  CHECK(of_text("PK\3\4 and no more") == "file: not a zip archive, or cut short");
  CHECK(of_text("\x1\x2\x3") == "file: not a zip archive, or cut short");
  ZipWriter zip;
  zip.add("a/other", as_bytes("b"));
  CHECK(message_of(zip.finish()) == "file: a zip archive without a data.pkl, so not made by torch.save");
  const std::string good = program(dict(entry("x", kTensor)));
  CHECK(message_of(good, {{"b/data.pkl", good}}) == "file: holds more than one data.pkl");
  CHECK(message_of(good, {{"constants.pkl", good}}) ==
        "file: is a TorchScript program; save the state dict of its module instead");
  CHECK(message_of(good, {{"data/0", kSix.at("data/0")}, {"byteorder", "little"}}) == "");
  CHECK(message_of(good, {{"byteorder", "big"}}) == "file: byte order is 'big', expected 'little'");
  CHECK(message_of(program(list("")), none) ==
        "file: holds list of 0, expected a dict of tensors; save the module's state_dict() instead");
  CHECK(message_of(program(dict(entry("state_dict", "N"))), none) == "file: 'state_dict' is None, expected a dict");
  CHECK(message_of(program(dict("")), none) == "file: holds no tensors");
  CHECK(message_of(program(dict(entry("model", dict("")))), none) == "file: holds no tensors; its entries are 'model'");
  CHECK(message_of(program(dict(pickled(1) + kTensor)), none) ==
        "file: the state dict has integer 1 as a key, expected a string");
  for (const char* name : {"\x1b[2J", "a\nb", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82", "\xf4\x90\x80\x80"})
    CHECK(message_of(program(dict(entry(name, kTensor))), kSix).find("bytes of printable UTF-8") != std::string::npos);
  CHECK(message_of(program(dict(entry("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", kTensor))), kSix) == "");
  CHECK(message_of(program(dict(entry(std::string(1025, 'x'), kTensor))), kSix).find("at most 1024 bytes") !=
        std::string::npos);
  for (const std::string& other : {kTensor, std::string("N")}) {
    CHECK(message_of(program(dict(entry("x", kTensor) + entry("x", other))), kSix) ==
          "file: the state dict has the key 'x' twice");
    CHECK(message_of(program(dict(entry("y", kTensor) + entry("x", "N") + entry("x", other))), kSix) ==
          "file: the state dict has the key 'x' twice");
  }
}

}  // namespace tessera::torch_file_test
