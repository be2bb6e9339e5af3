#include "vilt/tasks/training_notes.h"

#include <algorithm>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr int64_t kMostCaptions = 20000, kMostReadCaptions = 100;

// One that cannot be read is told when a step wants it.
std::string caption_of(const PairSource& train, int64_t number) {
  try {
    return train.caption(number);
  } catch (const Error&) {
    return {};
  }
}

void note_cut_captions(const PairSource& train, std::vector<std::string>& notes) {
  const int64_t all = train.captions();
  const int64_t looked_at = std::min(all, train.in_memory() ? kMostCaptions : kMostReadCaptions);
  const auto room = static_cast<size_t>(train.options().max_length) - 2;  // beside [CLS] and [SEP]
  int64_t cut = 0;
  for (int64_t i = 0; i < looked_at; ++i) {
    const std::string caption = caption_of(train, i * all / looked_at);
    // A token has a byte at least.
    cut += caption.size() > room && train.vocabulary().encode(caption).size() > room;
  }
  if (cut == 0) return;
  const std::string of = looked_at == all ? text(all, " captions") : text("the ", looked_at, " captions looked at");
  notes.push_back(text(cut, " of ", of, " are longer than ", train.options().max_length,
                       " tokens and are cut (model.max_position_embeddings)"));
}

// Settings that only matter with another one.
void note_without_effect(const Settings& settings, std::vector<std::string>& notes) {
  const Settings usual;
  const auto& own = settings.objectives;
  const auto& other = usual.objectives;
  const auto needs = [&](bool changed, bool used, const char* key, const char* reason) {
    if (changed && !used) notes.push_back(text("setting '", key, "' has no effect: ", reason));
  };
  const bool words = own.mlm_weight != 0, matching = own.itm_weight != 0, alignment = own.wpa_weight != 0;
  const bool patches = own.mpp_weight != 0;
  const char *no_words = "objectives.mlm_weight is 0", *no_matching = "objectives.itm_weight is 0";
  const char *no_alignment = "objectives.wpa_weight is 0", *no_patches = "objectives.mpp_weight is 0";
  needs(own.mask_rate != other.mask_rate, words, "objectives.mask_rate", no_words);
  needs(own.masking != other.masking, words, "objectives.masking", no_words);
  needs(own.content_first != other.content_first, words, "objectives.content_first", no_words);
  needs(own.sibling_negatives != other.sibling_negatives, matching, "objectives.sibling_negatives", no_matching);
  needs(own.false_images != other.false_images, matching, "objectives.false_images", no_matching);
  needs(own.ipot_beta != other.ipot_beta, alignment, "objectives.ipot_beta", no_alignment);
  needs(own.ipot_iterations != other.ipot_iterations, alignment, "objectives.ipot_iterations", no_alignment);
  needs(own.patch_mask_rate != other.patch_mask_rate, patches, "objectives.patch_mask_rate", no_patches);
  needs(own.patch_replace_rate != other.patch_replace_rate, patches, "objectives.patch_replace_rate", no_patches);
  needs(!settings.data.unseen_group.empty(), !settings.data.unseen_split.empty(), "data.unseen_group",
        "data.unseen_split is empty");
  needs(!settings.train.curriculum_group.empty(), settings.train.curriculum != 0, "train.curriculum_group",
        "train.curriculum is 0");
}

}  // namespace

std::vector<std::string> training_notes(const Settings& settings, const PairSource& train) {
  std::vector<std::string> notes;
  note_cut_captions(train, notes);
  const int64_t images = train.images(), captions = train.captions();
  if (images == 1 && settings.objectives.itm_weight != 0)
    notes.emplace_back("one image: there is no false one, every pair is true, and matching cannot be learnt");
  if (settings.train.batch_size > captions)
    notes.push_back(text("a batch of ", settings.train.batch_size, " (train.batch_size) is more than the ", captions,
                         " captions: a step has some of them more than once"));
  note_without_effect(settings, notes);
  return notes;
}

}  // namespace tessera
