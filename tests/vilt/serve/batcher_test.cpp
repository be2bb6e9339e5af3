#include "vilt/serve/batcher.h"

#include <doctest/doctest.h>

#include <latch>

#include "tensor/error.h"
#include "vilt/serve/rate.h"
#include "vilt/serve/recent.h"

namespace tessera::batcher_test {
namespace {

using namespace std::chrono_literals;
using serve::Batcher;

struct Number : Batcher::Job {
  Number(std::string of, int value, int64_t questions = 1) : number(value) {
    group = std::move(of);
    size = questions;
  }
  int number, twice = 0;
};

Batcher::Time soon() { return std::chrono::steady_clock::now() + 20s; }

// Keeps the batches it has run; the first waits until it may go on.
struct Recorder {
  std::latch begun{1}, go_on{1};
  std::vector<std::vector<int>> batches;
  void operator()(const Batcher::Jobs& jobs) {
    std::vector<int> numbers;
    for (const auto& job : jobs) {
      auto& number = static_cast<Number&>(*job);
      number.twice = 2 * number.number;
      numbers.push_back(number.number);
    }
    batches.push_back(numbers);
    if (batches.size() > 1) return;
    begun.count_down();
    go_on.wait();
  }
};

}  // namespace

TEST_CASE("What waits while a batch runs is one batch, by groups and up to its size") {
  Recorder recorder;
  std::vector<std::shared_ptr<Number>> jobs = {std::make_shared<Number>("a", 0)};
  for (const auto& [group, number, size] : std::vector<std::tuple<std::string, int, int64_t>>{
           {"a", 1, 1}, {"b", 2, 1}, {"a", 3, 2}, {"", 4, 1}, {"b", 5, 1}, {"a", 6, 4}, {"a", 7, 1}, {"", 8, 1}})
    jobs.push_back(std::make_shared<Number>(group, number, size));
  {
    Batcher batcher(4, 100, [&](const Batcher::Jobs& batch) { recorder(batch); });
    std::vector<std::thread> askers;
    askers.emplace_back([&] { CHECK(batcher.run(jobs[0], soon()) == Batcher::Outcome::done); });
    recorder.begun.wait();
    for (size_t i = 1; i < jobs.size(); ++i) {
      askers.emplace_back([&, i] { CHECK(batcher.run(jobs[i], soon()) == Batcher::Outcome::done); });
      std::this_thread::sleep_for(10ms);  // in this order
    }
    recorder.go_on.count_down();
    for (std::thread& asker : askers) asker.join();
    CHECK(batcher.jobs() == 9);
    CHECK(batcher.batches() == 6);
  }
  // 6 has four questions, and does not fit beside 1 and 3; 7 does.
  CHECK(recorder.batches == std::vector<std::vector<int>>{{0}, {1, 3, 7}, {2, 5}, {4}, {6}, {8}});
  for (const auto& job : jobs) CHECK(job->twice == 2 * job->number);
}

TEST_CASE("Too many that wait are turned away, and what is late never runs") {
  Recorder recorder;
  Batcher batcher(4, 2, [&](const Batcher::Jobs& batch) { recorder(batch); });
  std::thread first([&] { batcher.run(std::make_shared<Number>("a", 0), soon()); });
  recorder.begun.wait();
  CHECK(batcher.run(std::make_shared<Number>("a", 1), std::chrono::steady_clock::now() + 20ms) ==
        Batcher::Outcome::late);
  std::vector<std::thread> waiting;
  for (int i = 2; i < 4; ++i)
    waiting.emplace_back(
        [&, i] { CHECK(batcher.run(std::make_shared<Number>("a", i), soon()) == Batcher::Outcome::done); });
  std::this_thread::sleep_for(50ms);
  CHECK(batcher.run(std::make_shared<Number>("a", 4), soon()) == Batcher::Outcome::full);
  recorder.go_on.count_down();
  first.join();
  for (std::thread& one : waiting) one.join();
  REQUIRE(recorder.batches.size() == 2);
  CHECK(recorder.batches[1].size() == 2);
}

TEST_CASE("What a batch throws is told to each of its jobs, and the next runs") {
  Batcher batcher(4, 100, [](const Batcher::Jobs& jobs) {
    if (static_cast<Number&>(*jobs[0]).number < 0) fail("below zero");
  });
  const auto bad = std::make_shared<Number>("a", -1), good = std::make_shared<Number>("a", 1);
  CHECK(batcher.run(bad, soon()) == Batcher::Outcome::done);
  CHECK(bad->error == "below zero");
  CHECK(batcher.run(good, soon()) == Batcher::Outcome::done);
  CHECK(good->error.empty());
}

TEST_CASE("An address has ten seconds' worth of requests, filled evenly; others are not concerned") {
  serve::RateLimit limit(2);
  serve::RateLimit::Time now{};
  for (int i = 0; i < 20; ++i) CHECK(limit.allows("a", now));
  CHECK(!limit.allows("a", now));
  CHECK(limit.allows("b", now));
  now += 600ms;
  CHECK(limit.allows("a", now));
  CHECK(!limit.allows("a", now));
  now += 1h;
  for (int i = 0; i < 20; ++i) CHECK(limit.allows("a", now));
  CHECK(!limit.allows("a", now));
}

TEST_CASE("The rate of many addresses takes bounded memory: buckets that are full are forgotten") {
  serve::RateLimit limit(1);
  serve::RateLimit::Time now{};
  for (int i = 0; i < 10'000; ++i) REQUIRE(limit.allows(std::to_string(i), now));
  CHECK(!limit.allows("one more", now));
  CHECK(limit.allows("5", now));
  now += 2s;
  CHECK(limit.allows("one more", now));
}

TEST_CASE("What was asked for longest ago is forgotten first") {
  serve::Recent<int> recent(30);
  const auto keep = [&](const std::string& name, int value, int64_t bytes) {
    recent.keep(name, std::make_shared<const int>(value), bytes);
  };
  keep("a", 1, 10);
  keep("b", 2, 10);
  keep("c", 3, 10);
  CHECK(*recent.find("a") == 1);
  keep("d", 4, 10);
  CHECK(recent.find("b") == nullptr);
  CHECK(*recent.find("a") == 1);
  CHECK(*recent.find("c") == 3);
  keep("e", 5, 31);
  CHECK(recent.find("e") == nullptr);
  keep("f", 6, 25);
  CHECK(recent.find("c") == nullptr);
  CHECK(*recent.find("f") == 6);
}

}  // namespace tessera::batcher_test
