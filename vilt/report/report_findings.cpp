// What the figures say and what they do not, in words. Every figure comes from the summary, and so do the judgements.
#include <cmath>

#include "report/html.h"
#include "vilt/report/report_parts.h"

namespace tessera {
namespace {

// The blocks, with an empty one for each that is absent: its figures are then simply not measured.
struct Blocks {
  Evaluation test, unseen, untrained, shuffled;
  explicit Blocks(const Summary& summary)
      : test(block(summary, "test")),
        unseen(block(summary, "test_unseen")),
        untrained(block(summary, "untrained")),
        shuffled(block(summary, "shuffled_caption")) {}

 private:
  static Evaluation block(const Summary& summary, const char* name) {
    const Evaluation* found = summary_block(summary, name);
    return found ? *found : Evaluation{};
  }
};

std::string strong(Figure share) { return "<b>" + percent(share) + "</b>"; }

std::string item(const std::string& body) { return body.empty() ? "" : "<li>" + body + "</li>\n"; }

// " (chance 50.0 %, untrained 49.8 %)" of those that were measured.
std::string controls(const std::vector<std::pair<const char*, Figure>>& figures) {
  std::string out;
  for (const auto& [name, figure] : figures)
    if (figure) out += text(out.empty() ? " (" : ", ", name, ' ', percent(figure));
  return out.empty() ? "" : out + ")";
}

std::string points(double difference) { return fixed(100 * difference, 1) + " points"; }

std::string matching_finding(const Blocks& blocks) {
  const Evaluation& test = blocks.test;
  if (!test.itm_accuracy_random) return "";
  std::string out =
      text("The model tells a picture from a random one in ", strong(test.itm_accuracy_random), " of the decisions",
           controls({{"chance", 0.5}, {"untrained", blocks.untrained.itm_accuracy_random}}));
  if (test.itm_accuracy_hard)
    out += text(", and from the sibling, which differs in a single thing, in ", strong(test.itm_accuracy_hard),
                controls({{"untrained", blocks.untrained.itm_accuracy_hard}}));
  return out + ".";
}

std::string words_finding(const Blocks& blocks) {
  const Evaluation& test = blocks.test;
  if (!test.mlm_accuracy_content) return "";
  std::string out = text(strong(test.mlm_accuracy_content), " of the masked words are restored",
                         controls({{"untrained", blocks.untrained.mlm_accuracy_content}}), ".");
  if (!test.mlm_accuracy_wrong_image) return out;
  const double gain = *test.mlm_accuracy_content - *test.mlm_accuracy_wrong_image;
  out += text(" With another picture in place of the right one it is ", percent(test.mlm_accuracy_wrong_image), ": ");
  if (gain < 0.02) return out + "the picture is hardly used.";
  return out + "the difference, " + points(gain) + ", comes from looking at the picture.";
}

std::string attention_finding(const Blocks& blocks) {
  const Evaluation& test = blocks.test;
  if (!test.pointing_attention)
    return "This data set says nothing about where things are, so pointing cannot be scored; the maps below are to "
           "look at only.";
  return text("The attention of the last layer has its largest weight in the box of the named object for ",
              strong(test.pointing_attention), " of ", with_thousands(test.pointed_words), " nouns",
              controls({{"chance", test.pointing_chance}, {"untrained", blocks.untrained.pointing_attention}}), ".");
}

std::string naming_finding(const Blocks& blocks) {
  const Evaluation &test = blocks.test, &shuffled = blocks.shuffled;
  if (!test.pointing_attention) return "";
  std::string out;
  if (shuffled.pointing_attention) {
    const double drop = *test.pointing_attention - *shuffled.pointing_attention;
    out = text("A caption that is not true of the picture points at the object of the same number in ",
               strong(shuffled.pointing_attention), " of the cases: ");
    if (drop < 0.1)
      out += text(drop < 0.02 ? "as often as the true one" : "nearly as often as the true one",
                  ", so this figure shows that words find an object, not that they find theirs. ");
    else
      out += points(drop) + " less often than the true one. ";
  }
  if (!test.pointing_own_over_other)
    return out + "No picture here has a second object with a box, so whether words find their own remains open.";
  return out + text("Where there are two objects, the own one gets more attention than the other in ",
                    strong(test.pointing_own_over_other),
                    controls({{"chance", 0.5},
                              {"untrained", blocks.untrained.pointing_own_over_other},
                              {"shuffled caption", shuffled.pointing_own_over_other}}),
                    ".");
}

struct PlanFinding {
  bool points = false;
  std::string text;
};

// A plan points when it finds the object of most nouns; it does not when it is no better than chance, the untrained
// model or a caption that is not true.
PlanFinding plan_finding(const Blocks& blocks) {
  const Evaluation& test = blocks.test;
  if (!test.pointing_plan || !test.pointing_chance) return {};
  const auto best = [](const Evaluation& e) {
    return std::max(e.pointing_plan.value_or(0), e.pointing_plan_training.value_or(0));
  };
  const double control = std::max({*test.pointing_chance, best(blocks.untrained), best(blocks.shuffled)});
  const double gain = best(test) - control;
  PlanFinding out;
  out.points = gain >= 0.05 && best(test) >= 0.5;
  out.text = out.points     ? "<b>The transport plan points.</b> "
             : gain >= 0.05 ? "<b>The transport plan hardly points.</b> "
                            : "<b>The transport plan does not point.</b> ";
  out.text += text(
      "Nearly exact (β 0.1, 1,000 iterations) its largest weight is in the named object's box for ",
      percent(test.pointing_plan),
      controls({{"untrained", blocks.untrained.pointing_plan}, {"shuffled caption", blocks.shuffled.pointing_plan}}),
      " of the nouns, as the loss computes it for ", percent(test.pointing_plan_training),
      controls({{"untrained", blocks.untrained.pointing_plan_training},
                {"shuffled caption", blocks.shuffled.pointing_plan_training}}),
      "; chance is ", percent(test.pointing_chance), ". ");
  if (test.plan_entropy && test.attention_entropy)
    out.text += text("The entropy of a noun's row is ", fixed(test.plan_entropy, 2), " and ",
                     fixed(test.plan_training_entropy, 2), ", that of its attention ", fixed(test.attention_entropy, 2),
                     " (1 is flat). ");
  if (!out.points)
    out.text +=
        "A likely reason, not tested here: every patch carries the same mass, so most of the distance is about "
        "background. That the loss falls is no sign that words have found their objects.";
  return out;
}

std::string kinds_finding(const Blocks& blocks) {
  const auto& kinds = blocks.test.itm_accuracy_hard_by_kind;
  if (kinds.empty()) return "";
  std::string near_chance;
  auto weakest = kinds.begin();
  for (auto kind = kinds.begin(); kind != kinds.end(); ++kind) {
    if (kind->second < weakest->second) weakest = kind;
    if (kind->second < 0.6)
      near_chance += text(near_chance.empty() ? "" : ", ", escape_html(kind->first), " (", percent(kind->second), ")");
  }
  if (!near_chance.empty())
    return "<b>Siblings near chance:</b> matching hardly sees differences of " + near_chance +
           ", where guessing gives 50 %.";
  return text("The hardest siblings are those that differ in ", escape_html(weakest->first), ": ",
              percent(weakest->second), ".");
}

std::string unseen_finding(const Blocks& blocks) {
  std::string out;
  const auto compare = [&](const char* name, Figure Evaluation::*figure) {
    const Figure seen = blocks.test.*figure, unseen = blocks.unseen.*figure;
    if (seen && unseen) out += text(out.empty() ? "" : ", ", name, ' ', percent(unseen), " instead of ", percent(seen));
  };
  compare("matching with a random picture", &Evaluation::itm_accuracy_random);
  compare("with the sibling", &Evaluation::itm_accuracy_hard);
  compare("masked words", &Evaluation::mlm_accuracy_content);
  compare("pointing", &Evaluation::pointing_attention);
  return out.empty() ? "" : "On what no training picture shows: " + out + ".";
}

std::string uncertainty_finding(const ReportInputs& inputs, const Blocks& blocks) {
  std::string out = text("This is one run with one seed, ", inputs.settings.train.seed,
                         "; how far another seed would be from it, it cannot say.");
  const Evaluation& test = blocks.test;
  const Figure figure = test.itm_accuracy_hard ? test.itm_accuracy_hard : test.itm_accuracy_random;
  if (!figure || test.samples == 0) return out;
  // Each caption gives two decisions.
  const double error = std::sqrt(*figure * (1 - *figure) / (2 * static_cast<double>(test.samples)));
  return out + text(" From the ", with_thousands(test.samples), " captions alone, the standard error of the ",
                    percent(figure), " in matching with a ", test.itm_accuracy_hard ? "sibling" : "random",
                    " picture is ", points(error), ".");
}

}  // namespace

std::string findings_html(const ReportInputs& inputs) {
  const Blocks blocks(inputs.summary);
  if (!summary_block(inputs.summary, "test")) return "";
  const PlanFinding plan = plan_finding(blocks);
  return "<div class=\"findings\"><div><h3>Shown</h3><ul>\n" + item(matching_finding(blocks)) +
         item(words_finding(blocks)) + item(attention_finding(blocks)) + (plan.points ? item(plan.text) : "") +
         item(unseen_finding(blocks)) + "</ul></div>\n<div><h3>Not shown, or with a reservation</h3><ul>\n" +
         (plan.points ? "" : item(plan.text)) + item(naming_finding(blocks)) + item(kinds_finding(blocks)) +
         item(uncertainty_finding(inputs, blocks)) + "</ul></div></div>\n";
}

}  // namespace tessera
