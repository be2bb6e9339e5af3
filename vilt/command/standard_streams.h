// Standard output and standard error of the command.
//
// Nothing that could not be written is lost in silence: the first error of standard output is kept, and the command
// ends with it. What standard error is given, and standard output on a terminal, has its control characters escaped: a
// terminal must not obey the name of a file. Progress lines, which steer the terminal, go past this to stderr.
#pragma once

#include <iostream>
#include <mutex>
#include <streambuf>
#include <string>

namespace tessera::command {

// A closed standard descriptor would be given to the next file that is opened, and what is meant for the screen would
// be written into it. /dev/null takes its place, opened so that reading standard input and writing standard output are
// errors as before; standard error swallows what it is given.
void open_closed_descriptors();

class DescriptorBuffer : public std::streambuf {
 public:
  explicit DescriptorBuffer(int descriptor, bool escapes);
  // The errno of the first write that failed; 0: none did.
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* text, std::streamsize size) override;
  int sync() override;

 private:
  void write_out(size_t size);

  const int descriptor_;
  const bool escapes_, by_lines_;
  std::mutex mutex_;  // messages come from several threads, and each writes out standard output first
  std::string buffer_;
  int error_ = 0;
};

// While it lives, std::cout and std::cerr write by such buffers.
class StandardStreams {
 public:
  StandardStreams();
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;
  // Closes standard output. Returns the errno of the first write that failed, or of closing; 0: all is written.
  int close_output();

 private:
  DescriptorBuffer output_, errors_;
  std::streambuf *output_before_, *errors_before_;
};

}  // namespace tessera::command
