// clip_vit_quick, clip_vit_gelu: CLIP's two towers state by state, features, logits, loss and the gradients of all
// parameters and of the pixels; pictures of another size. clip_openai_names: one checkpoint in the forms in which
// CLIP's weights are published. clip_zero_shot: classes from several prompts each.
#include "autograd/functions.h"
#include "models/clip/load.h"
#include "models/clip/zero_shot.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"
#include "tests/golden/padded_case.h"
#include "tests/gradient_state.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;

LoadedClip load(const fs::path& path, DType dtype) {
  ClipLoadOptions options;
  options.dtype = dtype;
  options.device = computed_on;
  return load_clip(path, options);
}

// Texts of a padded batch: whole rows, or what the mask says is there.
std::vector<std::vector<int64_t>> texts_of(const Tensor& ids, const Tensor* mask = nullptr) {
  std::vector<std::vector<int64_t>> out;
  for (int64_t i = 0; i < ids.size(0); ++i)
    out.push_back(row_values(ids, i, mask ? count_ones(*mask, i) : ids.size(1)));
  return out;
}

// Rows of padded states that belong to the texts.
Tensor packed_rows(const Tensor& padded, const std::vector<std::vector<int64_t>>& texts) {
  std::vector<Variable> parts;
  for (size_t i = 0; i < texts.size(); ++i)
    parts.emplace_back(padded.select(0, static_cast<int64_t>(i)).narrow(0, 0, static_cast<int64_t>(texts[i].size())));
  return concatenate(parts, 0).value();
}

Tensor flat_rows(const Tensor& padded) { return padded.view({padded.size(0) * padded.size(1), padded.size(2)}); }

void compare_text_states(const Clip& model, const SafeTensors& file, const std::vector<std::vector<int64_t>>& texts,
                         Comparison& comparison) {
  const ClipTexts whole = ClipTexts::of(texts, model.config, false);
  std::vector<Tensor> states;
  const Variable hidden = model.text(whole, {}, &states);
  for (size_t i = 0; i < states.size(); ++i) {
    const std::string name = text("text.hidden.", i);
    comparison.compare(name, states[i], packed_rows(file.at(name), texts));
  }
  comparison.compare("text.last_hidden", hidden.value(), packed_rows(file.at("text.last_hidden"), texts));
  comparison.compare("text.pooled", model.pooled(hidden, whole).value(), file.at("text.pooled"));
  for (size_t i = 0; i < texts.size(); ++i)
    check(pooled_position(texts[i], model.config.eos_token_id) ==
              file.at("text.pool_index").select(0, static_cast<int64_t>(i)).item<int64_t>(),
          "clip: text ", i, " is pooled at another place");
}

// Pictures whose grid is not the table's.
void compare_resampled(const fs::path& directory, const SafeTensors& file, DType dtype, Comparison& comparison) {
  if (!file.contains("interp.pixel_values")) return;
  LoadedClip clip = load(directory, dtype);
  const auto input = [&](const char* name) { return file.at(name).to(dtype).to(computed_on); };
  const PatchRows pictures =
      PatchRows::of_pixels(Variable(input("interp.pixel_values")), clip.model->config.patch_size);
  std::vector<Tensor> states;
  clip.model->vision(pictures, {}, &states);
  comparison.compare("interp.last_hidden", states.back(), flat_rows(file.at("interp.last_hidden")));
  const Variable features = clip.model->image_features(pictures, {});
  comparison.compare("interp.image_features", features.value(), file.at("interp.image_features"));
  features.backward(input("interp.cotangent"));
  comparison.compare("interp.dposition",
                     tests::gradient_state(*clip.parameters).at("vision_model.embeddings.position_embedding.weight"),
                     file.at("interp.dposition"));
}

void run_towers(const fs::path& directory, const SafeTensors& file, bool masks_padding, DType dtype,
                Comparison& comparison) {
  LoadedClip clip = load(directory, dtype);
  const Clip& model = *clip.model;
  const auto compare = [&](const std::string& name, const Variable& value) {
    comparison.compare(name, value.value(), file.at(name));
  };
  const Variable pixels(file.at("pixel_values").to(dtype).to(computed_on), true);
  const PatchRows pictures = PatchRows::of_pixels(pixels, model.config.patch_size);
  std::vector<Tensor> states;
  compare("vision.pooled", model.pooled(model.vision(pictures, {}, &states)));
  for (size_t i = 0; i < states.size(); ++i)
    comparison.compare(text("vision.hidden.", i), states[i], flat_rows(file.at(text("vision.hidden.", i))));
  const auto texts = texts_of(file.at("input_ids"), masks_padding ? &file.at("attention_mask") : nullptr);
  compare_text_states(model, file, texts, comparison);

  const Variable images = model.image_features(pictures, {});
  const Variable captions = model.text_features(ClipTexts::of(texts, model.config), {});
  compare("image_features", images);
  compare("text_features", captions);
  compare("image_embeds", l2_normalise(images));
  compare("text_embeds", l2_normalise(captions));
  const Variable logits = contrastive_logits(l2_normalise(images), l2_normalise(captions), model.logit_scale);
  compare("logits_per_image", logits);
  compare("logits_per_text", contiguous(transpose(logits, 0, 1)));
  const Variable loss = contrastive_loss(l2_normalise(images), l2_normalise(captions), model.logit_scale);
  compare("loss", loss);
  loss.backward();
  for (const auto& [name, gradient] : clip_file_views(tests::gradient_state(*clip.parameters), model.config))
    comparison.compare("grad." + name, gradient, file.at("grad." + name));
  comparison.compare("dpixel_values", pixels.grad(), file.at("dpixel_values"));
}

