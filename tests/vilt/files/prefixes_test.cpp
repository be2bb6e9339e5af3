#include "io/weights/prefixes.h"

#include <doctest/doctest.h>

#include "tests/error_text.h"
#include "vilt/files/names.h"

namespace tessera::prefixes_test {
namespace {

using Names = std::vector<std::string>;

std::map<std::string, std::string> plain(const Names& names) {
  StateDict file;
  for (const std::string& name : names) file[name] = Tensor::zeros({1});
  return plain_names(file, "file", is_vilt_name);
}

Names values(const std::map<std::string, std::string>& names) {
  Names out;
  for (const auto& [own, name] : names) out.push_back(name);
  return out;
}

const Names kPlain = {"classifier.0.weight", "vilt.embeddings.cls_token", "vilt.pooler.dense.bias"};

Names with(const std::string& prefix, Names names) {
  for (std::string& name : names) name.insert(0, prefix);
  return names;
}

}  // namespace

TEST_CASE("prefixes: of every name, by whatever word, once, twice and mixed") {
  for (const std::string prefix :
       {"module.", "_orig_mod.", "model.", "net.backbone.", "_orig_mod.module.", "module.module.", "model._orig_mod.",
        "model.module.inner.", "vilt.", "transformer."}) {
    CAPTURE(prefix);
    const auto names = plain(with(prefix, kPlain));
    CHECK(values(names) == kPlain);
    CHECK(taken_off(names) == text("taken off: the prefix '", prefix, "', which every name has"));
  }
  CHECK(values(plain(with("model.", {"transformer.blocks.0.norm1.bias", "vqa_classifier.0.bias"}))) ==
        Names{"transformer.blocks.0.norm1.bias", "vqa_classifier.0.bias"});
}

TEST_CASE("prefixes: none is taken off what is ViLT's already") {
  for (const Names& names : {kPlain, Names{"vilt.embeddings.cls_token", "vilt.pooler.dense.bias"},
                             Names{"embeddings.cls_token", "pooler.dense.bias"},
                             Names{"transformer.blocks.0.norm1.bias", "transformer.cls_token"}}) {
    CHECK(values(plain(names)) == names);
    CHECK(taken_off(plain(names)) == "");
  }
}

TEST_CASE("prefixes: what wraps a part of the model") {
  const auto names = plain({"classifier.0.weight", "vilt._orig_mod.embeddings.cls_token",
                            "vilt.encoder.layer.0._checkpoint_wrapped_module.output.dense.bias"});
  CHECK(values(names) ==
        Names{"classifier.0.weight", "vilt.embeddings.cls_token", "vilt.encoder.layer.0.output.dense.bias"});
  CHECK(taken_off(names) ==
        "taken off: what wraps parts of the model, in 2 of 3 names "
        "(vilt._orig_mod.embeddings.cls_token is vilt.embeddings.cls_token)");
  const auto mixed = plain({"model._orig_mod.vilt.embeddings.cls_token", "model.classifier.0.weight"});
  CHECK(values(mixed) == Names{"vilt.embeddings.cls_token", "classifier.0.weight"});
}

TEST_CASE("prefixes: names of another model, and a prefix that one has not, stay") {
  for (const Names& names : {Names{"module.text_model.a", "module.vision_model.b"}, Names{}, Names{"..", "a."},
                             Names{"criterion.weight", "model.vilt.embeddings.cls_token"}})
    CHECK(values(plain(names)) == names);
  // An averaged model counts beside its tensors.
  CHECK(our_names({{"module.vilt.embeddings.cls_token", Tensor::zeros({1})}}, "file").tensors.size() == 1);
  const auto averaged = plain({"module.vilt.embeddings.cls_token", "n_averaged"});
  CHECK(values(averaged) == Names{"vilt.embeddings.cls_token", "n_averaged"});
  CHECK(our_names({{"n_averaged", Tensor::zeros({1})}}, "file").tensors.empty());
}

TEST_CASE("prefixes: two models in one file are an error") {
  CHECK(tests::lacking(tests::error_of([] {
                         plain({"module.vilt.pooler.dense.bias", "vilt.pooler.dense.bias"});
                       }),
                       {"file: module.vilt.pooler.dense.bias and vilt.pooler.dense.bias both stand for "
                        "vilt.pooler.dense.bias"}) == "");
}

}  // namespace tessera::prefixes_test
