// data/hf_processor: our resizing, normalisation and tokenizer give the padded batches of Hugging Face's processor, bit
// for bit. Padding exists here only: the project's own batches have none.
#include <algorithm>
#include <bit>

#include "data/images/patches.h"
#include "data/images/resize.h"
#include "data/text/wordpiece.h"
#include "io/safetensors.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Wordpiece vocabulary_beside(const fs::path& directory) {
  const fs::path sibling = fs::absolute(directory).lexically_normal().parent_path() / "wordpiece/vocab.txt";
  const fs::path own = fs::path(TESSERA_GOLDEN_DIR) / "data/wordpiece/vocab.txt";  // the same vocabulary
  return Wordpiece::from_file(fs::exists(sibling) ? sibling : own);
}

struct Texts {
  int64_t length = 0;
  std::vector<int64_t> input_ids, attention_mask, token_type_ids;  // [texts, length]
};

// `length` 0: that of the longest text, and nothing is cut.
Texts padded(const std::vector<std::string>& texts, int64_t length, const Wordpiece& vocabulary) {
  std::vector<std::vector<int64_t>> sequences;
  Texts out;
  out.length = length;
  for (const std::string& caption : texts) {
    const Encoding pieces = vocabulary.encode(caption, {.special_tokens = true});
    sequences.push_back(vocabulary.sequence(pieces, length > 0 ? static_cast<size_t>(length) : pieces.size() + 2).ids);
    if (length == 0) out.length = std::max(out.length, static_cast<int64_t>(sequences.back().size()));
  }
  const auto columns = static_cast<size_t>(out.length);
  out.input_ids.assign(texts.size() * columns, vocabulary.pad_id());
  out.attention_mask.assign(texts.size() * columns, 0);
  out.token_type_ids.assign(texts.size() * columns, 0);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::copy(sequences[i].begin(), sequences[i].end(), out.input_ids.begin() + static_cast<int64_t>(i * columns));
    std::fill_n(out.attention_mask.begin() + static_cast<int64_t>(i * columns), sequences[i].size(), 1);
  }
  return out;
}

struct Pictures {
  int64_t height = 0, width = 0;
  std::vector<float> pixel_values;  // [images, 3, height, width]
  std::vector<uint8_t> pixel_mask;  // [images, height, width]
};

// Zeros at the right and at the bottom. The values come out of the patches that the model would get.
Pictures padded(const std::vector<Image>& images, const PatchExtractor& extractor) {
  Pictures out;
  for (const Image& image : images) {
    out.height = std::max<int64_t>(out.height, image.height);
    out.width = std::max<int64_t>(out.width, image.width);
  }
  const int64_t area = out.height * out.width, patch = extractor.patch();
  out.pixel_values.resize(images.size() * 3 * static_cast<size_t>(area));
  out.pixel_mask.resize(images.size() * static_cast<size_t>(area));
  for (size_t i = 0; i < images.size(); ++i) {
    const std::vector<float> patches = extractor.extract(images[i]);
    const int64_t columns = images[i].width / patch;
    for (int64_t y = 0; y < images[i].height; ++y) {
      for (int64_t x = 0; x < images[i].width; ++x) {
        const int64_t place = y * out.width + x, row = y / patch * columns + x / patch;
        out.pixel_mask[i * area + place] = 1;
        for (int64_t c = 0; c < 3; ++c)
          out.pixel_values[(i * 3 + c) * area + place] =
              patches[((row * 3 + c) * patch + y % patch) * patch + x % patch];
      }
    }
  }
  return out;
}

// Bit for bit: 0 and -0 differ.
template <class T>
void check_same(const std::vector<T>& got, const Shape& shape, const SafeTensors& file, const char* name) {
  const Tensor& expected = file.at(name);
  check(expected.shape() == shape, file.path, ": ", name, " is ", shape, ", expected ", expected.shape());
  const std::vector<T> values = expected.to_vector<T>();
  const auto same = [](T a, T b) {
    if constexpr (std::is_same_v<T, float>) return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
    return a == b;
  };
  for (size_t i = 0; i < values.size(); ++i)
    check(same(got[i], values[i]), file.path, ": ", name, " at ", i, " is ", +got[i], ", expected ", +values[i]);
}

void compare_batch(const fs::path& directory, const json& row, const json& settings, const Wordpiece& vocabulary) {
  const int divisor = settings.at("size_divisor");
  PixelNorm norm;
  norm.mean.fill(settings.at("mean").get<float>());
  norm.std.fill(settings.at("std").get<float>());
  std::vector<Image> images;
  for (const json& name : row.at("images")) {
    const Image image = read_image(directory / name.get<std::string>());
    const ImageSize size = vilt_size(image.height, image.width, settings.at("shorter"), divisor);
    const json& expected = row.at("valid_hw").at(images.size());
    check(expected.at(0) == size.height && expected.at(1) == size.width, name.dump(), ": resized to ", size.height,
          " x ", size.width, ", expected ", expected.dump());
    images.push_back(resize_bicubic(image, size));
  }
  const SafeTensors file = load_safetensors((directory / row.at("file").get<std::string>()).string());
  const Pictures pictures = padded(images, PatchExtractor(divisor, norm));
  const auto count = static_cast<int64_t>(images.size());
  check_same(pictures.pixel_values, {count, 3, pictures.height, pictures.width}, file, "pixel_values");
  check_same(pictures.pixel_mask, {count, pictures.height, pictures.width}, file, "pixel_mask");

  const auto captions = row.at("texts").get<std::vector<std::string>>();
  const json& padding = row.at("padding");
  const Texts texts = padded(captions, padding.is_number() ? padding.get<int64_t>() : 0, vocabulary);
  const Shape shape{static_cast<int64_t>(captions.size()), texts.length};
  check_same(texts.input_ids, shape, file, "input_ids");
  check_same(texts.attention_mask, shape, file, "attention_mask");
  check_same(texts.token_type_ids, shape, file, "token_type_ids");
}

}  // namespace

Outcome run_hf_processor(const fs::path& directory) {
  const Wordpiece vocabulary = vocabulary_beside(directory);
  const json settings = read_json(directory / "batches.json");
  std::string failures;
  for (const json& row : settings.at("rows")) {
    try {
      compare_batch(directory, row, settings, vocabulary);
    } catch (const Error& error) {
      failures += text(failures.empty() ? "" : "; ", error.what());
    }
  }
  if (!failures.empty()) return {false, failures};
  return {!settings.at("rows").empty(),
          text(settings.at("rows").size(), " batches of five tensors: all equal bit for bit")};
}

}  // namespace tessera::golden
