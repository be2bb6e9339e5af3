#include "models/vilbert/config.h"

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/strict_json.h"

namespace tessera {
namespace {

using nlohmann::json;

void read_places(const json& root, const char* field, const std::string& origin, std::vector<int64_t>& places) {
  const auto list = root.find(field);
  if (list == root.end()) return;
  check(list->is_array() && list->size() <= 1024, origin, ": field '", field, "' is no list of at most 1024 numbers");
  places.clear();
  for (const json& place : *list) {
    check(place.is_number_unsigned() && place <= 1024, origin, ": field '", field, "' has the value ", place.dump(),
          ", expected whole numbers from 0 to 1024");
    places.push_back(place.get<int64_t>());
  }
}

void check_places(const char* field, const std::vector<int64_t>& places, int64_t layers) {
  int64_t last = 0;
  for (const int64_t place : places) {
    check(place >= last && place <= layers, "field '", field, "' has ", place, " after ", last, " of ", layers,
          " layers, expected an ascending list of them");
    last = place;
  }
}

void append(std::vector<VilbertStep>& steps, VilbertStep::Kind kind, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; ++i) steps.push_back({kind, static_cast<size_t>(i)});
}

}  // namespace

void VilbertConfig::validate() const {
  constexpr int64_t kLargest = 1 << 24;
  const std::pair<const char*, int64_t> sizes[] = {{"vocab_size", text.vocab_size},
                                                   {"hidden_size", text.hidden_size},
                                                   {"num_attention_heads", text.num_attention_heads},
                                                   {"intermediate_size", text.intermediate_size},
                                                   {"max_position_embeddings", text.max_position_embeddings},
                                                   {"type_vocab_size", text.type_vocab_size},
                                                   {"v_feature_size", v_feature_size},
                                                   {"v_target_size", v_target_size},
                                                   {"v_hidden_size", v_hidden_size},
                                                   {"v_num_attention_heads", v_num_attention_heads},
                                                   {"v_intermediate_size", v_intermediate_size},
                                                   {"bi_hidden_size", bi_hidden_size},
                                                   {"bi_num_attention_heads", bi_num_attention_heads},
                                                   {"num_answers", num_answers}};
  for (const auto& [name, value] : sizes)
    check(value >= 1 && value <= kLargest, "field '", name, "' is ", value, ", expected 1 to ", kLargest);
  const std::pair<const char*, int64_t> depths[] = {{"num_hidden_layers", text.num_hidden_layers},
                                                    {"v_num_hidden_layers", v_num_hidden_layers}};
  for (const auto& [name, value] : depths)
    check(value >= 0 && value <= 1024, "field '", name, "' is ", value, ", expected 0 to 1024");
  const std::tuple<const char*, int64_t, int64_t> heads[] = {
      {"num_attention_heads", text.num_attention_heads, text.hidden_size},
      {"v_num_attention_heads", v_num_attention_heads, v_hidden_size},
      {"bi_num_attention_heads", bi_num_attention_heads, bi_hidden_size}};
  for (const auto& [name, count, size] : heads)
    check(size % count == 0, "field '", name, "' is ", count, ", which does not divide ", size, " channels");
  check(text.layer_norm_eps > 0, "field 'layer_norm_eps' is ", text.layer_norm_eps, ", expected more than 0");
  for (const double rate : {text.hidden_dropout_prob, text.attention_probs_dropout_prob, v_hidden_dropout_prob,
                            v_attention_probs_dropout_prob})
    check(rate >= 0 && rate < 1, "a dropout probability is ", rate, ", expected at least 0 and less than 1");
  check(v_biattention_id.size() == t_biattention_id.size(), "fields 'v_biattention_id' and 't_biattention_id' have ",
        v_biattention_id.size(), " and ", t_biattention_id.size(), " places, expected as many");
  check_places("v_biattention_id", v_biattention_id, v_num_hidden_layers);
  check_places("t_biattention_id", t_biattention_id, text.num_hidden_layers);
}

VilbertConfig VilbertConfig::from_json(const std::string& source, const std::string& origin) {
  const json root = parse_strict_json(source, origin);
  const ConfigFields fields(root, origin);
  VilbertConfig out;
  out.text.read(fields);
  fields.read("v_feature_size", out.v_feature_size);
  fields.read("v_target_size", out.v_target_size);
  fields.read("v_hidden_size", out.v_hidden_size);
  fields.read("v_num_hidden_layers", out.v_num_hidden_layers);
  fields.read("v_num_attention_heads", out.v_num_attention_heads);
  fields.read("v_intermediate_size", out.v_intermediate_size);
  fields.read("v_hidden_dropout_prob", out.v_hidden_dropout_prob);
  fields.read("v_attention_probs_dropout_prob", out.v_attention_probs_dropout_prob);
  fields.read("bi_hidden_size", out.bi_hidden_size);
  fields.read("bi_num_attention_heads", out.bi_num_attention_heads);
  fields.read("num_answers", out.num_answers);
  read_places(root, "v_biattention_id", origin, out.v_biattention_id);
  read_places(root, "t_biattention_id", origin, out.t_biattention_id);
  try {
    out.validate();
  } catch (const Error& error) {
    fail(origin, ": ", error.what());
  }
  return out;
}

std::string VilbertConfig::to_json() const {
  nlohmann::ordered_json root;
  root["model_type"] = "vilbert";
  text.write(root);
  root["hidden_act"] = root["v_hidden_act"] = "gelu";
  root["v_feature_size"] = v_feature_size;
  root["v_target_size"] = v_target_size;
  root["v_hidden_size"] = v_hidden_size;
  root["v_num_hidden_layers"] = v_num_hidden_layers;
  root["v_num_attention_heads"] = v_num_attention_heads;
  root["v_intermediate_size"] = v_intermediate_size;
  root["v_hidden_dropout_prob"] = v_hidden_dropout_prob;
  root["v_attention_probs_dropout_prob"] = v_attention_probs_dropout_prob;
  root["bi_hidden_size"] = bi_hidden_size;
  root["bi_num_attention_heads"] = bi_num_attention_heads;
  root["v_biattention_id"] = v_biattention_id;
  root["t_biattention_id"] = t_biattention_id;
  root["num_answers"] = num_answers;
  return root.dump(2) + "\n";
}

std::vector<VilbertStep> vilbert_schedule(const VilbertConfig& config) {
  using Kind = VilbertStep::Kind;
  std::vector<VilbertStep> steps;
  int64_t vision = 0, text = 0;
  for (size_t i = 0; i < config.v_biattention_id.size(); ++i) {
    append(steps, Kind::vision, vision, config.v_biattention_id[i]);
    append(steps, Kind::text, text, config.t_biattention_id[i]);
    vision = config.v_biattention_id[i];
    text = config.t_biattention_id[i];
    steps.push_back({Kind::both, i});
  }
  append(steps, Kind::vision, vision, config.v_num_hidden_layers);
  append(steps, Kind::text, text, config.text.num_hidden_layers);
  return steps;
}

}  // namespace tessera
