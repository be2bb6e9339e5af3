// Where words look: attention and transport plans over held-out pictures, of the trained model, of the untrained one,
// and with a caption that is not true of the picture.
#include <algorithm>
#include <map>

#include "report/html.h"
#include "vilt/report/map_svg.h"
#include "vilt/report/report_parts.h"

namespace tessera {
namespace {

constexpr size_t kMostWords = 8;  // of one caption

struct Canvas : MapCanvas {
  const ReportPair& pair;
};

std::string box_svg(const Box& box) {
  const std::string rectangle =
      text(" x=\"", short_number(box[0], 5), "\" y=\"", short_number(box[1], 5), "\" width=\"", short_number(box[2], 5),
           "\" height=\"", short_number(box[3], 5), "\"/>");
  return "<rect class=\"box-edge\"" + rectangle + "<rect class=\"box\"" + rectangle;
}

std::optional<Box> box_of(const ReportPair& pair, const Annotation* annotation, int64_t object) {
  if (!annotation || !annotation->objects || object < 0 || object >= static_cast<int64_t>(annotation->objects->size()))
    return std::nullopt;
  return resize_box((*annotation->objects)[static_cast<size_t>(object)].box, pair.resized->original_height,
                    pair.resized->original_width, pair.resized->image.height, pair.resized->image.width);
}

// One map: `box` is outlined; whether the map points at it is told when `scored`.
std::string map_html(const Canvas& canvas, const std::string& name, const ReportWord& word,
                     const std::vector<float>& weights, const std::optional<Box>& box, bool scored) {
  std::string out = "<figure class=\"map\">" +
                    map_svg(canvas, text(escape_html(word.text), ": ", name), weights, box ? box_svg(*box) : "");
  out += text("<figcaption><b title=\"entropy divided by that of a flat map\">", fixed(normalised_entropy(weights), 2),
              "</b>");
  if (box && scored) {
    const double points = pointing_hit(weights, patches_in_box(*box, canvas.grid, canvas.patch));
    out += points > 0.999   ? " <i class=\"right\" title=\"the largest weight is in the box\">✓</i>"
           : points < 0.001 ? " <i class=\"wrong\" title=\"the largest weight is outside the box\">✗</i>"
                            : " <i title=\"several largest weights, some in the box\">≈</i>";
  }
  return out + "<br/>" + name + "</figcaption></figure>";
}

std::string plan_name(double beta, int64_t iterations) {
  return text("plan ", short_number(beta), " × ", with_thousands(iterations));
}

std::string group_html(const Canvas& canvas, const std::string& title, const WordMaps& maps, const ReportWord& word,
                       const std::optional<Box>& box, const PlanSettings& plan) {
  const bool scored = word.head_noun;
  std::string out = "<div class=\"group\"><h5>" + title + "</h5><div class=\"three\">";
  if (!maps.attention.empty())
    out += map_html(canvas, "attention", word, word_map(maps.attention.back(), maps.patches, word.tokens), box, scored);
  out += map_html(canvas, plan_name(plan.beta, plan.iterations), word, word_map(maps.plan, maps.patches, word.tokens),
                  box, scored);
  out += map_html(canvas, plan_name(plan.training_beta, plan.training_iterations), word,
                  word_map(maps.plan_training, maps.patches, word.tokens), box, scored);
  return out + "</div></div>";
}

// The word of the other caption that stands for this one: the head noun of the object of the same number, else the
// one in the same place among the words that are no head nouns.
const ReportWord* counterpart(const std::vector<ReportWord>& own, size_t index, const std::vector<ReportWord>& other) {
  if (own[index].head_noun) {
    for (const ReportWord& word : other)
      if (word.head_noun && word.object == own[index].object) return &word;
    return nullptr;
  }
  auto place = std::count_if(own.begin(), own.begin() + static_cast<ptrdiff_t>(index),
                             [](const ReportWord& word) { return !word.head_noun; });
  for (const ReportWord& word : other)
    if (!word.head_noun && place-- == 0) return &word;
  return nullptr;
}

struct PairMaps {
  const WordMaps* trained;
  const WordMaps* untrained;
  const WordMaps* shuffled;  // null without another caption
};

std::string word_html(const ReportInputs& inputs, const Canvas& canvas, const PairMaps& maps, const PlanSettings& plan,
                      const std::vector<ReportWord>& words, size_t index, const std::vector<ReportWord>& other_words) {
  const ReportWord& word = words[index];
  const std::optional<Box> box =
      box_of(canvas.pair, inputs.source.dataset().annotation(canvas.pair.sentence), word.object);
  std::string out = "<div class=\"word\"><h4>" + escape_html(word.text);
  if (!word.kind.empty()) out += " <small>" + escape_html(word.kind) + "</small>";
  out += "</h4><div class=\"groups\">" + group_html(canvas, "trained", *maps.trained, word, box, plan) +
         group_html(canvas, "untrained", *maps.untrained, word, box, plan);
  const ReportWord* other = maps.shuffled ? counterpart(words, index, other_words) : nullptr;
  if (other) {
    // The box of the object of the same number, whatever it is: the control of the table.
    const std::optional<Box> other_box =
        box_of(canvas.pair, inputs.source.dataset().annotation(canvas.pair.sentence), other->object);
    out += group_html(canvas, "shuffled: “" + escape_html(other->text) + "”", *maps.shuffled, *other, other_box, plan);
  }
  return out + "</div></div>\n";
}

std::string pair_html(const ReportInputs& inputs, const Canvas& canvas, const PairMaps& maps,
                      const PlanSettings& plan) {
  const ReportPair& pair = canvas.pair;
  std::vector<ReportWord> words = report_words(inputs.source, pair.sentence), other_words;
  if (words.size() > kMostWords) words.resize(kMostWords);
  if (pair.shuffled >= 0) other_words = report_words(inputs.source, pair.shuffled);
  const bool any_head = std::any_of(words.begin(), words.end(), [](const ReportWord& word) { return word.head_noun; });
  std::string heads, others;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool first = any_head ? words[i].head_noun : i < 3;
    (first ? heads : others) += word_html(inputs, canvas, maps, plan, words, i, other_words);
  }
  const std::string caption = caption_of(inputs.source, pair.sentence);
  std::string out = "<article class=\"pair\"><div class=\"shown\">" +
                    picture_html(pair.picture, pair.resized->image, caption) + "<p class=\"caption\">" +
                    escape_html(caption) + "</p>";
  if (pair.shuffled >= 0)
    out += "<p class=\"note\">shuffled caption: " + escape_html(caption_of(inputs.source, pair.shuffled)) + "</p>";
  out += "</div><div class=\"words\">" + heads;
  if (!others.empty()) out += "<details><summary>the other words</summary>" + others + "</details>";
  return out + "</div></article>\n";
}

// A caption that is not true of the picture, by preference of as many objects; -1 if there is none.
int64_t false_caption(const SampleSource& source, int64_t sentence) {
  const Dataset& dataset = source.dataset();
  const Annotation* own = dataset.annotation(sentence);
  const auto count = static_cast<int64_t>(dataset.sentences().size());
  int64_t fallback = -1;
  for (int64_t step = 0; step < std::min<int64_t>(count, 1000); ++step) {
    const int64_t other = (sentence + count / 2 + step) % count;
    if (source.image_of(other) == source.image_of(sentence) || source.text(other).ids == source.text(sentence).ids)
      continue;
    const Annotation* annotation = dataset.annotation(other);
    const bool comparable = own && annotation && own->objects && annotation->objects;
    if (comparable && caption_true_of(*annotation, *own)) continue;
    if (!comparable || annotation->objects->size() == own->objects->size()) return other;
    if (fallback < 0) fallback = other;
  }
  return fallback;
}

std::vector<Question> with_captions(const SampleSource& source, const std::vector<ReportPair>& pairs, bool shuffled) {
  std::vector<Question> out;
  for (const ReportPair& pair : pairs) {
    const int64_t sentence = shuffled ? pair.shuffled : pair.sentence;
    if (sentence >= 0) out.push_back({source.text(sentence).ids, {pair.patched}});
  }
  return out;
}

}  // namespace

