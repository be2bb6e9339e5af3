// `vilt info`: what a model or a file of weights holds: tensors, heads, parameters, arithmetic, memory.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>

#include "data/text/wordpiece.h"
#include "io/printable.h"
#include "models/clip/load.h"
#include "models/pixelbert/files.h"
#include "models/training/systems.h"
#include "models/vse/load.h"
#include "nn/parameter.h"
#include "nn/precision.h"
#include "tensor/error.h"
#include "tensor/gemm/precision.h"
#include "train/progress_line.h"
#include "vilt/command/command.h"
#include "vilt/command/figures.h"
#include "vilt/command/on_regions.h"
#include "vilt/command/weights_options.h"
#include "vilt/files/load_model.h"
#include "vilt/files/weights.h"
#include "vilt/tasks/downstream.h"
#include "vilt/tasks/downstream_files.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/memory.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/settings_memory.h"

namespace tessera::command {
namespace {

namespace fs = std::filesystem;

struct Subject {
  ModelConfig config;
  int64_t batch = 32;
  std::string origin;
  // Of a run's settings; otherwise their defaults.
  bool checkpoint_blocks = false;
  Precision precision = Precision::highest;
  double mask_rate = Settings{}.objectives.mask_rate;
  int64_t accumulate = Settings{}.train.accumulate, prefetch = Settings{}.data.prefetch;
  int64_t cache_bytes = Settings{}.data.cache_bytes;
  const DownstreamTask* task = nullptr;  // null: pre-training
  int64_t texts = 1;                     // of a picture

