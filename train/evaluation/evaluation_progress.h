// A line on the terminal while figures are made.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <string>

#include "io/words.h"
#include "tensor/error.h"
#include "train/progress_line.h"

namespace tessera {

// How far an evaluation is; a part takes as long as its share that is done tells.
class EvaluationProgress {
 public:
  using Tell = std::function<void(const char* part, size_t done, size_t of)>;
  // For EvaluationOptions::progress; `model` says which one, where there are several.
  Tell of(const std::string& model = "") {
    return [this, model](const char* part, size_t done, size_t all) {
      show(model.empty() ? part : text(model, ", ", part), done, all);
    };
  }
  void clear() const { line_.clear(); }
  // For UsablePictures; must not outlive this.
  std::function<void(const std::string&)> report() const {
    return [this](const std::string& reason) {
      clear();
      std::cerr << "left out: " + reason + "\n" << std::flush;
    };
  }

 private:
  void show(const std::string& part, size_t done, size_t all) {
    if (part != part_ || done <= done_) begin_ = last_;
    part_ = part;
    done_ = done;
    last_ = Clock::now();
    const double seconds = std::chrono::duration<double>(last_ - begin_).count();
    const double left = seconds * static_cast<double>(all - done) / static_cast<double>(std::max<size_t>(done, 1));
    line_.show(text("evaluating: ", part, "  ", done, "/", all, "  ", clock_text(left), " left of this part"));
  }

  using Clock = std::chrono::steady_clock;
  ProgressLine line_;
  std::string part_;
  size_t done_ = 0;
  Clock::time_point last_ = Clock::now(), begin_ = last_;
};

}  // namespace tessera
