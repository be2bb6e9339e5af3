// Tables of rows as a kernel takes them.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// Tables [rows[k], width] laid one after another; the first without data ends the list.
template <class T>
struct RowTables {
  static constexpr int kMost = 8;
  const T* data[kMost] = {};
  int64_t rows[kMost] = {};
};

}  // namespace tessera::cuda
