#include "vilt/report/report.h"

#include <doctest/doctest.h>

#include <iterator>

#include "tests/temporary_directory.h"
#include "tests/vilt/report/page_checks.h"
#include "tests/vilt/report/tiny_report.h"
#include "vilt/report/report_parts.h"

namespace tessera::report_test {

using tests::contains;
using tests::count;
using tests::malformed;
using tests::references;
using tests::TemporaryDirectory;
using tests::TinyReport;

TEST_CASE("report: a whole page that needs nothing else") {
  const TemporaryDirectory directory;
  TinyReport report(directory.path());
  report.settings.train.title = "Rings & <b>crosses</b>";
  const std::filesystem::path html = directory.path() / "report.html";
  write_report(html, report.inputs());
  std::ifstream in(html, std::ios::binary);
  const std::string page((std::istreambuf_iterator<char>(in)), {});

  CHECK(malformed(page) == "");
  for (const std::string& reference : references(page)) FAIL_CHECK(reference);
  CHECK(contains(page, "<h1>Rings &amp; &lt;b&gt;crosses&lt;/b&gt;</h1>"));
  for (const char* id : {"curves", "figures", "findings", "words", "maps", "settings"}) {
    CAPTURE(id);
    CHECK(count(page, std::string("<section id=\"") + id + "\"") == 1);
    CHECK(count(page, std::string("<a href=\"#") + id + "\"") == 1);
  }
  CHECK(count(page, "<svg class=\"plot\"") == 9);
  CHECK(count(page, "vilt train scenes.toml train.steps=2000") == 2);
  CHECK(contains(page, "12,345"));
  CHECK(contains(page, "1 min 15 s"));
  CHECK(contains(page, "steps = 100000"));  // the settings as they were
  CHECK(count(page, "<article class=\"example\">") == 3);
  CHECK(count(page, "<article class=\"pair\">") == 3);
  // Every word has attention and two plans, of the trained and the untrained model and mostly with another caption.
  const size_t words = count(page, "<div class=\"word\">"), maps = count(page, "<figure class=\"map\">");
  CHECK(words >= 9);
  CHECK(maps % 3 == 0);
  CHECK(maps >= 6 * words);
  CHECK(count(page, "<h5>shuffled: ") >= 3);
  CHECK(count(page, "<rect class=\"box\"") >= maps / 2);
  CHECK(contains(page, "plan 0.1 × 1,000"));
  CHECK(contains(page, "plan 0.5 × 50"));
  CHECK(!contains(page, "nan"));
}

TEST_CASE("report: the checks of the page above can fail") {
  CHECK(malformed("<p>a</p>") == "");
  CHECK(malformed("<p>a<b></p></b>") != "");
  CHECK(malformed("<p>a < b</p>") != "");
  CHECK(malformed("<p title=\"a>b</p>") != "");
  CHECK(malformed("<div><p>a</p>") != "");
  CHECK(references("<img src=\"a.png\"/>").size() == 1);
  CHECK(references("<a href=\"page.html\">").size() == 1);
  CHECK(!references("fetch('https://example.org')").empty());
  CHECK(references("<a href=\"#maps\"><use href=\"data:image/png;base64,AA//xx+=\"/>").empty());
}

TEST_CASE("report: a data set without annotations, with captions that look like HTML") {
  const TemporaryDirectory directory;
  TinyReport report(directory.path());
  directory.write("scenes/hostile.json", R"({"images": [
    {"filename": "000000.jpg", "filepath": "test", "imgid": 0, "split": "test",
     "sentences": [{"raw": "<script>alert(1)</script> & \"ring\"", "sentid": 0}]},
    {"filename": "000001.jpg", "filepath": "test", "imgid": 1, "split": "test",
     "sentences": [{"raw": "a red ring", "sentid": 1},
                   {"raw": "one two three four five six seven eight nine ten", "sentid": 2}]}]})");
  report.open(false, "hostile.json");
  std::filesystem::remove(directory.path() / "metrics.jsonl");
  const std::string page = report_html(report.inputs());
  CHECK(malformed(page) == "");
  CHECK(!contains(page, "<script>alert"));
  CHECK(contains(page, "&lt;<mark>script</mark>&gt;") == false);  // punctuation is masked too: each word is marked
  CHECK(contains(page, "<mark>&lt;</mark><mark>script</mark><mark>&gt;</mark>"));
  CHECK(contains(page, "<p class=\"caption\">&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;ring&quot;</p>"));
  CHECK(!contains(page, "<rect class=\"box\""));
  CHECK(contains(page, "The run has logged no figures."));
  CHECK(contains(page, "nothing about where things are"));
  CHECK(!contains(page, "Masked words by kind"));
  CHECK(count(page, "<article class=\"pair\">") == 3);
}

