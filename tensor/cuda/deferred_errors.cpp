#include "tensor/cuda/deferred_errors.h"

#include <map>
#include <mutex>

#include "tensor/cuda/memory.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

struct Reported {
  ErrorWord* word = nullptr;
  std::function<std::string(ErrorWord)> message;
};

// Never destroyed: kernels may still run when the process ends.
struct Registry {
  std::mutex mutex;
  std::map<std::string, Reported> errors;

  static Registry& instance() {
    static auto* registry = new Registry;
    return *registry;
  }
};

}  // namespace

ErrorWord* deferred_error(const std::string& name, std::function<std::string(ErrorWord)> message) {
  Registry& registry = Registry::instance();
  const std::lock_guard lock(registry.mutex);
  Reported& error = registry.errors[name];
  if (error.word == nullptr) {
    auto* word = static_cast<ErrorWord*>(allocate(sizeof(ErrorWord), sizeof(ErrorWord), "deferred error"));
    clear(word, sizeof(ErrorWord));
    error = {word, std::move(message)};
  }
  return error.word;
}

void check_deferred_errors() {
  Registry& registry = Registry::instance();
  const std::lock_guard lock(registry.mutex);
  for (auto& [name, error] : registry.errors) {
    ErrorWord word = 0;
    copy_to_host(&word, error.word, sizeof word);
    if (word == 0) continue;
    clear(error.word, sizeof(ErrorWord));
    fail(error.message(word));
  }
}

}  // namespace tessera::cuda