// The file's tensors under the names in names.json are what the conversion makes of Hugging Face's.
void compare_names(const fs::path& directory) {
  const nlohmann::json names = read_json(directory / "names.json");
  const NamedTensors own = load_safetensors((directory / "model.safetensors").string()).tensors;
  const NamedTensors converted = openai_names(own);
  check(converted.size() == names.size(), "clip: ", converted.size(), " tensors under OpenAI's names, expected ",
        names.size());
  // What shapes tell is what the configuration says.
  ClipConfig inferred = clip_config_of(own, "shapes"), said = ClipConfig::from_file(directory / "config.json");
  inferred.logit_scale_init_value = said.logit_scale_init_value;
  check(inferred.to_json() == said.to_json(), "clip: shapes tell ", inferred.to_json());
  NamedTensors custom;
  for (const auto& [name, entry] : names.items()) {
    check(converted.contains(name), "clip: no ", name);
    custom.emplace(entry.at("custom_text").get<std::string>(), converted.at(name));
  }
  for (const NamedTensors* file : {&converted, static_cast<const NamedTensors*>(&custom)}) {
    const NamedTensors back = clip_names(*file, "there and back").tensors;
    check(back.size() == own.size(), "clip: ", back.size(), " tensors came back, expected ", own.size());
    for (const auto& [name, tensor] : own)
      check(back.at(name).contiguous().to_vector<float>() == tensor.to_vector<float>(), "clip: ", name,
            " came back otherwise");
  }
}

void run_form(const fs::path& path, const std::string& prefix, const SafeTensors& file, DType dtype,
              Comparison& comparison) {
  const LoadedClip clip = load(path, dtype);
  const Clip& model = *clip.model;
  const auto compare = [&](const std::string& name, const Variable& value) {
    comparison.compare(prefix + name, value.value(), file.at(prefix + name));
  };
  const Variable pixels(file.at("pixel_values").to(dtype).to(computed_on));
  const Variable images = model.image_features(PatchRows::of_pixels(pixels, model.config.patch_size), {});
  const Variable captions = model.text_features(ClipTexts::of(texts_of(file.at("input_ids")), model.config), {});
  compare("image_features", images);
  compare("text_features", captions);
  compare("logits_per_image", contrastive_logits(l2_normalise(images), l2_normalise(captions), model.logit_scale));
  compare("loss", contrastive_loss(l2_normalise(images), l2_normalise(captions), model.logit_scale));
}

}  // namespace

Outcome run_clip_vit(const fs::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  const bool masks_padding = directory.filename() == "clip_vit_gelu";
  for (const DType dtype : computed_dtypes()) {
    run_towers(directory, file, masks_padding, dtype, comparison);
    compare_resampled(directory, file, dtype, comparison);
  }
  return comparison.outcome();
}

Outcome run_clip_openai_names(const fs::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  compare_names(directory);
  const std::pair<const char*, const char*> forms[] = {{"model.safetensors", ""},      {"openai.pt", ""},
                                                       {"openai.safetensors", "f16."}, {"openai_f16.pt", "f16."},
                                                       {"open_clip.pt", "f16."},       {"openai_mixed.pt", "mixed."},
                                                       {"openai_jit.pt", "mixed."}};
  for (const DType dtype : computed_dtypes())
    for (const auto& [name, prefix] : forms) run_form(directory / name, prefix, file, dtype, comparison);
  return comparison.outcome();
}

Outcome run_clip_zero_shot(const fs::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  const int64_t templates = file.at("text_embeds").size(1), classes = file.at("text_embeds").size(0);
  for (const DType dtype : computed_dtypes()) {
    const LoadedClip clip = load(directory.parent_path() / "clip_vit_quick", dtype);
    const Clip& model = *clip.model;
    const auto compare = [&](const std::string& name, const Tensor& value) {
      comparison.compare(name, value, file.at(name));
    };
    const Variable captions = model.text_features(ClipTexts::of(texts_of(file.at("input_ids")), model.config), {});
    const Variable pixels(file.at("pixel_values").to(dtype).to(computed_on));
    const Variable images = model.image_features(PatchRows::of_pixels(pixels, model.config.patch_size), {});
    const Variable unit = l2_normalise(captions);
    compare("text_embeds", reshape(unit, {classes, templates, unit.size(1)}).value());
    const Tensor embeddings = class_embeddings(captions.value(), templates);
    compare("class_embeds", embeddings);
    compare("image_embeds", l2_normalise(images).value());
    const Tensor logits = zero_shot_logits(images.value(), embeddings);
    compare("logits", logits);
    compare("probs", softmax(Variable(logits)).value());
    const double scale = exp(model.logit_scale).value().to(DType::f64).to_vector<double>().front();
    compare("probs_model_scale", softmax(Variable(zero_shot_logits(images.value(), embeddings, scale))).value());
  }
  for (const nlohmann::json& line : read_json_lines(directory / "prompts.jsonl"))
    check(prompts_of(line.at("class"), {line.at("template")}).front() == line.at("text"), "clip: the prompt of ",
          line.at("class").dump(), " is another one");
  return comparison.outcome();
}

}  // namespace tessera::golden
