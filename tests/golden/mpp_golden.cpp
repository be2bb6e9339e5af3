// mpp: labels of patches, replacement of the hidden ones, logits, loss and gradients of masked patch prediction.
#include "autograd/functions.h"
#include "tensor/ops/gather_rows.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/padded_case.h"
#include "tests/gradient_state.h"
#include "vilt/input/patch_masking.h"
#include "vilt/tasks/task_losses.h"

namespace tessera::golden {
namespace {

constexpr int64_t kLevels = 256;

// The file does not say how large a patch is: the padded grid has H · W places, of (height / P) · (width / P).
int64_t patch_of(const SafeTensors& file) {
  const Tensor pixels = file.at("pixel_values");
  const int64_t places = file.at("grid_labels").size(1), height = pixels.size(2), width = pixels.size(3);
  for (int64_t patch = 1; patch <= height; ++patch)
    if (height % patch == 0 && width % patch == 0 && (height / patch) * (width / patch) == places) return patch;
  fail("golden: no patch size cuts ", height, " x ", width, " pixels into ", places, " patches");
}

// What prediction wants: for each row of `hidden` [B, 1 + patches] that is a target its three levels.
struct Targets {
  std::vector<int64_t> rows, colours;
};

// Colours of the real patches against grid_labels (laid out in the padded grid), and those of the targets against
// labels.
Targets compare_labels(Comparison& comparison, const SafeTensors& file) {
  const Tensor pixels = file.at("pixel_values"), grids = file.at("grids"), masked = file.at("masked");
  const Tensor grid_labels = file.at("grid_labels");
  const int64_t patch = patch_of(file), places = grid_labels.size(1), rows = file.at("labels").size(1);
  std::vector<int64_t> all = grid_labels.to_vector<int64_t>();
  std::vector<int64_t> labels(static_cast<size_t>(grids.size(0) * rows * 3), -100);
  Targets targets;
  for (int64_t image = 0; image < grids.size(0); ++image) {
    const Grid grid = grid_of(grids, image);
    const PatchedImage patches = crop_patches(pixels, image, grid, patch);
    const std::vector<int64_t> chosen = row_values(masked, image, places);
    const auto size = static_cast<size_t>(3 * patch * patch);
    for (int64_t raster = 0; raster < int64_t{grid.rows} * grid.columns; ++raster) {
      const int64_t place = raster / grid.columns * (pixels.size(3) / patch) + raster % grid.columns;
      const auto colour = mean_colour(std::span(patches.patches).subspan(static_cast<size_t>(raster) * size, size), {});
      for (size_t c = 0; c < 3; ++c) {
        all[static_cast<size_t>((image * places + place) * 3) + c] = colour[c];
        if (chosen[static_cast<size_t>(place)] == 1)
          labels[static_cast<size_t>((image * rows + 1 + raster) * 3) + c] = colour[c];
      }
      if (chosen[static_cast<size_t>(place)] == 0) continue;
      targets.rows.push_back(image * rows + 1 + raster);
      targets.colours.insert(targets.colours.end(), colour.begin(), colour.end());
    }
  }
  comparison.compare("grid_labels", Tensor::from(all, grid_labels.shape()), grid_labels);
  comparison.compare("labels", Tensor::from(labels, file.at("labels").shape()), file.at("labels"));
  return targets;
}

// The index by which the packed batch takes a hidden patch from the mask token, on the file's features.
void compare_replacement(Comparison& comparison, const SafeTensors& file, DType dtype) {
  const Tensor replaced = file.at("replaced"), given = file.at("feats_in");
  const int64_t images = replaced.size(0), places = replaced.size(1), width = given.size(2);
  BatchBuilder builder(3, 1);
  std::vector<int64_t> patch_rows;
  for (int64_t image = 0; image < images; ++image) {
    builder.add_image({1, static_cast<int>(places), std::vector<float>(static_cast<size_t>(3 * places))});
    const int sequence = builder.add_sequence(std::vector<int64_t>{1, 2}, static_cast<int>(image));
    std::vector<int64_t> hidden;
    const std::vector<int64_t> flags = row_values(replaced, image, places);
    for (int64_t place = 0; place < places; ++place) {
      if (flags[static_cast<size_t>(place)] == 1) hidden.push_back(place);
      patch_rows.push_back(builder.sequence(sequence).first_patch_row() + place);
    }
    builder.replace_patches(sequence, hidden);
  }
  const PackedBatch packed = builder.finish();
  const Variable features(given.view({images * places, width}).to(dtype).to(computed_on), true);
  const Variable token(file.at("mask_token").view({1, width}).to(dtype).to(computed_on), true);
  std::vector<Variable> sources{Variable(Tensor::zeros({packed.token_ids.numel() + 1, width}, dtype, computed_on)),
                                features};
  if (packed.replaced_patches.defined()) sources.push_back(expand(token, {packed.replaced_patches.numel(), width}));
  const Variable out = gather_rows({gather_rows(sources, packed.gather)}, Tensor::from(patch_rows));
  comparison.compare("feats_out", out.value().view(given.shape()), file.at("feats_out"));
  out.backward(file.at("cotangent").to(dtype).view(out.shape()).to(computed_on));
  comparison.compare("grad.feats_in", features.grad().view(given.shape()), file.at("grad.feats_in"));
  comparison.compare("grad.mask_token", token.grad().view(file.at("mask_token").shape()), file.at("grad.mask_token"));
}

void compare_head(Comparison& comparison, const SafeTensors& file, const Targets& targets, DType dtype) {
  const Tensor given = file.at("hidden");
  ModelConfig config;
  config.hidden_size = given.size(2);
  MaskedPatchHead head(config);
  struct Named {
    MaskedPatchHead& head;
    void visit(const std::string&, const ParameterVisitor& visitor) { head.visit("mpp_score", visitor); }
  } named{head};
  ParameterSet parameters(named, dtype, "", computed_on);
  StateDict state;
  for (const std::string& name : parameters.names()) state.emplace(name, file.at(name));
  parameters.load_state(state, "mpp");
  const Variable hidden(given.to(dtype).view({given.numel() / config.hidden_size, config.hidden_size}).to(computed_on),
                        true);
  const Variable logits = head(hidden);
  comparison.compare("logits", logits.value().view({given.size(0), given.size(1), 3, kLevels}), file.at("logits"));
  const auto count = static_cast<int64_t>(targets.rows.size());
  const Variable loss = patch_loss(head(gather_rows({hidden}, Tensor::from(targets.rows))),
                                   Tensor::from(targets.colours, {count, 3}), count);
  comparison.compare("loss", loss.value(), file.at("loss"));
  parameters.clear_gradients();
  loss.backward();
  comparison.compare("grad.hidden", hidden.grad().view(given.shape()), file.at("grad.hidden"));
  for (const auto& [name, gradient] : tests::gradient_state(parameters))
    comparison.compare("grad." + name, gradient, file.at("grad." + name));
}

}  // namespace

Outcome run_mpp(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  const Targets targets = compare_labels(comparison, file);
  for (const DType dtype : computed_dtypes()) {
    compare_replacement(comparison, file, dtype);
    compare_head(comparison, file, targets, dtype);
  }
  return comparison.outcome();
}

}  // namespace tessera::golden
