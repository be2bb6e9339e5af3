#include "tensor/cuda/bf16_copies.h"

#include "tensor/ops/linear_kernels.h"

namespace tessera::cuda {
namespace {

constexpr uint64_t kNever = ~uint64_t{0};

// Of the elements [begin, begin + copy.numel()) of the weight's storage.
struct Copy {
  Tensor copy;     // [n]
  Tensor arena{};  // in which `copy` lies; undefined if it lies by itself
  int64_t begin = 0;
  uint64_t version = kNever;
  bool used = false;

  // Rounds the elements again unless they are as of the root's present version.
  void refresh(const Tensor& weight) {
    if (version == weight.version()) return;
    const auto* storage = static_cast<const float*>(weight.storage()->data());
    round_to_bf16(storage + begin, copy.mutable_device_data<bf16>(), copy.numel());
    version = weight.version();
  }
  bool holds(const Tensor& weight) const {
    return copy.defined() && begin <= weight.offset() && weight.offset() + weight.numel() <= begin + copy.numel();
  }
};

Tensor rounded(const float* from, int64_t elements, Device device) {
  Tensor copy = Tensor::empty({elements}, DType::bf16, device);
  round_to_bf16(from, copy.mutable_device_data<bf16>(), elements);
  return copy;
}

// The copy of the root, and a lock on it.
struct Locked {
  explicit Locked(Root& root) : guard(root.mutex), copy(std::static_pointer_cast<Copy>(root.derived)) {}
  std::lock_guard<std::mutex> guard;
  std::shared_ptr<Copy> copy;
};

}  // namespace

Tensor bf16_copy(const Tensor& weight) {
  check(weight.on_cuda() && weight.dtype() == DType::f32, "bf16_copy: weight is ", describe(weight),
        ", expected f32 on a GPU");
  if (!weight.is_contiguous()) {
    if (weight.dim() == 2 && weight.transpose(0, 1).is_contiguous())
      return bf16_copy(weight.transpose(0, 1)).transpose(0, 1);
    const Tensor plain = weight.contiguous();
    return rounded(plain.device_data<float>(), plain.numel(), plain.device()).view(weight.shape());
  }
  Root& root = *weight.root();
  Locked locked(root);
  if (!locked.copy) root.derived = locked.copy = std::make_shared<Copy>();
  Copy& kept = *locked.copy;
  if (!kept.holds(weight))
    kept = Copy{.copy = Tensor::empty({weight.numel()}, DType::bf16, weight.device()), .begin = weight.offset()};
  kept.refresh(weight);
  kept.used = true;
  return kept.copy.narrow(0, weight.offset() - kept.begin, weight.numel()).view(weight.shape());
}

Tensor bf16_arena_in_use(const Tensor& values, std::span<const Tensor> parameters) {
  Tensor arena;
  bool used = false;
  for (const Tensor& parameter : parameters) {
    const Locked locked(*parameter.root());
    if (!locked.copy) continue;
    used |= locked.copy->used;
    locked.copy->used = false;
    if (locked.copy->arena.defined() && locked.copy->arena.shape() == values.shape()) arena = locked.copy->arena;
  }
  if (used && !arena.defined()) arena = Tensor::empty(values.shape(), DType::bf16, values.device());
  for (const Tensor& parameter : parameters) {
    Root& root = *parameter.root();
    Locked locked(root);
    if (!used) {
      root.derived = nullptr;
      continue;
    }
    if (!locked.copy || locked.copy->arena.storage() != arena.storage()) {
      const int64_t at = parameter.offset() - values.offset();
      check(parameter.storage() == values.storage() && parameter.is_contiguous(), "bf16 copies: parameter ",
            describe(parameter), " lies outside of the values");
      root.derived = locked.copy = std::make_shared<Copy>(
          Copy{.copy = arena.narrow(0, at, parameter.numel()), .arena = arena, .begin = parameter.offset()});
    }
    locked.copy->refresh(parameter);
  }
  return used ? arena : Tensor{};
}

void mark_bf16_copies(std::span<const Tensor> parameters) {
  for (const Tensor& parameter : parameters)
    if (const Locked locked(*parameter.root()); locked.copy) locked.copy->version = parameter.version();
}

}  // namespace tessera::cuda
