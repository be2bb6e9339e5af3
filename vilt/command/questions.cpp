// `vilt fill`, `vilt match` and `vilt align`: one picture and texts, asked of a trained model.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "data/files.h"
#include "data/image.h"
#include "data/patches.h"
#include "tensor/error.h"
#include "vilt/load_model.h"
#include "vilt/command/command.h"
#include "vilt/heat_map.h"
#include "vilt/inference.h"

namespace tessera::command {
namespace {

struct Picture {
  Image image;  // as the model sees it, before normalisation
  std::shared_ptr<const PatchedImage> patched;
  Grid grid() const { return {patched->rows, patched->columns}; }
};

Picture open_picture(const LoadedModel& model, const std::string& path) {
  const SampleOptions& options = model.preprocessing;
  Image image = read_image(path, {.respect_orientation = options.respect_orientation});
  const bool whole_patches = image.height % options.patch == 0 && image.width % options.patch == 0;
  check(options.resize || whole_patches, path, ": ", image.width, " x ", image.height,
        " pixels; this model takes pictures at their own size, so both sides must be multiples of ", options.patch,
        ": crop or scale it first");
  Image ready = prepare_image(std::move(image), options, path).image;
  PatchedImage patched{ready.height / options.patch, ready.width / options.patch,
                       PatchExtractor(options.patch, options.norm).extract(ready)};
  return {std::move(ready), std::make_shared<const PatchedImage>(std::move(patched))};
}

// Words of a text with their pieces; the ids include [CLS] and [SEP].
struct Words {
  Encoding sequence;
  std::string original;

  // Positions in the sequence of the pieces of word `word`.
  std::vector<int64_t> pieces(int32_t word) const {
    std::vector<int64_t> out;
    for (size_t t = 0; t < sequence.size(); ++t)
      if (sequence.words[t] == word) out.push_back(static_cast<int64_t>(t));
    return out;
  }
  int32_t count() const { return *std::max_element(sequence.words.begin(), sequence.words.end()) + 1; }
  std::string spelling(int32_t word) const {
    const std::vector<int64_t> tokens = pieces(word);
    const auto first = static_cast<size_t>(tokens.front()), last = static_cast<size_t>(tokens.back());
    return original.substr(sequence.begin[first], sequence.end[last] - sequence.begin[first]);
  }
};

// A user's own text is never cut: words that did not fit would be answered for silently.
Words read_text(const LoadedModel& model, const std::string& caption, bool special_tokens) {
  const Encoding pieces = model.vocabulary->encode(caption, {special_tokens});
  check(pieces.size() > 0, "the text '", caption, "' has no words");
  const auto most = static_cast<size_t>(model.config.max_position_embeddings);
  check(pieces.size() + 2 <= most, "the text '", caption, "' has ", pieces.size(),
        " tokens, and this model takes at most ", most - 2, "; shorten it");
  Words words{model.vocabulary->sequence(pieces, most), caption};
  for (int32_t w = 0; w < words.count(); ++w) {
    const int64_t first = words.sequence.ids[static_cast<size_t>(words.pieces(w).front())];
    const std::string spelling = words.spelling(w);
    if (first == model.vocabulary->unk_id() && spelling != "[UNK]")
      std::cerr << "note: '" << spelling << "' cannot be written with this model's vocabulary and counts as [UNK]\n";
  }
  return words;
}

std::string share(double probability) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3) << probability;
  return out.str();
}

// A file name made of a word: letters and digits in ASCII stay, everything else becomes '_'.
std::string file_name(int32_t index, const std::string& word) {
  std::ostringstream out;
  out << std::setw(2) << std::setfill('0') << index + 1 << '-';
  for (const char c : word.substr(0, 40)) out << (std::isalnum(static_cast<unsigned char>(c)) ? c : '_');
  return out.str() + ".png";
}

