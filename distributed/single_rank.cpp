#include "distributed/communicator.h"

namespace tessera {
namespace {

class SingleRank : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void all_reduce_(Tensor) override {}
  void broadcast_(Tensor, int root) override { check(root == 0, "broadcast: rank ", root, " of 1"); }
  void barrier() override {}
};

}  // namespace

Communicator& single_rank() {
  static SingleRank only;
  return only;
}

}  // namespace tessera
