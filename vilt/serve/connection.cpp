#include "vilt/serve/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tessera::serve {

using namespace std::chrono_literals;

namespace {

constexpr size_t kHeadBytes = 64 << 10;
constexpr auto kTimeToWrite = 10s;  // beyond the time of the request

int milliseconds_until(Connection::Clock::time_point time) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(time - Connection::Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1'000'000));
}

void name_of(const sockaddr_storage& address, socklen_t size, std::string& ip, int& port) {
  char host[NI_MAXHOST] = {}, service[NI_MAXSERV] = {};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, service, sizeof service,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  ip = host;
  port = std::atoi(service);
}

}  // namespace

Connection::Connection(int socket, int wake) : socket_(socket), wake_(wake) {}

bool Connection::wait_for_request(std::chrono::milliseconds idle) {
  if (next_ < buffer_.size()) return true;
  pollfd ends[2] = {{socket_, POLLIN, 0}, {wake_, POLLIN, 0}};
  int ready = 0;
  do ready = ::poll(ends, 2, static_cast<int>(idle.count()));
  while (ready < 0 && errno == EINTR);
  if (ready <= 0 || ends[0].revents == 0) return false;
  char byte = 0;
  return ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

void Connection::begin_request(Clock::time_point latest) {
  latest_ = latest;
  head_left_ = kHeadBytes;
  late_ = false;
}

bool Connection::wait(short events, Clock::time_point latest) const {
  pollfd end{socket_, events, 0};
  for (;;) {
    const int ready = ::poll(&end, 1, milliseconds_until(latest));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

bool Connection::is_readable() const { return next_ < buffer_.size() || wait(POLLIN, Clock::now()); }
bool Connection::is_writable() const { return wait(POLLOUT, Clock::now()); }

ssize_t Connection::read(char* to, size_t size) {
  constexpr size_t kPiece = 64 << 10;
  if (head_left_ == 0 || size == 0) return -1;
  if (next_ == buffer_.size()) {
    if (!wait(POLLIN, latest_)) {
      late_ = true;
      return -1;
    }
    buffer_.resize(kPiece);
    const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
    buffer_.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    next_ = 0;
    if (got <= 0) return got;
  }
  const size_t count = std::min({size, buffer_.size() - next_, head_left_});
  std::memcpy(to, buffer_.data() + next_, count);
  next_ += count;
  if (head_left_ != SIZE_MAX) head_left_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* from, size_t size) {
  if (!wait(POLLOUT, latest_ + kTimeToWrite)) return -1;
  ssize_t sent = 0;
  do sent = ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

void Connection::linger() {
  constexpr size_t kMostBytes = size_t{256} << 20;
  ::shutdown(socket_, SHUT_WR);
  const auto latest = Clock::now() + 2s;
  std::string thrown_away(64 << 10, '\0');
  for (size_t bytes = 0; bytes < kMostBytes && wait(POLLIN, latest);) {
    const ssize_t got = ::recv(socket_, thrown_away.data(), thrown_away.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    bytes += static_cast<size_t>(got);
  }
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) name_of(address, size, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) name_of(address, size, ip, port);
}

}  // namespace tessera::serve
