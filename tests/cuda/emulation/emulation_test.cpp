// The emulation of CUDA kernels: a right kernel gives right results in every order of its threads, and one bug of each
// kind is caught: where accesses are checked by its message, under AddressSanitizer by its report, and else in the
// results.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "tests/cuda/on_device.h"
#include "tests/cuda/planted_bugs.h"
#include "tests/error_text.h"
#include "tests/skipped.h"

namespace tessera::emulation_test {

using namespace tessera::test;

namespace {

constexpr bool kAddressSanitizer =
#if defined(__SANITIZE_ADDRESS__)
    true;
#else
    false;
#endif

constexpr bool kThreadSanitizer =
#if defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

constexpr int kBlocks = 3, kThreads = 64, kSize = kBlocks * kThreads;

struct Outcome {
  std::string error;  // "" if nothing was thrown
  std::vector<float> out;
  int positive = 0;
};

Outcome run_in(uint64_t order, Bug bug, int n) {
  simt::order = order;
  std::vector<float> x(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i % 7 - 2);
  const DeviceArray<float> input(x, "x");
  DeviceArray<float> out(kSize, "out"), scratch(kSize, "scratch");
  DeviceArray<int> positive(std::vector<int>{5}, "positive");
  Outcome outcome;
  try {
    run_planted(bug, input.data(), out.data(), positive.data(), scratch.data(), n, kBlocks);
  } catch (const Error& error) {
    outcome.error = error.what();
  }
  outcome.out = out.to_host();
  outcome.positive = positive.to_host()[0];
  return outcome;
}

Outcome expected(int n) {
  Outcome outcome;
  outcome.positive = 5;
  for (int b = 0; b < kBlocks; ++b) {
    std::vector<float> part;
    float sum = 0;
    for (int i = b * kThreads; i < (b + 1) * kThreads; ++i) {
      part.push_back(i < n ? static_cast<float>(i % 7 - 2) : 0);
      sum += part.back();
      outcome.positive += part.back() > 0;
    }
    for (int t = kThreads - 1; t >= 0; --t) outcome.out.push_back(part[static_cast<size_t>(t)] + sum);
  }
  return outcome;
}

bool is_right(const Outcome& outcome, int n) {
  const Outcome right = expected(n);
  return outcome.error.empty() && outcome.out == right.out && outcome.positive == right.positive;
}

// True if a run in one of ten orders ends with an error or with wrong results.
bool is_caught(Bug bug) {
  for (uint64_t order = 1; order <= 10; ++order)
    if (!is_right(run_in(order, bug, kSize - 5), kSize - 5)) return true;
  return false;
}

// What a process that does f prints on its standard error.
std::string last_words(const std::function<void()>& f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    f();
    _exit(0);
  }
  close(ends[1]);
  std::string words;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) words.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return words;
}

struct WithoutChecker {
  bool before = std::exchange(simt::check_accesses, false);
  ~WithoutChecker() { simt::check_accesses = before; }
};

struct Planted {
  Bug bug;
  const char* name;
  std::initializer_list<const char*> message;
};

// Bugs that the emulation itself reports, in any build.
const Planted kDivergence[] = {
    {Bug::barrier_in_branch,
     "barrier_in_branch",
     {"planted_kernel", "wait for threads that never arrive", "threads 0-39 wait at __syncthreads",
      "planted_bugs.cu:30"}},
    {Bug::different_barriers, "different_barriers", {"meet at different barriers", "threads 0-39", "threads 40-63"}},
    {Bug::uneven_barriers, "uneven_barriers", {"meet at different barriers", "threads 32-63"}},
    {Bug::shuffle_in_branch, "shuffle_in_branch", {"__shfl_xor_sync", "with mask 0xffffffff"}},
    {Bug::shuffle_after_return, "shuffle_after_return", {"shuffles from lane", "takes no part"}},
    {Bug::shuffle_from_absent_lane,
     "shuffle_from_absent_lane",
     {"shuffles from lane 20, which takes no part", "0x0000ffff"}},
    {Bug::lane_not_in_its_mask, "lane_not_in_its_mask", {"is not in the mask of its own collective"}},
    {Bug::block_too_large, "block_too_large", {"no GPU takes a grid of 3 x 1 x 1 blocks of 1025 x 1 x 1 threads"}},
};

