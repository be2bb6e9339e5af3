#include "vilt/heads.h"

namespace tessera {
namespace {

const HeadInfo kHeads[] = {
    {"mlm_score.", &Heads::masked_words, "masked-word head", "head for masked words (mlm_score)",
     "masked words (vilt fill)", nullptr, "mlm", true, false},
    {"itm_score.", &Heads::matching, "matching head", "head for image-text matching (itm_score)",
     "matching (vilt match)", nullptr, "itm", true, false},
    {"classifier.", &Heads::classifier, "classifier", "classifier", "answers (vilt answer)",
     "statements about pairs (vilt reason)", nullptr, true, true},
    {"rank_output.", &Heads::rank, "retrieval head", "head for retrieval (rank_output)", "retrieval (vilt rank)",
     nullptr, nullptr, false, false},
    {"mpp_score.", &Heads::masked_patches, "masked-patch head", "head for masked patches (mpp_score)", "masked patches",
     nullptr, "mpp", true, false},
};

}  // namespace

std::span<const HeadInfo> head_table() { return kHeads; }

const HeadInfo* head_of(std::string_view parameter) {
  for (const HeadInfo& head : kHeads)
    if (parameter.starts_with(head.prefix)) return &head;
  return nullptr;
}

}  // namespace tessera
