// Steps recorded as one graph: nothing runs before the recording has ended, and results are those of the plain step.
#include <doctest/doctest.h>

#include "tensor/cuda/graph.h"
#include "tensor/cuda/memory.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::graph_test {
namespace {

using tests::Batches;
using tests::everything;
using tests::PretrainLearner;
using tests::tiny_settings;

constexpr Device kGpu{Device::cuda, 0};

TEST_CASE("a graph runs what was recorded, in order, after the recording, and frees memory last") {
  cuda::Graph graph;
  Tensor out = Tensor::zeros({3}, DType::f32, kGpu);
  for (const float value : {2.0f, 5.0f}) {
    const int64_t before = cuda::counters().launches;
    graph.run([&] {
      std::vector<float> values(3, value);
      const Tensor sent = Tensor::from(values).to(kGpu);  // its host memory is gone before the graph runs
      values.assign(3, -1);
      out.copy_(sent);
      CHECK(cuda::counters().launches == before);
    });
    CHECK(out.to_vector<float>() == std::vector<float>(3, value));
  }
  CHECK(graph.built() == 1);
}

TEST_CASE("reading from the device within a graph is an error, and nothing of it runs") {
  cuda::Graph graph;
  Tensor out = Tensor::zeros({1}, DType::f32, kGpu);
  const std::string message = tests::error_of([&] {
    graph.run([&] {
      out.copy_(Tensor::from(std::vector<float>{1}));
      out.item();
    });
  });
  CHECK(message == "cuda: copy to host while a CUDA graph is recorded");
  CHECK(out.item() == 0);
  graph.run([&] { out.copy_(Tensor::from(std::vector<float>{3})); });
  CHECK(out.item() == 3);
}

TEST_CASE("training by graphs gives the same bits as without, and builds a graph only when its nodes change") {
  Settings settings = tiny_settings();
  settings.train.device = "cuda";
  settings.model.hidden_dropout_prob = 0.1;
  settings.train.batch_size = 2;
  const Batches batches(settings);
  PretrainLearner plain(settings);
  settings.train.cuda_graph = true;
  PretrainLearner graphs(settings);
  for (int64_t i = 0; i < 4; ++i) {
    plain.update(batches.step(i));
    graphs.update(batches.step(i));
  }
  CHECK(everything(plain) == everything(graphs));
}

}  // namespace
}  // namespace tessera::graph_test
