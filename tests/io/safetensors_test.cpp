#include "io/safetensors.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "tensor/allocator.h"
#include "tensor/philox.h"
#include "tests/temporary_directory.h"

namespace tessera::safetensors_test {

namespace {

namespace fs = std::filesystem;

struct Scratch : tests::TemporaryDirectory {
  std::string file(const char* name) const { return (path() / name).string(); }
};

void write_bytes(const std::string& path, const std::string& bytes) {
  fs::remove(path);  // some file systems flush a file that is cut and written again
  std::ofstream(path, std::ios::binary) << bytes;
}
std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string with_header(const std::string& json, const std::string& data) {
  const uint64_t length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + json + data;
}

// The message of loading a file with this header and this many zero bytes of data, or "" if it loads.
std::string message_of(const Scratch& scratch, const std::string& json, size_t data_bytes) {
  const std::string path = scratch.file("case.safetensors");
  write_bytes(path, with_header(json, std::string(data_bytes, '\0')));
  try {
    load_safetensors(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    REQUIRE(message.substr(0, path.size() + 2) == path + ": ");
    return message.substr(path.size() + 2);
  }
  return "";
}

template <class T>
void check_same(const Tensor& a, const Tensor& b) {
  REQUIRE(a.dtype() == b.dtype());
  REQUIRE(a.shape() == b.shape());
  const auto x = a.to_vector<T>(), y = b.to_vector<T>();
  CHECK((x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0));
}

}  // namespace

TEST_CASE("safetensors: every dtype comes back bit for bit") {
  const Scratch scratch;
  const std::string path = scratch.file("a.safetensors");
  NamedTensors tensors;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  tensors["float"] = Tensor::from(std::vector<float>{1.5f, -0.0f, nan, INFINITY, 1e-45f, 3}, {2, 3});
  tensors["double"] = Tensor::from(std::vector<double>{0.1, -1e300}, {2});
  tensors["brain"] = Tensor::from(std::vector<bf16>{bf16(1.0f), bf16(-2.5f), bf16(3e38f)}, {3, 1});
  tensors["integer"] = Tensor::from(std::vector<int64_t>{INT64_MIN, -1, INT64_MAX}, {3});
  tensors["byte \"quoted\" \u00e9"] = Tensor::from(std::vector<uint8_t>{0, 255, 7}, {3});
  tensors["scalar"] = Tensor::scalar(4.25);
  tensors["nothing"] = Tensor::empty({3, 0, 2});
  tensors["transposed"] = tensors["float"].transpose(0, 1);
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"note", "line\nbreak"}};
  save_safetensors(path, tensors, metadata);
  const SafeTensors back = load_safetensors(path);
  CHECK(back.metadata == metadata);
  REQUIRE(back.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors)
    dispatch_any(tensor.dtype(), [&, &n = name, &t = tensor](auto tag) { check_same<decltype(tag)>(back.at(n), t); });

