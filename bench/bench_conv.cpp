// The convolutions of ResNet-50 (He et al., 2016; stride in the 3x3 ones, as torchvision has it) for a picture of 800 x
// 1333, f32: each forward, its data gradient and its weight gradient, and at the end all of a forward pass, one after
// another.
//
// `share` is the part of `peak_gflops` that was reached: what the multiplying instruction alone does on all threads,
// measured just before.
#include <unistd.h>

#include <cstdio>

#include "bench/bench.h"
#include "tensor/ops/conv2d/conv2d.h"
#include "tensor/philox.h"

namespace tessera::bench {
namespace {

struct ConvolutionShape {
  int count;  // in the network
  int64_t in, out, kernel, stride, height, width;
};

constexpr ConvolutionShape kResNet50[] = {
    {1, 3, 64, 7, 2, 800, 1333},   {1, 64, 64, 1, 1, 200, 334},    {3, 64, 64, 3, 1, 200, 334},
    {4, 64, 256, 1, 1, 200, 334},  {2, 256, 64, 1, 1, 200, 334},   {1, 256, 128, 1, 1, 200, 334},
    {1, 128, 128, 3, 2, 200, 334}, {1, 256, 512, 1, 2, 200, 334},  {3, 128, 128, 3, 1, 100, 167},
    {4, 128, 512, 1, 1, 100, 167}, {3, 512, 128, 1, 1, 100, 167},  {1, 512, 256, 1, 1, 100, 167},
    {1, 256, 256, 3, 2, 100, 167}, {1, 512, 1024, 1, 2, 100, 167}, {5, 256, 256, 3, 1, 50, 84},
    {6, 256, 1024, 1, 1, 50, 84},  {5, 1024, 256, 1, 1, 50, 84},   {1, 1024, 512, 1, 1, 50, 84},
    {1, 512, 512, 3, 2, 50, 84},   {1, 1024, 2048, 1, 2, 50, 84},  {2, 512, 512, 3, 1, 25, 42},
    {3, 512, 2048, 1, 1, 25, 42},  {2, 2048, 512, 1, 1, 25, 42},
};

Tensor normal_tensor(const Shape& shape, uint64_t stream) {
  Random random(0, stream);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& value : values) value = static_cast<float>(random.normal());
  return Tensor::from(values, shape);
}

class ConvolutionWork {
 public:
  explicit ConvolutionWork(const ConvolutionShape& shape)
      : shape_(shape),
        settings_{.stride = shape.stride, .padding = shape.kernel / 2},
        x_(normal_tensor({1, shape.in, shape.height, shape.width}, 0)),
        weight_(normal_tensor({shape.out, shape.in, shape.kernel, shape.kernel}, 1)),
        dy_(ops::conv2d(x_, weight_, {}, settings_)),
        dw_(Tensor::empty(weight_.shape())) {}

  void forward() const { ops::conv2d(x_, weight_, {}, settings_); }
  void data_gradient() const { ops::conv2d_data_gradient(dy_, weight_, x_.shape(), settings_); }
  void weight_gradient() { ops::conv2d_weight_gradient_(dw_, dy_, x_, settings_, false); }

  double gflop() const {
    return 2e-9 * static_cast<double>(dy_.numel()) * static_cast<double>(shape_.in * shape_.kernel * shape_.kernel);
  }
  const ConvolutionShape& shape() const { return shape_; }

 private:
  ConvolutionShape shape_;
  Conv2dSettings settings_;
  Tensor x_, weight_, dy_, dw_;
};

// The share of the peak.
double report_pass(const Arguments& arguments, const ConvolutionWork& work, const char* kind, double peak,
                   const std::function<void()>& run) {
  const ConvolutionShape& s = work.shape();
  const Milliseconds ms = median_ms(run, arguments.warmup, arguments.reps);
  const double gflops = 1e3 * work.gflop() / ms.median;
  report(arguments, ms,
         {{"in", s.in},
          {"out", s.out},
          {"kernel", s.kernel},
          {"stride", s.stride},
          {"height", s.height},
          {"width", s.width},
          {"kind", kind},
          {"gflops", rounded(gflops, 1)},
          {"peak_gflops", rounded(peak, 1)},
          {"share", rounded(gflops / peak, 3)}});
  return gflops / peak;
}

}  // namespace

void bench_conv(const Arguments& arguments) {
  const double peak = peak_f32_gflops();
  const bool table = arguments.table || isatty(STDOUT_FILENO);
  std::string lines;
  for (const ConvolutionShape& shape : kResNet50) {
    ConvolutionWork work(shape);
    const double forward = report_pass(arguments, work, "forward", peak, [&] { work.forward(); });
    const double dgrad = report_pass(arguments, work, "dgrad", peak, [&] { work.data_gradient(); });
    const double wgrad = report_pass(arguments, work, "wgrad", peak, [&] { work.weight_gradient(); });
    char line[160];
    std::snprintf(line, sizeof line, "%3d %5lld %5lld %2lldx%lld /%lld %5lld x %-5lld %5.0f %5.0f %5.0f\n", shape.count,
                  static_cast<long long>(shape.in), static_cast<long long>(shape.out),
                  static_cast<long long>(shape.kernel), static_cast<long long>(shape.kernel),
                  static_cast<long long>(shape.stride), static_cast<long long>(shape.height),
                  static_cast<long long>(shape.width), 100 * forward, 100 * dgrad, 100 * wgrad);
    lines += line;
  }
  std::vector<ConvolutionWork> all;
  double gflop = 0;
  for (const ConvolutionShape& shape : kResNet50) {
    all.emplace_back(shape);
    gflop += shape.count * all.back().gflop();
  }
  const auto network = [&] {
    for (const ConvolutionWork& work : all)
      for (int i = 0; i < work.shape().count; ++i) work.forward();
  };
  const Milliseconds ms = median_ms(network, std::min(arguments.warmup, 1), arguments.reps);
  report(arguments, ms,
         {{"batch", 1},
          {"kind", "resnet50-forward"},
          {"gflops", rounded(1e3 * gflop / ms.median, 1)},
          {"peak_gflops", rounded(peak, 1)},
          {"share", rounded(1e3 * gflop / ms.median / peak, 3)}});
  if (table)
    std::printf(
        "\nper cent of the measured peak of %.0f GFLOP/s: forward, data gradient, weight gradient\n"
        "  n    in   out kernel    height x width\n%s",
        peak, lines.c_str());
}

}  // namespace tessera::bench
