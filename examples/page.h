// What the examples share: headings, small matrices, and claims.
#pragma once

#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>

#include "tensor/tensor.h"

namespace page {

inline void heading(const std::string& words) { std::cout << "\n── " << words << "\n\n"; }

// An example checks what it says: a claim that does not hold ends the program with exit status 1.
inline void claim(bool holds, const std::string& words) {
  std::cout << (holds ? "  ✓ " : "  ✗ this does not hold: ") << words << std::endl;
  if (!holds) std::exit(1);
}

// A matrix, one row a line.
inline void print_matrix(const std::string& name, const tessera::Tensor& matrix, int decimals = 0) {
  std::cout << "  " << name << "  " << matrix.shape() << ", strides " << matrix.strides() << "\n";
  for (int64_t i = 0; i < matrix.size(0); ++i) {
    std::cout << "    ";
    for (int64_t j = 0; j < matrix.size(1); ++j)
      std::cout << std::setw(6 + decimals) << std::fixed << std::setprecision(decimals)
                << matrix.select(0, i).select(0, j).item<double>();
    std::cout << "\n";
  }
  std::cout << std::defaultfloat;
}

}  // namespace page
