#include "tensor/ops/adamw.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "tensor/cuda/has_cuda.h"
#include "tensor/gemm/packed/band_packer.h"
#include "tensor/gemm/packed/weight_copies.h"
#include "tensor/ops/adamw_constants.h"
#include "tensor/ops/adamw_device.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

// As fast as memory is (28 bytes for an f32 element). Stores past the cache are slower, since all that is written has
// just been read.
template <class T>
void update(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v, int64_t count,
            const AdamWConstants<T> c) {
  for (int64_t i = 0; i < count; ++i) {
    const T gradient = g[i] * c.gradient_scale;
    const T mean = c.beta1 * m[i] + c.one_minus_beta1 * gradient;
    const T square = c.beta2 * v[i] + c.one_minus_beta2 * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    p[i] = (p[i] * c.decay_before - c.rate * mean / (std::sqrt(square) * c.root_scale + c.eps)) * c.decay_after;
  }
}

// The arenas and what is done to them; pieces of it run on all threads at once.
template <class T>
class Pass {
 public:
  Pass(Tensor& values, const Tensor& gradients, Tensor& exp_avg, Tensor& exp_avg_sq, std::span<const AdamWSlice> slices,
       const AdamWStep& step)
      : p_(values.mutable_data<T>()),
        m_(exp_avg.mutable_data<T>()),
        v_(exp_avg_sq.mutable_data<T>()),
        g_(gradients.data<T>()),
        slices_(slices) {
    for (const AdamWSlice& slice : slices) constants_.emplace_back(step, slice);
  }

  // Elements [begin, end), as far as they are in slices.
  void run(int64_t begin, int64_t end) const {
    auto slice =
        std::partition_point(slices_.begin(), slices_.end(), [=](const AdamWSlice& s) { return s.end <= begin; });
    for (; slice != slices_.end() && slice->begin < end; ++slice) {
      const int64_t from = std::max(begin, slice->begin), to = std::min(end, slice->end);
      update(p_ + from, g_ + from, m_ + from, v_ + from, to - from,
             constants_[static_cast<size_t>(slice - slices_.begin())]);
    }
  }

  // Whole bands of a weight that begins at `weight`. Elements are rounded while they are in the first-level cache, and
  // packed when the band is finished: in shorter turns the reading of the arenas loses more than it gains from the
  // overlap.
  void run(int64_t begin, int64_t end, int64_t weight, const products::BandPacker& packer) const {
    constexpr int64_t kStep = 2048, kBandRows = products::BandPacker::kRows;
    const int64_t columns = packer.columns();
    for (; begin < end; begin += kBandRows * columns) {
      const products::BandPacker::Band band = packer.begin((begin - weight) / columns);
      const int64_t count = band.rows * columns;
      for (int64_t at = 0; at < count; at += kStep) {
        const int64_t step = std::min(kStep, count - at);
        run(begin + at, begin + at + step);
        if constexpr (std::is_same_v<T, float>) packer.convert(band, p_ + begin + at, at, step);
      }
      packer.write(band);
    }
  }

 private:
  T *p_, *m_, *v_;
  const T* g_;
  std::span<const AdamWSlice> slices_;
  std::vector<AdamWConstants<T>> constants_;
};

// A parameter with copies that are to be written.
struct Weight {
  const Tensor* parameter;
  int64_t begin, end;  // in the arena
  std::vector<PackedMatrix*> copies;
  products::BandPacker packer;
};

// The copies of all of a parameter that lie as its first one does: all there are, unless products used views of it.
std::vector<PackedMatrix*> copies_to_write(const Tensor& parameter) {
  const auto all = existing_copies(parameter);
  std::vector<PackedMatrix*> copies;
  if (!all || parameter.numel() == 0) return copies;
  for (PackedMatrix* copy : all->take_used())
    if (copy->is_of(parameter) && (copies.empty() || copy->source_columns() == copies.front()->source_columns()))
      copies.push_back(copy);
  return copies;
}

