// cuDNN, opened when the first convolution needs it (shared_library.h). Where CUDA is installed without cuDNN's headers
// TESSERA_HAS_CUDNN is 0, and where they were there but the library is not, `cudnn` is null: both are answers.
#pragma once

#if __has_include(<cudnn.h>)
#define TESSERA_HAS_CUDNN 1

#include <cudnn.h>

#include "tensor/cuda/handle.h"

namespace tessera::cuda {

// The functions that are used, under their own names less `cudnn`. cuDNN 9 calls those of convolutions deprecated, in
// favour of graphs of operations; a single convolution is the same either way, and these need no graph.
struct Cudnn {
  decltype(&cudnnConvolutionBackwardData) ConvolutionBackwardData;
  decltype(&cudnnConvolutionBackwardFilter) ConvolutionBackwardFilter;
  decltype(&cudnnConvolutionForward) ConvolutionForward;
  decltype(&cudnnCreate) Create;
  decltype(&cudnnCreateConvolutionDescriptor) CreateConvolutionDescriptor;
  decltype(&cudnnCreateFilterDescriptor) CreateFilterDescriptor;
  decltype(&cudnnCreateTensorDescriptor) CreateTensorDescriptor;
  decltype(&cudnnDestroyConvolutionDescriptor) DestroyConvolutionDescriptor;
  decltype(&cudnnDestroyFilterDescriptor) DestroyFilterDescriptor;
  decltype(&cudnnDestroyTensorDescriptor) DestroyTensorDescriptor;
  decltype(&cudnnGetConvolutionBackwardDataAlgorithm_v7) GetConvolutionBackwardDataAlgorithm_v7;
  decltype(&cudnnGetConvolutionBackwardFilterAlgorithm_v7) GetConvolutionBackwardFilterAlgorithm_v7;
  decltype(&cudnnGetConvolutionForwardAlgorithm_v7) GetConvolutionForwardAlgorithm_v7;
  decltype(&cudnnGetErrorString) GetErrorString;
  decltype(&cudnnSetConvolution2dDescriptor) SetConvolution2dDescriptor;
  decltype(&cudnnSetConvolutionGroupCount) SetConvolutionGroupCount;
  decltype(&cudnnSetConvolutionMathType) SetConvolutionMathType;
  decltype(&cudnnSetFilter4dDescriptor) SetFilter4dDescriptor;
  decltype(&cudnnSetStream) SetStream;
  decltype(&cudnnSetTensor4dDescriptor) SetTensor4dDescriptor;
};

// Null where the library cannot be loaded; when debugging (stream.h) it is said why, once. Throws if a function is
// missing.
const Cudnn* cudnn();

inline void destroy_tensor(cudnnTensorDescriptor_t tensor) { cudnn()->DestroyTensorDescriptor(tensor); }
inline void destroy_filter(cudnnFilterDescriptor_t filter) { cudnn()->DestroyFilterDescriptor(filter); }
inline void destroy_convolution(cudnnConvolutionDescriptor_t c) { cudnn()->DestroyConvolutionDescriptor(c); }
using TensorHandle = Handle<cudnnTensorDescriptor_t, destroy_tensor>;
using FilterHandle = Handle<cudnnFilterDescriptor_t, destroy_filter>;
using ConvolutionHandle = Handle<cudnnConvolutionDescriptor_t, destroy_convolution>;

// Throws "cuda: what: cuDNN's own words" unless the status is success.
void check_status(const char* what, cudnnStatus_t status);

}  // namespace tessera::cuda

#else
#define TESSERA_HAS_CUDNN 0
#endif
