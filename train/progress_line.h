// The line at the bottom of a terminal that is written over and over. It is gone before anything else is printed, and
// also when an error ends the run. Where standard error is no terminal there is none.
#pragma once

#include <string>

namespace tessera {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  void show(const std::string& line) const;
  void clear() const { show(""); }

 private:
  bool terminal_;
};

}  // namespace tessera
