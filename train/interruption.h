// Ending a run from outside: Ctrl-C, or the SIGTERM of a batch system.
#pragma once

#include <csignal>
#include <stdexcept>
#include <string>

namespace tessera {

// The loop's answer to a signal, when the step has been ended and a checkpoint is written.
struct Interrupted : std::runtime_error {
  Interrupted(int number, const std::string& what) : std::runtime_error(what), signal(number) {}
  int signal;
};

// While it lives, the first SIGINT or SIGTERM is kept for the training loop (train/run.h), which looks between steps;
// a second one kills, as without this. Only one lives at a time.
class SignalGuard {
 public:
  SignalGuard();
  ~SignalGuard();
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  struct sigaction before_int_, before_term_;
};

// The signal that was kept, or 0.
int kept_signal();
const char* signal_name(int signal);

}  // namespace tessera
