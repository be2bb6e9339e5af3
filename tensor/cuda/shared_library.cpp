#include "tensor/cuda/shared_library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "tensor/error.h"

namespace tessera::cuda {

SharedLibrary::SharedLibrary(std::string name, std::span<const std::string> candidates) : name_(std::move(name)) {
  std::string reason, tried;
  for (const std::string& candidate : candidates) {
    library_ = Handle<void*, close>(dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (library_) return;
    if (reason.empty()) reason = dlerror();
    tried.append(tried.empty() ? "" : ", ").append(candidate);
  }
  problem_ =
      text("cuda: ", name_, " cannot be loaded: ", reason, " (tried ", tried, "); add its folder to LD_LIBRARY_PATH");
}

void SharedLibrary::close(void* library) { dlclose(library); }

void* SharedLibrary::address(const char* symbol) const {
  check(loaded(), problem_);
  return dlsym(library_.get(), symbol);
}

void* SharedLibrary::required_address(const char* symbol) const {
  void* found = address(symbol);
  check(found != nullptr, "cuda: ", name_, " has no ", symbol, "; it is another version than was expected");
  return found;
}

std::vector<std::string> toolkit_places(const std::string& file) {
  std::vector<std::string> places{file};
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* folder = std::getenv(variable); folder && *folder)
      places.push_back(std::string(folder) + "/lib64/" + file);
  places.push_back("/usr/local/cuda/lib64/" + file);
  return places;
}

}  // namespace tessera::cuda
