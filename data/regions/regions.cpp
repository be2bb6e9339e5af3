#include "data/regions/regions.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr float kOutside = 1;     // pixels
constexpr double kSumOff = 1e-2;  // bf16 has 8 bits: each probability, and so their sum, is off by at most 1/256 of it

void check_shape(const Tensor& tensor, const Shape& expected, const char* what, const std::string& where) {
  check(tensor.defined() && tensor.dtype() == DType::f32 && tensor.shape() == expected, where, ": ", what, " are ",
        describe(tensor), ", expected f32 ", expected);
}

void check_boxes(Regions& regions, const std::string& where) {
  const float width = static_cast<float>(regions.width), height = static_cast<float>(regions.height);
  const std::vector<float> corners = regions.boxes.to_vector<float>();
  std::vector<float> held = corners;
  for (size_t i = 0; i < corners.size(); i += 4) {
    const float *box = corners.data() + i, x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3];
    // Written so that what is not a number fails.
    const bool inside = x1 >= -kOutside && y1 >= -kOutside && x2 <= width + kOutside && y2 <= height + kOutside;
    check(inside && x1 <= x2 && y1 <= y2, where, ": box ", i / 4, " is (", x1, ", ", y1, ", ", x2, ", ", y2,
          "), expected x1 <= x2 and y1 <= y2 in a picture ", regions.width, " wide and ", regions.height, " high");
    for (size_t k = 0; k < 4; ++k) held[i + k] = std::clamp(box[k], 0.0f, k % 2 == 0 ? width : height);
  }
  if (held != corners) regions.boxes = Tensor::from(held, regions.boxes.shape());
}

}  // namespace

void check_regions(Regions& regions, int64_t features, int64_t classes, const std::string& where) {
  check(regions.height > 0 && regions.width > 0, where, ": the picture is ", regions.width, " wide and ",
        regions.height, " high");
  const int64_t n = regions.count();
  check_shape(regions.boxes, {n, 4}, "boxes", where);
  check_shape(regions.features, {n, features}, "features", where);
  check_shape(regions.distributions, {n, classes}, "distributions", where);
  check_shape(regions.confidences, {n}, "confidences", where);
  check(static_cast<int64_t>(regions.objects.size()) == n, where, ": ", regions.objects.size(), " objects for ", n,
        " boxes");
  check_boxes(regions, where);
  const std::vector<float> values = regions.features.to_vector<float>();
  for (size_t i = 0; i < values.size(); ++i)
    check(std::isfinite(values[i]), where, ": feature ", static_cast<int64_t>(i) % features, " of region ",
          static_cast<int64_t>(i) / features, " is ", values[i], ", expected a finite number");
  const std::vector<float> probabilities = regions.distributions.to_vector<float>();
  const std::vector<float> confidences = regions.confidences.to_vector<float>();
  for (int64_t region = 0; region < n; ++region) {
    double sum = 0;
    for (int64_t label = 0; label < classes; ++label) {
      const float p = probabilities[static_cast<size_t>(region * classes + label)];
      check(p >= 0 && p <= 1, where, ": the probability of class ", label, " of region ", region, " is ", p,
            ", expected 0 to 1");
      sum += p;
    }
    check(std::abs(sum - 1) <= kSumOff, where, ": the probabilities of region ", region, " have the sum ", sum,
          ", expected 1");
    const float confidence = confidences[static_cast<size_t>(region)];
    check(confidence >= 0 && confidence <= 1, where, ": the confidence of region ", region, " is ", confidence,
          ", expected 0 to 1");
    const int64_t object = regions.objects[static_cast<size_t>(region)];
    check(object >= 1 && object < classes, where, ": the object of region ", region, " is ", object, ", expected 1 to ",
          classes - 1);
  }
}

}  // namespace tessera
