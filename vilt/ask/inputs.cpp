#include "vilt/ask/inputs.h"

#include <algorithm>
#include <iostream>

#include "data/images/patches.h"
#include "io/files.h"
#include "io/printable.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "tensor/error.h"
#include "train/progress_line.h"
#include "vilt/command/weights_options.h"

namespace tessera::command {

LoadedModel open_model(const ModelArguments& arguments) {
  LoadOptions options = load_options(arguments.weights);
  const ProgressLine progress;
  options.report = [&](const std::string& line) {
    progress.clear();
    std::cerr << "note: " << line << '\n';
  };
  options.device = device_named("--device", arguments.device);
  check_available(options.device);
  progress.show(text("reading ", shown(arguments.path), " …"));
  LoadedModel loaded = load_model(arguments.path, options);
  progress.clear();
  if (!arguments.precision.empty()) {
    loaded.context.activations = use_precision(precision_named("--precision", arguments.precision), options.device);
    std::cerr << "note: precision: " << describe_precision(loaded.context.activations, options.device) << '\n';
  }
  return loaded;
}

Picture open_picture(const LoadedModel& model, const std::string& path, bool respect_orientation) {
  DecodeOptions decoding;
  decoding.respect_orientation = respect_orientation;
  return picture_of(model, read_file(path), shown(path), decoding);
}

Picture picture_of(const LoadedModel& model, std::span<const uint8_t> bytes, const std::string& name,
                   DecodeOptions decoding) {
  const SampleOptions& options = model.preprocessing;
  decoding.respect_orientation |= options.respect_orientation;
  Image image = decode_image(bytes, name, decoding);
  const bool whole_patches = image.height % options.patch == 0 && image.width % options.patch == 0;
  check(options.resize || whole_patches, name, ": ", image.width, " x ", image.height,
        " pixels; this model takes pictures at their own size, so both sides must be multiples of ", options.patch,
        ": crop or scale it first");
  Image ready = prepare_image(std::move(image), options, name).image;
  PatchedImage patched{ready.height / options.patch, ready.width / options.patch,
                       PatchExtractor(options.patch, options.norm).extract(ready)};
  return {std::move(ready), std::make_shared<const PatchedImage>(std::move(patched))};
}

std::string beginning_of(const std::string& caption) {
  constexpr size_t kLongest = 60;
  if (caption.size() <= kLongest) return "'" + caption + "'";
  size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(caption[end]) & 0xC0) == 0x80) --end;  // not within a character
  return "'" + caption.substr(0, end) + "...'";
}

std::vector<int64_t> Words::pieces(int32_t word) const {
  std::vector<int64_t> out;
  for (size_t t = 0; t < sequence.size(); ++t)
    if (sequence.words[t] == word) out.push_back(static_cast<int64_t>(t));
  return out;
}

int32_t Words::count() const { return *std::max_element(sequence.words.begin(), sequence.words.end()) + 1; }

std::string Words::spelling(int32_t word) const {
  const std::vector<int64_t> tokens = pieces(word);
  const auto first = static_cast<size_t>(tokens.front()), last = static_cast<size_t>(tokens.back());
  return original.substr(sequence.begin[first], sequence.end[last] - sequence.begin[first]);
}

Words read_text(const LoadedModel& model, const std::string& caption, const TextOptions& options) {
  const Encoding pieces = model.vocabulary->encode(caption, {options.special_tokens});
  const auto most = static_cast<size_t>(model.config.max_position_embeddings);
  const bool fits = pieces.size() + 2 <= most;
  check(fits || options.truncate, "the text ", beginning_of(caption), " has ", pieces.size(),
        " tokens, and this model takes at most ", most - 2, "; shorten it, or let --truncate cut it");
  return {model.vocabulary->sequence(pieces, most), caption, fits ? 0 : pieces.size() + 2 - most};
}

void report_losses(const LoadedModel& model, const Words& words) {
  for (int32_t w = 0; w < words.count(); ++w) {
    const int64_t first = words.sequence.ids[static_cast<size_t>(words.pieces(w).front())];
    const std::string spelling = words.spelling(w);
    if (first == model.vocabulary->unk_id() && spelling != "[UNK]")
      std::cerr << "note: '" << spelling << "' cannot be written with this model's vocabulary and counts as [UNK]\n";
  }
  if (words.left_out > 0)
    std::cerr << "note: the last " << words.left_out << " tokens of " << beginning_of(words.original)
              << " are left out\n";
}

}  // namespace tessera::command
