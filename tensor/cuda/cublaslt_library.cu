#include "tensor/cuda/cublaslt_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tensor/error.h"

namespace tessera::cuda {
namespace {

// By name alone as the loader finds it, then in the toolkit that the environment names, then where toolkits lie.
std::vector<std::string> places() {
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  std::vector<std::string> result{name};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* folder = std::getenv(variable); folder && *folder)
      result.push_back(std::string(folder) + "/lib64/" + name);
  result.push_back("/usr/local/cuda/lib64/" + name);
  return result;
}

void* open() {
  std::string reason;
  for (const std::string& place : places()) {
    if (void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    if (reason.empty()) reason = dlerror();
  }
  fail("cuda: cuBLASLt cannot be loaded: ", reason, "; add its folder to LD_LIBRARY_PATH");
}

template <class F>
void find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  check(function != nullptr, "cuda: cuBLASLt has no ", name, "; expected version ", CUBLAS_VER_MAJOR);
}

CublasLt load() {
  void* library = open();
  CublasLt result{};
  find(library, "cublasLtCreate", result.Create);
  find(library, "cublasLtGetStatusString", result.GetStatusString);
  find(library, "cublasLtMatmul", result.Matmul);
  find(library, "cublasLtMatmulAlgoGetHeuristic", result.MatmulAlgoGetHeuristic);
  find(library, "cublasLtMatmulDescCreate", result.MatmulDescCreate);
  find(library, "cublasLtMatmulDescDestroy", result.MatmulDescDestroy);
  find(library, "cublasLtMatmulDescSetAttribute", result.MatmulDescSetAttribute);
  find(library, "cublasLtMatmulPreferenceCreate", result.MatmulPreferenceCreate);
  find(library, "cublasLtMatmulPreferenceDestroy", result.MatmulPreferenceDestroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", result.MatmulPreferenceSetAttribute);
  find(library, "cublasLtMatrixLayoutCreate", result.MatrixLayoutCreate);
  find(library, "cublasLtMatrixLayoutDestroy", result.MatrixLayoutDestroy);
  find(library, "cublasLtMatrixLayoutSetAttribute", result.MatrixLayoutSetAttribute);
  return result;
}

}  // namespace

const CublasLt& cublaslt() {
  static const CublasLt library = load();
  return library;
}

void check_status(const char* what, cublasStatus_t status) {
  check(status == CUBLAS_STATUS_SUCCESS, "cuda: ", what, ": ", cublaslt().GetStatusString(status));
}

}  // namespace tessera::cuda
