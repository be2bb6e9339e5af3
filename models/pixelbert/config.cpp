#include "models/pixelbert/config.h"

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/strict_json.h"

namespace tessera {
namespace {

using nlohmann::json;

constexpr int64_t kLargest = 1 << 20, kMostTokens = 1 << 30, kMostStages = 16, kMostBlocks = 1000;

// A list of whole numbers; `value` stays where the field is not given.
void read_list(const json& object, const char* name, std::vector<int64_t>& value, const std::string& origin) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return;
  const auto whole = [](const json& entry) { return entry.is_number_integer() && entry >= 0 && entry <= kLargest; };
  check(found->is_array() && found->size() <= static_cast<size_t>(kMostStages) &&
            std::all_of(found->begin(), found->end(), whole),
        origin, ": field 'resnet.", name, "' is not a list of at most ", kMostStages, " whole numbers");
  value = found->get<std::vector<int64_t>>();
}

void read_resnet(const json& object, ResNetOptions& cnn, const std::string& origin) {
  check(object.is_object(), origin, ": field 'resnet' is not an object");
  const ConfigFields fields(object, origin, "resnet.");
  std::string block = cnn.bottleneck ? "bottleneck" : "basic";
  fields.read("block", block);
  check(block == "bottleneck" || block == "basic", origin, ": field 'resnet.block' is ", quoted_text(block),
        ", expected \"bottleneck\" or \"basic\"");
  cnn.bottleneck = block == "bottleneck";
  read_list(object, "layers", cnn.layers, origin);
  read_list(object, "widths", cnn.widths, origin);
  fields.read("stem", cnn.stem);
  fields.read("stem_kernel", cnn.stem_kernel);
  fields.read("stem_stride", cnn.stem_stride);
  fields.read("stem_pool", cnn.stem_pool);
}

void between(const char* name, int64_t value, int64_t least, int64_t most) {
  check(value >= least && value <= most, "pixelbert: ", name, " is ", value, ", expected ", least, " to ", most);
}

void validate_bert(const BertConfig& bert) {
  between("vocab_size", bert.vocab_size, 1, kMostTokens);
  between("hidden_size", bert.hidden_size, 1, kLargest);
  between("num_hidden_layers", bert.num_hidden_layers, 0, 10000);
  between("num_attention_heads", bert.num_attention_heads, 1, kLargest);
  check(bert.hidden_size % bert.num_attention_heads == 0, "pixelbert: hidden_size ", bert.hidden_size,
        " is not a multiple of ", bert.num_attention_heads, " attention heads");
  between("intermediate_size", bert.intermediate_size, 1, kLargest);
  between("max_position_embeddings", bert.max_position_embeddings, 2, kLargest);
  between("type_vocab_size", bert.type_vocab_size, 1, kLargest);
  check(bert.layer_norm_eps > 0 && bert.layer_norm_eps < 1, "pixelbert: layer_norm_eps is ", bert.layer_norm_eps,
        ", expected more than 0 and less than 1");
  for (const double rate : {bert.hidden_dropout_prob, bert.attention_probs_dropout_prob})
    check(rate >= 0 && rate < 1, "pixelbert: a dropout is ", rate, ", expected at least 0 and less than 1");
}

void validate_resnet(const ResNetOptions& cnn) {
  check(!cnn.widths.empty() && cnn.widths.size() == cnn.layers.size(), "pixelbert: resnet has ", cnn.layers.size(),
        " stages of ", cnn.widths.size(), " widths, expected as many and at least one");
  between("resnet's number of stages", static_cast<int64_t>(cnn.widths.size()), 1, kMostStages);
  for (const int64_t width : cnn.widths) between("a width of resnet", width, 1, 1 << 16);
  for (const int64_t layers : cnn.layers) between("a stage's blocks of resnet", layers, 1, kMostBlocks);
  between("resnet.stem", cnn.stem, 0, 1 << 16);
  between("resnet.stem_kernel", cnn.stem_kernel, 1, 63);
  check(cnn.stem_kernel % 2 == 1, "pixelbert: resnet.stem_kernel is ", cnn.stem_kernel, ", expected an odd number");
  between("resnet.stem_stride", cnn.stem_stride, 1, 63);
}

}  // namespace

