// A connection's bytes for cpp-httplib, within limits of our own: time for a whole request, not for each byte of it,
// and the size of its head.
#pragma once

#include <httplib.h>

#include <chrono>
#include <string>

namespace tessera::serve {

class Connection : public httplib::Stream {
 public:
  using Clock = std::chrono::steady_clock;

  // Owns neither. `wake` becomes readable when the server ends.
  Connection(int socket, int wake);

  // Until bytes of the next request are there. False: the other side closed, `idle` has passed, or the server ends.
  bool wait_for_request(std::chrono::milliseconds idle);
  // What follows is one request, to be read and answered by then.
  void begin_request(Clock::time_point latest);
  void end_of_head() { head_left_ = SIZE_MAX; }  // its body has limits elsewhere
  bool late() const { return late_; }
  bool head_too_large() const { return head_left_ == 0; }
  // So that the other side reads an answer to a request that was not read to its end: what is still sent is thrown
  // away for a moment.
  void linger();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* to, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  bool wait(short events, Clock::time_point latest) const;

  const int socket_, wake_;
  Clock::time_point latest_;
  size_t head_left_ = 0;
  bool late_ = false;
  std::string buffer_;
  size_t next_ = 0;  // into the buffer
};

}  // namespace tessera::serve
