#include "tensor/cuda/cudnn_library.h"

#if TESSERA_HAS_CUDNN

#include <cstdio>
#include <string>
#include <type_traits>

#include "tensor/cuda/shared_library.h"
#include "tensor/cuda/stream.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

const Cudnn* load_cudnn() {
  // Never closed: convolutions may be computed until the program ends.
  const std::string version = std::to_string(CUDNN_MAJOR);
  static const auto* library = new SharedLibrary("cuDNN " + version, toolkit_places("libcudnn.so." + version));
  if (!library->loaded()) {
    if (debugging()) std::fprintf(stderr, "%s; our own kernels convolve\n", library->problem().c_str());
    return nullptr;
  }
  static Cudnn result{};
  const auto find = [](const char* name, auto& function) {
    function = library->function<std::remove_reference_t<decltype(function)>>(name);
  };
  find("cudnnConvolutionBackwardData", result.ConvolutionBackwardData);
  find("cudnnConvolutionBackwardFilter", result.ConvolutionBackwardFilter);
  find("cudnnConvolutionForward", result.ConvolutionForward);
  find("cudnnCreate", result.Create);
  find("cudnnCreateConvolutionDescriptor", result.CreateConvolutionDescriptor);
  find("cudnnCreateFilterDescriptor", result.CreateFilterDescriptor);
  find("cudnnCreateTensorDescriptor", result.CreateTensorDescriptor);
  find("cudnnDestroyConvolutionDescriptor", result.DestroyConvolutionDescriptor);
  find("cudnnDestroyFilterDescriptor", result.DestroyFilterDescriptor);
  find("cudnnDestroyTensorDescriptor", result.DestroyTensorDescriptor);
  find("cudnnGetConvolutionBackwardDataAlgorithm_v7", result.GetConvolutionBackwardDataAlgorithm_v7);
  find("cudnnGetConvolutionBackwardFilterAlgorithm_v7", result.GetConvolutionBackwardFilterAlgorithm_v7);
  find("cudnnGetConvolutionForwardAlgorithm_v7", result.GetConvolutionForwardAlgorithm_v7);
  find("cudnnGetErrorString", result.GetErrorString);
  find("cudnnSetConvolution2dDescriptor", result.SetConvolution2dDescriptor);
  find("cudnnSetConvolutionGroupCount", result.SetConvolutionGroupCount);
  find("cudnnSetConvolutionMathType", result.SetConvolutionMathType);
  find("cudnnSetFilter4dDescriptor", result.SetFilter4dDescriptor);
  find("cudnnSetStream", result.SetStream);
  find("cudnnSetTensor4dDescriptor", result.SetTensor4dDescriptor);
  return &result;
}

}  // namespace

const Cudnn* cudnn() {
  static const Cudnn* library = load_cudnn();
  return library;
}

void check_status(const char* what, cudnnStatus_t status) {
  check(status == CUDNN_STATUS_SUCCESS, "cuda: ", what, ": ", cudnn()->GetErrorString(status));
}

}  // namespace tessera::cuda

#endif
