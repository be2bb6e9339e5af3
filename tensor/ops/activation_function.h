// The functions between the two layers of a feed-forward branch (tensor/ops/mlp.h, nn/mlp.h).
#pragma once

#include <cstdint>
#include <type_traits>

namespace tessera {

enum class Activation : uint8_t {
  gelu,        // exact: x Φ(x)
  quick_gelu,  // x σ(1.702 x)
  relu,
};

// Calls f with the activation as a constant.
template <class F>
void with_activation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::quick_gelu: return f(std::integral_constant<Activation, Activation::quick_gelu>{});
    case Activation::relu: return f(std::integral_constant<Activation, Activation::relu>{});
    default: return f(std::integral_constant<Activation, Activation::gelu>{});
  }
}

}  // namespace tessera
