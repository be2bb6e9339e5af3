// The systems that ViLT's paper tells apart by where they spend their time (its Figure 2), as they are measured: with
// random weights, at the sizes that were published, in parts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nn/parameter.h"
#include "nn/precision.h"
#include "tensor/ops/window2d.h"

namespace tessera::zoo {

// The paper's three: what a picture takes alone, what a text takes alone, and what both take together.
enum class Role : uint8_t { picture, text, fusion };
const char* name_of(Role role);

// What a system is built for.
struct Work {
  Size2d picture;     // in pixels, after resizing
  int64_t batch = 1;  // pairs of a picture and a text
  DType activations = DType::f32;
  bool quick = false;  // everything tiny: for trying the command out
};

// What is measured by itself. The parts of a system run one after another, each on what those before it have left.
struct Part {
  std::string name;
  Role role = Role::picture;
  int64_t parameters = 0;
  int64_t multiply_adds = 0;  // for one pair (models/zoo/multiply_adds.h)
  std::function<void()> run = {};
};

// What ViLT's paper says of a system, on a Xeon E5-2650 with a P40 GPU. Nothing where it says nothing.
struct Published {
  std::string tokens;       // of picture and text
  double parameters = 0;    // in millions, without the text embedder
  double flops = 0;         // in billions, by the authors' counter
  double milliseconds = 0;  // of one pair
  std::string split;        // of the milliseconds, by Figure 1
};

// Some of a system's parts, which are built and run together.
struct Parts {
  std::function<std::vector<Part>(const Work&)> build = {};
  bool bf16 = false;        // whether they take bf16 activations; else they run in f32, whatever is asked for
  std::string shared = {};  // systems whose parts have the same name here have the same parts
};

struct System {
  std::string name;                                     // as it is typed
  std::string title;                                    // as it is printed
  std::string rule;                                     // its class: where most of the time goes
  Size2d picture;                                       // published
  bool any_size = true;                                 // whether it takes pictures of another size
  std::function<std::string(const Work&)> tokens = {};  // of picture and text, as measured here
  std::optional<Published> published = {};
  Parts pictures = {};  // of Role::picture
  Parts rest = {};      // the others
};

// VSE++, CLIP (two), UNITER (two), ViLBERT, Pixel-BERT: in the paper's order of classes.
const std::vector<System>& systems();

// Random parameters: matrices that keep the variance of what goes through, norms as they start; the last norm of a
// residual branch small, as in a trained network, so that features and scores do not grow from block to block.
template <class Model>
void draw(Model& model);
void draw_parameter(const std::string& name, Variable& parameter);

// Elements of the parameters that `visit` names; buffers are none.
int64_t parameters_of(const std::function<void(const ParameterVisitor&)>& visit);

// f32, uniform in [-1, 1).
Tensor noise(const Shape& shape, uint64_t stream);
// So many ids below `vocabulary`.
std::vector<int64_t> text_of(int64_t tokens, int64_t vocabulary, uint64_t stream);

template <class Model>
void draw(Model& model) {
  model.visit("", draw_parameter);
}

template <class Layer>
int64_t parameters_of_layer(Layer& layer) {
  return parameters_of([&](const ParameterVisitor& visitor) { layer.visit("", visitor); });
}

// models/zoo/region_embedder.cpp: backbone, RPN, NMS, RoI head, NMS of the classes.
std::vector<Part> region_parts(const Work& work);
// models/zoo/two_towers.cpp
System vse_system();
System clip_system(bool residual);
// models/zoo/fusion_systems.cpp
System uniter_system(int64_t regions);
System vilbert_system();
System pixelbert_system();

}  // namespace tessera::zoo
