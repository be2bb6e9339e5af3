// The GPU's side of tensor/cuda/graph.h: stream capture.
#include "tensor/cuda/graph.h"

#include "tensor/cuda/handle.h"
#include "tensor/cuda/staging.h"
#include "tensor/cuda/stream.h"
#include "tensor/error.h"

namespace tessera::cuda {

struct Graph::State {
  Handle<cudaGraphExec_t, cudaGraphExecDestroy> graph;
  int64_t built = 0;

  // The recorded work becomes `graph`.
  void take(cudaGraph_t recorded) {
    if (graph) {
      cudaGraphExecUpdateResultInfo info{};
      if (cudaGraphExecUpdate(graph.get(), recorded, &info) == cudaSuccess) return;
      cudaGetLastError();  // it does not fit: not an error
    }
    check_status("graph", cudaGraphInstantiate(graph.place(), recorded, 0));
    ++built;
  }
};

Graph::Graph() : state_(std::make_unique<State>()) {}

Graph::~Graph() = default;

int64_t Graph::built() const { return state_->built; }

// Relaxed: the caching allocator may ask for memory while work is recorded.
void Graph::run(const std::function<void()>& work) {
  const cudaStream_t stream = compute_stream();
  check_not_capturing("a second graph");
  check_status("graph", cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  Handle<cudaGraph_t, cudaGraphDestroy> recorded;
  bool recording = true;
  try {
    work();
    recording = false;
    check_status("graph", cudaStreamEndCapture(stream, recorded.place()));
    state_->take(recorded.get());
    recorded.reset();
    check_status("graph", cudaGraphLaunch(state_->graph.get(), stream));
  } catch (...) {
    if (recording) cudaStreamEndCapture(stream, recorded.place());
    cudaGetLastError();
    forget_captured_copies();
    throw;
  }
  note_captured_copies();
}

}  // namespace tessera::cuda
