#include "vilt/files/preprocessing.h"

#include <cmath>

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void preprocessing(Bytes bytes) {
  constexpr int kPatch = 8;
  SampleOptions options;
  if (!accepted([&] { options = preprocessing_from_json(as_text(bytes), "fuzz", kPatch); })) return;
  ensure(options.shorter >= options.divisor() && options.divisor() >= kPatch && options.divisor() % kPatch == 0,
         "shorter side ", options.shorter, ", divisor ", options.divisor());
  for (size_t c = 0; c < 3; ++c)
    ensure(std::isfinite(options.norm.mean[c]) && options.norm.std[c] > 0, "deviation ", options.norm.std[c]);
  const std::string json = preprocessing_json(options);
  ensure(preprocessing_json(preprocessing_from_json(json, "written", kPatch)) == json,
         "writing and reading changed it");
}

}  // namespace tessera::fuzz
