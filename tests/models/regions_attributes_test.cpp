// The attributes of a detector's regions, and its settings as a system.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "models/regions/system.h"
#include "tests/error_text.h"

namespace tessera::regions_attributes_test {
namespace {

using tests::error_of;
using tests::lacking;

constexpr int64_t kFeatures = 4, kClasses = 3, kAttributes = 5;

// Its parameters in the order of `visit`.
AttributeHead head_of(std::span<const Variable> parameters) {
  AttributeHead head(kFeatures, kClasses, kAttributes);
  size_t next = 0;
  head.visit("", [&](const std::string&, Variable& parameter) { parameter = parameters[next++]; });
  return head;
}

std::vector<Tensor> drawn_inputs() {
  std::vector<Tensor> out{random_normal({4, kFeatures}, 1)};
  AttributeHead head(kFeatures, kClasses, kAttributes);
  head.visit("", [&](const std::string&, Variable& parameter) {
    out.push_back(random_normal(parameter.value().shape(), 2 + out.size()));
  });
  return out;
}

// Of four regions the second is background, and of the last nobody knows the attribute.
const std::vector<RegionSample> kSamples{{Boxes::Zero(2, 4), {1, 0}, Boxes::Zero(2, 4), {3, -1}},
                                         {Boxes::Zero(2, 4), {2, 2}, Boxes::Zero(2, 4), {0, -1}}};

}  // namespace

TEST_CASE("region attributes: gradients of the loss against differences, and an error that is planted in one") {
  const auto loss = [](std::span<const Variable> v) {
    RegionOutput output;
    output.features = v[0];
    return attribute_loss(head_of(v.subspan(1)), output, kSamples);
  };
  const GradcheckReport report = gradcheck_one(loss, drawn_inputs());
  CHECK_MESSAGE(report.ok, report.message());
  // The hidden layer cut off from the features: what backward then gives them lacks a part.
  const GradcheckReport planted = gradcheck_one(
      [&](std::span<const Variable> v) {
        std::vector<Variable> cut(v.begin(), v.end());
        cut[0] = v[0] * 0.5 + Variable(v[0].value()) * 0.5;
        return loss(cut);
      },
      drawn_inputs());
  CHECK_FALSE(planted.ok);
}

TEST_CASE("region attributes: the loss is the mean over the regions whose attribute is known, by the true class") {
  const std::vector<Tensor> inputs = drawn_inputs();
  std::vector<Variable> parameters;
  for (size_t i = 1; i < inputs.size(); ++i) parameters.emplace_back(inputs[i]);
  const AttributeHead head = head_of(parameters);
  const auto row = [&](int64_t i) { return Variable(inputs[0].narrow(0, i, 1)); };
  // -log softmax of the wanted attribute, of the first region and of the third.
  const auto expected = [&](int64_t region, int64_t label, size_t attribute) {
    const std::vector<double> logits = head(row(region), {label}).value().to_vector<double>();
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit);
    return std::log(sum) - logits[attribute];
  };
  RegionOutput output;
  output.features = Variable(inputs[0]);
  const double got = attribute_loss(head, output, kSamples).value().item<double>();
  // f64: a dozen roundings of numbers of order one.
  CHECK(got == doctest::Approx((expected(0, 1, 3) + expected(2, 2, 0)) / 2).epsilon(1e-13));
  // Another class reads another row of the table.
  CHECK(expected(0, 1, 3) != expected(0, 2, 3));
  const std::vector<RegionSample> unknown{{Boxes::Zero(4, 4), {1, 0, 2, 2}, Boxes::Zero(4, 4), {-1, -1, -1, -1}}};
  CHECK(attribute_loss(head, output, unknown).value().item<double>() == 0);
}

TEST_CASE("regions settings: the recipe, the presets, and what cannot be") {
  using Settings = SettingsOf<RegionsOptions>;
  const std::string recipe = std::string(TESSERA_SOURCE_DIR) + "/configs/scenes-regions.toml";
  const Settings settings = Settings::from_toml(recipe);
  CHECK(settings.kind == "regions");
  CHECK(settings.options.config().features() == 96);
  CHECK(lacking(RegionsSystem::described(settings), {"0.5 attributes"}) == "");
  const auto with = [&](const std::string& assignment) { return Settings::from_toml(recipe, {assignment}); };
  CHECK(with("regions.preset=resnet50_fpn").options.config().features() == 1024);
  const RegionsConfig c4 = with("regions.preset=resnet50_c4").options.config();
  CHECK(c4.features() == 2048);
  CHECK(c4.levels() == 1);
  const auto refusal = [&](const std::string& assignment) { return error_of([&] { with(assignment); }); };
  CHECK(lacking(refusal("regions.preset=yolo"), {"regions.preset", "scenes"}) == "");
  CHECK(lacking(refusal("regions.object="), {"regions.object"}) == "");
  CHECK(lacking(refusal("data.annotations="), {"data.annotations"}) == "");
  CHECK(lacking(refusal("train.precision=bf16"), {"train.precision", "f32"}) == "");
  CHECK(lacking(refusal("train.curriculum=0.5"), {"train.curriculum"}) == "");
  CHECK(lacking(refusal("image.resize=shorter"), {"image.resize", "none"}) == "");
}

}  // namespace tessera::regions_attributes_test
