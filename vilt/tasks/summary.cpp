#include "vilt/tasks/summary.h"

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

template <class E, class Field>
void visit_figures(E& e, Field&& field) {
  field("itm_accuracy_random", e.itm_accuracy_random);
  field("itm_accuracy_hard", e.itm_accuracy_hard);
  field("mlm_accuracy_content", e.mlm_accuracy_content);
  field("mlm_accuracy_wrong_image", e.mlm_accuracy_wrong_image);
  field("pointing_attention", e.pointing_attention);
  field("pointing_own_over_other", e.pointing_own_over_other);
  field("pointing_plan", e.pointing_plan);
  field("pointing_plan_training", e.pointing_plan_training);
  field("pointing_chance", e.pointing_chance);
  field("plan_entropy", e.plan_entropy);
  field("plan_training_entropy", e.plan_training_entropy);
  field("attention_entropy", e.attention_entropy);
}

Json map_json(const std::map<std::string, double>& values) {
  if (values.empty()) return nullptr;
  Json out = Json::object();
  for (const auto& [key, value] : values) out[key] = value;
  return out;
}

Json block(const Evaluation& e) {
  Json out;
  out["samples"] = e.samples;
  out["pictures_left_out"] = e.pictures_left_out;
  visit_figures(e, [&](const char* name, const Figure& value) { out[name] = value ? Json(*value) : Json(nullptr); });
  out["itm_accuracy_hard_by_kind"] = map_json(e.itm_accuracy_hard_by_kind);
  out["mlm_accuracy_content_by_kind"] = map_json(e.mlm_accuracy_content_by_kind);
  out["pointing_attention_by_layer"] =
      e.pointing_attention_by_layer.empty() ? Json(nullptr) : Json(e.pointing_attention_by_layer);
  out["content_words"] = e.content_words;
  out["pointed_words"] = e.pointed_words;
  return out;
}

std::map<std::string, double> read_map(const Json& value) {
  return value.is_object() ? value.get<std::map<std::string, double>>() : std::map<std::string, double>{};
}

Evaluation read_block(const Json& in) {
  Evaluation e;
  e.samples = in.value("samples", int64_t{0});
  e.pictures_left_out = in.value("pictures_left_out", int64_t{0});
  e.content_words = in.value("content_words", int64_t{0});
  e.pointed_words = in.value("pointed_words", int64_t{0});
  visit_figures(e, [&](const char* name, Figure& value) {
    if (const auto found = in.find(name); found != in.end() && found->is_number()) value = found->get<double>();
  });
  e.itm_accuracy_hard_by_kind = read_map(in.value("itm_accuracy_hard_by_kind", Json(nullptr)));
  e.mlm_accuracy_content_by_kind = read_map(in.value("mlm_accuracy_content_by_kind", Json(nullptr)));
  if (const auto found = in.find("pointing_attention_by_layer"); found != in.end() && found->is_array())
    e.pointing_attention_by_layer = found->get<std::vector<double>>();
  return e;
}

}  // namespace

std::string evaluation_json(const Evaluation& evaluation) { return block(evaluation).dump(2); }

NamedFigures named_figures(const Evaluation& evaluation) {
  NamedFigures out;
  const auto add = [&](const std::string& name, const Json& value) {
    if (value.is_number()) out.emplace_back(name, value.get<double>());
  };
  const Json figures = block(evaluation);
  for (const auto& [name, value] : figures.items()) {
    if (name == "pictures_left_out") {
      if (evaluation.pictures_left_out > 0) add(kPicturesLeftOut, value);
      continue;
    }
    add(name, value);
    if (value.is_object())
      for (const auto& [key, inner] : value.items()) add(text(name, '/', key), inner);
    if (value.is_array())
      for (size_t i = 0; i < value.size(); ++i) add(text(name, '/', i + 1), value[i]);
  }
  return out;
}

std::string summary_json(const Summary& summary) {
  if (!summary.task.empty()) return summary_json(static_cast<const TaskSummary&>(summary));
  Json out;
  for (const char* name : {"test", "test_unseen", "untrained", "shuffled_caption"}) {
    const auto found = summary.blocks.find(name);
    out[name] = found == summary.blocks.end() ? Json(nullptr) : block(found->second);
  }
  out["train_seconds"] = summary.train_seconds;
  out["steps"] = summary.steps;
  out["parameters"] = summary.parameters;
  return out.dump(2) + "\n";
}

Summary read_summary(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  const Json in = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  check(in.is_object(), shown(path), ": not a JSON object");
  Summary summary;
  static_cast<TaskSummary&>(summary) = read_task_summary(path);
  if (!summary.task.empty()) return summary;
  summary.figures.clear();
  try {
    for (const auto& [name, value] : in.items())
      if (value.is_object()) summary.blocks[name] = read_block(value);
  } catch (const nlohmann::json::exception& error) {
    fail(shown(path), ": ", error.what());
  }
  return summary;
}

}  // namespace tessera
