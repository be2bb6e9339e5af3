// A shared library that is opened when it is first needed, and whose absence is an answer: cuBLASLt has half a
// gigabyte, its loading would cost every start of a program 60 ms, also of those that never see a GPU.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tensor/cuda/handle.h"

namespace tessera::cuda {

class SharedLibrary {
 public:
  // Opens the first of `candidates`, names or paths, that the loader finds. `name` is for messages.
  SharedLibrary(std::string name, std::span<const std::string> candidates);

  bool loaded() const { return static_cast<bool>(library_); }
  // Why it is not loaded: the loader's words for the first candidate, and all of them. Empty if it is.
  const std::string& problem() const { return problem_; }

  // The function called `symbol`, as a pointer of type F; null if the library has none. Throws problem() if there is no
  // library.
  template <class F>
  F find(const char* symbol) const {
    return reinterpret_cast<F>(address(symbol));
  }
  // Throws if the library has no such function.
  template <class F>
  F function(const char* symbol) const {
    return reinterpret_cast<F>(required_address(symbol));
  }

 private:
  void* address(const char* symbol) const;
  void* required_address(const char* symbol) const;

  static void close(void* library);
  std::string name_, problem_;
  Handle<void*, close> library_;
};

// Where a library of CUDA may lie: as the loader finds it, then in the toolkit that CUDA_HOME or CUDA_PATH names, then
// where toolkits lie.
std::vector<std::string> toolkit_places(const std::string& file);

}  // namespace tessera::cuda