Size2d PixelBertConfig::grid(Size2d picture) const {
  const Size2d map = cnn.map_size(picture);
  const int64_t halves = pool ? 2 : 1;
  const Size2d out(map.height / halves, map.width / halves);
  check(picture.least() > 0 && out.least() > 0, "pixelbert: a picture of ", picture, " leaves no cell of the grid");
  check(position_rows == 0 || (out.height <= position_rows && out.width <= position_columns), "pixelbert: a grid of ",
        out, " cells, expected at most ", position_rows, " x ", position_columns);
  return out;
}

double PixelBertConfig::parameters() const {
  const auto d = static_cast<double>(bert.hidden_size), inner = static_cast<double>(bert.intermediate_size);
  const double rows = static_cast<double>(bert.vocab_size + bert.max_position_embeddings + bert.type_vocab_size +
                                          position_rows + position_columns);
  double out = d * rows + static_cast<double>(bert.num_hidden_layers) * d * (4 * d + 2 * inner) +
               d * (2 * d + static_cast<double>(cnn.features()));
  auto in = static_cast<double>(cnn.stem > 0 ? cnn.stem : cnn.widths[0]);
  out += 3 * in * static_cast<double>(cnn.stem_kernel * cnn.stem_kernel);
  for (size_t stage = 0; stage < cnn.widths.size(); ++stage) {
    const auto width = static_cast<double>(cnn.widths[stage]), channels = static_cast<double>(cnn.channels(stage)),
               blocks = static_cast<double>(cnn.layers[stage]);
    const double shortcut = in * channels;
    const double first = cnn.bottleneck ? in * width : 9 * in * width;
    const double other = cnn.bottleneck ? channels * width : 9 * width * width;
    const double rest = cnn.bottleneck ? 9 * width * width + width * channels : 9 * width * width;
    out += shortcut + first + (blocks - 1) * other + blocks * rest;
    in = channels;
  }
  return out;
}

void PixelBertConfig::validate() const {
  validate_bert(bert);
  validate_resnet(cnn);
  between("position_rows", position_rows, 0, kLargest);
  between("position_columns", position_columns, 0, kLargest);
  check((position_rows > 0) == (position_columns > 0), "pixelbert: embeddings of ", position_rows, " rows and ",
        position_columns, " columns, expected both or none");
}

std::string PixelBertConfig::to_json() const {
  nlohmann::ordered_json out;
  out["model_type"] = "pixelbert";
  out["architectures"] = {"PixelBertForPreTraining"};
  out["vocab_size"] = bert.vocab_size;
  out["hidden_size"] = bert.hidden_size;
  out["num_hidden_layers"] = bert.num_hidden_layers;
  out["num_attention_heads"] = bert.num_attention_heads;
  out["intermediate_size"] = bert.intermediate_size;
  out["max_position_embeddings"] = bert.max_position_embeddings;
  out["type_vocab_size"] = bert.type_vocab_size;
  out["layer_norm_eps"] = bert.layer_norm_eps;
  out["hidden_dropout_prob"] = bert.hidden_dropout_prob;
  out["attention_probs_dropout_prob"] = bert.attention_probs_dropout_prob;
  out["resnet"] = {{"block", cnn.bottleneck ? "bottleneck" : "basic"},
                   {"layers", cnn.layers},
                   {"widths", cnn.widths},
                   {"stem", cnn.stem},
                   {"stem_kernel", cnn.stem_kernel},
                   {"stem_stride", cnn.stem_stride},
                   {"stem_pool", cnn.stem_pool}};
  out["pool"] = pool;
  out["position_rows"] = position_rows;
  out["position_columns"] = position_columns;
  return out.dump(2) + "\n";
}

PixelBertConfig PixelBertConfig::from_json(const std::string& source, const std::string& origin) {
  const json root = parse_strict_json(source, origin);
  const ConfigFields fields(root, origin);
  PixelBertConfig out;
  out.bert.read(fields);
  if (fields.given("resnet")) read_resnet(root.at("resnet"), out.cnn, origin);
  fields.read("pool", out.pool);
  fields.read("position_rows", out.position_rows);
  fields.read("position_columns", out.position_columns);
  try {
    out.validate();
  } catch (const Error& error) {
    fail(origin, ": ", error.what());
  }
  return out;
}

}  // namespace tessera
