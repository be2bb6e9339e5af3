#include "io/pickle.h"

#include <doctest/doctest.h>

#include "io/pickle_globals.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "tests/io/pickle_code.h"

namespace tessera::pickle_test {

using namespace tessera::tests;
using Kind = Pickle::Kind;

namespace {

Pickle parse(const std::string& bytes) { return parse_pickle(as_bytes(bytes), "file"); }

// The only value of a program.
std::string described(const std::string& code) {
  const Pickle pickle = parse(program(code));
  return describe(pickle, pickle.root());
}

std::string message_of(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string refusal(const std::string& code) { return message_of(program(code)); }

const std::string kZero(1, '\0');

}  // namespace

TEST_CASE("pickle: numbers") {
  const auto integer = [](const std::string& code) {
    const Pickle pickle = parse(program(code));
    REQUIRE(pickle.kind(pickle.root()) == Kind::integer);
    return pickle.integer(pickle.root());
  };
  CHECK(integer("K\xff") == 255);
  CHECK(integer("M\x01\x02") == 0x201);
  CHECK(integer("J\xfe\xff\xff\xff") == -2);
  CHECK(integer("J\xff\xff\xff\x7f") == INT32_MAX);
  CHECK(integer("\x8a" + kZero) == 0);
  CHECK(integer("\x8a\x01\xff") == -1);
  CHECK(integer("\x8a\x02\xff" + kZero) == 255);
  CHECK(integer(pickled(INT64_MIN)) == INT64_MIN);
  CHECK(integer("\x8b" + little_endian(1, 4) + "\x80") == -128);
  CHECK(described("\x8a\x09" + std::string(9, '\x7f')) == "integer of 9 bytes");
  const Pickle real = parse(program("G\xbf\xf8" + std::string(6, '\0')));
  CHECK(real.kind(real.root()) == Kind::real);
  CHECK(real.real(real.root()) == -1.5);
  CHECK(described("N") == "None");
  CHECK(described("\x88") == "True");
  CHECK(described("\x89") == "False");
}

TEST_CASE("pickle: texts") {
  for (const std::string& code : {"X" + little_endian(2, 4) + "ab",
                                  std::string("\x8c\x02"
                                              "ab"),
                                  "\x8d" + little_endian(2, 8) + "ab", "T" + little_endian(2, 4) + "ab",
                                  std::string("U\x02"
                                              "ab")}) {
    const Pickle pickle = parse(program(code));
    CHECK(pickle.kind(pickle.root()) == Kind::string);
    CHECK(pickle.text(pickle.root()) == "ab");
  }
  for (const std::string& code : {"B" + little_endian(2, 4) + "ab",
                                  std::string("C\x02"
                                              "ab"),
                                  "\x8e" + little_endian(2, 8) + "ab", "\x96" + little_endian(2, 8) + "ab"}) {
    const Pickle pickle = parse(program(code));
    CHECK(pickle.kind(pickle.root()) == Kind::bytes);
    CHECK(pickle.text(pickle.root()) == "ab");
  }
}

TEST_CASE("pickle: containers") {
  CHECK(described(")") == "tuple of 0");
  CHECK(described("N\x85") == "tuple of 1");
  CHECK(described("NN\x86") == "tuple of 2");
  CHECK(described("NNN\x87") == "tuple of 3");
  CHECK(described("(NNNNt") == "tuple of 4");
  CHECK(described("]Na") == "list of 1");
  CHECK(described("](NNe") == "list of 2");
  CHECK(described("(NNNl") == "list of 3");
  CHECK(described("}") == "dict of 0");
  CHECK(described("}NNs") == "dict of 1");
  CHECK(described("}(NNNNu") == "dict of 2");
  CHECK(described("(NNd") == "dict of 1");
  CHECK(described("\x8f(NN\x90") == "set of 2");
  CHECK(described("(N\x91") == "set of 1");
  CHECK(described("N2\x86") == "tuple of 2");  // DUP
  CHECK(described("NK\x01"
                  "0") == "None");      // POP
  CHECK(described("N(0") == "None");    // POP of a mark
  CHECK(described("N(NN1") == "None");  // POP_MARK

  const std::string items = pickled("a") + pickled(1) + pickled("b") + pickled(2) + pickled("a") + pickled(3);
  const Pickle pickle = parse(program(dict(items)));
  CHECK(pickle.integer(pickle.find(pickle.root(), "a")) == 3);  // a later one of two equal keys counts
  CHECK(pickle.integer(pickle.find(pickle.root(), "b")) == 2);
  CHECK(pickle.find(pickle.root(), "c") == Pickle::kNoId);
}

TEST_CASE("pickle: the memo shares values") {
  for (const std::string& put : {std::string("q\x05"), "r" + little_endian(5, 4)}) {
    const Pickle pickle = parse(program("]" + put + "h\x05\x86"));
    CHECK(pickle.children(pickle.root())[0] == pickle.children(pickle.root())[1]);
  }
  // MEMOIZE numbers from 0; a list may contain itself.
  const Pickle cycle = parse(program("]\x94j" + little_endian(0, 4) + "a"));
  CHECK(cycle.children(cycle.root())[0] == cycle.root());
}

TEST_CASE("pickle: names and calls are records") {
  const Pickle name = parse(program(global("torch", "float32")));
  CHECK(name.kind(name.root()) == Kind::global);
  CHECK(name.global_name(name.root()) == "torch.float32");
  CHECK(described(pickled("torch") + pickled("float32") + "\x93") == "name torch.float32");
  CHECK(described(call("torch", "Size", tuple("K\x01"))) == "object made by torch.Size");
  CHECK(described(global("torch", "Size") + ")\x81") == "object made by torch.Size");
  CHECK(described(global("torch", "Size") + ")}\x92") == "object made by torch.Size");
  CHECK(described("(Nitorch\nSize\n") == "object made by torch.Size");
  CHECK(described("NQ") == "storage");
  // What is put into an object follows its callee and arguments.
  const Pickle object = parse(program(call("collections", "Counter", "") + "NK\x01sKab"));
  CHECK(object.children(object.root()).size() == 5);
  // An OrderedDict is a dict, and its attributes are apart.
  const Pickle ordered = parse(program(call("collections", "OrderedDict", "") + "NNs}b"));
  CHECK(ordered.kind(ordered.root()) == Kind::dict);
  CHECK(ordered.children(ordered.root()).size() == 2);
  CHECK(ordered.kind(ordered.attributes(ordered.root())) == Kind::dict);
}

TEST_CASE("pickle: names that do not belong into weight files") {
  CHECK(refusal(global("os", "system")) ==
        "file: byte 2: names 'os.system', which does not belong into a weight file; nothing was run");
  CHECK(refusal(pickled("posix") + pickled("system") + "\x93").find("names 'posix.system'") != std::string::npos);
  CHECK(refusal("(" + pickled("touch executed") + "ios\nsystem\n").find("names 'os.system'") != std::string::npos);
  // What a terminal would obey is escaped.
  CHECK(refusal(global("\x1b[2J", "x")).find("names '\\x1b[2J.x'") != std::string::npos);

  using enum GlobalKind;
  for (const char* name : {"eval", "exec", "getattr", "open", "__import__", "compile", "print", "map"})
    CHECK(classify_global("builtins", name) == refused);
  CHECK(classify_global("__builtin__", "eval") == refused);
  CHECK(classify_global("builtins", "dict") == inert);
  CHECK(classify_global("subprocess", "Popen") == refused);
  CHECK(classify_global("nt", "system") == refused);
  CHECK(classify_global("runpy", "run_path") == refused);
  CHECK(classify_global("functools", "partial") == refused);
  CHECK(classify_global("operator", "attrgetter") == refused);
  CHECK(classify_global("torchx", "run") == refused);  // not inside torch
  CHECK(classify_global("torch.storage", "_load_from_bytes") == refused);
  CHECK(classify_global("torch.serialization", "os.system") == refused);
  CHECK(classify_global("torch", "serialization.os.system") == refused);
  CHECK(classify_global("torch", "Module.forward") == refused);
  CHECK(classify_global("torch", "Outer.Inner") == inert);
  CHECK(classify_global("torch", "") == refused);
  CHECK(classify_global("", "system") == refused);
  CHECK(classify_global(".torch", "x") == refused);
  CHECK(classify_global("torch.", "x") == refused);
  CHECK(classify_global("torch", "1x") == refused);
  CHECK(classify_global("torch", std::string(257, 'x')) == refused);
  CHECK(classify_global("_codecs", "encode") == inert);
  CHECK(classify_global("_codecs", "register") == refused);
  CHECK(classify_global("numpy.core.multiarray", "scalar") == inert);
  CHECK(classify_global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint") == inert);
  CHECK(classify_global("torch", "FloatStorage") == data);
  CHECK(classify_global("torch._utils", "_rebuild_tensor_v2") == data);
}

TEST_CASE("pickle: damaged programs") {
  CHECK(message_of("") == "file: byte 0: needs 1 bytes more, 0 are left; the pickle is cut short or damaged");
  CHECK(message_of(program("N") + "x") == "file: byte 3: ends with 1 bytes left over");
  CHECK(refusal("NN") == "file: byte 4: ends with 2 values on the stack, expected 1");
  CHECK(refusal("") == "file: byte 2: ends with 0 values on the stack, expected 1");
  CHECK(refusal("N(") == "file: byte 4: ends with 1 values on the stack, expected 1");
  CHECK(message_of("\x80\x06N.") == "file: byte 0: pickle protocol 6, expected 2 to 5");
  CHECK(refusal("\x95" + little_endian(100, 8) + "N") == "file: byte 2: a frame of 100 bytes, 2 are left");
  CHECK(refusal("\x82\x01").find("opcode '\\x82' (130) is none that torch's weight files use") != std::string::npos);
  CHECK(refusal("S'a'\n").find("opcode 'S' (83)") != std::string::npos);
  CHECK(refusal("0") == "file: byte 2: takes a value from an empty stack");
  CHECK(refusal("N(a") == "file: byte 4: needs 1 values, the stack has 0");
  CHECK(refusal("Na") == "file: byte 3: needs a value, but the stack is empty");
  CHECK(refusal("q" + kZero) == "file: byte 2: needs a value, but the stack is empty");
  CHECK(refusal("t") == "file: byte 2: takes values up to a mark, but there is none");
  CHECK(refusal("\x86") == "file: byte 2: needs 2 values, the stack has 0");
  CHECK(refusal("h\x07") == "file: byte 2: memo index 7 was never set");
  CHECK(refusal("Nq\x01h" + kZero) == "file: byte 5: memo index 0 was never set");
  CHECK(refusal("Nr" + little_endian(0xffffffff, 4)) ==
        "file: byte 3: memo index 4294967295 is larger than the pickle");
  CHECK(refusal("}Na") == "file: byte 4: appends to dict of 0");
  CHECK(refusal("](NNu") == "file: byte 6: sets items of list of 0");
  CHECK(refusal("NNNs") == "file: byte 5: sets an item of None");
  CHECK(refusal("](N\x90") == "file: byte 5: adds items to list of 0");
  CHECK(refusal("}(Nu") == "file: byte 5: has a key without a value");
  CHECK(refusal("(Nd") == "file: byte 4: has a key without a value");
  CHECK(refusal("NN\x93") == "file: byte 4: imports by None and None, expected two strings");
  CHECK(refusal("N)R") == "file: byte 4: calls None");
  CHECK(refusal(global("torch", "Size") + "NR").find("calls name torch.Size with None, expected a tuple") !=
        std::string::npos);
  CHECK(refusal("K\x01Nb") == "file: byte 5: sets attributes of integer 1");
  CHECK(refusal("}}b}b") == "file: byte 6: sets attributes of one value twice");
  CHECK(message_of("\x80\x02"
                   "ctorch") == "file: byte 2: has a line without an end; the pickle is cut short or damaged");
  CHECK(refusal("\x8b\xff\xff\xff\x7f") ==
        "file: byte 2: needs 2147483647 bytes more, 1 are left; the pickle is cut short or damaged");
  CHECK(refusal("\x8d" + std::string(8, '\xff')).find("needs 18446744073709551615 bytes more") != std::string::npos);
}

TEST_CASE("pickle: bounds") {
  std::vector<uint8_t> long_one(Pickle::kMaxBytes + 1, 'N');
  CHECK_THROWS_WITH_AS(parse_pickle(std::move(long_one), "file"),
                       "file: a pickle of 67108865 bytes, at most 67108864 are allowed", Error);
  CHECK(refusal(std::string(Pickle::kMaxNodes, ']')).find("holds more than 2097152 values") != std::string::npos);
}

// Neither recurses: a stack of a few megabytes would not hold these.
TEST_CASE("pickle: nesting as deep as it is long") {
  constexpr size_t kDepth = 1'000'000;
  CHECK(described(std::string(kDepth, '(') + std::string(kDepth, 't')) == "tuple of 1");
  CHECK(described(std::string(kDepth, ']') + std::string(kDepth - 1, 'a')) == "list of 1");
  CHECK(described("N" + std::string(kDepth, '\x85')) == "tuple of 1");
}

// Sixty lists, each twice inside the next: 2^60 values for who copies, 61 nodes for who shares.
TEST_CASE("pickle: a list that doubles itself") {
  std::string code = "]q" + kZero;
  for (char i = 0; i < 60; ++i) code += std::string("](h") + i + "h" + i + "eq" + static_cast<char>(i + 1);
  code += "l";
  const Pickle pickle = parse("\x80\x02(" + code + ".");
  CHECK(pickle.size() < 100);
  CHECK(pickle.kind(pickle.root()) == Kind::list);
}

TEST_CASE("pickle: every cut and every changed byte is an error or a value") {
  const std::string whole =
      program(dict(pickled("a") + list(pickled(7) + "G" + std::string(8, '\x40')) + pickled("b") +
                   call("torch", "Size", tuple("K\x01")) + pickled("c") + call("collections", "OrderedDict", "") +
                   "q\x01}b" + pickled("d") + "h\x01" + pickled("e") + tuple(pickled("storage")) + "Q"));
  REQUIRE(message_of(whole) == "");
  for (size_t length = 0; length < whole.size(); ++length) CHECK(message_of(whole.substr(0, length)) != "");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    for (int value = 0; value < 256; ++value) {
      changed[at] = static_cast<char>(value);
      message_of(changed);  // anything but an Error would end the test
    }
  }
}

TEST_CASE("printable text") {
  CHECK(printable("a b") == "'a b'");
  CHECK(printable("it's\\\n\xff") == "'it\\x27s\\x5c\\x0a\\xff'");
  CHECK(printable(std::string(121, 'x')) == "'" + std::string(120, 'x') + "...'");
}

}  // namespace tessera::pickle_test
