#include "tensor/cuda/cublaslt_library.h"

#include <string>
#include <type_traits>

#include "tensor/cuda/shared_library.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

CublasLt load() {
  // Never closed: products may be formed until the program ends.
  const std::string version = std::to_string(CUBLAS_VER_MAJOR);
  static const auto* library = new SharedLibrary("cuBLASLt " + version, toolkit_places("libcublasLt.so." + version));
  CublasLt result{};
  const auto find = [](const char* name, auto& function) {
    function = library->function<std::remove_reference_t<decltype(function)>>(name);
  };
  find("cublasLtCreate", result.Create);
  find("cublasLtGetStatusString", result.GetStatusString);
  find("cublasLtMatmul", result.Matmul);
  find("cublasLtMatmulAlgoGetHeuristic", result.MatmulAlgoGetHeuristic);
  find("cublasLtMatmulDescCreate", result.MatmulDescCreate);
  find("cublasLtMatmulDescDestroy", result.MatmulDescDestroy);
  find("cublasLtMatmulDescSetAttribute", result.MatmulDescSetAttribute);
  find("cublasLtMatmulPreferenceCreate", result.MatmulPreferenceCreate);
  find("cublasLtMatmulPreferenceDestroy", result.MatmulPreferenceDestroy);
  find("cublasLtMatmulPreferenceSetAttribute", result.MatmulPreferenceSetAttribute);
  find("cublasLtMatrixLayoutCreate", result.MatrixLayoutCreate);
  find("cublasLtMatrixLayoutDestroy", result.MatrixLayoutDestroy);
  find("cublasLtMatrixLayoutSetAttribute", result.MatrixLayoutSetAttribute);
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
