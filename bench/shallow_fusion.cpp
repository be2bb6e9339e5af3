// Is shallow fusion enough? CLIP's vectors of two pictures and of a statement, side by side into an MLP that judges the
// statement (NLVR2). ViLT's authors found chance on the published data (dev 50.99 ± 0.38).
//
//     shallow_fusion CLIP NLVR2 [statements of training]
//
// CLIP: as `vilt search --model`. NLVR2: a folder with train.json, val.json and test.json, as `vilt scenes` writes one.
// The vectors stay as they are; docs/clip.md quotes its figures.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "data/tasks/nlvr2.h"
#include "models/clip/embedder.h"
#include "nn/adamw.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/schedule.h"
#include "tensor/ops/reduce.h"

using namespace tessera;

namespace {

constexpr size_t kBatch = 128;

struct Statements {
  Tensor vectors;               // f32 [statements, 3 · projection]: left, right, text
  std::vector<int64_t> labels;  // 1: true
};

// Vectors of distinct things, each computed once.
template <class Compute>
std::map<std::string, std::vector<float>> vectors_of(const std::map<std::string, bool>& distinct, Compute compute) {
  std::map<std::string, std::vector<float>> out;
  std::vector<std::string> names;
  const auto flush = [&] {
    if (names.empty()) return;
    const Tensor rows = compute(names);
    for (size_t i = 0; i < names.size(); ++i)
      out[names[i]] = rows.select(0, static_cast<int64_t>(i)).to_vector<float>();
    names.clear();
  };
  for (const auto& entry : distinct) {
    names.push_back(entry.first);
    if (names.size() == kBatch) flush();
  }
  flush();
  return out;
}

Statements embedded(const ClipEmbedder& clip, std::vector<Nlvr2Example> examples, size_t most) {
  if (most > 0 && examples.size() > most) examples.resize(most);
  std::map<std::string, bool> files, sentences;
  for (const Nlvr2Example& example : examples) {
    files[example.images[0]] = files[example.images[1]] = true;
    sentences[example.sentence] = true;
  }
  const auto pictures = vectors_of(files, [&](const std::vector<std::string>& names) {
    std::vector<PreparedPicture> prepared;
    for (const std::string& name : names) prepared.push_back(clip.prepared(name));
    return clip.pictures(prepared);
  });
  const auto texts = vectors_of(sentences, [&](const std::vector<std::string>& names) { return clip.texts(names); });
  Statements out;
  std::vector<float> all;
  for (const Nlvr2Example& example : examples) {
    for (const std::vector<float>* part :
         {&pictures.at(example.images[0]), &pictures.at(example.images[1]), &texts.at(example.sentence)})
      all.insert(all.end(), part->begin(), part->end());
    out.labels.push_back(example.label);
  }
  const auto count = static_cast<int64_t>(examples.size());
  out.vectors = Tensor::from(all, {count, static_cast<int64_t>(all.size()) / count});
  return out;
}

struct Judge {
  Linear first, second, output;
  explicit Judge(int64_t inputs) : first(inputs, 512), second(512, 512), output(512, 2) {}
  Variable operator()(const Variable& x) const { return output(gelu(second(gelu(first(x))))); }
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    first.visit(join_name(prefix, "first"), visitor);
    second.visit(join_name(prefix, "second"), visitor);
    output.visit(join_name(prefix, "output"), visitor);
  }
};

double accuracy(const Judge& judge, const Statements& statements) {
  const NoGrad no_grad;
  const auto said = ops::argmax(judge(Variable(statements.vectors)).value(), 1).to_vector<int64_t>();
  double right = 0;
  for (size_t i = 0; i < said.size(); ++i) right += said[i] == statements.labels[i];
  return right / static_cast<double>(said.size());
}

int study(const char* model, const std::string& folder, size_t most) {
  EmbedderOptions options;
  options.truncate = true;
  const ClipEmbedder clip(model, options);
  const auto part = [&](const char* name, size_t limit) {
    return embedded(clip, read_nlvr2(folder + "/" + name + ".json", folder).examples, limit);
  };
  const Statements train = part("train", most), validation = part("val", 0), test = part("test", 0);
  Judge judge(train.vectors.size(1));
  judge.visit("", [](const std::string& name, Variable& parameter) {
    if (parameter.shape().dim() == 2) init_fan_in_(parameter, name, 0);
  });
  ParameterSet parameters(judge);
  AdamWOptions adamw;
  AdamW optimizer(parameters, adamw);
  constexpr int64_t kSteps = 4000;
  const PolynomialSchedule schedule{.peak = 1e-3, .warmup = kSteps / 10, .total = kSteps};
  std::printf("%zu statements of training, %zu of validation, %zu of test; %lld parameters\n", train.labels.size(),
              validation.labels.size(), test.labels.size(), static_cast<long long>(parameters.total()));
  for (int64_t step = 0; step < kSteps; ++step) {
    Random random(0, static_cast<uint64_t>(step));
    std::vector<int64_t> rows, labels;
    for (size_t i = 0; i < kBatch; ++i) {
      rows.push_back(static_cast<int64_t>(random.below(train.labels.size())));
      labels.push_back(train.labels[static_cast<size_t>(rows.back())]);
    }
    parameters.clear_gradients();
    const Variable logits = judge(gather_rows({Variable(train.vectors)}, Tensor::from(rows)));
    cross_entropy(logits, Tensor::from(labels)).backward();
    optimizer.step(schedule.rate(step + 1));
    if ((step + 1) % 1000 == 0)
      std::printf("step %lld: training %.3f, validation %.3f, test %.3f\n", static_cast<long long>(step + 1),
                  accuracy(judge, train), accuracy(judge, validation), accuracy(judge, test));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "shallow_fusion CLIP NLVR2 [statements of training]\n");
    return 2;
  }
  try {
    return study(argv[1], argv[2], argc > 3 ? static_cast<size_t>(std::atoll(argv[3])) : 0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "shallow_fusion: %s\n", error.what());
    return 2;
  }
}
