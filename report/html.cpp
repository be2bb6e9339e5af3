#include "report/html.h"

#include <cmath>
#include <cstdio>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr const char* kNotMeasured = "–";

std::string formatted(const char* format, int digits, double value) {
  char buffer[64];
  const int size = std::snprintf(buffer, sizeof buffer, format, digits, value);
  return {buffer, static_cast<size_t>(std::min<int>(size, sizeof buffer - 1))};
}

// A result that is all zeros has no sign.
std::string without_negative_zero(std::string text) {
  const bool zero = text.starts_with('-') && text.find_first_of("123456789") == std::string::npos;
  return zero ? text.substr(1) : text;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string base64(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string png_data_uri(const Image& image) { return "data:image/png;base64," + base64(encode_png(image)); }

std::string fixed(std::optional<double> value, int digits) {
  if (!value || !std::isfinite(*value)) return kNotMeasured;
  return without_negative_zero(formatted("%.*f", digits, *value));
}

std::string percent(std::optional<double> share, int digits) {
  if (!share || !std::isfinite(*share)) return kNotMeasured;
  return fixed(100 * *share, digits) + "\u00a0%";
}

std::string short_number(double value, int significant) {
  if (!std::isfinite(value)) return kNotMeasured;
  std::string text = formatted("%.*g", significant, value);
  // "2e-05" → "2e-5"
  if (const size_t e = text.find('e'); e != std::string::npos && text.size() > e + 3 && text[e + 2] == '0')
    text.erase(e + 2, 1);
  return without_negative_zero(text);
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return kNotMeasured;
  if (seconds < 60) return fixed(seconds, seconds < 10 ? 1 : 0) + " s";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return text(whole / 60, " min ", whole % 60, " s");
  return text(whole / 3600, " h ", whole % 3600 / 60, " min");
}

}  // namespace tessera
