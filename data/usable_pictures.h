// Which pictures of an evaluation can be used. A picture that cannot be decoded costs the samples that show it, not the
// evaluation: it is named once, counted and left out, as in training (data/quarantine.h).
#pragma once

#include <cstdint>
#include <set>
#include <span>

#include "data/pictures.h"
#include "data/quarantine.h"

namespace tessera {

// For one thread.
class UsablePictures {
 public:
  // `report` is told of each picture that is left out, once. `pictures` must outlive this.
  UsablePictures(const Pictures& pictures, int64_t limit, Quarantine::Report report,
                 const char* setting = "data.max_bad_files")
      : pictures_(pictures), quarantine_(limit, std::move(report), setting) {}

  // Decodes those that it does not know yet, several at once. Throws when more than the limit cannot be decoded; which
  // are named, and in which order, does not depend on the number of threads.
  void look_at(std::span<const int64_t> images);
  // Looks at the picture where it is not known yet.
  bool usable(int64_t image);
  int64_t left_out() const { return quarantine_.count(); }

 private:
  const Pictures& pictures_;
  Quarantine quarantine_;
  std::set<int64_t> known_;
};

// Whether a picture can be decoded, for one that is shown as an example.
bool can_be_decoded(const Pictures& pictures, int64_t image);

}  // namespace tessera
