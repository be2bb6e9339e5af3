// cuBLASLt, loaded when the first product needs it: it has half a gigabyte, and its loading would cost every start of a
// program 60 ms, also of those that never see a GPU.
#pragma once

#include <cublasLt.h>

namespace tessera::cuda {

// The functions that are used, under their own names less `cublasLt`.
struct CublasLt {
  decltype(&cublasLtCreate) Create;
  decltype(&cublasLtGetStatusString) GetStatusString;
  decltype(&cublasLtMatmul) Matmul;
  decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic;
  decltype(&cublasLtMatmulDescCreate) MatmulDescCreate;
  decltype(&cublasLtMatmulDescDestroy) MatmulDescDestroy;
  decltype(&cublasLtMatmulDescSetAttribute) MatmulDescSetAttribute;
  decltype(&cublasLtMatmulPreferenceCreate) MatmulPreferenceCreate;
  decltype(&cublasLtMatmulPreferenceDestroy) MatmulPreferenceDestroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute;
  decltype(&cublasLtMatrixLayoutCreate) MatrixLayoutCreate;
  decltype(&cublasLtMatrixLayoutDestroy) MatrixLayoutDestroy;
  decltype(&cublasLtMatrixLayoutSetAttribute) MatrixLayoutSetAttribute;
};

// Throws, with the loader's words, where the library cannot be loaded or lacks a function.
const CublasLt& cublaslt();

// Throws "cuda: what: cuBLASLt's own words" unless the status is success.
void check_status(const char* what, cublasStatus_t status);

}  // namespace tessera::cuda
