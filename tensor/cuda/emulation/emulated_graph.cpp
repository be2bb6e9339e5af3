// The emulation's side of tensor/cuda/graph.h. One thread at a time gives work to the device.
#include <utility>
#include <vector>

#include "tensor/cuda/graph.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/recording.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

struct Recording {
  bool active = false;
  std::vector<std::function<void()>> work;
  std::vector<void*> released;  // which what was recorded before may still use

  void clear() {
    active = false;
    work.clear();
    for (void* memory : std::exchange(released, {})) release(memory);
  }
};
Recording current;

}  // namespace

struct Graph::State {
  size_t nodes = 0;
  int64_t built = 0;
};

Graph::Graph() : state_(std::make_unique<State>()) {}
Graph::~Graph() = default;
int64_t Graph::built() const { return state_->built; }

void Graph::run(const std::function<void()>& work) {
  check_not_recording("a second graph");
  current.active = true;
  try {
    work();
    current.active = false;
    if (current.work.size() != state_->nodes) ++state_->built;
    state_->nodes = current.work.size();
    for (const std::function<void()>& node : current.work) node();
  } catch (...) {
    current.clear();
    throw;
  }
  current.clear();
}

bool recording() { return current.active; }
void record_work(std::function<void()> work) { current.work.push_back(std::move(work)); }
void record_release(void* memory) { current.released.push_back(memory); }
void check_not_recording(const char* what) {
  check(!current.active, "cuda: ", what, " while a CUDA graph is recorded");
}

}  // namespace tessera::cuda
