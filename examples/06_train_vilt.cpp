// 6. ViLT: the training loop, written out.
//
//   build/examples/06_train_vilt [FOLDER] [--steps N]
//
// FOLDER is a data set as `vilt scenes` writes it; without one, a small set of drawn scenes goes to the folder for
// temporary files. `vilt train` does what this page does, and adds checkpoints, options and a report.
#include <filesystem>

#include "data/loader.h"
#include "data/scenes/scenes.h"
#include "data/text/vocabulary.h"
#include "examples/page.h"
#include "nn/adamw.h"
#include "nn/gradient_clipping.h"
#include "nn/schedule.h"
#include "vilt/initialise.h"
#include "vilt/input/collator.h"
#include "vilt/objectives.h"
#include "vilt/tasks/evaluation.h"

using namespace tessera;
namespace fs = std::filesystem;

constexpr int kPatch = 16, kTableSide = 6, kMaxLength = 24, kSeed = 1;

Dataset open_split(const fs::path& folder, const char* split) {
  return Dataset::open(folder / "dataset.json", folder / "images",
                       {.splits = {split}, .annotations = folder / "annotations.jsonl"});
}

// No download: the words of the training captions, cut into pieces that are common among them.
Wordpiece learn_vocabulary(const Dataset& captions) {
  VocabularyTrainer trainer;
  for (const DatasetSentence& sentence : captions.sentences()) trainer.add(sentence.text);
  trainer.count_words_once();
  return Wordpiece(trainer.train(static_cast<size_t>(recommended_vocabulary_size(ScenesKind::quick))));
}

int main(int count, char** arguments) try {
  int64_t steps = 400;
  fs::path folder;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--steps" && i + 1 < count)
      steps = std::stoll(arguments[++i]);
    else
      folder = argument;
  }
  if (folder.empty()) {
    folder = fs::temp_directory_path() / "tessera-example-scenes";
    write_scenes(folder, {.kind = ScenesKind::quick, .train = 6000, .val = 400, .test = 2, .test_unseen = 2});
  }

  // Data: captions and pictures → tokens and patches → batches of 32 pairs, made by a worker thread ahead of time.
  // Half of the pairs that the matching loss sees have a false picture.
  const Dataset train = open_split(folder, "train"), validation = open_split(folder, "val");
  const Wordpiece vocabulary = learn_vocabulary(train);
  const PixelNorm norm{.mean = {0.2f, 0.2f, 0.2f}, .std = {0.25f, 0.25f, 0.25f}};  // backgrounds become about zero
  const SampleOptions samples{{.resize = false, .patch = kPatch, .norm = norm}, kMaxLength};
  const SampleSource source(train, vocabulary, samples), held_out(validation, vocabulary, samples);
  CollatorOptions options;
  options.seed = kSeed;
  options.table_side = kTableSide;
  options.masking = {.rate = 0.4, .content_first = 0.7};
  Quarantine quarantine(/*limit=*/10, [](const std::string& file) { std::cerr << file << "\n"; });
  const Collator collator(source, options, quarantine);
  Loader<PretrainBatch> loader([&](int64_t step) { return collator.step(step); }, 0, steps, /*workers=*/1,
                               /*prefetch=*/8);

  // The model: ViLT, narrow and shallow, with the initial values that let so small a one learn quickly.
  const auto tokens = static_cast<int64_t>(vocabulary.size());
  const ModelConfig config{.vocab_size = tokens,
                           .hidden_size = 64,
                           .num_hidden_layers = 4,
                           .num_attention_heads = 4,
                           .intermediate_size = 256,
                           .image_size = kPatch * kTableSide,
                           .patch_size = kPatch,
                           .max_position_embeddings = kMaxLength,
                           .hidden_dropout_prob = 0};
  ViltWithHeads model(config);
  initialise(model, {.linear = "fan_in", .positions = "cosine"}, kSeed);
  ParameterSet parameters(model);
  AdamW optimiser(parameters, {}, [](const std::string& name, const Variable& parameter) {
    ParameterGroup group = default_group(name, parameter);
    if (name.ends_with("patch_embeddings.projection.weight")) group.learning_rate_multiplier = 0.3;
    return group;
  });
  const PolynomialSchedule schedule{.peak = 2e-3, .warmup = steps / 10, .total = steps};

  page::heading("Training");
  const ObjectiveOptions objectives;  // ViLT's weights: 1, 1 and 0.1
  std::cout << "    " << train.sentences().size() << " captions, " << tokens << " tokens, " << parameters.total()
            << " parameters\n    " << loss_equation(objectives) << "\n\n    step    loss     mlm     itm     wpa\n";
  for (int64_t step = 0; step < steps; ++step) {
    const std::vector<PretrainBatch> batches = loader.next();
    const std::vector<int64_t> divisors = count_divisors(batches);
    TicketSource tickets(kSeed, static_cast<uint32_t>(step));
    parameters.clear_gradients();
    for (const PretrainBatch& batch : batches) {  // one, unless CollatorOptions::accumulate cuts the step
      const ForwardContext context{.training = true, .tickets = &tickets};
      const Objectives loss = pretrain_objectives(model, batch, objectives, divisors, context);
      loss.total.backward();
      if ((step + 1) % (steps / 10 + 1) == 0 || step + 1 == steps) {
        std::cout << std::setw(8) << step + 1 << std::fixed << std::setprecision(3);
        for (const Variable& term : {loss.total, loss["mlm"].loss, loss["itm"].loss, loss["wpa"].loss})
          std::cout << std::setw(8) << term.value().item();
        std::cout << std::endl;
      }
    }
    optimiser.step(schedule.rate(step + 1), clip_factor(parameters.global_norm(), /*max_norm=*/1));
  }

  page::heading("On pictures it has not seen");
  EvaluationOptions few;
  few.limit = 200;
  const Evaluation found = evaluate(model, held_out, few);
  std::cout << "    masked colour or shape guessed right:             " << *found.mlm_accuracy_content << "\n"
            << "    the same words, shown another picture:            " << *found.mlm_accuracy_wrong_image << "\n"
            << "    a caption told from that of a random picture:     " << *found.itm_accuracy_random << "\n\n";
  if (steps < 400) return 0;
  page::claim(*found.mlm_accuracy_content > *found.mlm_accuracy_wrong_image + 0.3, "it fills in what it sees");
  page::claim(*found.itm_accuracy_random > 0.75, "and it tells true captions from false ones");
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 2;
}