std::vector<Weight> weights_to_pack(const Tensor& values, std::span<Tensor> parameters) {
  std::vector<Weight> weights;
  int64_t last = 0;
  for (const Tensor& parameter : parameters) {
    const int64_t begin = parameter.offset() - values.offset(), end = begin + parameter.numel();
    check(
        parameter.storage() == values.storage() && parameter.is_contiguous() && last <= begin && end <= values.numel(),
        "adamw: parameter ", describe(parameter), " lies outside of the values, overlaps another or is not in order");
    last = end;
    if (auto copies = copies_to_write(parameter); !copies.empty())
      weights.push_back({&parameter, begin, end, copies, products::BandPacker(copies)});
  }
  return weights;
}

// Elements for one thread at a time: whole bands of a weight, or anything between weights.
struct Piece {
  int64_t begin, end;
  const Weight* weight;
};

// Cuts [0, count) at the weights and into pieces. Long ones (1 MiB of each arena) are read faster than short ones (64
// KiB), by a tenth where two threads have the memory for themselves. A small arena, too, has pieces for several
// threads.
std::vector<Piece> cut(int64_t count, std::span<const Weight> weights) {
  const int64_t length = std::clamp<int64_t>(count / 64, 16384, 262144);
  std::vector<Piece> pieces;
  const auto add = [&](int64_t begin, int64_t end, int64_t grain, const Weight* weight) {
    for (; begin < end; begin += grain) pieces.push_back({begin, std::min(end, begin + grain), weight});
  };
  int64_t done = 0;
  for (const Weight& weight : weights) {
    add(done, std::min(count, weight.begin), length, nullptr);
    const int64_t band = products::BandPacker::kRows * weight.packer.columns();
    add(weight.begin, weight.end, std::max<int64_t>(1, length / band) * band, &weight);
    done = weight.end;
  }
  add(done, count, length, nullptr);
  return pieces;
}

}  // namespace

void adamw_(Tensor& values, const Tensor& gradients, Tensor& exp_avg, Tensor& exp_avg_sq,
            std::span<const AdamWSlice> slices, const AdamWStep& step, std::span<Tensor> parameters) {
  for (const Tensor* other :
       {&gradients, static_cast<const Tensor*>(&exp_avg), static_cast<const Tensor*>(&exp_avg_sq)})
    check(other->shape() == values.shape() && other->dtype() == values.dtype() && other->is_contiguous(), "adamw: got ",
          describe(*other), ", expected contiguous ", describe(values));
  check(values.dim() == 1 && values.is_contiguous(), "adamw: values are ", describe(values),
        ", expected one dimension");
  check(step.number >= 1, "adamw: update number is ", step.number, ", expected at least 1");
  int64_t last = 0;
  for (const AdamWSlice& slice : slices) {
    check(slice.begin >= last && slice.begin <= slice.end && slice.end <= values.numel(), "adamw: slice [", slice.begin,
          ", ", slice.end, ") overlaps another or lies outside ", values.shape());
    last = slice.end;
  }
  if constexpr (kHasCuda)
    if (values.on_cuda()) return cuda::adamw_(values, gradients, exp_avg, exp_avg_sq, slices, step, parameters);
  check(!step.device_scale.defined(), "adamw: device_scale is for parameters on a GPU");
  const std::vector<Weight> weights = weights_to_pack(values, parameters);
  const std::vector<Piece> pieces = cut(last, weights);
  dispatch_floating("adamw", values.dtype(), [&](auto tag) {
    const Pass<decltype(tag)> pass(values, gradients, exp_avg, exp_avg_sq, slices, step);
    parallel_chunks(static_cast<int64_t>(pieces.size()), [&](int64_t i) {
      const auto& [begin, end, weight] = pieces[static_cast<size_t>(i)];
      if (weight)
        pass.run(begin, end, weight->begin, weight->packer);
      else
        pass.run(begin, end);
    });
  });
  for (Tensor& parameter : parameters) parameter.bump_version();
  for (const Weight& weight : weights)
    for (PackedMatrix* copy : weight.copies) copy->mark(*weight.parameter);
}

}  // namespace tessera::ops
