// What a request is answered with that is not carried out.
#pragma once

#include <stdexcept>
#include <string>

namespace tessera::serve {

struct Refusal : std::runtime_error {
  Refusal(int code, const std::string& reason) : std::runtime_error(reason), status(code) {}
  int status;  // of HTTP
};

}  // namespace tessera::serve