TEST_CASE("report: more examples are asked for than there are, or none") {
  const TemporaryDirectory directory;
  TinyReport report(directory.path());
  CHECK(count(report_html(report.inputs(50)), "<article class=\"pair\">") == 12);
  const std::string page = report_html(report.inputs(0));
  CHECK(!contains(page, "<section id=\"maps\""));
  CHECK(!contains(page, "<a href=\"#maps\""));
}

TEST_CASE("report: figures that were not measured") {
  const TemporaryDirectory directory;
  TinyReport report(directory.path());
  report.summary().blocks.clear();
  report.summary().blocks["test"].samples = 5;
  const std::string page = report_html(report.inputs(1));
  CHECK(malformed(page) == "");
  CHECK(!contains(page, "<ul class=\"tiles\">"));
  CHECK(!contains(page, "<span class=\"value\">"));
}

TEST_CASE("report: what the findings say follows the figures") {
  const TemporaryDirectory directory;
  TinyReport report(directory.path());
  Evaluation& test = report.summary().blocks["test"];
  Evaluation& untrained = report.summary().blocks["untrained"];
  Evaluation& shuffled = report.summary().blocks["shuffled_caption"];
  test.samples = 2000;
  test.itm_accuracy_hard = 0.9;
  test.itm_accuracy_hard_by_kind = {{"colour", 0.98}, {"relation", 0.55}};
  test.mlm_accuracy_content = 0.95;
  test.mlm_accuracy_wrong_image = 0.33;
  test.pointing_chance = untrained.pointing_chance = 0.1;
  test.pointing_attention = 0.96;
  test.pointing_plan = untrained.pointing_plan = shuffled.pointing_plan = 0.1;
  untrained.pointing_plan_training = shuffled.pointing_plan_training = 0.1;
  const auto findings = [&](double plan_training, double shuffled_attention) {
    test.pointing_plan_training = plan_training;
    shuffled.pointing_attention = shuffled_attention;
    return findings_html(report.inputs());
  };
  CHECK(contains(findings(0.11, 0.6), "The transport plan does not point."));
  CHECK(contains(findings(0.33, 0.6), "The transport plan hardly points."));
  CHECK(contains(findings(0.70, 0.6), "The transport plan points."));
  CHECK(contains(findings(0.1, 0.95), "find an object, not that they find theirs"));
  CHECK(contains(findings(0.1, 0.90), "nearly as often"));
  CHECK(!contains(findings(0.1, 0.95), "nearly as often"));
  CHECK(contains(findings(0.1, 0.60), "36.0 points less often"));
  const std::string text = findings(0.1, 0.6);
  CHECK(contains(text, "matching hardly sees differences of relation (55.0\u00a0%)"));
  CHECK(contains(text, "62.0 points, comes from looking at the picture"));
  CHECK(contains(text, "is 0.5 points"));  // sqrt(0.9 · 0.1 / 4000) = 0.0047
  test.itm_accuracy_hard_by_kind["relation"] = 0.8;
  CHECK(contains(findings(0.1, 0.6), "The hardest siblings are those that differ in relation: 80.0\u00a0%"));
  untrained.pointing_plan_training = 0.68;
  CHECK(contains(findings(0.70, 0.6), "The transport plan does not point."));
}

TEST_CASE("report: words of a caption") {
  const TemporaryDirectory directory;
  TinyReport report(directory.path());
  const ReportInputs inputs = report.inputs();
  for (int64_t sentence = 0; sentence < 12; ++sentence) {
    const std::vector<ReportWord> words = report_words(inputs.source, sentence);
    const Annotation& annotation = *report.dataset().annotation(sentence);
    CHECK(words.size() == annotation.content_words->size());
    int64_t heads = 0;
    for (const ReportWord& word : words) {
      CHECK(caption_of(inputs.source, sentence).substr(word.begin, word.end - word.begin) == word.text);
      CHECK(!word.tokens.empty());
      if (!word.head_noun) continue;
      ++heads;
      CHECK(word.kind == "shape");
      CHECK(word.tokens == head_noun(inputs.source, sentence, word.object));  // those that the evaluation scores
    }
    CHECK(heads == static_cast<int64_t>(annotation.objects->size()));
  }
}

}  // namespace tessera::report_test
