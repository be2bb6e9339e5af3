// Tensors on a device: copies, refusals, messages, the cached copies of host tensors.
#include <doctest/doctest.h>

#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/memory.h"
#include "tensor/device.h"
#include "tensor/tensor.h"

namespace tessera::device_test {
namespace {

constexpr Device kGpu{Device::cuda, 0};

TEST_CASE("a tensor goes to the device and comes back with the same elements") {
  for (const int64_t size : {0, 1, 1001}) {
    std::vector<float> values;
    for (int64_t i = 0; i < size; ++i) values.push_back(static_cast<float>(i) - 3.5f);
    const Tensor host = Tensor::from(values), there = host.to(kGpu);
    CHECK(there.on_cuda());
    CHECK(there.device() == kGpu);
    CHECK(there.shape() == host.shape());
    CHECK(there.to_vector<float>() == values);
    CHECK(there.to(Device{}).to_vector<float>() == values);
  }
}

TEST_CASE("a part of a tensor is copied to a part of another, and a transposed one in its own order") {
  const Tensor host = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor there = Tensor::zeros({3, 3}, DType::f32, kGpu);
  there.narrow(0, 1, 2).copy_(host);
  CHECK(there.to_vector<float>() == std::vector<float>{0, 0, 0, 1, 2, 3, 4, 5, 6});
  CHECK(host.transpose(0, 1).to(kGpu).to_vector<float>() == std::vector<float>{1, 4, 2, 5, 3, 6});
}

TEST_CASE("code for the CPU may not read a tensor on a device, nor a kernel one on the CPU") {
  Tensor host = Tensor::zeros({2}), there = host.to(kGpu);
  CHECK_THROWS_WITH_AS(there.data<float>(), "tensor: f32 [2] on cuda:0 is read by code for cpu", Error);
  CHECK_THROWS_WITH_AS(there.mutable_data<float>(), "tensor: f32 [2] on cuda:0 is read by code for cpu", Error);
  CHECK_THROWS_WITH_AS(host.device_data<float>(), "tensor: f32 [2] on cpu is read by code for cuda:0", Error);
  CHECK(there.version() == 1);  // of the copy that made it
}

TEST_CASE("one element is read, and reading it counts as waiting for the device") {
  const Tensor there = Tensor::scalar(2.5).to(kGpu);
  const int64_t before = cuda::counters().synchronisations;
  CHECK(there.item() == 2.5);
  CHECK(cuda::counters().synchronisations == before + 1);
}

TEST_CASE("a host tensor has one copy on the device until it is modified") {
  Tensor marks = Tensor::from(std::vector<int64_t>{0, 3, 5});
  const Tensor first = cuda::on_device(marks), second = cuda::on_device(marks);
  CHECK(first.device_data<int64_t>() == second.device_data<int64_t>());
  marks.mutable_data<int64_t>()[1] = 4;
  CHECK(cuda::on_device(marks).to_vector<int64_t>() == std::vector<int64_t>{0, 4, 5});
  CHECK(cuda::on_device(marks.narrow(0, 1, 2)).to_vector<int64_t>() == std::vector<int64_t>{4, 5});
  CHECK(cuda::on_device(first).device_data<int64_t>() == first.device_data<int64_t>());
}

TEST_CASE("devices by name") {
  CHECK(device_named("--device", "cpu") == Device{});
  CHECK(device_named("--device", "cuda") == kGpu);
  CHECK_THROWS_WITH_AS(device_named("--device", "gpu"), "--device: 'gpu' is not a device; expected cpu or cuda", Error);
}

}  // namespace
}  // namespace tessera::device_test
