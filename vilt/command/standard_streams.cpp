#include "vilt/command/standard_streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "io/printable.h"

namespace tessera::command {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

}  // namespace

void open_closed_descriptors() {
  const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int descriptor = 0; descriptor < 3; ++descriptor)
    // The lowest free number, which those below it no longer are.
    if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) (void)!open("/dev/null", modes[descriptor]);
}

DescriptorBuffer::DescriptorBuffer(int descriptor, bool escapes)
    : descriptor_(descriptor), escapes_(escapes), by_lines_(isatty(descriptor) != 0) {}

DescriptorBuffer::int_type DescriptorBuffer::overflow(int_type c) {
  if (c == traits_type::eof()) return traits_type::not_eof(c);
  const char character = traits_type::to_char_type(c);
  return xsputn(&character, 1) == 1 ? c : traits_type::eof();
}

std::streamsize DescriptorBuffer::xsputn(const char* text, std::streamsize size) {
  const std::lock_guard lock(mutex_);
  buffer_.append(text, static_cast<size_t>(size));
  if (buffer_.size() >= kBufferBytes)
    write_out(buffer_.size());
  else if (by_lines_)
    write_out(buffer_.rfind('\n') + 1);  // npos + 1 is 0
  return error_ == 0 ? size : 0;
}

int DescriptorBuffer::sync() {
  const std::lock_guard lock(mutex_);
  write_out(buffer_.size());
  return error_ == 0 ? 0 : -1;
}

void DescriptorBuffer::write_out(size_t size) {
  const std::string text = escapes_ ? escape_controls({buffer_.data(), size}, "\n\t") : buffer_.substr(0, size);
  buffer_.erase(0, size);
  for (size_t done = 0; done < text.size() && error_ == 0;) {
    const ssize_t written = ::write(descriptor_, text.data() + done, text.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno == EAGAIN) {
      pollfd room{descriptor_, POLLOUT, 0};
      poll(&room, 1, -1);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
}

StandardStreams::StandardStreams()
    : output_(STDOUT_FILENO, isatty(STDOUT_FILENO) != 0),
      errors_(STDERR_FILENO, true),
      output_before_(std::cout.rdbuf(&output_)),
      errors_before_(std::cerr.rdbuf(&errors_)) {}

StandardStreams::~StandardStreams() {
  std::cout.flush();
  std::cout.rdbuf(output_before_);
  std::cerr.rdbuf(errors_before_);
}

int StandardStreams::close_output() {
  std::cout.flush();
  if (output_.error() != 0) return output_.error();
  return ::close(STDOUT_FILENO) == 0 ? 0 : errno;  // where a network's disk tells of errors
}

}  // namespace tessera::command
