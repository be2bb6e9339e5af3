// What the parts of the evaluation share: vilt/tasks/evaluation.cpp asks for matches and words, vilt/tasks/pointing.cpp
// where words look.
#pragma once

#include <algorithm>
#include <map>
#include <memory>

#include "vilt/tasks/evaluation.h"

namespace tessera {

class Mean {
 public:
  void add(double value) {
    sum_ += value;
    ++count_;
  }
  int64_t count() const { return count_; }
  Figure value() const { return count_ ? Figure(sum_ / static_cast<double>(count_)) : std::nullopt; }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

// Patched images, made when first asked for and kept while any pair holds them.
class ImagePool {
 public:
  explicit ImagePool(const Pictures& pictures) : pictures_(pictures) {}
  std::shared_ptr<const PatchedImage> get(int64_t image) {
    auto& entry = images_[image];
    if (auto alive = entry.lock()) return alive;
    auto made = std::make_shared<const PatchedImage>(pictures_.patched(image));
    entry = made;
    return made;
  }

 private:
  const Pictures& pictures_;
  std::map<int64_t, std::weak_ptr<const PatchedImage>> images_;
};

// Runs in slices, so that only a slice's images are in memory as floats.
inline constexpr size_t kSlice = 512;

inline void tell(const EvaluationOptions& options, const char* part, size_t done, size_t of) {
  if (options.progress) options.progress(part, std::min(done, of), of);
}

// The pointing figures of captions shown with `images`, one for each sentence.
void evaluate_pointing(const ViltWithHeads& model, const SampleSource& source, const std::vector<int64_t>& sentences,
                       const std::vector<int64_t>& images, const EvaluationOptions& options, Evaluation& out);

}  // namespace tessera
