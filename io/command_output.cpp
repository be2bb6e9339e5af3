#include "io/command_output.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

class Command {
 public:
  explicit Command(const std::string& command) : shown_(escape_controls(command)), buffer_(256 << 10) {
    std::array<int, 2> ends{};
    check(::pipe2(ends.data(), O_CLOEXEC) == 0, "cannot run ", shown_, ": ", std::strerror(errno));
    descriptor_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    // A signal that is ignored here would stay so there, and the command would not end with its pipe.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    std::string shell = "sh", option = "-c", words = command;
    const std::array<char*, 4> arguments = {shell.data(), option.data(), words.data(), nullptr};
    const int error = ::posix_spawn(&process_, "/bin/sh", &actions, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (error != 0) {
      process_ = -1;
      ::close(std::exchange(descriptor_, -1));
      fail("cannot run ", shown_, ": ", std::strerror(error));
    }
  }
  ~Command() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (process_ > 0) wait();
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  std::string_view next() {
    if (process_ <= 0) return {};
    ssize_t got = 0;
    do {
      got = ::read(descriptor_, buffer_.data(), buffer_.size());
    } while (got < 0 && errno == EINTR);
    check(got >= 0, "cannot read what ", shown_, " writes: ", std::strerror(errno));
    if (got == 0) end();
    return {buffer_.data(), static_cast<size_t>(got)};
  }

 private:
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return status;
  }
  void end() {
    const int status = wait();
    check(!WIFSIGNALED(status), shown_, ": was killed by signal ", WTERMSIG(status));
    check(WEXITSTATUS(status) == 0, shown_, ": ended with status ", WEXITSTATUS(status));
  }

  std::string shown_;
  std::vector<char> buffer_;
  int descriptor_ = -1;
  pid_t process_ = -1;
};

}  // namespace

TextPieces command_output(const std::string& command) {
  return [state = std::make_shared<Command>(command)] { return state->next(); };
}

}  // namespace tessera
