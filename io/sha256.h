// SHA-256 of data that come in parts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tessera {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::string_view bytes);
  // Of all that was added: 64 digits. It is then as at the beginning.
  std::string hexadecimal();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
