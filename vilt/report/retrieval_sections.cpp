// What a model that is fine-tuned for retrieval found, how far down the right ones stand, and what wrong ones differ
// in.
#include <algorithm>
#include <map>
#include <memory>

#include "data/tasks/rank_histogram.h"
#include "io/words.h"
#include "report/bar_chart.h"
#include "report/html.h"
#include "train/evaluation/annotated_captions.h"
#include "vilt/ask/inference.h"
#include "vilt/report/downstream_report.h"
#include "vilt/report/map_svg.h"
#include "vilt/report/shown_pictures.h"

namespace tessera {
namespace {

using Example = RetrievalFindings::Example;

std::string rank_text(const RankBin& bin) {
  return bin.first == bin.last ? with_thousands(bin.first)
                               : text(with_thousands(bin.first), "–", with_thousands(bin.last));
}

std::vector<int64_t> counts_of(const RetrievalFindings& findings, int64_t largest, std::vector<std::string>& names) {
  std::vector<int64_t> ranks, counts;
  for (const int64_t rank : findings.rank_of)
    if (rank > 0) ranks.push_back(rank);
  names.clear();
  for (const RankBin& bin : rank_histogram(ranks, largest)) {
    names.push_back(rank_text(bin));
    counts.push_back(bin.count);
  }
  return counts;
}

std::string ranks_chart(const BothFindings& found) {
  int64_t largest = 1;
  for (const RetrievalFindings* findings : {&found.texts, &found.pictures})
    for (const int64_t rank : findings->rank_of) largest = std::max(largest, rank);
  BarChart chart;
  chart.title = "Ranks of what is right";
  chart.note = text("Where the best right text of a picture stands among ", with_thousands(found.texts.candidates),
                    " texts, and the picture of a text among ", with_thousands(found.pictures.candidates),
                    " pictures; the first is 1, equal scores count as wrong.");
  chart.axis = "rank";
  chart.series = {{"texts of a picture", 1, counts_of(found.texts, largest, chart.bins)},
                  {"pictures of a text", 2, counts_of(found.pictures, largest, chart.bins)}};
  return bar_chart_html(chart);
}

std::string difference_text(const scenes::CaptionDifference& difference) {
  if (difference.count) return "the number of objects";
  if (difference.relation) return "the relation alone";
  if (difference.exchanged) return "which object has which of the same attributes";
  if (difference.attributes.empty()) return "nothing: it fits as well";
  std::string out;
  for (const auto& [name, objects] : difference.attributes)
    out += text(out.empty() ? "" : " and ", objects == 1 ? "one " : "each ", name);
  return out;
}

struct Wrong {
  int64_t texts = 0, pictures = 0;
};

std::string differences_table(const RankedCaptions& ranked) {
  std::map<std::string, Wrong> counts;
  const BothFindings& found = ranked.found;
  const auto image = [&](int64_t place) { return ranked.images[static_cast<size_t>(place)]; };
  const auto sample = [&](int64_t place) { return ranked.texts[static_cast<size_t>(place)]; };
  for (size_t query = 0; query < found.texts.wrong_pick.size(); ++query)
    if (const int64_t pick = found.texts.wrong_pick[query]; pick >= 0)
      ++counts[difference_text(ranked.known->difference(sample(pick), image(static_cast<int64_t>(query))))].texts;
  for (size_t query = 0; query < found.pictures.wrong_pick.size(); ++query)
    if (const int64_t pick = found.pictures.wrong_pick[query]; pick >= 0)
      ++counts[difference_text(ranked.known->difference(sample(static_cast<int64_t>(query)), image(pick)))].pictures;
  std::vector<std::pair<std::string, Wrong>> rows(counts.begin(), counts.end());
  std::ranges::stable_sort(rows, [](const auto& a, const auto& b) {
    return a.second.texts + a.second.pictures > b.second.texts + b.second.pictures;
  });
  std::string out =
      "<table><thead><tr><th scope=\"col\">between the caption and the picture differs</th><th scope=\"col\">text "
      "first "
      "found for a picture</th><th scope=\"col\">picture first found for a text</th></tr></thead><tbody>";
  for (const auto& [name, wrong] : rows)
    out += text("<tr><th scope=\"row\">", escape_html(name), "</th><td>", with_thousands(wrong.texts), "</td><td>",
                with_thousands(wrong.pictures), "</td></tr>");
  return out + "</tbody></table>";
}

std::string share_text(int64_t wrong, int64_t of, const char* queries) {
  return text(with_thousands(wrong), " of ", with_thousands(of), ' ', queries, " (",
              percent(of > 0 ? std::optional(static_cast<double>(wrong) / static_cast<double>(of)) : std::nullopt),
              ")");
}

const char* mark(const Example& example) {
  return example.rank == 1 ? "<i class=\"right\">✓</i>" : "<i class=\"wrong\">✗</i>";
}

std::string place_text(const char* what, const Example& example) {
  return example.rank > 0 ? text("<small>", what, " stands at ", with_thousands(example.rank), "</small>")
                          : text("<small>", what, " is not there</small>");
}

std::string score_text(const RetrievalFindings::Found& found) {
  return text(fixed(found.score, 2), " · ", percent(found.share));
}

class Cards {
 public:
  Cards(const DownstreamReportInputs& inputs, const RankedCaptions& ranked, std::string& symbols)
      : inputs_(inputs), ranked_(ranked), pictures_(inputs.source, symbols) {}

