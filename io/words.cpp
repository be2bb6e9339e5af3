#include "io/words.h"

#include <iomanip>
#include <sstream>

namespace tessera {

std::string fixed_text(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

std::string with_thousands(int64_t value) {
  const std::string digits = std::to_string(value);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool after_digit = i > 0 && digits[i - 1] != '-';
    if (after_digit && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  std::ostringstream out;
  if (whole >= 3600) out << whole / 3600 << ':' << std::setw(2) << std::setfill('0');
  out << whole / 60 % 60 << ':' << std::setw(2) << std::setfill('0') << whole % 60;
  return out.str();
}

std::string about_text(double seconds) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return fixed_text(seconds, seconds < 10 ? 1 : 0) + " s";
  if (seconds < 2 * kHour) return fixed_text(seconds / kMinute, 0) + " min";
  if (seconds < 4 * kDay) return fixed_text(seconds / kHour, seconds < 10 * kHour ? 1 : 0) + " h";
  return with_thousands(static_cast<int64_t>(seconds / kDay + 0.5)) + " days";
}

}  // namespace tessera
