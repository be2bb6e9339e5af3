// What would make the transport plan point? For a trained run, the share of head nouns whose plan has its largest patch
// in the named object's box, over
//
//   layer      hidden states that are compared: after block 0 (the embeddings), 1, …, and after the final LayerNorm
//   centred    with the mean of the image's patches (and of the caption's words) taken off first, or not
//   marginals  uniform, or patches weighted by the attention that the caption's words pay them in the last layer
//   plan       beta 0.1 × 1,000 iterations, or 0.5 × 50
//
//     alignment_study RUN [captions of the test split]
//
// docs/word_patch_alignment.md quotes its tables.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/ipot.h"
#include "vilt/files/load_model.h"
#include "vilt/tasks/evaluation.h"
#include "vilt/tasks/pretraining.h"

using namespace tessera;

namespace {

// One pair's hidden states and the attention of the last layer.
struct Pass {
  PackedBatch batch;
  std::vector<Tensor> hidden;  // one for each layer, then after the final LayerNorm
  Tensor attention;            // [length, length]: the last layer's, mean over heads
};

Pass run(const ViltWithHeads& model, const SampleSource& source, int64_t sentence) {
  const ModelConfig& config = model.vilt.config;
  BatchBuilder builder(config.patch_values(), config.table_side());
  const int image = builder.add_image(source.patched(source.image_of(sentence)));
  builder.add_sequence(source.text(sentence).ids, image);
  Pass pass{builder.finish(), {}, {}};
  Observations seen;
  seen.keep_hidden = seen.keep_attention = true;
  const Variable last = model.vilt(pass.batch, ForwardContext{}, &seen);
  pass.hidden = seen.hidden;
  pass.hidden.push_back(last.value());
  pass.attention = seen.attention.back().view({last.size(0), last.size(0)});
  return pass;
}

Variable centred(const Variable& rows) { return rows - mean(rows, 0, true); }

// Patches weighted by the mean attention from the words.
Tensor attention_marginals(const Pass& pass) {
  const SequenceLayout& s = pass.batch.sequences[0];
  const Tensor part = pass.attention.narrow(0, 1, s.text_length - 2).narrow(1, s.first_patch_row(), s.patches);
  const Variable weights = mean(Variable(part.contiguous()), 0);
  return (weights / sum(weights)).value();
}

std::vector<float> plan_of(const Pass& pass, const Tensor& hidden, bool centre, bool weighted, double beta,
                           int64_t iterations) {
  ObjectiveTables tables;
  fill_alignment_rows(pass.batch, 0, 1, tables);
  Variable words = gather_rows({Variable(hidden)}, tables.word_rows);
  Variable patches = gather_rows({Variable(hidden)}, tables.patch_rows);
  if (centre) {
    words = centred(words);
    patches = centred(patches);
  }
  const Tensor cost = cosine_cost(words, patches, tables.cu_words, tables.cu_patches).value();
  const int64_t count = words.size(0);
  const Tensor columns = weighted ? attention_marginals(pass) : Tensor();
  const Tensor rows = weighted ? Tensor::full({count}, 1.0 / static_cast<double>(count)) : Tensor();
  return ops::ipot(cost, tables.cu_words, tables.cu_patches, beta, iterations, rows, columns).to_vector<float>();
}

struct Variant {
  size_t layer;
  bool centre, weighted;
  double beta;
  int64_t iterations;
  double hits = 0;
};

// Adds the hits of one sentence's head nouns; returns how many nouns there were.
int add_hits(const ViltWithHeads& model, const SampleSource& source, int64_t sentence, std::vector<Variant>& variants) {
  const Annotation* annotation = source.dataset().annotation(sentence);
  if (!annotation || !annotation->objects) return 0;
  const Pass pass = run(model, source, sentence);
  const Grid grid = pass.batch.grids[0];
  const int64_t columns = int64_t{grid.rows} * grid.columns;
  int nouns = 0;
  for (size_t o = 0; o < annotation->objects->size(); ++o) {
    const auto tokens = head_noun(source, sentence, static_cast<int64_t>(o));
    const auto box = patches_in_box((*annotation->objects)[o].box, grid, source.options().patch);
    if (tokens.empty() || std::find(box.begin(), box.end(), true) == box.end()) continue;
    ++nouns;
    for (Variant& v : variants) {
      const std::vector<float> plan = plan_of(pass, pass.hidden[v.layer], v.centre, v.weighted, v.beta, v.iterations);
      std::vector<float> row(static_cast<size_t>(columns), 0.0f);
      for (const int64_t token : tokens)
        for (int64_t p = 0; p < columns; ++p)
          row[static_cast<size_t>(p)] += plan[static_cast<size_t>((token - 1) * columns + p)];
      v.hits += pointing_hit(row, box);
    }
  }
  return nouns;
}

int study(const std::string& directory, int64_t limit) {
  const NoGrad guard;
  const LoadedModel loaded = load_model(directory);
  const Settings settings = Settings::from_toml(std::filesystem::path(directory) / "settings.toml");
  DatasetOptions options;
  options.splits = {settings.data.test_split};
  options.annotations = settings.data.annotations;
  const Dataset dataset = Dataset::open(settings.data.captions, settings.data.images, options);
  const SampleSource source(dataset, *loaded.vocabulary, sample_options(settings));
  std::vector<Variant> variants;
  const auto layers = static_cast<size_t>(loaded.config.num_hidden_layers) + 2;
  for (size_t layer = 0; layer < layers; ++layer)
    for (const bool centre : {false, true})
      for (const bool weighted : {false, true}) {
        variants.push_back({layer, centre, weighted, 0.1, 1000});
        variants.push_back({layer, centre, weighted, 0.5, 50});
      }
  int nouns = 0;
  for (int64_t s = 0; s < std::min<int64_t>(limit, static_cast<int64_t>(dataset.sentences().size())); ++s)
    nouns += add_hits(*loaded.model, source, s, variants);
  check(nouns > 0, directory, ": no head noun of the test split has an annotated box");
  std::printf("%d head nouns of split %s; share whose largest patch lies in the object's box\n\n", nouns,
              settings.data.test_split.c_str());
  std::printf("| hidden states | centred | marginals | beta 0.1 x 1000 | beta 0.5 x 50 |\n|---|---|---|---|---|\n");
  for (size_t i = 0; i < variants.size(); i += 2) {
    const Variant& v = variants[i];
    const std::string layer = v.layer + 1 == layers ? "final LayerNorm" : "block " + std::to_string(v.layer);
    std::printf("| %s | %s | %s | %.3f | %.3f |\n", v.layer == 0 ? "embeddings" : layer.c_str(),
                v.centre ? "yes" : "no", v.weighted ? "attention" : "uniform", v.hits / nouns,
                variants[i + 1].hits / nouns);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: alignment_study RUN [captions of the test split]\n";
    return 2;
  }
  try {
    return study(argv[1], argc > 2 ? std::atoll(argv[2]) : 300);
  } catch (const std::exception& error) {
    std::cerr << "alignment_study: " << error.what() << "\n";
    return 2;
  }
}
