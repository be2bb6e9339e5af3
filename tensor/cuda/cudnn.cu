// Convolutions by cuDNN, f32, channels first.
//
// Everything that depends on sizes is a plan, made once and kept: descriptors and an algorithm. Of those that cuDNN's
// heuristic ranks the first is taken that gives the same bits each time (some filter and data gradients are summed by
// atomics; those are passed over), computes as matmul_precision() says (f32 by multiply-adds, or TF32) and needs no
// more than kMostWorkspace.
#include "tensor/cuda/cudnn_library.h"
#include "tensor/ops/conv2d/conv2d_kernels.h"

#if TESSERA_HAS_CUDNN

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <map>
#include <mutex>

#include "tensor/cuda/memory.h"
#include "tensor/cuda/stream.h"
#include "tensor/gemm/precision.h"

namespace tessera::cuda {
namespace convolution {
namespace {

constexpr size_t kMostWorkspace = size_t{256} << 20;

using Key = std::array<int64_t, 17>;

Key key_of(const Convolution& c, cudnnMathType_t math) {
  const ops::Windows2d& w = c.sizes.windows;
  return {static_cast<int64_t>(c.pass),
          c.sizes.images,
          c.sizes.channels,
          c.sizes.out,
          c.sizes.groups,
          w.input.height,
          w.input.width,
          w.kernel.height,
          w.kernel.width,
          w.stride.height,
          w.stride.width,
          w.padding.height,
          w.padding.width,
          w.dilation.height,
          w.dilation.width,
          math,
          c.accumulate};
}

struct Plan {
  TensorHandle input, output;
  FilterHandle weight;
  ConvolutionHandle convolution;
  int algorithm = -1;  // of the pass's own enumeration; -1: none
  size_t workspace = 0;
};

TensorHandle make_tensor(int64_t images, int64_t channels, const Size2d& plane) {
  TensorHandle tensor;
  check_status("tensor", cudnn()->CreateTensorDescriptor(tensor.place()));
  check_status("tensor", cudnn()->SetTensor4dDescriptor(tensor.get(), CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT,
                                                        static_cast<int>(images), static_cast<int>(channels),
                                                        static_cast<int>(plane.height), static_cast<int>(plane.width)));
  return tensor;
}

// `list(requested, returned, results)` is cuDNN's ranking.
template <class Performance, class List>
void choose(Plan& plan, cudnnMathType_t math, List list) {
  std::array<Performance, 10> ranked{};
  int count = 0;
  const cudnnStatus_t status = list(static_cast<int>(ranked.size()), &count, ranked.data());
  if (status == CUDNN_STATUS_NOT_SUPPORTED) return;
  check_status("choice of an algorithm", status);
  for (int i = 0; i < count; ++i) {
    const Performance& one = ranked[static_cast<size_t>(i)];
    if (one.status != CUDNN_STATUS_SUCCESS || one.determinism != CUDNN_DETERMINISTIC || one.mathType != math ||
        one.memory > kMostWorkspace)
      continue;
    plan.algorithm = static_cast<int>(one.algo);
    plan.workspace = one.memory;
    return;
  }
}

Plan make_plan(cudnnHandle_t handle, const Convolution& c, cudnnMathType_t math) {
  const Cudnn& library = *cudnn();
  const ops::Windows2d& w = c.sizes.windows;
  Plan plan;
  plan.input = make_tensor(c.sizes.images, c.sizes.channels, w.input);
  plan.output = make_tensor(c.sizes.images, c.sizes.out, w.output);
  check_status("filter", library.CreateFilterDescriptor(plan.weight.place()));
  check_status("filter",
               library.SetFilter4dDescriptor(plan.weight.get(), CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW,
                                             static_cast<int>(c.sizes.out), static_cast<int>(c.sizes.group_channels()),
                                             static_cast<int>(w.kernel.height), static_cast<int>(w.kernel.width)));
  check_status("convolution", library.CreateConvolutionDescriptor(plan.convolution.place()));
  check_status("convolution", library.SetConvolution2dDescriptor(
                                  plan.convolution.get(), static_cast<int>(w.padding.height),
                                  static_cast<int>(w.padding.width), static_cast<int>(w.stride.height),
                                  static_cast<int>(w.stride.width), static_cast<int>(w.dilation.height),
                                  static_cast<int>(w.dilation.width), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
  check_status("convolution",
               library.SetConvolutionGroupCount(plan.convolution.get(), static_cast<int>(c.sizes.groups)));
  check_status("convolution", library.SetConvolutionMathType(plan.convolution.get(), math));
  const auto x = plan.input.get(), y = plan.output.get();
  const auto filter = plan.weight.get();
  const auto convolution = plan.convolution.get();
  if (c.pass == ConvolutionPass::forward)
    choose<cudnnConvolutionFwdAlgoPerf_t>(plan, math, [&](int wanted, int* count, auto* results) {
      return library.GetConvolutionForwardAlgorithm_v7(handle, x, filter, convolution, y, wanted, count, results);
    });
  else if (c.pass == ConvolutionPass::data)
    choose<cudnnConvolutionBwdDataAlgoPerf_t>(plan, math, [&](int wanted, int* count, auto* results) {
      return library.GetConvolutionBackwardDataAlgorithm_v7(handle, filter, y, convolution, x, wanted, count, results);
    });
  else
    choose<cudnnConvolutionBwdFilterAlgoPerf_t>(plan, math, [&](int wanted, int* count, auto* results) {
      return library.GetConvolutionBackwardFilterAlgorithm_v7(handle, x, y, convolution, filter, wanted, count,
                                                              results);
    });
  if (plan.algorithm < 0 && debugging())
    std::fprintf(stderr,
                 "cuda: cuDNN has no algorithm for a convolution of [%lld, %lld, %lld, %lld]; ours computes it\n",
                 static_cast<long long>(c.sizes.images), static_cast<long long>(c.sizes.channels),
                 static_cast<long long>(w.input.height), static_cast<long long>(w.input.width));
  return plan;
}

// The library's state. There is but one stream.
class Library {
 public:
  Library() { check_status("cuDNN", cudnn()->Create(&handle_)); }

  bool run(const Convolution& c) {
    const std::lock_guard lock(mutex_);
    const cudnnMathType_t math = matmul_precision() == MatmulPrecision::tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
    const Plan& plan = plan_for(c, math);
    if (plan.algorithm < 0) return false;
    check_status("stream", cudnn()->SetStream(handle_, compute_stream()));
    void* workspace = allocate(static_cast<int64_t>(plan.workspace), 1, "workspace of a convolution");
    const cudnnStatus_t status = launch(c, plan, workspace);
    release(workspace);
    check_status("convolution", status);
    check_launch("cudnnConvolution");
    return true;
  }

 private:
  cudnnStatus_t launch(const Convolution& c, const Plan& plan, void* workspace) {
    const Cudnn& library = *cudnn();
    const float one = 1, beta = c.accumulate ? 1.0f : 0.0f;
    const auto x = plan.input.get(), y = plan.output.get();
    const auto filter = plan.weight.get();
    const auto convolution = plan.convolution.get();
    if (c.pass == ConvolutionPass::forward)
      return library.ConvolutionForward(handle_, &one, x, c.input, filter, c.weight, convolution,
                                        static_cast<cudnnConvolutionFwdAlgo_t>(plan.algorithm), workspace,
                                        plan.workspace, &beta, y, c.output);
    if (c.pass == ConvolutionPass::data)
      return library.ConvolutionBackwardData(handle_, &one, filter, c.weight, y, c.output, convolution,
                                             static_cast<cudnnConvolutionBwdDataAlgo_t>(plan.algorithm), workspace,
                                             plan.workspace, &beta, x, c.input);
    return library.ConvolutionBackwardFilter(handle_, &one, x, c.input, y, c.output, convolution,
                                             static_cast<cudnnConvolutionBwdFilterAlgo_t>(plan.algorithm), workspace,
                                             plan.workspace, &beta, filter, c.weight);
  }

  // Pictures have ever new sizes: plans are dropped before they are too many.
  const Plan& plan_for(const Convolution& c, cudnnMathType_t math) {
    constexpr size_t kMost = 4096;
    const Key key = key_of(c, math);
    const auto known = plans_.find(key);
    if (known != plans_.end()) return known->second;
    if (plans_.size() == kMost) plans_.clear();
    return plans_.emplace(key, make_plan(handle_, c, math)).first->second;
  }

  std::mutex mutex_;
  cudnnHandle_t handle_ = nullptr;
  std::map<Key, Plan> plans_;
};

// What the descriptors' integers, and alignments that cuDNN may take for granted, allow.
bool is_possible(const Convolution& c) {
  const ops::Windows2d& w = c.sizes.windows;
  const int64_t most =
      std::max({c.sizes.images * c.sizes.channels * w.input.area(), c.sizes.images * c.sizes.out * c.sizes.pixels(),
                c.sizes.out * c.sizes.depth(), w.padding.height, w.padding.width, w.dilation.height, w.dilation.width,
                w.stride.height, w.stride.width});
  const auto bits = reinterpret_cast<uintptr_t>(c.input) | reinterpret_cast<uintptr_t>(c.weight) |
                    reinterpret_cast<uintptr_t>(c.output);
  return most <= INT_MAX && bits % 16 == 0;
}

}  // namespace
}  // namespace convolution

bool library_convolution(const Convolution& c) {
  if (!convolution::is_possible(c) || cudnn() == nullptr) return false;
  // Never destroyed: convolutions may be computed until the program ends.
  static auto* library = new convolution::Library;
  return library->run(c);
}

}  // namespace tessera::cuda

#else

namespace tessera::cuda {

bool library_convolution(const Convolution&) { return false; }

}  // namespace tessera::cuda

#endif