  // A step of `batch` samples; what it sees of them.
  StepShape shape(int64_t samples, int64_t text, Grid grid) const {
    return task ? full_shape(*task, samples, texts, text, grid) : full_shape(samples, text, grid, mask_rate);
  }
  int64_t sequences_of_sample() const { return task ? task->images * texts : 2; }
};

// The published number, or how many the training questions give where they are there.
std::vector<std::string> labels_of(const DownstreamTask& task, const Settings& settings, std::string& origin) {
  constexpr size_t kPublishedAnswers = 3129;
  if (task.images == 2) return {"False", "True"};
  if (!task.classifies) return {};
  if (!fs::exists(settings.data.captions)) {
    origin += text(" (", shown(settings.data.captions), " does not exist yet: counted with ",
                   with_thousands(kPublishedAnswers), " answers)");
    return std::vector<std::string>(kPublishedAnswers);
  }
  const ProgressLine progress;
  progress.show(text("reading ", shown(settings.data.captions), " …"));
  std::ostringstream left_out;
  AnswerCounts counts;
  counts.add(read_part(task, settings, DataPart::train, left_out).questions);
  return counts.table(settings.downstream.least_answers).answers();
}

Subject from_settings(const fs::path& path) {
  Settings settings = Settings::from_toml(path);
  const std::string weights = settings.train.init_from;
  const bool there = weights.empty() || fs::exists(weights);
  if (there) settings = with_initial_sizes(std::move(settings), false);
  check_model_memory(settings.model);
  Subject subject;
  subject.origin = shown(path);
  subject.batch = settings.train.batch_size / settings.train.accumulate;
  subject.task = downstream_task(settings.train.task);
  if (subject.task) {
    subject.texts = subject.task->classifies ? 1 : 1 + settings.downstream.false_texts;
    subject.config =
        downstream_config(*subject.task, settings.model, labels_of(*subject.task, settings, subject.origin));
  } else {
    subject.config = model_config(settings);
  }
  subject.checkpoint_blocks = settings.train.checkpoint_blocks;
  subject.precision = precision_named("train.precision", settings.train.precision);
  subject.mask_rate = settings.objectives.mask_rate;
  subject.accumulate = settings.train.accumulate;
  subject.prefetch = settings.data.prefetch;
  subject.cache_bytes = settings.data.cache_bytes;
  if (!there) subject.origin += " (" + shown(weights) + " does not exist yet: counted with the sizes of the settings)";
  const fs::path words = vocabulary_path(settings.data);
  if (!weights.empty() && there && settings.data.vocabulary.empty()) {
    // The words come with the weights.
  } else if (fs::exists(words)) {
    subject.config.vocab_size = static_cast<int64_t>(Wordpiece::from_file(words).size());
  } else {
    subject.origin += " (" + shown(words) + " does not exist yet: counted with " +
                      with_thousands(subject.config.vocab_size) + " tokens)";
  }
  return subject;
}

void line(const std::string& title, const std::string& value, const std::string& remark = "") {
  std::cout << "  " << std::left << std::setw(34) << title << std::right << std::setw(14) << value;
  if (!remark.empty()) std::cout << "  " << remark;
  std::cout << '\n';
}

// What a file of weights holds, also when it is no ViLT.
void print_tensors(const Weights& weights, bool all) {
  struct Kind {
    int64_t tensors = 0, elements = 0;
  };
  std::map<std::string, Kind> kinds;
  for (const auto& [name, tensor] : weights.raw) {
    const auto other = weights.converted.find(name);
    Kind& kind =
        kinds[other == weights.converted.end() ? text(tensor.dtype()) : text(tensor.dtype(), " from ", other->second)];
    ++kind.tensors;
    kind.elements += tensor.numel();
  }
  std::cout << shown(weights.source) << ": " << weights.format << ", " << name_of(weights.state.naming) << '\n';
  for (const auto& [type, kind] : kinds)
    line(type, with_thousands(kind.elements),
         text("elements in ", kind.tensors, kind.tensors == 1 ? " tensor" : " tensors"));
  if (all)
    for (const auto& [name, tensor] : weights.raw) std::cout << "  " << name << ' ' << describe(tensor) << '\n';
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "none" : out;
}

void print_heads(const ModelConfig& config) {
  std::vector<std::string> heads;
  for (const HeadInfo& head : head_table())
    if (config.heads.*head.present) heads.push_back(config.num_images > 1 && head.pair_use ? head.pair_use : head.use);
  std::cout << "heads: " << join(heads) << '\n';
  if (!config.heads.classifier) return;
  constexpr size_t kShown = 10;
  std::vector<std::string> shown(config.labels.begin(), config.labels.begin() + std::min(kShown, config.labels.size()));
  std::cout << config.labels.size() << " labels: " << join(shown) << (config.labels.size() > kShown ? ", …" : "")
            << '\n';
}

// Nothing where the file is no ViLT, or does not say enough of it; the tensors are printed in any case.
// What a folder of a system beside ViLT is for; empty: it is none.
std::string other_system(const fs::path& place) {
  if (!fs::is_directory(place)) return "";
  if (fs::exists(place / "regions.json")) return "a detector, for vilt regions detect and extract (docs/regions.md)";
  if (is_vse(place)) return "VSE++, for vilt eval --first-stage (docs/vse.md)";
  if (is_clip(place)) return "CLIP, for vilt embed, search and classify, and vilt eval --first-stage (docs/clip.md)";
  if (is_pixelbert(place))
    return "Pixel-BERT, which no command asks; its run's report says what it has learnt (docs/pixelbert.md)";
  return "";
}

std::optional<Subject> from_model(const fs::path& path, const InfoArguments& arguments) {
  const fs::path place = find_weights(path);
  if (info_on_regions(place, arguments)) return std::nullopt;
  const ProgressLine progress;
  progress.show(text("reading ", shown(place), " …"));
  Weights weights = read_weights(place);
  progress.clear();
  print_tensors(weights, arguments.tensors);
  if (const std::string other = other_system(place); !other.empty()) {
    std::cout << other << '\n';
    return std::nullopt;
  }
  LoadOptions options = load_options(arguments.weights);
  options.needs_vocabulary = false;
  options.report = [](const std::string& note) { std::cout << "  " << note << '\n'; };
  const std::vector<std::string> notes = weights.notes;
  try {
    const LoadedModel model = load_model(std::move(weights), place, options);
    print_heads(model.config);
    Subject subject;
    subject.config = model.config;
    subject.origin = "configuration";
    return subject;
  } catch (const Error& error) {
    for (const std::string& note : notes) options.report(note);
    std::cout << "not a model that can be used as it is:\n" << error.what() << '\n';
    return std::nullopt;
  }
}

// What part of the model a parameter belongs to.
std::string part_of(const std::string& name) {
  if (name.find("text_embeddings") != std::string::npos) return "text embeddings";
  if (name.find("encoder.layer.") != std::string::npos) return "transformer blocks";
  if (const HeadInfo* head = head_of(name)) return head->part;
  if (name.find("pooler") != std::string::npos) return "pooler";
  if (name.find("embeddings") != std::string::npos) return "image embeddings";
  return "final LayerNorm";
}

std::string with_unit(double value, const char* const (&units)[4]) {
  int unit = 0;
  const double step = units[0][0] == 'B' ? 1024 : 1000;
  while (value >= step && unit < 3) {
    value /= step;
    ++unit;
  }
  std::ostringstream out;
  out << std::fixed << std::setprecision(unit == 0 ? 0 : 1) << value << ' ' << units[unit];
  return out.str();
}
std::string bytes(double value) { return with_unit(value, {"B", "KiB", "MiB", "GiB"}); }
std::string flops(double value) { return with_unit(value, {"", "thousand", "million", "billion"}); }

Grid parse_grid(const std::string& text, const ModelConfig& config) {
  if (text.empty()) return {config.table_side(), config.table_side()};
  Grid grid;
  char separator = 0;
  std::istringstream in(text);
  const bool read = static_cast<bool>(in >> grid.rows >> separator >> grid.columns) && in.peek() == EOF;
  check(read && separator == 'x' && grid.rows >= 1 && grid.columns >= 1 && grid.rows <= 10000 && grid.columns <= 10000,
        "--grid is '", text, "', expected ROWSxCOLUMNS of patches, such as 12x20");
  return grid;
}

void print_parameters(const ModelConfig& config) {
  ViltWithHeads model(config);
  std::map<std::string, int64_t> parts;
  int64_t total = 0;
  model.visit("", [&](const std::string& name, Variable& parameter) {
    parts[part_of(name)] += parameter.value().numel();
    total += parameter.value().numel();
  });
  std::cout << "parameters\n";
  std::vector<const char*> order{"text embeddings", "image embeddings", "transformer blocks", "final LayerNorm",
                                 "pooler"};
  for (const HeadInfo& head : head_table()) order.push_back(head.part);
  for (const char* part : order)
    if (parts.contains(part)) line(part, with_thousands(parts[part]));
  line("total", with_thousands(total));
}

// Products only, an addition and a multiplication counted as two; LayerNorm, GELU and softmax are left out.
void print_arithmetic(const Subject& subject, int64_t text, Grid grid, int64_t batch) {
  const ModelConfig& c = subject.config;
  const auto d = static_cast<double>(c.hidden_size), hidden = static_cast<double>(c.intermediate_size);
  const double patches = static_cast<double>(grid.rows) * grid.columns, n = static_cast<double>(text) + 1 + patches;
  const double qkv = 6 * n * d * d, attention = 4 * n * n * d, output = 2 * n * d * d, mlp = 4 * n * d * hidden;
  const double layer = qkv + attention + output + mlp;
  const double projection = 2 * patches * static_cast<double>(c.patch_values()) * d;
  const double word = 2 * d * (d + static_cast<double>(c.vocab_size)), pool = 2 * d * d + 4 * d;
  const double pair = projection + static_cast<double>(c.num_hidden_layers) * layer + pool;
  std::cout << "arithmetic of one pair, forward: " << text << " text tokens, " << grid.rows << " x " << grid.columns
            << " patches, " << static_cast<int64_t>(n) << " tokens\n";
  line("patch projection", flops(projection));
  line("each of " + std::to_string(c.num_hidden_layers) + " blocks", flops(layer));
  line("  queries, keys, values", flops(qkv));
  line("  attention", flops(attention), "grows with the square of the tokens");
  line("  attention output", flops(output));
  line("  MLP", flops(mlp));
  line(c.heads.matching ? "pooler and matching" : "pooler", flops(pool));
  if (c.heads.masked_words) line("masked-word head", flops(word), "for each masked token");
  line("whole model", flops(pair));
  const int64_t sequences = subject.sequences_of_sample();
  const std::string seen = !subject.task               ? "pairs, each seen twice"
                           : subject.task->images == 2 ? "statements, each with two pictures"
                           : subject.texts > 1         ? tessera::text("images, each with ", subject.texts, " texts")
                                                       : "questions";
  line("training step", flops(static_cast<double>(3 * batch * sequences) * pair),
       tessera::text(batch, ' ', seen, "; backward counts as two forwards"));
}

std::string text_of_batches(const Subject& subject) {
  return text(subject.accumulate, subject.accumulate == 1 ? " at work, " : " of a step, ",
              subject.accumulate * subject.prefetch, " made ahead (data.prefetch)");
}

void print_memory(const Subject& subject, int64_t text, Grid grid, int64_t batch) {
  const ModelConfig& c = subject.config;
  ViltWithHeads model(c);
  const double dropout = c.hidden_dropout_prob;
  const DType activations = use_precision(subject.precision, model.vilt.device());
  const MemoryOptions options{dropout, c.dropout_after_activation ? dropout : 0, subject.checkpoint_blocks, activations,
                              activations == DType::f32 && splits_f32_products()};
  const StepMemory memory = step_memory(model, subject.shape(batch, text, grid), options);
  const int64_t batches = subject.accumulate * (1 + subject.prefetch);
  const auto amount = [](int64_t value) { return bytes(static_cast<double>(value)); };
  const int64_t sequences = batch * subject.sequences_of_sample();
  std::cout << "memory of training, " << batch << ' ' << (subject.task ? subject.task->samples : "pairs")
            << " at once, activations in " << options.activations
            << (options.checkpoint_blocks ? ", blocks computed again in backward\n" : "\n");
  line("parameters", amount(memory.parameters));
  line("gradients", amount(memory.gradients));
  line("moments", amount(memory.moments), "two of each parameter");
  if (memory.copies > 0) line("copies of weights", amount(memory.copies), "packed for both directions");
  line("batches", amount(batches * memory.batch), text_of_batches(subject));
  line("activations of the blocks", amount(memory.activations),
       "kept for the backward pass: " + amount(memory.activations / std::max<int64_t>(1, sequences)) +
           (subject.task ? " for each sequence" : " for each sample and pass"));
  line("other activations", amount(memory.others), "embeddings, heads and losses");
  line("at work", amount(memory.working), "beside them at the busiest moment of backward");
  line("peak", amount(memory.peak() + (batches - 1) * memory.batch),
       "and up to " + amount(subject.cache_bytes) + " of images (data.cache_bytes)");
}

}  // namespace

int run_info(const InfoArguments& arguments) {
  const fs::path what = arguments.what;
  check(fs::exists(what), shown(what),
        ": no such file or directory; expected a model's folder, a file of weights or a TOML file");
  const bool is_settings = what.extension() == ".toml";
  if (const std::string system = is_settings ? system_named(what, {}) : ""; !system.empty()) {
    std::cout << shown(what) << ": a training of the system " << system
              << ", all of whose settings these are; parameters and memory are told of ViLT alone\n\n"
              << system_toml(what);
    return 0;
  }
  const std::optional<Subject> found = is_settings ? from_settings(what) : from_model(what, arguments);
  if (!found) return 0;
  Subject subject = *found;
  subject.checkpoint_blocks |= arguments.checkpoint_blocks;
  if (!arguments.precision.empty()) subject.precision = precision_named("--precision", arguments.precision);
  const ModelConfig& config = subject.config;
  check(arguments.text >= 0 && arguments.text <= config.max_position_embeddings && arguments.text != 1, "--text is ",
        arguments.text, ", expected 2 to ", config.max_position_embeddings, " tokens ([CLS] and [SEP] count)");
  check(arguments.batch >= 0, "--batch is ", arguments.batch, ", expected at least 1 pair");
  const int64_t text = arguments.text > 0 ? arguments.text : config.max_position_embeddings;
  const int64_t batch = arguments.batch > 0 ? arguments.batch : subject.batch;
  const Grid grid = parse_grid(arguments.grid, config);
  if (arguments.memory) {
    std::cout << subject.origin << '\n';
    print_memory(subject, text, grid, batch);
    return 0;
  }
  ModelConfig shown = config;  // the labels, which may be thousands, are told with the heads
  shown.heads.classifier = false;
  std::cout << subject.origin << '\n' << shown.to_json();
  print_parameters(config);
  print_arithmetic(subject, text, grid, batch);
  print_memory(subject, text, grid, batch);
  return 0;
}

}  // namespace tessera::command
