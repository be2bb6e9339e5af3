#include "vilt/report/figure_names.h"

#include <doctest/doctest.h>

#include <limits>

namespace tessera::figure_names_test {

using Unit = FigureTraits::Unit;
using Better = FigureTraits::Better;

TEST_CASE("figure names: which figures are better higher, which lower, which neither") {
  for (const char* name : {"accuracy", "accuracy, yes/no", "soft_score", "consistency", "text R@1", "image R@10",
                           "text R@1, mean of 5 folds", "itm_accuracy_hard", "mlm_accuracy_content", "pointing_plan",
                           "pointing_own_over_other", "itm_accuracy_hard_by_kind/colour", "itm_accuracy"}) {
    CAPTURE(name);
    CHECK(figure_traits(name).better == Better::higher);
    CHECK(figure_traits(name).unit == Unit::share);
  }
  for (const char* name : {"loss", "mlm_loss", "vqa_loss", "text median rank", "image mean rank"}) {
    CAPTURE(name);
    CHECK(figure_traits(name).better == Better::lower);
    CHECK(figure_traits(name).unit != Unit::share);
  }
  for (const char* name :
       {"samples", "questions", "images", "texts", "content_words", "pointing_chance", "mlm_accuracy_wrong_image",
        "other_picture", "other_pictures", "one_picture", "text R@1 by objects alone", "image R@1 attainable",
        "attention_entropy", "learning_rate", "grad_norm", "samples_per_second", "data_wait_share"}) {
    CAPTURE(name);
    CHECK(figure_traits(name).better == Better::neither);
  }
}

TEST_CASE("figure names: values as people read them") {
  CHECK(figure_text("accuracy", 0.875) == "87.5\u00a0%");
  CHECK(figure_text("questions", 12345.0) == "12,345");
  CHECK(figure_text("text median rank", 12.0) == "12");
  CHECK(figure_text("text median rank", 12.5) == "12.50");
  CHECK(figure_text("text mean rank", 12.345) == "12.35");
  CHECK(figure_text("attention_entropy", 0.5) == "0.50");
  CHECK(figure_text("accuracy", std::nullopt) == "–");
  CHECK(figure_text("questions", std::numeric_limits<double>::infinity()) == "–");
  CHECK(figure_text("questions", 1e300).size() > 15);  // no whole number of 64 bits
}

TEST_CASE("figure names: titles") {
  CHECK(figure_title("itm_accuracy_random") == "Matching, random picture");
  CHECK(figure_title("itm_accuracy_hard_by_kind/colour") == "Matching, sibling picture: colour");
  CHECK(figure_title("pointing_attention_by_layer/2") == "Attention points at the named object: layer 2");
  CHECK(figure_title("accuracy, yes/no") == "accuracy, yes/no");
  CHECK(figure_title("soft_score") == "soft score");
  CHECK(figure_title("loss") == "Loss");
  CHECK(figure_title("") == "");
}

}  // namespace tessera::figure_names_test
