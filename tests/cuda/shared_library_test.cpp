#include "tensor/cuda/shared_library.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>

#include "tensor/error.h"

namespace tessera::shared_library_test {

using cuda::SharedLibrary;

namespace {

const std::array<std::string, 2> kMathematics{"libtessera_missing.so.1", "libm.so.6"};
const std::array<std::string, 2> kMissing{"libtessera_missing.so.1", "/nowhere/libtessera_missing.so.2"};

// Sets a variable of the environment as long as it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value, 1);
  }
  ~Environment() { setenv(name_, before_.c_str(), 1); }

 private:
  const char* name_;
  std::string before_;
};

int destroyed = 0;
void count_destroyed(int*) { ++destroyed; }
using Counted = cuda::Handle<int*, count_destroyed>;

}  // namespace

TEST_CASE("a shared library is the first candidate that is there, and its functions are found by name") {
  const SharedLibrary library("mathematics", kMathematics);
  REQUIRE(library.loaded());
  CHECK(library.problem().empty());
  CHECK(library.function<double (*)(double)>("cbrt")(27.0) == doctest::Approx(3));
  CHECK((library.find<double (*)(double)>("cbrt") != nullptr));
}

TEST_CASE("a function that a shared library lacks is named") {
  const SharedLibrary library("mathematics", kMathematics);
  CHECK((library.find<void (*)()>("no_such_function") == nullptr));
  CHECK_THROWS_WITH_AS(library.function<void (*)()>("no_such_function"),
                       "cuda: mathematics has no no_such_function; it is another version than was expected", Error);
}

TEST_CASE("a shared library that is not there says where it was looked for, when it is used") {
  const SharedLibrary library("cuMissing", kMissing);
  CHECK_FALSE(library.loaded());
  CHECK(library.problem().starts_with("cuda: cuMissing cannot be loaded: libtessera_missing.so.1: "));
  CHECK(library.problem().ends_with(
      "(tried libtessera_missing.so.1, /nowhere/libtessera_missing.so.2); add its folder to LD_LIBRARY_PATH"));
  CHECK_THROWS_WITH_AS(library.function<void (*)()>("cbrt"), library.problem().c_str(), Error);
  CHECK_THROWS_WITH_AS(library.find<void (*)()>("cbrt"), library.problem().c_str(), Error);
}

TEST_CASE("a shared library can be moved") {
  SharedLibrary first("mathematics", kMathematics);
  const SharedLibrary second = std::move(first);
  CHECK(second.function<double (*)(double)>("cbrt")(8.0) == doctest::Approx(2));
}

TEST_CASE("a toolkit's libraries are looked for by name, in the environment's toolkit, where toolkits lie") {
  const Environment home("CUDA_HOME", "/opt/cuda"), path("CUDA_PATH", "");
  CHECK(cuda::toolkit_places("libx.so.1") ==
        std::vector<std::string>{"libx.so.1", "/opt/cuda/lib64/libx.so.1", "/usr/local/cuda/lib64/libx.so.1"});
}

TEST_CASE("a handle destroys what it owns, once") {
  int value = 0;
  destroyed = 0;
  {
    Counted none, first(&value);
    CHECK_FALSE(none);
    Counted second = std::move(first);
    CHECK_FALSE(first);
    CHECK(second.get() == &value);
    none = std::move(second);
    CHECK(destroyed == 0);
  }
  CHECK(destroyed == 1);
  {
    Counted handle(&value);
    *handle.place() = &value;
    CHECK(destroyed == 2);
    handle.reset();
    CHECK(destroyed == 3);
  }
  CHECK(destroyed == 3);
}

}  // namespace tessera::shared_library_test
