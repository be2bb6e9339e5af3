// Which values settings may have.
#include "tensor/error.h"
#include "vilt/tasks/settings.h"

namespace tessera {

void Settings::validate() const {
  tessera::validate(data);
  check(data.unseen_captions.empty() || train.task == "vqa" || train.task == "nlvr2",
        "setting 'data.unseen_captions' is for the tasks vqa and nlvr2; captions have 'data.unseen_split'");
  tessera::validate(image, model.patch_size);
  expect_one_of("init.linear", init.linear, {"normal", "truncated_normal", "fan_in"});
  expect_one_of("init.positions", init.positions, {"normal", "cosine"});
  expect_at_least("init.std", init.std, 0.0);
  expect_one_of("objectives.masking", objectives.masking, {"official", "strict"});
  expect_one_of("objectives.false_images", objectives.false_images, {"dataset", "batch"});
  check(objectives.mask_rate > 0 && objectives.mask_rate <= 1, "setting 'objectives.mask_rate' is ",
        objectives.mask_rate, ", expected more than 0 and at most 1");
  expect_share("objectives.patch_mask_rate", objectives.patch_mask_rate);
  expect_share("objectives.patch_replace_rate", objectives.patch_replace_rate);
  expect_share("objectives.content_first", objectives.content_first);
  expect_share("objectives.sibling_negatives", objectives.sibling_negatives);
  expect_above_zero("objectives.ipot_beta", objectives.ipot_beta);
  expect_between("objectives.ipot_iterations", objectives.ipot_iterations, 1, 1'000'000);
  expect_at_least("objectives.mlm_weight", objectives.mlm_weight, 0.0);
  expect_at_least("objectives.itm_weight", objectives.itm_weight, 0.0);
  expect_at_least("objectives.wpa_weight", objectives.wpa_weight, 0.0);
  expect_at_least("objectives.mpp_weight", objectives.mpp_weight, 0.0);
  check(objectives.mpp_weight == 0 || objectives.patch_mask_rate > 0,
        "setting 'objectives.patch_mask_rate' is 0, but 'objectives.mpp_weight' asks for masked patches");
  check(objectives.mlm_weight != 0 || objectives.itm_weight != 0 || objectives.wpa_weight != 0 ||
            objectives.mpp_weight != 0,
        "settings: every objective has weight 0; nothing would be trained");
  tessera::validate(optimizer);
  const bool annotated = !data.annotations.empty();
  check(annotated || objectives.content_first == 0, "setting 'objectives.content_first' needs 'data.annotations'");
  check(annotated || objectives.sibling_negatives == 0,
        "setting 'objectives.sibling_negatives' needs 'data.annotations'");
  check(annotated || downstream.sibling_negatives == 0,
        "setting 'downstream.sibling_negatives' needs 'data.annotations'");
  tessera::validate(train, data);
  check(train.epochs == 0 || train.task != "pretraining", "setting 'train.epochs' is ", train.epochs,
        ", but pre-training counts steps ('train.steps')");
  expect_between("downstream.least_answers", downstream.least_answers, 1, 1'000'000'000);
  expect_between("downstream.false_texts", downstream.false_texts, 1, 10'000);
  expect_share("downstream.sibling_negatives", downstream.sibling_negatives);
  ModelConfig probe = model;
  probe.validate();
}

}  // namespace tessera