const std::vector<float>& chosen_map(const WordMaps& maps, const AlignArguments& arguments) {
  if (arguments.map == "plan") return maps.plan;
  if (arguments.map == "plan-training") return maps.plan_training;
  check(arguments.map == "attention", "--map is '", arguments.map, "', expected attention, plan or plan-training");
  const auto layers = static_cast<int64_t>(maps.attention.size());
  check(arguments.layer >= 0 && arguments.layer <= layers, "--layer is ", arguments.layer, ", expected 1 to ", layers);
  return maps.attention[static_cast<size_t>((arguments.layer == 0 ? layers : arguments.layer) - 1)];
}

}  // namespace

int run_fill(const FillArguments& arguments) {
  check(arguments.top >= 1, "--top is ", arguments.top, ", expected at least 1");
  const LoadedModel model = load_model(arguments.model);
  const Words words = read_text(model, arguments.text, true);
  std::vector<int64_t> masks;
  for (size_t t = 0; t < words.sequence.size(); ++t)
    if (words.sequence.ids[t] == model.vocabulary->mask_id()) masks.push_back(static_cast<int64_t>(t));
  check(!masks.empty(), "the text '", arguments.text, "' has no [MASK]; write [MASK] for each hidden word piece");
  const Picture picture = open_picture(model, arguments.image);
  const auto answers = predict_words(*model.model, {{words.sequence.ids, picture.patched}}, {masks}, arguments.top)[0];
  std::vector<int64_t> filled = words.sequence.ids;
  for (size_t m = 0; m < masks.size(); ++m) {
    std::cout << "[MASK] " << m + 1 << ":";
    for (const WordPrediction& answer : answers[m])
      std::cout << "  " << model.vocabulary->token(answer.id) << ' ' << share(answer.probability);
    std::cout << '\n';
    filled[static_cast<size_t>(masks[m])] = answers[m][0].id;
  }
  std::cout << model.vocabulary->decode(filled) << '\n';
  return 0;
}

int run_match(const MatchArguments& arguments) {
  const LoadedModel model = load_model(arguments.model);
  std::vector<TextImage> pairs;
  for (const std::string& caption : arguments.captions)
    pairs.push_back({read_text(model, caption, false).sequence.ids, nullptr});
  const Picture picture = open_picture(model, arguments.image);
  for (TextImage& pair : pairs) pair.image = picture.patched;
  const std::vector<double> scores = match_scores(*model.model, pairs);
  for (size_t i = 0; i < scores.size(); ++i)
    std::cout << share(1 / (1 + std::exp(-scores[i]))) << "  " << arguments.captions[i] << '\n';
  return 0;
}

int run_align(const AlignArguments& arguments) {
  const LoadedModel model = load_model(arguments.model);
  const Words words = read_text(model, arguments.caption, false);
  const Picture picture = open_picture(model, arguments.image);
  const WordMaps maps = word_maps(*model.model, {{words.sequence.ids, picture.patched}})[0];
  const std::vector<float>& map = chosen_map(maps, arguments);
  std::filesystem::create_directories(arguments.out);
  const int scale = std::max(1, 384 / std::max(picture.image.width, picture.image.height));
  std::cout << std::left << std::setw(18) << "word" << "entropy  largest patch (row, column) and its share\n";
  for (int32_t w = 0; w < words.count(); ++w) {
    const std::vector<float> row = word_map(map, maps.patches, words.pieces(w));
    const auto largest = std::max_element(row.begin(), row.end()) - row.begin();
    double total = 0;
    for (const float weight : row) total += static_cast<double>(weight);
    const std::filesystem::path file = std::filesystem::path(arguments.out) / file_name(w, words.spelling(w));
    write_file_atomically(file, encode_png(overlay_heat_map(picture.image, row, picture.grid(), scale)));
    std::cout << std::setw(18) << words.spelling(w) << share(normalised_entropy(row)) << "    ("
              << largest / picture.grid().columns + 1 << ", " << largest % picture.grid().columns + 1 << ") "
              << share(static_cast<double>(row[static_cast<size_t>(largest)]) / total) << "  " << file.string() << '\n';
  }
  return 0;
}

}  // namespace tessera::command
