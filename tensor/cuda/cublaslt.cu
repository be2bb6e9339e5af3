// Matrix products by cuBLASLt. It knows column-major matrices alone, and a row-major matrix is its transpose in
// column-major order: what is asked of it is Cᵀ = Bᵀ Aᵀ, so that our b is its A, our a its B, our n its m, and the bias
// over our columns is its bias over rows.
//
// Everything that depends on sizes, layout and alignment is a plan, which is made once and kept: descriptors and the
// algorithm that cuBLASLt's heuristic ranks first. Results are reproducible: one algorithm for each plan, and of the
// ways to add up what several blocks computed for one result, only the one that keeps f32 sums apart and adds them in
// order.
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <mutex>

#include "tensor/cuda/cublaslt_library.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/stream.h"
#include "tensor/gemm/gemm_kernels.h"
#include "tensor/gemm/precision.h"

namespace tessera::cuda {
namespace {

constexpr int64_t kWorkspaceBytes = 32 << 20;  // what NVIDIA recommends for sm_90

// An operand as column-major matrix of its transpose: of our [rows, columns] with contiguous rows the matrix [columns,
// rows], untransposed; where columns are contiguous, the matrix [rows, columns] and a transposition.
struct Layout {
  int64_t rows = 0, columns = 0, ld = 0;  // as they lie in memory, column-major
  bool transpose = false, possible = true;
};

Layout layout_of(const GemmOperand& x, int64_t rows, int64_t columns) {
  if ((x.column == 1 || columns == 1) && (rows == 1 || x.row >= columns))
    return {columns, rows, rows == 1 ? columns : x.row, false, true};
  if ((x.row == 1 || rows == 1) && (columns == 1 || x.column >= rows))
    return {rows, columns, columns == 1 ? rows : x.column, true, true};
  return {.possible = false};
}

// The largest power of two, at most 256, that divides the address of every item.
int64_t alignment(const void* data, int64_t batch_stride, DType dtype) {
  const auto bits = reinterpret_cast<uintptr_t>(data) | static_cast<uintptr_t>(batch_stride * size_of(dtype)) | 256;
  return static_cast<int64_t>(bits & (~bits + 1));
}

// All that a plan depends on. The precision counts for f32 operands alone.
struct Problem {
  Layout a, b;
  bool tf32;
  int64_t align_a, align_b, align_c;  // C's with the bias
  Gemm g;

  using Key = std::array<int64_t, 20>;
  Key key() const {
    return {g.m,
            g.n,
            g.k,
            static_cast<int64_t>(g.dtype),
            static_cast<int64_t>(g.c_dtype),
            g.ldc,
            g.batch,
            g.a.batch,
            g.b.batch,
            g.batch_c,
            a.ld,
            b.ld,
            a.transpose,
            b.transpose,
            g.bias != nullptr,
            g.accumulate,
            tf32,
            align_a,
            align_b,
            align_c};
  }
};

Problem problem_of(const Gemm& g) {
  Problem p{.a = layout_of(g.a, g.m, g.k),
            .b = layout_of(g.b, g.k, g.n),
            .tf32 = g.dtype == DType::f32 && matmul_precision() == MatmulPrecision::tf32,
            .align_a = alignment(g.a.data, g.a.batch, g.dtype),
            .align_b = alignment(g.b.data, g.b.batch, g.dtype),
            .align_c = alignment(g.c, g.batch_c, g.c_dtype),
            .g = g};
  if (g.bias) p.align_c = std::min(p.align_c, alignment(g.bias, 0, g.c_dtype));
  return p;
}

cudaDataType type_of(DType dtype) { return dtype == DType::f32 ? CUDA_R_32F : CUDA_R_16BF; }

LayoutHandle make_layout(DType dtype, int64_t rows, int64_t columns, int64_t ld, int64_t batch, int64_t stride) {
  const CublasLt& lt = cublaslt();
  LayoutHandle layout;
  check_status("matrix layout", lt.MatrixLayoutCreate(layout.place(), type_of(dtype), static_cast<uint64_t>(rows),
                                                      static_cast<uint64_t>(columns), ld));
  if (batch == 1) return layout;
  const auto count = static_cast<int32_t>(batch);
  check_status("batch count",
               lt.MatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
  check_status("batch stride", lt.MatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                           &stride, sizeof(stride)));
  return layout;
}

struct Plan {
  ProductHandle product;
  LayoutHandle a, b, c;
  cublasLtMatmulAlgo_t algorithm;
  bool found = false;

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_status("product", cublaslt().MatmulDescSetAttribute(product.get(), attribute, &value, sizeof(value)));
  }
};

PreferenceHandle make_preference(const Problem& p) {
  PreferenceHandle preference;
  check_status("preference", cublaslt().MatmulPreferenceCreate(preference.place()));
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check_status("preference",
                 cublaslt().MatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(kWorkspaceBytes));
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(p.align_b));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(p.align_a));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(p.align_c));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(p.align_c));
  return preference;
}

