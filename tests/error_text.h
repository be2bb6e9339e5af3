// Checks of error messages that need more than one `Contains`.
#pragma once

#include <initializer_list>
#include <string>

#include "tensor/error.h"

namespace tessera::tests {

// The message of the error that f throws.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// "" if the message holds all parts; otherwise the part that is missing and the message, for the test's output.
inline std::string lacking(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    if (message.find(part) == std::string::npos) return text("'", part, "' is not in: ", message);
  return "";
}

}  // namespace tessera::tests