  const std::string first = read_bytes(path);
  const std::vector<uint8_t> bytes = safetensors_bytes(tensors, metadata);
  CHECK(std::string(bytes.begin(), bytes.end()) == first);
  const SafeTensors parsed = parse_safetensors(bytes, "memory");
  CHECK(parsed.metadata == metadata);
  check_same<float>(parsed.at("float"), tensors["float"]);
  CHECK_THROWS_WITH_AS(parse_safetensors(std::span(bytes).first(bytes.size() - 1), "memory"),
                       doctest::Contains("memory: tensor"), Error);
  CHECK_THROWS_WITH_AS(parse_safetensors({}, "memory"),
                       "memory: the file is empty, expected a safetensors file (torch's are named .bin, .pt, .pth or "
                       ".ckpt)",
                       Error);
  save_safetensors(path, tensors, metadata);
  CHECK(read_bytes(path) == first);
  uint64_t length = 0;
  std::memcpy(&length, first.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(std::distance(fs::directory_iterator(scratch.path()), {}) == 1);  // nothing is left beside it
}

TEST_CASE("safetensors: half, 32-bit integer and boolean are widened") {
  const Scratch scratch;
  const std::string path = scratch.file("a.safetensors");
  const std::vector<uint16_t> halves{0x3c00, 0xc000, 0x7bff, 0x0001, 0x83ff, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x0400};
  const std::vector<int32_t> integers{INT32_MIN, -1, 5};
  std::string data(reinterpret_cast<const char*>(halves.data()), 20);
  data.append(reinterpret_cast<const char*>(integers.data()), 12);
  data += std::string("\x01\x00", 2);
  write_bytes(path, with_header(R"({"h":{"dtype":"F16","shape":[10],"data_offsets":[0,20]},)"
                                R"("i":{"dtype":"I32","shape":[3],"data_offsets":[20,32]},)"
                                R"("b":{"dtype":"BOOL","shape":[2],"data_offsets":[32,34]}}  )",
                                data));
  const SafeTensors file = load_safetensors(path);
  const auto h = file.at("h").to_vector<float>();
  CHECK(h[0] == 1.0f);
  CHECK(h[1] == -2.0f);
  CHECK(h[2] == 65504.0f);
  CHECK(h[3] == 0x1p-24f);
  CHECK(h[4] == -1023 * 0x1p-24f);
  CHECK((h[5] == 0.0f && std::signbit(h[5])));
  CHECK(h[6] == INFINITY);
  CHECK(h[7] == -INFINITY);
  CHECK(std::isnan(h[8]));
  CHECK(h[9] == 0x1p-14f);
  CHECK(file.at("i").to_vector<int64_t>() == std::vector<int64_t>{INT32_MIN, -1, 5});
  CHECK(file.at("b").to_vector<uint8_t>() == std::vector<uint8_t>{1, 0});
  CHECK_THROWS_WITH(file.at("x"), (path + ": no tensor 'x'; the file has 3: b, h, i").c_str());
}

TEST_CASE("safetensors: what is malformed is refused by name") {
  const Scratch scratch;
  const auto message = [&](const std::string& json, size_t bytes) { return message_of(scratch, json, bytes); };
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  const std::string f32 = R"("F32")";
  CHECK(message("{}", 0) == "");
  CHECK(message(entry(f32, "[2]", "[0,8]"), 8) == "");
  CHECK(message(R"({"__metadata__":{"k":"v"}})", 0) == "");

  // Text
  CHECK(message("", 0).starts_with("the file is nothing but zero bytes"));
  CHECK(message(" {}", 0) == "header does not begin with '{'; not a safetensors file?");
  CHECK(message("\xef\xbb\xbf{}", 0) == "header does not begin with '{'; not a safetensors file?");
  CHECK(message("{", 0) == "header is not valid JSON (at byte 2 of it)");
  CHECK(message("{}{}", 0) == "header is not valid JSON (at byte 3 of it)");
  CHECK(message("{\"\xff\":1}", 0) == "header is not valid JSON (at byte 3 of it)");
  CHECK(message("{\"a\":" + std::string(100000, '['), 0) == "entry 'a' is a list, expected an object");

  // Structure
  CHECK(message(R"({"a":1})", 0) == "entry 'a' is a number, expected an object");
  CHECK(message(R"({"a":null})", 0) == "entry 'a' is null, expected an object");
  CHECK(message(R"({"a":true})", 0) == "entry 'a' is true or false, expected an object");
  CHECK(message(R"({"a":"F32"})", 0) == "entry 'a' is a string, expected an object");
  CHECK(message(R"({"a":{}})", 0) == "tensor 'a' has no dtype");
  CHECK(message(R"({"a":{"dtype":"F32"}})", 0) == "tensor 'a' has no shape");
  CHECK(message(R"({"a":{"dtype":"F32","shape":[]}})", 0) == "tensor 'a' has no data_offsets");
  CHECK(message(R"({"a":{"dtype":"F32","dtype":"F32"}})", 0) == "tensor 'a': field 'dtype' occurs twice");
  CHECK(message(R"({"a":{"colour":"F32"}})", 0) == "tensor 'a': unknown field 'colour'");
  CHECK(message(entry("1", "[]", "[0,4]"), 4) == "tensor 'a': dtype is a number, expected a string");
  CHECK(message(entry("[1]", "[]", "[0,4]"), 4) == "tensor 'a': dtype is a list, expected a string");
  CHECK(message(entry(f32, "4", "[0,4]"), 4) == "tensor 'a': shape is a number, expected a list of whole numbers");
  CHECK(message(entry(f32, "{}", "[0,4]"), 4) == "tensor 'a': shape is an object, expected a list of whole numbers");
  CHECK(message(entry(f32, "[[1]]", "[0,4]"), 4) == "tensor 'a': list holds a list, expected whole numbers");
  CHECK(message(entry(f32, R"(["1"])", "[0,4]"), 4) == "tensor 'a': list holds a string, expected whole numbers");
  CHECK(message(R"({"__metadata__":{"k":1}})", 0) == "__metadata__ 'k' is a number, expected a string");
  CHECK(message(R"({"__metadata__":{"k":"a","k":"b"}})", 0) == "key 'k' occurs twice in __metadata__");
  CHECK(message(R"({"__metadata__":{},"__metadata__":{}})", 0) == "__metadata__ occurs twice");
  const std::string one = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(message("{" + one + "," + one + "}", 1) == "tensor 'a' occurs twice");

  // Numbers
  CHECK(message(entry(f32, "[-1]", "[0,4]"), 4) == "tensor 'a': number -1 is negative");
  CHECK(message(entry(f32, "[1.0]", "[0,4]"), 4) == "tensor 'a': 1.0 is not a whole number below 2^64");
  CHECK(message(entry(f32, "[99999999999999999999]", "[0,4]"), 4) ==
        "tensor 'a': 99999999999999999999 is not a whole number below 2^64");
  CHECK(message(entry(f32, "[9223372036854775808]", "[0,4]"), 4) ==
        "tensor 'a': size 9223372036854775808 is too large");
  CHECK(message(entry(f32, "[4294967296,4294967296]", "[0,4]"), 4) ==
        "tensor 'a': shape [4294967296, 4294967296] has too many elements");
  CHECK(message(entry(f32, "[4611686018427387904]", "[0,0]"), 0) ==
        "tensor 'a': shape [4611686018427387904] has too many elements");
  CHECK(message(entry(f32, "[0,4294967296,4294967296]", "[0,0]"), 0) ==
        "tensor 'a': shape [0, 4294967296, 4294967296] has too many elements");
  CHECK(message(entry(f32, "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4) == "tensor 'a': more than 8 dimensions");
  CHECK(message(entry(R"("F8_E4M3")", "[1]", "[0,1]"), 1) ==
        "tensor 'a': dtype 'F8_E4M3' is not supported; expected F32, F64, BF16, F16, I64, I32, U8 or BOOL");

  // Places
  CHECK(message(entry(f32, "[1]", "[0]"), 4) == "tensor 'a': data_offsets has 1 numbers, expected 2");
  CHECK(message(entry(f32, "[1]", "[0,4,8]"), 4) == "tensor 'a': data_offsets has more than 2 numbers");
  CHECK(message(entry(f32, "[1]", "[4,0]"), 4) == "tensor 'a': data_offsets [4, 0] run backwards");
  CHECK(message(entry(f32, "[2]", "[0,8]"), 7) ==
        "tensor 'a': data_offsets [0, 8] lie outside the file's 7 bytes of data; the file may be cut short");
  CHECK(
      message(entry(f32, "[2]", "[0,18446744073709551615]"), 8) ==
      "tensor 'a': data_offsets [0, 18446744073709551615] lie outside the file's 8 bytes of data; the file may be cut "
      "short");
  CHECK(message(entry(f32, "[3]", "[0,8]"), 8) == "tensor 'a': data_offsets [0, 8] span 8 bytes, but F32 [3] takes 12");
  CHECK(message(entry(f32, "[2]", "[0,8]"), 9) == "1 bytes follow the last tensor");
  CHECK(message(entry(f32, "[2]", "[4,12]"), 12) == "tensor 'a': data begins at 4, expected 0 (a gap)");
  CHECK(message("{" + one + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1) ==
        "tensor 'b': data begins at 0, expected 1 (an overlap)");
  CHECK(message("{" + one + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})", 3) ==
        "tensor 'b': data begins at 2, expected 1 (a gap)");
}

TEST_CASE("safetensors: files that are none") {
  const Scratch scratch;
  const std::string path = scratch.file("a.safetensors");
  const auto refuses = [&](const std::string& bytes, const std::string& message) {
    write_bytes(path, bytes);
    CHECK_THROWS_WITH_AS(load_safetensors(path), (path + ": " + message).c_str(), Error);
  };
  refuses("\x10\1\2\3\4\5\6", "7 bytes are too few for a safetensors file");
  const std::string expected = ", expected a safetensors file (torch's are named .bin, .pt, .pth or .ckpt)";
  refuses("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12345\n",
          "the file is a pointer of git-lfs (the file itself was not downloaded: git lfs pull)" + expected);
  refuses("PK\3\4 what torch.save writes", "the file is a ZIP archive" + expected);
  refuses("Entry not found", "the file is text that begins 'Entry not found'" + expected);
  // A header's length in the first bytes of something else.
  refuses(std::string("\x1f\x8b\x08\0\0\0\0\0\0\3", 10),
          "the file is compressed by gzip (gunzip unpacks it)" + expected);
  refuses(std::string("\x10\0\0\0\0\0\0\0{}", 10),
          "header length is 16, but only 2 bytes follow; the file may be cut short");
  refuses(std::string(8, '\xff') + "{}",
          "header length is 18446744073709551615, at most 100000000 is allowed; not a safetensors file?");
  refuses(with_header(R"({"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\x01\x02"),
          "tensor 'b': BOOL element 1 is 2, expected 0 or 1");
  CHECK_THROWS_WITH(load_safetensors(scratch.file("none")),
                    ("cannot open " + scratch.file("none") + ": No such file or directory").c_str());
  CHECK_THROWS_WITH(load_safetensors(scratch.path().string()), doctest::Contains(": it is not a regular file"));
  REQUIRE(::mkfifo(scratch.file("pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(load_safetensors(scratch.file("pipe")), doctest::Contains("pipe: it is not a regular file"));
}

TEST_CASE("safetensors: a failed save leaves the old file") {
  const Scratch scratch;
  const std::string path = scratch.file("a.safetensors");
  save_safetensors(path, {{"x", Tensor::scalar(1)}});
  CHECK_THROWS_WITH(save_safetensors(path, {{"x", Tensor{}}}), doctest::Contains("tensor 'x' is undefined"));
  CHECK_THROWS_WITH(save_safetensors(path, {{"__metadata__", Tensor::scalar(1)}}),
                    doctest::Contains("a tensor cannot be named __metadata__"));
  CHECK_THROWS_WITH(save_safetensors(path, {{"\xff", Tensor::scalar(1)}}), doctest::Contains("not valid UTF-8"));
  CHECK_THROWS_WITH(save_safetensors(scratch.file("no/such/place"), {}), doctest::Contains("place.writing-"));
  CHECK(load_safetensors(path).at("x").item() == 1);
  CHECK(std::distance(fs::directory_iterator(scratch.path()), {}) == 1);
}

// A mutated file either loads or is refused with an Error; anything else (another exception, a crash) ends the test. No
// tensor memory is taken beyond what a file of this size can hold.
TEST_CASE("safetensors: random mutations never crash") {
  const Scratch scratch;
  const std::string path = scratch.file("a.safetensors");
  save_safetensors(path, {{"a", Tensor::zeros({2, 3})}, {"b", Tensor::zeros({4}, DType::u8)}, {"c", Tensor::scalar(2)}},
                   {{"k", "v"}});
  const std::string original = read_bytes(path);
  const std::string alphabet = "{}[]\",:0123456789-.eEF UBOL\\\xff";
  reset_peak_memory();
  const int64_t live = memory_statistics().live_bytes;
  int refused = 0;
  for (uint64_t round = 0; round < 1500; ++round) {
    Random random(7, round);
    std::string bytes = original;
    for (uint64_t i = 0, edits = 1 + random.below(3); i < edits; ++i) {
      const size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0: bytes[at] = alphabet[random.below(alphabet.size())]; break;
        case 1: bytes[at] = static_cast<char>(random.below(256)); break;
        case 2: bytes.erase(at, 1 + random.below(4)); break;
        default: bytes.insert(at, 1, alphabet[random.below(alphabet.size())]);
      }
      if (bytes.empty()) bytes = "x";
    }
    write_bytes(path, bytes);
    try {
      load_safetensors(path);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 700);
  CHECK(memory_statistics().peak_bytes - live < 65536);
}

}  // namespace tessera::safetensors_test
