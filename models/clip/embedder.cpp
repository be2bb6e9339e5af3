#include "models/clip/embedder.h"

#include <algorithm>
#include <cstring>

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "io/crc32c.h"
#include "io/files.h"
#include "io/printable.h"
#include "models/parts/whole_pictures.h"

namespace tessera {

namespace fs = std::filesystem;

ClipEmbedder::ClipEmbedder(const fs::path& path, const EmbedderOptions& options)
    : options_(options), clip_(load_clip(path, options.load)) {
  if (!clip_.vocabulary.empty()) {
    const fs::path& file = clip_.vocabulary;
    // As transformers does for its own files, as the published code for its.
    BytePair::Options words;
    words.cleaning = file.extension() == ".json" ? TextCleaning::transformers : TextCleaning::original;
    vocabulary_.emplace(BytePair::from_file(file, words));
    check(static_cast<int64_t>(vocabulary_->size()) == model().config.vocab_size, shown(file), ": has ",
          vocabulary_->size(), " tokens, the model ", model().config.vocab_size);
  }
}

Tensor ClipEmbedder::on_host_unit(const Variable& features) const {
  return l2_normalise(features).value().to(Device{}).to(DType::f32);
}

Tensor ClipEmbedder::texts(const std::vector<std::string>& texts) const {
  check(vocabulary_.has_value(), clip_.source,
        ": there is no tokenizer.json, vocab.json or bpe_simple_vocab_16e6.txt.gz beside the weights; give one with "
        "--vocab");
  const auto length = static_cast<size_t>(model().config.max_position_embeddings);
  std::vector<std::vector<int64_t>> ids;
  for (const std::string& each : texts) {
    const std::vector<int64_t> own = vocabulary_->encode(each);
    check(options_.truncate || own.size() + 2 <= length, printable(each), " has ", own.size() + 2,
          " tokens, the model reads at most ", length, "; --truncate cuts it");
    ids.push_back(vocabulary_->sequence(own, length, BytePair::TooLong::cut, BytePair::Padding::none));
  }
  const NoGrad no_grad;
  ForwardContext context;
  context.activations = options_.activations;
  return on_host_unit(model().text_features(ClipTexts::of(ids, model().config), context));
}

PreparedPicture ClipEmbedder::prepared(const fs::path& picture) const {
  const std::vector<uint8_t> bytes = read_file(picture);
  if (clip_.whole_pictures) {
    const PictureOptions& options = *clip_.whole_pictures;
    Image decoded = decode_image(bytes, shown(picture), {.respect_orientation = options.respect_orientation});
    const Image image = prepare_image(std::move(decoded), options, shown(picture)).image;
    return {{image.height / options.patch, image.width / options.patch},
            PatchExtractor(options.patch, options.norm).extract(image)};
  }
  const Image image = prepare_crop(bytes, shown(picture), clip_.preparation);
  std::vector<float> planes(3 * static_cast<size_t>(image.height) * static_cast<size_t>(image.width));
  normalised_planes(image, clip_.preparation.norm, planes);
  return {{}, std::move(planes)};
}

Tensor ClipEmbedder::pictures(const std::vector<PreparedPicture>& prepared) const {
  std::vector<float> all;
  std::vector<Grid> grids;
  for (const PreparedPicture& each : prepared) {
    all.insert(all.end(), each.values.begin(), each.values.end());
    grids.push_back(each.grid);
  }
  const NoGrad no_grad;
  ForwardContext context;
  context.activations = options_.activations;
  const Device device = model().logit_scale.value().device();
  if (clip_.whole_pictures) {
    const int64_t row = 3 * model().config.patch_size * model().config.patch_size;
    Variable rows(Tensor::from(all, {static_cast<int64_t>(all.size()) / row, row}).to(device));
    const DType dtype = context.activations_beside(rows.dtype());
    if (dtype != rows.dtype()) rows = cast(rows, dtype);
    return on_host_unit(model().image_features({rows, grids}, context));
  }
  const int64_t side = model().config.image_size;
  const Variable pixels(Tensor::from(all, {static_cast<int64_t>(prepared.size()), 3, side, side}).to(device));
  return on_host_unit(model().image_features_of_pixels(pixels, context));
}

std::string ClipEmbedder::fingerprint() const {
  uint32_t sum = 0;
  for (const auto& [name, tensor] : clip_.parameters->state()) {
    const std::vector<float> values = tensor.to(Device{}).to_vector<float>();
    const std::string_view bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    // Each is weighed by its name, so that two that change places do not cancel.
    sum = sum * 31 + (crc32c(bytes) ^ crc32c(name));
  }
  if (clip_.whole_pictures)
    return text(sum, "/", crc32c(whole_pictures_json(*clip_.whole_pictures)), "/", name_of(options_.activations));
  return text(sum, "/", clip_.preparation.shorter, "/", static_cast<int>(clip_.preparation.filter), "/",
              static_cast<int>(clip_.preparation.rule), "/", name_of(options_.activations));
}

}  // namespace tessera
