// Makes a serial OpenBLAS safe to call from several threads.
//
// OpenBLAS packs the operands of a product into buffers that it takes from a table of its own. Debian's serial package
// (built without threads, and without USE_LOCKING) does so without a lock: two threads that start a product at the same
// moment may be given the same buffer, and then both results are wrong. On two cores that is about one product in a few
// thousand: rare enough to look like noise, often enough to spoil a training run.
#pragma once

namespace tessera::detail {

// How products of different threads are kept apart.
enum class BlasSafety {
  library,  // the BLAS has its own locks
  buffers,  // we lock the taking and giving back of a buffer, for some 20 ns
  product,  // we lock every product as a whole: always right, but no two run at once
};

// Held during a product: OpenBLAS has a buffer for it. Where it cannot have one it would try again for ever; error: out
// of memory.
class BlasBuffer {
 public:
  BlasBuffer();
  ~BlasBuffer();
  BlasBuffer(const BlasBuffer&) = delete;
  BlasBuffer& operator=(const BlasBuffer&) = delete;
};

// Decided in the first call, which also restricts the BLAS to one thread per product. Thread-safe.
BlasSafety blas_safety();

}  // namespace tessera::detail