  // A picture, where the first text looks in it, and its first texts.
  std::string of_picture(const Example& example) {
    const int64_t picture = image(example.query), best = sample(example.found[0].candidate);
    const Question question{inputs_.source.text(best),
                            {std::make_shared<const PatchedImage>(inputs_.source.pictures.patched(picture))}};
    const WordMaps maps = word_maps(inputs_.model, {question}, {}, inputs_.context)[0];
    std::string out = "<article class=\"example\"><div class=\"pictures\">" + pictures_.figure(picture, "picture");
    out += pictures_.map(picture, maps, words(best));
    out += text("</div><div class=\"masked\"><div class=\"asked\">", mark(example), ' ',
                place_text("its best text", example), "</div><ol>");
    for (const auto& found : example.found)
      out += bar_html(text(with_thousands(found.rank), ". ", words(sample(found.candidate))), found.share,
                      score_text(found), found.right);
    return out + "</ol></div></article>\n";
  }

  // A text and its first pictures.
  std::string of_text(const Example& example) {
    std::string out =
        text("<article class=\"retrieved\"><p class=\"caption\">", mark(example), ' ',
             escape_html(words(sample(example.query))), ' ', place_text("its picture", example), "</p>\n<ol>");
    for (const auto& found : example.found)
      out += text("<li", found.right ? " class=\"right\"" : "", ">",
                  pictures_.thumbnail(image(found.candidate), text("found at ", found.rank)),
                  "<span class=\"track\"><span class=\"bar\" style=\"width:", fixed(100 * found.share, 1),
                  "%\"></span></span><span>", with_thousands(found.rank), ". ", found.right ? "its picture" : "",
                  "</span><span class=\"score\">", score_text(found), "</span></li>");
    return out + "</ol></article>\n";
  }

 private:
  int64_t image(int64_t place) const { return ranked_.images[static_cast<size_t>(place)]; }
  int64_t sample(int64_t place) const { return ranked_.texts[static_cast<size_t>(place)]; }
  const std::string& words(int64_t sample) const {
    return inputs_.source.set.samples[static_cast<size_t>(sample)].text;
  }

  const DownstreamReportInputs& inputs_;
  const RankedCaptions& ranked_;
  ShownPictures pictures_;
};

std::string heading(const char* what, const RetrievalFindings& findings, bool wrong, const char* queries) {
  const int64_t right = std::ranges::count(findings.rank_of, 1);
  return text("<h3>", what, ", the first one ", wrong ? "wrong" : "right", ": ",
              share_text(wrong ? findings.wrong_picks : right, findings.queries, queries), "</h3>\n");
}

}  // namespace

std::string rankings_html(const DownstreamReportInputs& inputs, const RankedCaptions& ranked, std::string& symbols) {
  const BothFindings& found = ranked.found;
  if (found.texts.queries == 0 || found.pictures.queries == 0) return "";
  Cards cards(inputs, ranked, symbols);
  std::string out = text(
      "<p class=\"note\">Spread evenly over what was found rightly and what was not; nobody chooses them. The right "
      "ones "
      "are in bold; where none is among the first, it is added with its place. Numbers: the score, and its share in "
      "the "
      "softmax over all ",
      with_thousands(found.texts.candidates), " texts or ", with_thousands(found.pictures.candidates),
      " pictures, which is what bars show. ", kShownMapNote, " The text is the first one.</p>\n", heat_scale_html());
  for (const auto& [examples, wrong] : {std::pair{&found.pictures.wrong, true}, {&found.pictures.right, false}}) {
    if (examples->empty()) continue;
    out += heading("Pictures of a text", found.pictures, wrong, "texts") + "<div class=\"examples\">\n";
    for (const Example& example : *examples) out += cards.of_text(example);
    out += "</div>\n";
  }
  for (const auto& [examples, wrong] : {std::pair{&found.texts.wrong, true}, {&found.texts.right, false}}) {
    if (examples->empty()) continue;
    out += heading("Texts of a picture", found.texts, wrong, "pictures") + "<div class=\"examples\">\n";
    for (const Example& example : *examples) out += cards.of_picture(example);
    out += "</div>\n";
  }
  return out;
}

std::string wrong_picks_html(const RankedCaptions& ranked) {
  const BothFindings& found = ranked.found;
  if (found.texts.queries == 0 || found.pictures.queries == 0) return "";
  std::string out = "<div class=\"side-by-side\">\n" + ranks_chart(found);
  out += text("<div><h3>First picks that are wrong</h3><p>The first text is wrong of ",
              share_text(found.texts.wrong_picks, found.texts.queries, "pictures"), ", the first picture of ",
              share_text(found.pictures.wrong_picks, found.pictures.queries, "texts"), ".</p>\n");
  if (!ranked.known)
    out += "<p class=\"note\">In what they differ is left out: the captions have no annotations that tell it.</p>\n";
  else if (found.texts.wrong_picks + found.pictures.wrong_picks > 0)
    out +=
        differences_table(ranked) +
        "<p class=\"note\">By the annotations of both. A wrong one that fits as well is as good an answer as the right "
        "one, but counts as wrong.</p>\n";
  return out + "</div></div>\n";
}

}  // namespace tessera
