// What a C library makes and has to be asked to destroy: descriptors, graphs, events.
#pragma once

#include <utility>

namespace tessera::cuda {

// Owns one value of T, a pointer; null: none. `destroy` is called with it once; what it returns is not looked at.
template <class T, auto destroy>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T value) : value_(value) {}
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Handle() { reset(); }

  T get() const { return value_; }
  explicit operator bool() const { return value_ != nullptr; }
  void reset() {
    if (value_ != nullptr) destroy(std::exchange(value_, nullptr));
  }
  // Where a function that makes one writes it.
  T* place() {
    reset();
    return &value_;
  }

 private:
  T value_ = nullptr;
};

}  // namespace tessera::cuda
