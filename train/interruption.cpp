#include "train/interruption.h"

#include "tensor/error.h"

namespace tessera {
namespace {

volatile std::sig_atomic_t kept = 0;

extern "C" void keep_signal(int number) {
  kept = number;
  // The next one of either kind kills.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

SignalGuard::SignalGuard() {
  kept = 0;
  struct sigaction action = {};
  action.sa_handler = keep_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  check(sigaction(SIGINT, &action, &before_int_) == 0 && sigaction(SIGTERM, &action, &before_term_) == 0,
        "signals cannot be handled");
  // What the caller ignores (a job in the background, nohup) stays ignored.
  if (before_int_.sa_handler == SIG_IGN) sigaction(SIGINT, &before_int_, nullptr);
  if (before_term_.sa_handler == SIG_IGN) sigaction(SIGTERM, &before_term_, nullptr);
}

SignalGuard::~SignalGuard() {
  sigaction(SIGINT, &before_int_, nullptr);
  sigaction(SIGTERM, &before_term_, nullptr);
  kept = 0;
}

int kept_signal() { return kept; }

const char* signal_name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace tessera
