#include <iostream>

#include "tensor/tensor.h"

int main() { std::cout << tessera::Tensor::full({2, 3}, 1.5).to_vector<float>()[5] << '\n'; }
