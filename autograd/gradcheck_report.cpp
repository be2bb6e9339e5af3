// What a report says.
#include "autograd/gradcheck.h"

namespace tessera {
namespace {

std::string place(size_t input, int64_t index) {
  return text("input ", input, ", ", index < 0 ? std::string("random direction") : text("element ", index));
}

std::string described(const GradcheckFailure& failure) {
  if (!failure.error.empty())
    return text("input ", failure.input, ": ", failure.when, ", an error: ", failure.error,
                " (a function that takes contiguous inputs alone is checked with options.twins = false)");
  const std::string found = text(failure.analytic, ", expected ", failure.numeric, ", bound ", failure.bound);
  if (failure.output >= 0)
    return text("output ", failure.output, ", element ", failure.index, ": ", failure.when, ", the value is ", found);
  if (!failure.when.empty())
    return text(place(failure.input, failure.index), ": ", failure.when, ", backward gives ", found);
  if (failure.at_kink && failure.analytic == failure.numeric)
    return text(place(failure.input, failure.index), ": a kink, which options.kinks makes a failure");
  return text(place(failure.input, failure.index), ": backward gives ", failure.analytic,
              failure.at_kink ? ", the nearer one-sided difference at this kink " : ", central difference ",
              failure.numeric, ", bound ", failure.bound);
}

}  // namespace

std::string GradcheckReport::message() const {
  std::string out;
  if (ok) out = text("gradients agree: ", checked, " compared, worst at ", worst_fraction, " of its bound\n");
  for (const GradcheckFailure& failure : failures) out += described(failure) + "\n";
  out += kinks_message();
  for (const GradcheckSample& sample : samples)
    out += text("input ", sample.input, ": with ", sample.directions, " random directions an error in one of its ",
                sample.elements, " elements is found from ", sample.smallest_error,
                " on (the "
                "gradient's root mean square is ",
                sample.root_mean_square, "); options.exhaustive compares every element\n");
  return out;
}

std::string GradcheckReport::kinks_message() const {
  std::string out;
  for (const GradcheckKink& kink : first_kinks)
    out += text(place(kink.input, kink.index), ": a kink: backward gives ", kink.analytic, ", one-sided differences ",
                kink.lowest, " and ", kink.highest, "\n");
  if (kinks > static_cast<int64_t>(first_kinks.size())) out += text(kinks, " kinks in all\n");
  return out;
}

}  // namespace tessera
