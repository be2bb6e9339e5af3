// vilbert_pretrain, vilbert_vqa, vilbert_retrieval: both streams after every layer, pooled outputs, scores, losses and
// all gradients.
#include "models/vilbert/heads.h"
#include "tests/golden/device.h"
#include "tests/golden/region_case.h"

namespace tessera::golden {
namespace {

std::string name_of(const VilbertStep& step) {
  const std::string number = std::to_string(step.layer);
  if (step.kind == VilbertStep::Kind::both) return "c_layer." + number;
  return (step.kind == VilbertStep::Kind::vision ? "v_layer." : "layer.") + number;
}

VilbertConfig config_of_vilbert(const RegionCase& golden) {
  return VilbertConfig::from_json(golden.config.at("config").dump(), "config.json");
}

Vilbert::Output encode(RegionCase& golden, const Vilbert& model, DType dtype) {
  const std::vector<int64_t> tokens = golden.lengths("txt_lens"), rows = golden.lengths("num_regions");
  std::vector<PictureRows> pictures;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto of_picture = [&](const char* name) {
      return golden.file.at(name).select(0, static_cast<int64_t>(i)).narrow(0, 0, rows[i]).contiguous();
    };
    pictures.push_back({of_picture("image_feat"), of_picture("image_loc")});
  }
  const VilbertTexts texts =
      VilbertTexts::of(golden.lists("input_ids", tokens), model.config, golden.lists("segment_ids", tokens));
  const VilbertPictures packed = VilbertPictures::of(pictures, model.config).to(dtype, computed_on);
  golden.comparison.compare("cu_seqlens.t", texts.cu_seqlens, golden.file.at("cu_seqlens.t"));
  golden.comparison.compare("cu_seqlens.v", packed.cu_seqlens, golden.file.at("cu_seqlens.v"));
  const VilbertStreams streams = model.embed(texts, packed, {});
  golden.compare("t_embedding", streams.text);
  golden.compare("v_embedding", streams.vision);
  const Vilbert::Output out = model.encode(streams, {}, [&](const VilbertStep& step, const VilbertStreams& x) {
    const std::string name = name_of(step);
    const bool both = step.kind == VilbertStep::Kind::both;
    if (step.kind != VilbertStep::Kind::text) golden.compare(name + (both ? ".v" : ""), x.vision);
    if (step.kind != VilbertStep::Kind::vision) golden.compare(name + (both ? ".t" : ""), x.text);
  });
  golden.compare("pooled.t", out.pooled_text);
  golden.compare("pooled.v", out.pooled_vision);
  golden.compare("fused", out.fused);
  return out;
}

void finish(RegionCase& golden, ParameterSet& parameters, const Variable& loss) {
  golden.compare("loss", loss);
  loss.backward();
  golden.compare_gradients(parameters, vilbert_file_views);
}

// The words that the file names are those of vilbert_schedule.
void compare_schedule(const RegionCase& golden) {
  std::vector<std::string> own;
  for (const VilbertStep& step : vilbert_schedule(config_of_vilbert(golden)))
    own.push_back((step.kind == VilbertStep::Kind::both     ? "c"
                   : step.kind == VilbertStep::Kind::vision ? "v"
                                                            : "t") +
                  std::to_string(step.layer));
  check(own == golden.config.at("schedule").get<std::vector<std::string>>(), "golden: the layers have another order");
}

void run_pretraining(RegionCase& golden, DType dtype) {
  VilbertPretraining model(config_of_vilbert(golden));
  ParameterSet parameters(model, dtype, "", computed_on);
  golden.load(parameters, vilbert_file_views);
  const VilbertPretraining::Scores scores = model.scores(encode(golden, model.bert, dtype));
  golden.compare("lm_scores", scores.words);
  golden.compare("region_scores", scores.regions);
  golden.compare("match_scores", scores.match);
  const std::vector<int64_t> tokens = golden.lengths("txt_lens"), rows = golden.lengths("num_regions");
  const VilbertLosses losses =
      vilbert_losses(scores, {golden.packed("lm_label_ids", tokens, dtype), golden.packed("image_label", rows, dtype),
                              golden.packed("image_target", rows, dtype), golden.file.at("is_match")});
  golden.compare("loss.lm", losses.words);
  golden.compare("loss.region", losses.regions);
  golden.compare("loss.match", losses.match);
  finish(golden, parameters, losses.total);
}

void run_vqa(RegionCase& golden, DType dtype) {
  VilbertVqa model(config_of_vilbert(golden));
  ParameterSet parameters(model, dtype, "", computed_on);
  golden.load(parameters, vilbert_file_views);
  const Variable scores = model.scores(encode(golden, model.bert, dtype), {});
  golden.compare("scores", scores);
  finish(golden, parameters, VilbertVqa::loss(scores, golden.file.at("targets").to(dtype)));
}

void run_retrieval(RegionCase& golden, DType dtype) {
  VilbertRetrieval model(config_of_vilbert(golden));
  ParameterSet parameters(model, dtype, "", computed_on);
  golden.load(parameters, vilbert_file_views);
  const Variable scores = model.scores(encode(golden, model.bert, dtype));
  golden.compare("scores", scores);
  finish(golden, parameters, VilbertRetrieval::loss(scores, golden.config.at("options")));
}

}  // namespace

Outcome run_vilbert(const std::filesystem::path& directory) {
  RegionCase golden(directory);
  compare_schedule(golden);
  const std::string task = golden.config.at("task");
  for (const DType dtype : computed_dtypes())
    (task == "pretrain" ? run_pretraining : task == "vqa" ? run_vqa : run_retrieval)(golden, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden
