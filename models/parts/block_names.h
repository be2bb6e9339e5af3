// The blocks of a transformer under a model's own names.
#pragma once

#include <string>
#include <vector>

#include "nn/transformer_block.h"

namespace tessera {

struct BlockNames {
  std::string place;  // of block 0 without its number: "encoder.layers."
  NameTable parts;    // of a block (with_names)
};

inline void visit_blocks(std::vector<TransformerBlock>& blocks, const std::string& prefix, const BlockNames& names,
                         const ParameterVisitor& visitor) {
  for (size_t i = 0; i < blocks.size(); ++i)
    blocks[i].visit("", with_names(names.parts, join_name(prefix, names.place + std::to_string(i)), visitor));
}

}  // namespace tessera
