#include "tensor/step_graph.h"

#include "tensor/cuda/graph.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/error.h"

namespace tessera {

struct StepGraph::State {
#if TESSERA_CUDA
  cuda::Graph graph;
#endif
};

StepGraph::StepGraph(Device device) : state_(std::make_unique<State>()) {
  check(device.kind == Device::cuda, "step graph: device is ", device, ", expected a GPU");
}

StepGraph::~StepGraph() = default;

void StepGraph::run(const std::function<void()>& step) {
#if TESSERA_CUDA
  constexpr int64_t kWithout = 2;
  if (steps_++ >= kWithout) return state_->graph.run(step);
#endif
  step();
}

int64_t StepGraph::built() const {
#if TESSERA_CUDA
  return state_->graph.built();
#else
  return 0;
#endif
}

}  // namespace tessera
