#include "io/tar_writer.h"

#include <algorithm>
#include <cstdint>

#include "io/printable.h"
#include "io/tar_header.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// Octal digits that fill the field up to a last byte, which stays.
void put_number(std::string& header, size_t begin, size_t size, uint64_t value) {
  for (size_t i = begin + size - 1; i-- > begin; value >>= 3) header[i] = static_cast<char>('0' + (value & 7));
}

}  // namespace

std::string tar_member(std::string_view name, std::string_view data) {
  constexpr size_t kLongestName = 100;
  constexpr uint64_t kLargest = uint64_t{1} << 33;
  check(!name.empty() && name.size() <= kLongestName && name.find('\0') == std::string_view::npos, "tar: the name ",
        printable(name), " has ", name.size(), " bytes, expected 1 to ", kLongestName, " without a NUL");
  check(data.size() < kLargest, "tar: ", printable(name), " has ", data.size(), " bytes, expected less than ",
        kLargest);
  std::string out(kTarBlock, '\0');
  std::copy(name.begin(), name.end(), out.begin());
  put_number(out, 100, 8, 0644);
  put_number(out, 108, 8, 0);  // owner
  put_number(out, 116, 8, 0);  // group
  put_number(out, 124, 12, data.size());
  put_number(out, 136, 12, 0);  // time
  out[156] = '0';
  out.replace(257, 8, std::string_view("ustar\00000", 8));
  uint64_t sum = 8 * uint64_t{' '};  // the field of the sum itself counts as blanks
  for (const char byte : out) sum += static_cast<unsigned char>(byte);
  put_number(out, 148, 7, sum);
  out[155] = ' ';
  out += data;
  out.resize((out.size() + kTarBlock - 1) / kTarBlock * kTarBlock);
  return out;
}

std::string tar_end() { return std::string(2 * kTarBlock, '\0'); }

}  // namespace tessera
