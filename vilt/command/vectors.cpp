// `vilt embed`, `vilt search` and `vilt classify`: CLIP's towers in use.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include <nlohmann/json.hpp>

#include "data/progress.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "io/words.h"
#include "models/clip/index_pictures.h"
#include "models/clip/zero_shot.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "vilt/command/command.h"
#include "vilt/command/overwriting.h"
#include "vilt/serve/folder.h"

namespace tessera::command {
namespace {

namespace fs = std::filesystem;
using Row = nlohmann::ordered_json;

// A folder of more pictures is searched in parts.
constexpr size_t kMostPictures = 5'000'000;

void tell_line(const std::string& line) { std::cerr << line << '\n'; }

ClipEmbedder open_embedder(const VectorArguments& arguments) {
  EmbedderOptions options;
  options.load.config = arguments.config;
  options.load.device = device_named("--device", arguments.device);
  check_available(options.load.device);
  options.load.report = [](const std::string& line) { tell_line("weights: " + line); };
  options.load.vocabulary = arguments.vocabulary;
  options.truncate = arguments.truncate;
  if (!arguments.precision.empty())
    options.activations = use_precision(precision_named("--precision", arguments.precision), options.load.device);
  return ClipEmbedder(arguments.model, options);
}

void write_row(const Row& row) { std::cout << row.dump(-1, ' ', false, Row::error_handler_t::replace) << '\n'; }

void finish_output() {
  std::cout << std::flush;
  if (!std::cout.good()) throw std::runtime_error("the answers could not be written to standard output");
}

// The vectors of a folder's pictures; those in `file`, which may not be there, are taken from it. `out` is told
// what was done.
PictureIndex index_folder(const ClipEmbedder& embedder, const VectorArguments& arguments, const fs::path& file,
                          std::ostream& out) {
  check(fs::is_directory(arguments.folder), shown(arguments.folder), ": no such folder");
  const auto list = serve::Folder(arguments.folder).list(kMostPictures);
  check(!list.names.empty(), shown(arguments.folder), ": holds no pictures (.jpg, .jpeg, .png, .webp, .gif)");
  PictureIndex known;
  if (!file.empty() && fs::exists(file)) known = PictureIndex::read(file);
  const ProgressCallback progress = terminal_progress("pictures");
  IndexUpdate update = index_pictures(embedder, arguments.folder, list.names, known, arguments.batch, progress,
                                      [](const std::string& line) { tell_line("left out: " + line); });
  if (!file.empty()) {
    update.index.write(file);
    out << shown(file) << ": " << with_thousands(static_cast<int64_t>(update.index.entries.size())) << " pictures, "
        << with_thousands(update.computed) << " of them computed now\n";
  }
  check(!update.index.entries.empty(), shown(arguments.folder), ": none of its ", list.names.size(),
        " pictures can be read");
  return std::move(update.index);
}

std::vector<std::string> lines_of(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> out;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(rest.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) out.push_back(std::move(line));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  check(!out.empty(), shown(file), ": holds no lines");
  return out;
}

std::vector<std::string> class_names(const std::string& typed) {
  if (fs::exists(typed)) return lines_of(typed);
  std::vector<std::string> out;
  for (size_t from = 0; from <= typed.size();) {
    const size_t end = std::min(typed.find(',', from), typed.size());
    std::string name = typed.substr(from, end - from);
    name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
    name.erase(name.find_last_not_of(' ') + 1);
    check(!name.empty(), "--classes ", printable(typed), ": no such file, and as a list it has an empty name");
    out.push_back(std::move(name));
    from = end + 1;
  }
  return out;
}

// Texts in pieces, so that many take no more memory than one batch.
Tensor text_vectors(const ClipEmbedder& embedder, const std::vector<std::string>& texts, int64_t batch) {
  const ProgressCallback progress = terminal_progress("texts");
  std::vector<float> values;
  for (size_t first = 0; first < texts.size(); first += static_cast<size_t>(batch)) {
    const size_t count = std::min(static_cast<size_t>(batch), texts.size() - first);
    const auto begin = texts.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<float> part =
        embedder.texts({begin, begin + static_cast<std::ptrdiff_t>(count)}).to_vector<float>();
    values.insert(values.end(), part.begin(), part.end());
    if (progress) progress(static_cast<int64_t>(first + count), static_cast<int64_t>(texts.size()));
  }
  return Tensor::from(values, {static_cast<int64_t>(texts.size()), embedder.model().config.projection_dim});
}

}  // namespace

int run_embed(const VectorArguments& arguments) {
  check(!arguments.folder.empty() || !arguments.text_file.empty(),
        "--images FOLDER or --texts FILE is required (see vilt embed --help)");
  const fs::path file = arguments.output;
  bool is_index = false;
  if (!arguments.folder.empty() && fs::is_regular_file(file)) {
    try {
      PictureIndex::read(file);
      is_index = true;
    } catch (const Error&) {
    }
  }
  if (!is_index) check_may_write(file, arguments.force);
  const ClipEmbedder embedder = open_embedder(arguments);
  if (!arguments.folder.empty()) {
    if (!is_index) fs::remove(file);
    index_folder(embedder, arguments, file, std::cout);
    return 0;
  }
  const std::vector<std::string> texts = lines_of(arguments.text_file);
  const Tensor vectors = text_vectors(embedder, texts, arguments.batch);
  const std::string list = nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  save_safetensors(file.string(), {{"vectors", vectors}}, {{"texts", list}, {"model", embedder.fingerprint()}});
  std::cout << shown(file) << ": " << with_thousands(static_cast<int64_t>(texts.size())) << " texts\n";
  return 0;
}

int run_search(const VectorArguments& arguments) {
  const ClipEmbedder embedder = open_embedder(arguments);
  const Tensor queries = text_vectors(embedder, arguments.texts, arguments.batch);
  const PictureIndex index = index_folder(embedder, arguments, arguments.index, std::cerr);
  for (size_t i = 0; i < arguments.texts.size(); ++i) {
    const std::vector<Hit> hits =
        nearest(index.vectors, queries.select(0, static_cast<int64_t>(i)).contiguous(), arguments.top);
    Row results = Row::array();
    if (!arguments.json && arguments.texts.size() > 1) std::cout << (i == 0 ? "" : "\n") << arguments.texts[i] << '\n';
    for (const Hit& hit : hits) {
      const std::string& name = index.entries[static_cast<size_t>(hit.row)].name;
      if (arguments.json)
        results.push_back({{"image", name}, {"cosine", hit.cosine}});
      else
        std::cout << fixed_text(hit.cosine, 4) << "  " << shown(name) << '\n';
    }
    if (arguments.json) write_row({{"text", arguments.texts[i]}, {"results", results}});
  }
  finish_output();
  return 0;
}

int run_classify(const VectorArguments& arguments) {
  const std::vector<std::string> names = class_names(arguments.classes);
  const std::vector<std::string> templates =
      arguments.templates.empty() ? std::vector<std::string>{"a photo of a {}."} : arguments.templates;
  std::vector<std::string> prompts;
  for (const std::string& name : names)
    for (std::string& prompt : prompts_of(name, templates)) prompts.push_back(std::move(prompt));
  const ClipEmbedder embedder = open_embedder(arguments);
  const Tensor classes =
      class_embeddings(text_vectors(embedder, prompts, arguments.batch), static_cast<int64_t>(templates.size()));
  for (const std::string& image : arguments.images) {
    const Tensor logits = zero_shot_logits(embedder.pictures({embedder.prepared(image)}), classes);
    const std::vector<float> values = logits.to_vector<float>();
    const float largest = *std::max_element(values.begin(), values.end());
    double sum = 0;
    for (const float value : values) sum += std::exp(double{value} - largest);
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
    order.resize(std::min(order.size(), static_cast<size_t>(arguments.top)));
    Row results = Row::array();
    if (!arguments.json && arguments.images.size() > 1) std::cout << shown(image) << '\n';
    for (const size_t k : order) {
      const double probability = std::exp(double{values[k]} - largest) / sum;
      if (arguments.json)
        results.push_back({{"class", names[k]}, {"probability", probability}});
      else
        std::cout << fixed_text(probability, 4) << "  " << names[k] << '\n';
    }
    if (arguments.json) write_row({{"image", image}, {"results", results}});
  }
  finish_output();
  return 0;
}

}  // namespace tessera::command
