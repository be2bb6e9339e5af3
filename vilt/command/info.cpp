// `vilt info`: the size of a model, from its configuration alone: parameters, arithmetic, memory.
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>

#include "data/wordpiece.h"
#include "nn/parameter.h"
#include "tensor/error.h"
#include "vilt/load_model.h"
#include "vilt/command/command.h"
#include "vilt/command/figures.h"
#include "vilt/heads.h"
#include "vilt/settings.h"

namespace tessera::command {
namespace {

namespace fs = std::filesystem;

struct Subject {
  ModelConfig config;
  int64_t batch = 32;
  std::string origin;
};

Subject from_settings(const fs::path& path) {
  const Settings settings = Settings::from_toml(path);
  Subject subject{settings.model, settings.train.batch_size / settings.train.accumulate, path.string()};
  fs::path words = settings.data.vocabulary;
  if (words.empty()) words = fs::path(settings.data.captions).parent_path() / "vocab.txt";
  if (fs::exists(words)) {
    subject.config.vocab_size = static_cast<int64_t>(Wordpiece::from_file(words).size());
  } else {
    subject.origin += " (" + words.string() + " does not exist yet: counted with " +
                      with_thousands(subject.config.vocab_size) + " tokens)";
  }
  return subject;
}

Subject from_model(const fs::path& directory) {
  const LoadedModel model = load_model(directory);
  return {model.config, 32, model.directory.string()};
}

// What part of the model a parameter belongs to.
std::string part_of(const std::string& name) {
  if (name.find("text_embeddings") != std::string::npos) return "text embeddings";
  if (name.find("encoder.layer.") != std::string::npos) return "transformer blocks";
  if (name.find("mlm") != std::string::npos) return "masked-word head";
  if (name.find("itm") != std::string::npos) return "matching head";
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

void line(const std::string& title, const std::string& value, const std::string& remark = "") {
  std::cout << "  " << std::left << std::setw(34) << title << std::right << std::setw(14) << value;
  if (!remark.empty()) std::cout << "  " << remark;
  std::cout << '\n';
}

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

int64_t print_parameters(const ModelConfig& config) {
  ViltWithHeads model(config);
  std::map<std::string, int64_t> parts;
  int64_t total = 0;
  model.visit("", [&](const std::string& name, Variable& parameter) {
    parts[part_of(name)] += parameter.value().numel();
    total += parameter.value().numel();
  });
  std::cout << "parameters\n";
  for (const char* part : {"text embeddings", "image embeddings", "transformer blocks", "final LayerNorm", "pooler",
                           "masked-word head", "matching head"})
    line(part, with_thousands(parts[part]));
  line("total", with_thousands(total));
  return total;
}

// Products only, an addition and a multiplication counted as two; LayerNorm, GELU and softmax are left out.
void print_arithmetic(const ModelConfig& c, int64_t text, Grid grid, int64_t batch) {
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
  line("pooler and matching", flops(pool));
  line("masked-word head", flops(word), "for each masked token");
  line("whole model", flops(pair));
  line("training step", flops(static_cast<double>(batch) * 6 * pair),
       std::to_string(batch) + " pairs, each seen twice; backward counts as two forwards");
}

// Values kept for backward, per token: of each block two residual sums and their LayerNorms (4 d), queries, keys and
// values (3 d), the attention's result (d) and log-sum-exp, the MLP's hidden layer before and after GELU; beside the
// blocks the embedding and the final LayerNorm.
void print_memory(const ModelConfig& c, int64_t parameters, int64_t text, Grid grid, int64_t batch) {
  const double patches = static_cast<double>(grid.rows) * grid.columns;
  const double tokens = 2 * static_cast<double>(batch) * (static_cast<double>(text) + 1 + patches);
  const auto d = static_cast<double>(c.hidden_size);
  const auto hidden = static_cast<double>(c.intermediate_size), heads = static_cast<double>(c.num_attention_heads);
  const double block = 8 * d + 2 * hidden + heads + 4;
  const double kept = tokens * (static_cast<double>(c.num_hidden_layers) * block + 3 * d) +
                      static_cast<double>(batch) * patches * (static_cast<double>(c.patch_values()) + d);
  const double weights = 4 * static_cast<double>(parameters), activations = 4 * kept;
  std::cout << "memory of training, " << batch << " pairs at once\n";
  line("parameters", bytes(weights));
  line("gradients", bytes(weights));
  line("moments", bytes(2 * weights), "two of each parameter");
  line("activations", bytes(activations), "estimate: what is kept for the backward pass");
  line("total", bytes(4 * weights + activations), "without images in the cache");
}

}  // namespace

int run_info(const InfoArguments& arguments) {
  const fs::path what = arguments.what;
  check(fs::exists(what), what.string(), ": no such file or directory; expected a model's folder or a TOML file");
  Subject subject = fs::is_directory(what) ? from_model(what) : from_settings(what);
  const ModelConfig& config = subject.config;
  check(arguments.text >= 0 && arguments.text <= config.max_position_embeddings && arguments.text != 1, "--text is ",
        arguments.text, ", expected 2 to ", config.max_position_embeddings, " tokens ([CLS] and [SEP] count)");
  check(arguments.batch >= 0, "--batch is ", arguments.batch, ", expected at least 1 pair");
  const int64_t text = arguments.text > 0 ? arguments.text : config.max_position_embeddings;
  const int64_t batch = arguments.batch > 0 ? arguments.batch : subject.batch;
  const Grid grid = parse_grid(arguments.grid, config);
  std::cout << subject.origin << '\n' << config.to_json();
  const int64_t parameters = print_parameters(config);
  print_arithmetic(config, text, grid, batch);
  print_memory(config, parameters, text, grid, batch);
  return 0;
}

}  // namespace tessera::command
