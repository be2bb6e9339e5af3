// Golden tests: compare with reference data that other implementations made. One case per directory of a golden root
// (or per entry of ops/case.safetensors); a runner takes everything (shapes, eps, steps, texts) from the files.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace tessera::golden {

// detail: what differed, or for a pass what was compared and the used fraction of the bound.
struct Outcome {
  bool ok;
  std::string detail;
};

struct Case {
  std::string name;  // directory relative to the golden root, e.g. "data/wordpiece", or "ops/linear"
  std::function<Outcome(const std::filesystem::path& root)> run;  // empty: there is nothing to compare yet,
  std::string missing;                                            // for this reason
};

// Runner of one entry of ops/case.safetensors in the directory `ops`.
Outcome run_op(const std::filesystem::path& directory, const std::string& entry);

// Runner of a directory cli/NAME; `vilt` is the command.
Outcome run_command_line(const std::filesystem::path& directory, const std::string& vilt);

// Runners of a case directory. A thrown exception is a failure with its message.
Outcome run_adamw(const std::filesystem::path& directory);
Outcome run_detector_ops(const std::filesystem::path& directory);
Outcome run_conv_ops(const std::filesystem::path& directory);
Outcome run_fasterrcnn(const std::filesystem::path& directory);
Outcome run_finetune(const std::filesystem::path& directory);
Outcome run_byte_pair(const std::filesystem::path& directory);
Outcome run_bad_captions(const std::filesystem::path& directory);
Outcome run_clip_openai_names(const std::filesystem::path& directory);
Outcome run_clip_resnet(const std::filesystem::path& directory);
Outcome run_clip_vit(const std::filesystem::path& directory);
Outcome run_clip_zero_shot(const std::filesystem::path& directory);
Outcome run_clip_loss(const std::filesystem::path& directory);
Outcome run_clip_images(const std::filesystem::path& directory);
Outcome run_coco_captions_api(const std::filesystem::path& directory);
Outcome run_bad_shards(const std::filesystem::path& directory);
Outcome run_hf_processor(const std::filesystem::path& directory);
Outcome run_ipot(const std::filesystem::path& directory);
Outcome run_karpathy_captions(const std::filesystem::path& directory);
Outcome run_lxmert(const std::filesystem::path& directory);
Outcome run_mpp(const std::filesystem::path& directory);
Outcome run_nlvr2_format(const std::filesystem::path& directory);
Outcome run_nlvr2_metrics(const std::filesystem::path& directory);
Outcome run_pixelbert(const std::filesystem::path& directory);
Outcome run_pos_embed(const std::filesystem::path& directory);
Outcome run_randaugment(const std::filesystem::path& directory);
Outcome run_regions(const std::filesystem::path& directory);
Outcome run_resnet(const std::filesystem::path& directory);
Outcome run_resize(const std::filesystem::path& directory);
Outcome run_retrieval_metrics(const std::filesystem::path& directory);
Outcome run_tensorboard(const std::filesystem::path& directory);
Outcome run_torch_files(const std::filesystem::path& directory);
Outcome run_training_trajectory(const std::filesystem::path& directory);
Outcome run_uniter(const std::filesystem::path& directory);
Outcome run_vilbert(const std::filesystem::path& directory);
Outcome run_vilt_mlm(const std::filesystem::path& directory);
Outcome run_vilt_nlvr2(const std::filesystem::path& directory);
Outcome run_vilt_pretrain(const std::filesystem::path& directory);
Outcome run_vilt_retrieval(const std::filesystem::path& directory);
Outcome run_vilt_vqa(const std::filesystem::path& directory);
Outcome run_vse_full(const std::filesystem::path& directory);
Outcome run_vse_plus_plus(const std::filesystem::path& directory);
Outcome run_vse_gru(const std::filesystem::path& directory);
Outcome run_vse_loss(const std::filesystem::path& directory);
Outcome run_visual_bert(const std::filesystem::path& directory);
Outcome run_visual_genome(const std::filesystem::path& directory);
Outcome run_vse_metrics(const std::filesystem::path& directory);
Outcome run_vqa_answers(const std::filesystem::path& directory);
Outcome run_vqa_format(const std::filesystem::path& directory);
Outcome run_web_captions(const std::filesystem::path& directory);
Outcome run_webdataset(const std::filesystem::path& directory);
Outcome run_webdataset_members(const std::filesystem::path& directory);
Outcome run_whole_word_mask(const std::filesystem::path& directory);
Outcome run_wordpiece(const std::filesystem::path& directory);
Outcome run_wordpiece_train(const std::filesystem::path& directory);

}  // namespace tessera::golden
