// Work for the GPU that is recorded and given to it as one CUDA graph, so that between its kernels the device does not
// wait for the host, and the host pays for one launch.
//
// Each run records anew: what changes from step to step (tickets, learning rate, addresses, even shapes) is recorded
// with it, and the graph of the run before is updated in place. Only where its nodes have changed, in number or kind,
// is it built again. What is recorded may take memory from the caching allocator and copy to the device; it may not
// wait for the device or read from it. In emulation the recorded kernels run, in order, when recording has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace tessera::cuda {

class Graph {
 public:
  Graph();
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // If `work` throws, nothing of it runs on the device.
  void run(const std::function<void()>& work);
  int64_t built() const;  // how often a graph was built and not updated

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::cuda
