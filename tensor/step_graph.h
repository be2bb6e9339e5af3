// One step of work on a GPU given to it as a CUDA graph (tensor/cuda/graph.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "tensor/dtype.h"

namespace tessera {

class StepGraph {
 public:
  // An error for the CPU, which has no graphs.
  explicit StepGraph(Device device);
  ~StepGraph();

  // Does `step`, whatever it gives to the GPU as one graph. The first steps run without: they load libraries, make
  // copies of weights and fill the allocator's cache. A step may not read from the device.
  void run(const std::function<void()>& step);
  int64_t built() const;  // graphs built, not updated

 private:
  struct State;
  std::unique_ptr<State> state_;
  int64_t steps_ = 0;
};

}  // namespace tessera