void set_bias(Plan& plan, const void* bias) { plan.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias); }

Plan make_plan(cublasLtHandle_t handle, const Problem& p) {
  const CublasLt& lt = cublaslt();
  const Gemm& g = p.g;
  Plan plan;
  check_status("product", lt.MatmulDescCreate(plan.product.place(),
                                              p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
  plan.set(CUBLASLT_MATMUL_DESC_TRANSA, static_cast<int32_t>(p.b.transpose ? CUBLAS_OP_T : CUBLAS_OP_N));
  plan.set(CUBLASLT_MATMUL_DESC_TRANSB, static_cast<int32_t>(p.a.transpose ? CUBLAS_OP_T : CUBLAS_OP_N));
  if (g.bias) {
    plan.set(CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<uint32_t>(CUBLASLT_EPILOGUE_BIAS));
    plan.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(type_of(g.c_dtype)));
    set_bias(plan, g.bias);  // the heuristic looks at its alignment
  }
  plan.a = make_layout(g.dtype, p.b.rows, p.b.columns, p.b.ld, g.batch, g.b.batch);
  plan.b = make_layout(g.dtype, p.a.rows, p.a.columns, p.a.ld, g.batch, g.a.batch);
  plan.c = make_layout(g.c_dtype, g.n, g.m, g.ldc, g.batch, g.batch_c);
  const PreferenceHandle preference = make_preference(p);
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status =
      lt.MatmulAlgoGetHeuristic(handle, plan.product.get(), plan.a.get(), plan.b.get(), plan.c.get(), plan.c.get(),
                                preference.get(), 1, &result, &found);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED && status != CUBLAS_STATUS_INVALID_VALUE)
    check_status("choice of an algorithm", status);
  plan.found = status == CUBLAS_STATUS_SUCCESS && found > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  plan.algorithm = result.algo;
  if (!plan.found && debugging())
    std::fprintf(stderr, "cuda: cuBLASLt has no algorithm for %lld x [%lld, %lld, %lld]; our own kernel multiplies\n",
                 static_cast<long long>(g.batch), static_cast<long long>(g.m), static_cast<long long>(g.n),
                 static_cast<long long>(g.k));
  return plan;
}

// The library's state. A bias' address is written into a plan in each call, so that one thread at a time multiplies;
// there is but one stream.
class Library {
 public:
  Library() {
    check_status("cuBLASLt", cublaslt().Create(&handle_));
    workspace_ = allocate(kWorkspaceBytes, 1, "workspace of products");
  }

  bool multiply(const Problem& p) {
    const std::lock_guard lock(mutex_);
    Plan& plan = plan_for(p);
    if (!plan.found) return false;
    if (p.g.bias) set_bias(plan, p.g.bias);
    const float one = 1, beta = p.g.accumulate ? 1.0f : 0.0f;
    check_status("product", cublaslt().Matmul(handle_, plan.product.get(), &one, p.g.b.data, plan.a.get(), p.g.a.data,
                                              plan.b.get(), &beta, p.g.c, plan.c.get(), p.g.c, plan.c.get(),
                                              &plan.algorithm, workspace_, kWorkspaceBytes, compute_stream()));
    check_launch("cublasLtMatmul");
    return true;
  }

 private:
  // Ragged batches have ever new numbers of tokens: plans are dropped before they are too many.
  Plan& plan_for(const Problem& p) {
    constexpr size_t kMost = 4096;
    const Problem::Key key = p.key();
    const auto known = plans_.find(key);
    if (known != plans_.end()) return known->second;
    if (plans_.size() == kMost) plans_.clear();
    return plans_.emplace(key, make_plan(handle_, p)).first->second;
  }

  std::mutex mutex_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Problem::Key, Plan> plans_;
};

}  // namespace

bool library_gemm(const Gemm& product) {
  // Never destroyed: products may be formed until the program ends.
  static Library* library = new Library;
  const Problem problem = problem_of(product);
  if (!problem.a.possible || !problem.b.possible || product.batch > INT32_MAX) return false;
  return library->multiply(problem);
}

}  // namespace tessera::cuda
