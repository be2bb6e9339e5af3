#include "nn/init.h"

#include <cmath>

#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace tessera {
namespace {

// FNV-1a, 64 bits.
uint64_t hash_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

// Element `index` of a stream of standard normal values: Box and Muller on the four words of one block.
double normal_at(const Ticket& ticket, uint64_t index) {
  const Philox4 words = ticket.block(index);
  const auto uniform = [](uint32_t high, uint32_t low) {
    return static_cast<double>((uint64_t{high} << 32 | low) >> 11) * 0x1p-53;
  };
  const double radius = std::sqrt(-2 * std::log(1 - uniform(words[0], words[1])));
  return radius * std::cos(6.283185307179586476925 * uniform(words[2], words[3]));
}

double uniform_at(const Ticket& ticket, uint64_t index) {
  const Philox4 words = ticket.block(index);
  return static_cast<double>((uint64_t{words[0]} << 32 | words[1]) >> 11) * 0x1p-52 - 1;
}

// Draw number `attempt` of an element lies in a stream of its own.
double truncated_normal_at(Ticket ticket, uint64_t index) {
  for (;; ++ticket.stream) {
    const double value = normal_at(ticket, index);
    if (std::abs(value) <= 2) return value;
  }
}

template <class Draw>
void fill(Variable& parameter, const std::string& name, uint64_t seed, double deviation, Draw draw) {
  check(parameter.defined(), "init: '", name, "' has no value");
  check(std::isfinite(deviation) && deviation >= 0, "init: '", name, "': deviation is ", deviation,
        ", expected a number >= 0");
  Tensor& value = parameter.mutable_value();
  check(value.is_contiguous(), "init: '", name, "' is not contiguous");
  const Ticket ticket{Random(seed, hash_of(name)).next64(), 0, 0};
  dispatch_floating("init", value.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* out = value.mutable_data<T>();
    parallel_for(value.numel(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(deviation * draw(ticket, static_cast<uint64_t>(i)));
    });
  });
}

}  // namespace

void init_normal_(Variable& parameter, const std::string& name, uint64_t seed, double deviation) {
  fill(parameter, name, seed, deviation, normal_at);
}

void init_truncated_normal_(Variable& parameter, const std::string& name, uint64_t seed, double deviation) {
  fill(parameter, name, seed, deviation, truncated_normal_at);
}

void init_uniform_(Variable& parameter, const std::string& name, uint64_t seed, double bound) {
  fill(parameter, name, seed, bound, uniform_at);
}

void init_fan_in_(Variable& parameter, const std::string& name, uint64_t seed) {
  const Shape& shape = parameter.shape();
  check(shape.dim() >= 2, "init: '", name, "' is ", shape, "; fan-in needs at least two dimensions");
  int64_t inputs = 1;
  for (int i = 1; i < shape.dim(); ++i) inputs *= shape[i];
  init_normal_(parameter, name, seed, 1 / std::sqrt(static_cast<double>(inputs)));
}

}  // namespace tessera