std::vector<ReportPair> report_pairs(const SampleSource& source, int count) {
  std::vector<ReportPair> pairs;
  const auto all = static_cast<int64_t>(source.dataset().sentences().size());
  const int64_t shown = std::min<int64_t>(std::max(count, 0), all);
  for (int64_t i = 0; i < shown; ++i) {
    ReportPair pair;
    pair.sentence = i * all / shown;
    if (!can_be_decoded(source, source.image_of(pair.sentence))) continue;
    pair.shuffled = false_caption(source, pair.sentence);
    pair.picture = text("picture-", pairs.size() + 1);
    pair.resized = source.resized(source.image_of(pair.sentence));
    pair.patched = std::make_shared<const PatchedImage>(source.patched(*pair.resized));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::string maps_html(const ReportInputs& inputs, const std::vector<ReportPair>& pairs) {
  if (pairs.empty()) return "";
  PlanSettings plan;
  plan.training_beta = inputs.settings.objectives.ipot_beta;
  plan.training_iterations = inputs.settings.objectives.ipot_iterations;
  const std::vector<Question> own = with_captions(inputs.source, pairs, false);
  const auto trained = word_maps(inputs.trained, own, plan, inputs.context);
  const auto untrained = word_maps(inputs.untrained, own, plan);
  const auto shuffled = word_maps(inputs.trained, with_captions(inputs.source, pairs, true), plan, inputs.context);
  std::string out =
      "<p class=\"note\">The same pairs. For each word: the attention of the last layer (mean over heads) and two "
      "transport plans between words and patches (β × iterations; the second is the one that the loss uses), of "
      "the trained model, of the same model before training, and of the trained model with a caption that is not "
      "true of the picture. Below each map stands its entropy (1 is flat, 0 a single patch) and, where a box is "
      "known, whether the largest weight lies in it. All maps share one scale: a patch's share of the word's "
      "weight in units of the flat one.</p>\n" +
      heat_scale_html();
  size_t next_shuffled = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const int patch = inputs.source.options().patch;
    const Image& image = pairs[i].resized->image;
    const Canvas canvas{map_canvas(pairs[i].picture, image, patch), pairs[i]};
    const WordMaps* other = pairs[i].shuffled >= 0 ? &shuffled[next_shuffled++] : nullptr;
    out += pair_html(inputs, canvas, {&trained[i], &untrained[i], other}, plan);
  }
  return out;
}

}  // namespace tessera
