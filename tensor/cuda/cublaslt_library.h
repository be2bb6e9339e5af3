// cuBLASLt, opened when the first product needs it (shared_library.h).
#pragma once

#include <cublasLt.h>

#include "tensor/cuda/handle.h"

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

// Throws where the library cannot be loaded or lacks a function.
const CublasLt& cublaslt();

inline void destroy_product(cublasLtMatmulDesc_t product) { cublaslt().MatmulDescDestroy(product); }
inline void destroy_preference(cublasLtMatmulPreference_t wishes) { cublaslt().MatmulPreferenceDestroy(wishes); }
inline void destroy_layout(cublasLtMatrixLayout_t layout) { cublaslt().MatrixLayoutDestroy(layout); }
using ProductHandle = Handle<cublasLtMatmulDesc_t, destroy_product>;
using PreferenceHandle = Handle<cublasLtMatmulPreference_t, destroy_preference>;
using LayoutHandle = Handle<cublasLtMatrixLayout_t, destroy_layout>;

// Throws "cuda: what: cuBLASLt's own words" unless the status is success.
void check_status(const char* what, cublasStatus_t status);

}  // namespace tessera::cuda
