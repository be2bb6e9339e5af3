// The GPU's side of tensor/cuda/graph.h: stream capture.
#include "tensor/cuda/graph.h"

#include <utility>

#include "tensor/cuda/staging.h"
#include "tensor/cuda/stream.h"
#include "tensor/error.h"

namespace tessera::cuda {

struct Graph::State {
  cudaGraphExec_t graph = nullptr;
  int64_t built = 0;

  // The recorded work becomes `graph`.
  void take(cudaGraph_t recorded) {
    if (graph) {
      cudaGraphExecUpdateResultInfo info{};
      if (cudaGraphExecUpdate(graph, recorded, &info) == cudaSuccess) return;
      cudaGetLastError();  // it does not fit: not an error
      check_status("graph", cudaGraphExecDestroy(graph));
      graph = nullptr;
    }
    check_status("graph", cudaGraphInstantiate(&graph, recorded, 0));
    ++built;
  }
};

Graph::Graph() : state_(std::make_unique<State>()) {}

Graph::~Graph() {
  if (state_->graph) cudaGraphExecDestroy(state_->graph);
}

int64_t Graph::built() const { return state_->built; }

// Relaxed: the caching allocator may ask for memory while work is recorded.
void Graph::run(const std::function<void()>& work) {
  const cudaStream_t stream = compute_stream();
  check_not_capturing("a second graph");
  check_status("graph", cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  cudaGraph_t recorded = nullptr;
  try {
    work();
  } catch (...) {
    if (cudaStreamEndCapture(stream, &recorded) == cudaSuccess && recorded) cudaGraphDestroy(recorded);
    cudaGetLastError();
    forget_captured_copies();
    throw;
  }
  const cudaError_t ended = cudaStreamEndCapture(stream, &recorded);
  try {
    check_status("graph", ended);
    state_->take(recorded);
    check_status("graph", cudaGraphDestroy(std::exchange(recorded, nullptr)));
    check_status("graph", cudaGraphLaunch(state_->graph, stream));
  } catch (...) {
    if (recorded) cudaGraphDestroy(recorded);
    cudaGetLastError();
    forget_captured_copies();
    throw;
  }
  note_captured_copies();
}

}  // namespace tessera::cuda
