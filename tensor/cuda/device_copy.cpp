#include "tensor/cuda/device_copy.h"

#include <utility>

namespace tessera::cuda {
namespace {

// What is kept of one version.
struct DeviceCopies {
  uint64_t version = 0;
  Tensor copy;
  std::vector<std::pair<int64_t, SegmentsOnDevice>> segments;  // by rows
  // Of marks, with these marks of columns.
  std::weak_ptr<Root> columns;
  uint64_t columns_version = 0;
  Tensor offsets;
};

constexpr Device kGpu{Device::cuda, 0};

bool is_whole(const Tensor& host) { return host.is_contiguous() && host.bytes() == host.storage()->bytes(); }

// The root's mutex is held.
DeviceCopies& copies_of(const Tensor& host) {
  std::shared_ptr<void>& kept = host.root()->on_device;
  if (!kept || static_cast<const DeviceCopies*>(kept.get())->version != host.version())
    kept = std::make_shared<DeviceCopies>(DeviceCopies{host.version(), {}, {}, {}, 0, {}});
  return *static_cast<DeviceCopies*>(kept.get());
}

SegmentsOnDevice sorted_on_device(const Tensor& index, int64_t rows) {
  return to_device(sort_entries({index.data<int64_t>(), static_cast<size_t>(index.numel())}, rows));
}

}  // namespace

Tensor on_device(const Tensor& host) {
  if (host.on_cuda()) return host.contiguous();
  if (!is_whole(host)) return host.contiguous().to(kGpu);
  const std::lock_guard lock(host.root()->mutex);
  DeviceCopies& kept = copies_of(host);
  if (!kept.copy.defined()) kept.copy = host.view({host.numel()}).to(kGpu);
  return kept.copy.view(host.shape());
}

SegmentsOnDevice segments_on_device(const Tensor& index, int64_t rows) {
  if (!is_whole(index)) return sorted_on_device(index.contiguous(), rows);
  const std::lock_guard lock(index.root()->mutex);
  DeviceCopies& kept = copies_of(index);
  for (const auto& [sorted_for, segments] : kept.segments)
    if (sorted_for == rows) return segments;
  return kept.segments.emplace_back(rows, sorted_on_device(index, rows)).second;
}

Tensor offsets_on_device(const Tensor& rows, const Tensor& columns, const std::vector<int64_t>& offsets) {
  if (!is_whole(rows) || !is_whole(columns)) return Tensor::from(offsets).to(kGpu);
  const std::lock_guard lock(rows.root()->mutex);
  DeviceCopies& kept = copies_of(rows);
  if (kept.columns.lock() != columns.root() || kept.columns_version != columns.version()) {
    kept.offsets = Tensor::from(offsets).to(kGpu);
    kept.columns = columns.root();
    kept.columns_version = columns.version();
  }
  return kept.offsets;
}

}  // namespace tessera::cuda
