// Writes a small CLIP with drawn weights into the folder of its argument, for tests of the command line.
#include "tests/models/tiny_clip.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  tessera::tests::write_tiny_clip(argv[1]);
}