// Bugs that the checker of accesses reports.
const Planted kRaces[] = {
    {Bug::no_barrier_after_write, "no_barrier_after_write", {"static shared memory", "planted_bugs.cu:"}},
    {Bug::no_barrier_before_next_write,
     "no_barrier_before_next_write",
     {"race on byte", "of static shared memory", "with no barrier between"}},
    {Bug::no_barrier_in_warp, "no_barrier_in_warp", {"of dynamic shared memory"}},
    {Bug::plain_sum_in_block, "plain_sum_in_block", {"race on byte 264 of static shared memory"}},
    {Bug::plain_sum_between_blocks,
     "plain_sum_between_blocks",
     {"race on element 0 of positive [1]", "of another block"}},
};
const Planted kUnwritten[] = {
    {Bug::unwritten_shared, "unwritten_shared", {"of static shared memory, which was never written"}},
    {Bug::unwritten_global, "unwritten_global", {"of scratch [192], which was never written", "reads 4 bytes"}},
};
const Planted kOutside[] = {
    {Bug::reads_past_array,
     "reads_past_array",
     {"reads 4 bytes: outside of all arrays, 0 bytes past the end of x [187]", "planted_bugs.cu:"}},
    {Bug::writes_past_array,
     "writes_past_array",
     {"writes 4 bytes: outside of all arrays, 0 bytes past the end of out [192]"}},
    {Bug::writes_before_array, "writes_before_array", {"writes 4 bytes: outside of all arrays"}},
    {Bug::writes_past_dynamic_shared,
     "writes_past_dynamic_shared",
     {"outside of shared memory, 0 bytes past the end of dynamic shared memory"}},
    {Bug::reads_past_static_shared,
     "reads_past_static_shared",
     {"reads 4 bytes: outside of shared memory, 0 bytes past the end of static shared memory"}},
    {Bug::misaligned_pack, "misaligned_pack", {"reads 16 bytes: misaligned, at element 1 of x [187]"}},
};

bool has_addr2line() { return std::system("command -v addr2line >/dev/null 2>&1") == 0; }

// What a launch with the bug says. ThreadSanitizer finds races that follow from bugs of other kinds: there a process of
// its own has them.
std::string error_of(Bug bug) {
  const auto run = [=] { return run_in(1, bug, kSize - 5).error; };
  return kThreadSanitizer ? last_words([&] { std::fputs(run().c_str(), stderr); }) : run();
}

void check_message(const Planted& planted) {
  CAPTURE(planted.name);
  const std::string error = error_of(planted.bug);
  for (const char* part : planted.message)
    if (std::string(part) != "planted_bugs.cu:" || has_addr2line()) CHECK(tests::lacking(error, {part}) == "");
}

}  // namespace

TEST_CASE("emulation: a right kernel is right in every order of its threads, at any size") {
  for (uint64_t order = 1; order <= 20; ++order)
    for (const int n : {0, 1, 63, 64, 65, kSize}) {
      const Outcome outcome = run_in(order, Bug::none, n);
      CHECK(outcome.error == "");
      CHECK(is_right(outcome, n));
    }
}

TEST_CASE("emulation: barriers and shuffles that not all threads reach are named with threads and line") {
  const WithoutChecker guard;  // which may find what follows from such a bug before the bug itself is complete
  for (const Planted& planted : kDivergence) check_message(planted);
}

TEST_CASE("emulation: after an error the next launch is as good as the first") {
  CHECK(!run_in(1, Bug::shuffle_from_absent_lane, kSize).error.empty());
  CHECK(is_right(run_in(1, Bug::none, kSize), kSize));
}

TEST_CASE("emulation: races, unwritten memory and accesses outside of arrays are named where accesses are checked") {
  if (!simt::accesses_are_checked()) return tests::skipped("accesses are not checked in this build");
  for (const Planted& planted : kRaces) check_message(planted);
  for (const Planted& planted : kUnwritten) check_message(planted);
  for (const Planted& planted : kOutside) check_message(planted);
}

TEST_CASE("emulation: without the checker a missing barrier shows in the results of some order") {
  const WithoutChecker guard;
  CHECK(!is_caught(Bug::none));
  CHECK(is_caught(Bug::unwritten_shared));
  if (kThreadSanitizer) return;  // a race would be the end of this process
  for (const Bug bug : {Bug::no_barrier_after_write, Bug::no_barrier_before_next_write, Bug::no_barrier_in_warp})
    CHECK(is_caught(bug));
}

TEST_CASE(
    "emulation: AddressSanitizer and UndefinedBehaviorSanitizer see accesses outside of arrays and shared memory") {
  if (!kAddressSanitizer) return tests::skipped("this build is not under AddressSanitizer");
  for (const Planted& planted : kOutside) {
    CAPTURE(planted.name);
    const std::string words = last_words([&] { run_in(1, planted.bug, kSize - 5); });
    const bool undefined = planted.bug == Bug::misaligned_pack || planted.bug == Bug::reads_past_static_shared;
    CHECK(words.find(undefined ? "runtime error" : "AddressSanitizer") != std::string::npos);
  }
}

TEST_CASE("emulation: ThreadSanitizer sees races within a warp, a block and between blocks") {
  if (!kThreadSanitizer) return tests::skipped("this build is not under ThreadSanitizer");
  for (const Planted& planted : kRaces) {
    CAPTURE(planted.name);
    const std::string words = last_words([&] { run_in(1, planted.bug, kSize - 5); });
    CHECK(words.find("ThreadSanitizer: data race") != std::string::npos);
  }
}

}  // namespace tessera::emulation_test
