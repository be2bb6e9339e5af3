#include "vilt/serve/looking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "io/strict_json.h"
#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera::serve {
namespace {

using Json = nlohmann::ordered_json;

// Six digits after the point: a hundredth of what can be seen.
double rounded(double value) { return std::round(value * 1e6) / 1e6; }

// `rows`: what the weights of all patches add up to where the word looks at nothing but them.
Json word_json(const std::vector<float>& weights, double rows) {
  Json list = Json::array();
  double total = 0;
  for (const float weight : weights) {
    total += static_cast<double>(weight);
    list.push_back(rounded(static_cast<double>(weight)));
  }
  return {{"entropy", rounded(normalised_entropy(weights))},
          {"share", rounded(total / rows)},
          {"weights", std::move(list)}};
}

std::vector<std::string> spellings(const command::Words& words) {
  std::vector<std::string> out;
  for (int32_t w = 0; w < words.count(); ++w) out.push_back(words.spelling(w));
  return out;
}

std::vector<int32_t> identity(size_t count) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

ShuffledWords shuffled_words(const std::vector<std::string>& words, uint64_t seed) {
  ShuffledWords out{{}, identity(words.size())};
  const bool all_alike = std::all_of(words.begin(), words.end(), [&](const auto& word) { return word == words[0]; });
  const auto reads_the_same = [&] {
    for (size_t i = 0; i < words.size(); ++i)
      if (words[static_cast<size_t>(out.order[i])] != words[i]) return false;
    return true;
  };
  Random random(seed, 0);
  do
    for (size_t i = words.size(); i > 1; --i) std::swap(out.order[i - 1], out.order[random.below(i)]);
  while (!all_alike && reads_the_same());
  for (const int32_t word : out.order) out.text += (out.text.empty() ? "" : " ") + words[static_cast<size_t>(word)];
  return out;
}

std::span<const std::string_view> Looking::fields() {
  static constexpr std::array<std::string_view, 9> kFields = {"image", "images",     "text",    "layer", "head",
                                                              "beta",  "iterations", "shuffle", "id"};
  return kFields;
}

std::shared_ptr<const Looking::Maps> Looking::maps_of(const command::Words& words,
                                                      const std::vector<OpenedPicture>& pictures,
                                                      Batcher::Time latest) {
  Question question{words.sequence.ids, {}};
  std::string key;
  for (const OpenedPicture& picture : pictures) {
    question.images.push_back(picture.patched);
    key += picture.key + '\n';
  }
  for (const int64_t id : question.ids) key += text(id, ' ');
  if (auto known = recent_.find(key)) return known;
  auto maps = std::make_shared<const Maps>(worker_.look(question, latest));
  int64_t bytes = 0;
  for (const HeadMaps& of : *maps)
    bytes += static_cast<int64_t>((of.attention.size() + of.cost.size()) * sizeof(float));
  recent_.keep(key, maps, bytes);
  return maps;
}

// Word `order[i]` of the caption is word i of the text that was looked at.
Json Looking::pictures_json(const command::Words& words, const std::vector<int32_t>& order, const Maps& maps,
                            const std::vector<OpenedPicture>& pictures, const Setting& setting) const {
  Json out = Json::array();
  for (size_t p = 0; p < maps.size(); ++p) {
    const HeadMaps& of = maps[p];
    const std::vector<float> attention = of.attention_of(setting.layer, setting.head);
    const std::vector<float> plan = of.plan(setting.beta, setting.iterations);
    Json attention_rows = Json::array(), plan_rows = Json::array();
    std::vector<Json> attention_of(order.size()), plan_of(order.size());
    for (int32_t w = 0; w < words.count() && static_cast<size_t>(w) < order.size(); ++w) {
      const auto place = static_cast<size_t>(order[static_cast<size_t>(w)]);
      const std::vector<int64_t> pieces = words.pieces(w);
      attention_of[place] = word_json(word_map(attention, of.patches, pieces), static_cast<double>(pieces.size()));
      plan_of[place] = word_json(word_map(plan, of.patches, pieces), 1);
    }
    for (Json& row : attention_of) attention_rows.push_back(std::move(row));
    for (Json& row : plan_of) plan_rows.push_back(std::move(row));
    out.push_back({{"rows", pictures[p].patched->rows},
                   {"columns", pictures[p].patched->columns},
                   {"chance", rounded(1.0 / static_cast<double>(of.patches))},
                   {"attention", std::move(attention_rows)},
                   {"plan", std::move(plan_rows)}});
  }
  return out;
}

Json Looking::look(const Fields& fields, Batcher::Time latest) {
  const nlohmann::json& object = fields.object;
  const int64_t layers = model_.config.num_hidden_layers, heads = model_.config.num_attention_heads;
  const bool several = object.contains("images");
  check(several != object.contains("image"), kRequest, ": expected either field 'image' or field 'images'");
  const JsonFields typed(object, kRequest);
  if (several) (void)typed.array("images");
  const std::string& caption = typed.string("text");
  const size_t most = static_cast<size_t>(std::max<int64_t>(1, model_.config.num_images));
  check(!fields.pictures.empty() && fields.pictures.size() <= most, kRequest, ": ", fields.pictures.size(),
        " pictures, expected 1", most > 1 ? text(" to ", most) : "");
  const Setting setting{integer_field(object, "layer", layers, 1, layers) - 1,
                        integer_field(object, "head", 0, 0, heads) - 1,
                        integer_field(object, "iterations", PlanSettings{}.iterations, 1, 5000),
                        number_field(object, "beta", PlanSettings{}.beta, 0.01, 10)};
  const command::TextOptions reading{model_.config.heads.masked_words, false};
  const command::Words words = command::read_text(model_, caption, reading);
  check(words.count() > 0, kRequest, ": field 'text' has no words");
  std::vector<OpenedPicture> pictures;
  for (const GivenPicture& picture : fields.pictures) pictures.push_back(pictures_.open(picture));

  const std::vector<std::string> spelled = spellings(words);
  Json out = {{"words", spelled},
              {"layers", layers},
              {"heads", heads},
              {"layer", setting.layer + 1},
              {"head", setting.head + 1},
              {"beta", setting.beta},
              {"iterations", setting.iterations},
              {"pictures",
               pictures_json(words, identity(spelled.size()), *maps_of(words, pictures, latest), pictures, setting)}};
  if (object.contains("shuffle")) {
    const auto seed = static_cast<uint64_t>(integer_field(object, "shuffle", 0, 0, INT64_MAX));
    const ShuffledWords shuffled = shuffled_words(spelled, seed);
    const command::Words again = command::read_text(model_, shuffled.text, {reading.special_tokens, true});
    out["control"] = {
        {"text", shuffled.text},
        {"pictures", pictures_json(again, shuffled.order, *maps_of(again, pictures, latest), pictures, setting)}};
  }
  if (object.contains("id")) out["id"] = object["id"];
  return out;
}

}  // namespace tessera::serve
