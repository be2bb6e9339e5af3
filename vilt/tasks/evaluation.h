// What a trained model knows: figures on a split of a data set, and their controls.
//
//   itm_accuracy_random      balanced accuracy of matching at logit difference 0: every caption with its image and with
//                            a false one (drawn with a fixed seed; never the sibling, nor, where objects are annotated,
//                            an image of which the caption may be true)
//   itm_accuracy_hard        the same with the annotated sibling image as the false one; also by kind of difference
//   mlm_accuracy_content     every content word masked alone; counts when all its pieces are predicted
//   mlm_accuracy_wrong_image the same with the image of a fixed other record: what can be told without the picture
//   pointing_*               each object's head noun (its last content word), its map summed over its pieces: whether
//                            the patch with the largest weight has its centre in the object's box; ties share the hit
//     attention              mean over heads of the last layer; also every layer
//     own_over_other         the mean weight in the own box exceeds that in the other objects' boxes; 0.5 if equal
//     plan, plan_training    the transport plan at (beta 0.1, 1,000 iterations) and at the training setting
//     chance                 the share of patches that have their centre in the box
//
// Figures that the data set cannot give (no annotations) are absent. Captions whose picture cannot be decoded are in
// none of them; such a picture is no false one either, and as a sibling it is passed over.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "train/evaluation/caption_evaluation.h"
#include "vilt/ask/inference.h"

namespace tessera {

struct Evaluation {
  int64_t samples = 0, content_words = 0, pointed_words = 0, pictures_left_out = 0;
  Figure itm_accuracy_random, itm_accuracy_hard;
  std::map<std::string, double> itm_accuracy_hard_by_kind;
  Figure mlm_accuracy_content, mlm_accuracy_wrong_image;
  std::map<std::string, double> mlm_accuracy_content_by_kind;
  Figure pointing_attention, pointing_own_over_other, pointing_plan, pointing_plan_training, pointing_chance;
  std::vector<double> pointing_attention_by_layer;
  Figure plan_entropy, plan_training_entropy, attention_entropy;  // mean over words; 1 is uniform
};

struct EvaluationOptions {
  int64_t limit = 0;     // sentences, evenly spread; 0: all
  std::string group;     // only sentences annotated with this group; empty: all. None is an error
  bool controls = true;  // wrong images and transport plans, which take most of the time
  PlanSettings plan;
  ForwardContext context;  // how the model computes (its activations)
  EvaluationTell progress = {};
  // Of the source's pictures; null: one that cannot be decoded is an error.
  UsablePictures* usable = nullptr;
};

Evaluation evaluate(const ViltWithHeads& model, const SampleSource& source, const EvaluationOptions& options = {});

// The pointing figures for captions shown with an image of which they are not true: the map is scored on the box of the
// object with the same number. With one object per scene this control shows whether words find "the object" or theirs.
Evaluation evaluate_shuffled(const ViltWithHeads& model, const SampleSource& source,
                             const EvaluationOptions& options = {});

// The token positions of an object's head noun in `ids`; empty if it was cut off.
std::vector<int64_t> head_noun(const SampleSource& source, int64_t sentence, int64_t object);

// Whether the largest weight lies in the box: 1 or 0, shared out among ties.
double pointing_hit(const std::vector<float>& weights, const std::vector<bool>& box);

// Patches of a grid whose centre lies in `box` (of the image after resizing).
std::vector<bool> patches_in_box(const Box& box, Grid grid, int patch);

}  // namespace tessera
