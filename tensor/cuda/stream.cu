// The compute stream of tensor/cuda/stream.h, and what tensor/cuda/memory.h tells of the device.
#include "tensor/cuda/stream.h"

#include <atomic>
#include <cstdlib>

#include "tensor/cuda/kernel_name.h"
#include "tensor/cuda/memory.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

std::atomic<int64_t> synchronisations = 0, launched = 0;
std::atomic<const char*> last_kernel = nullptr;

// Errors that a kernel leaves behind and that every later call returns.
bool is_of_a_kernel(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert: return true;
    default: return false;
  }
}

// CUDA's words for no driver at all are those for an old one.
std::string without_device(cudaError_t status) {
  int driver = 0, runtime = 0;
  if (status != cudaErrorInsufficientDriver) return cudaGetErrorString(status);
  if (cudaDriverGetVersion(&driver) != cudaSuccess || cudaRuntimeGetVersion(&runtime) != cudaSuccess || driver == 0)
    return text("no NVIDIA driver is installed (", cudaGetErrorString(status), ")");
  const auto version = [](int number) { return text(number / 1000, '.', number % 1000 / 10); };
  return text("the NVIDIA driver is for CUDA ", version(driver), ", this build needs one for ", version(runtime));
}

}  // namespace

bool debugging() {
#ifndef NDEBUG
  return true;
#else
  static const bool wanted = [] {
    const char* value = std::getenv("TESSERA_CUDA_DEBUG");
    return value && *value && *value != '0';
  }();
  return wanted;
#endif
}

void check_status(const char* what, cudaError_t status) {
  if (status == cudaSuccess) return;
  const std::string problem = text("cuda: ", what, ": ", cudaGetErrorString(status));
  const char* kernel = last_kernel.load();
  if (!kernel || !is_of_a_kernel(status)) fail(problem);
  const char* hint = debugging() ? "" : ", and an earlier one may be at fault: TESSERA_CUDA_DEBUG=1 waits for each";
  fail(problem, "; the last kernel launched was ", kernel_name(kernel), hint);
}

cudaStream_t compute_stream() {
  static const cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    check_status("device", cudaSetDevice(0));
    check_status("stream", cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
    return made;
  }();
  return stream;
}

void check_launch(const char* kernel) {
  ++launched;
  last_kernel = kernel;
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) check_status(kernel_name(kernel).c_str(), status);
  if (debugging() && !is_capturing()) {
    const cudaError_t after = cudaStreamSynchronize(compute_stream());
    if (after != cudaSuccess) check_status(kernel_name(kernel).c_str(), after);
  }
}

std::string why_unavailable() {
  static const std::string answer = [] {
    int devices = 0, major = 0;
    cudaError_t status = cudaGetDeviceCount(&devices);
    if (status == cudaSuccess && devices == 0) return std::string("no CUDA device");
    if (status == cudaSuccess) status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    if (status != cudaSuccess) return without_device(status);
    return major >= 8 ? std::string() : text("the GPU has compute capability ", major, ".x, expected 8.0 or later");
  }();
  return answer;
}

namespace {

// CUDA's numbers of versions: 13020 is 13.2.
std::string version_name(int version) { return text(version / 1000, '.', version % 1000 / 10); }

}  // namespace

DeviceDescription device_description() {
  cudaDeviceProp properties{};
  int driver = 0, runtime = 0;
  check_status("device", cudaGetDeviceProperties(&properties, 0));
  check_status("driver", cudaDriverGetVersion(&driver));
  check_status("runtime", cudaRuntimeGetVersion(&runtime));
  return {properties.name,
          text(properties.major, '.', properties.minor),
          version_name(driver),
          version_name(runtime),
          properties.multiProcessorCount,
          static_cast<int64_t>(properties.totalGlobalMem)};
}

Counters counters() { return {synchronisations, launched}; }

bool is_capturing() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_status("stream", cudaStreamIsCapturing(compute_stream(), &status));
  return status != cudaStreamCaptureStatusNone;
}

void check_not_capturing(const char* what) {
  check(!is_capturing(), "cuda: ", what, " while a CUDA graph is recorded");
}

void synchronise() {
  check_not_capturing("waiting for the device");
  ++synchronisations;
  check_status("synchronise", cudaStreamSynchronize(compute_stream()));
}

}  // namespace tessera::cuda
