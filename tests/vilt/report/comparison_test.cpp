#include "vilt/report/comparison.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/error_text.h"
#include "tests/vilt/report/invented_runs.h"
#include "tests/vilt/report/page_checks.h"
#include "vilt/report/comparison_parts.h"

namespace tessera::comparison_test {

using tests::contains;
using tests::count;
using tests::error_of;
using tests::InventedRun;
using tests::lacking;
using tests::malformed;
using tests::references;
using tests::TemporaryDirectory;
using tests::write_run;

namespace {

std::vector<ComparedRun> read(const TemporaryDirectory& directory, const std::vector<InventedRun>& runs) {
  std::vector<std::filesystem::path> folders;
  for (const InventedRun& run : runs) folders.push_back(write_run(directory, run));
  return read_compared_runs(folders);
}

std::string all_remarks(std::span<const ComparedRun> runs) {
  std::string out;
  for (const std::string& remark : comparison_remarks(runs)) out += remark + "\n";
  return out;
}

InventedRun vqa(const std::string& name, NamedFigures test, int64_t seed = 0) {
  InventedRun run{name, "vqa"};
  run.change = [seed](Settings& settings) { settings.train.seed = seed; };
  run.final_ = {{"test", std::move(test)}};
  return run;
}

// The row of a figure, from its title to the row's end.
std::string row(const std::string& page, const std::string& title) {
  const size_t at = page.find("<th scope=\"row\">" + title + "</th>");
  return at == std::string::npos ? "" : page.substr(at, page.find("</tr>", at) - at);
}

// The texts of a row's marked cells, in order.
std::vector<std::string> best(const std::string& of_row) {
  const std::string mark = "★</span>";
  std::vector<std::string> out;
  for (size_t at = of_row.find(mark); at != std::string::npos; at = of_row.find(mark, at + 1)) {
    const size_t begin = at + mark.size();
    out.push_back(of_row.substr(begin, of_row.find('<', begin) - begin));
  }
  return out;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("comparison: the best of a row, where higher or lower is better") {
  const TemporaryDirectory directory;
  InventedRun a{"a", "retrieval"}, b{"b", "retrieval"};
  // Shares of 0.8341 and 0.8339 look the same, so both are the best.
  a.final_ = {{"test",
               {{"images", 12},
                {"text R@1", 0.8341},
                {"text median rank", 3},
                {"text mean rank", 2.5},
                {"image R@5", 0.5},
                {"image R@1 by objects alone", 0.75}}},
              {"untrained", {{"images", 12}, {"text R@1", 0.1}}}};
  b.final_ = {{"test",
               {{"images", 12},
                {"text R@1", 0.8339},
                {"text median rank", 2},
                {"text mean rank", 2.75},
                {"image R@5", 0.5},
                {"image R@1 by objects alone", 0.5},
                {"image R@10", 0.75}}},
              {"untrained", {{"images", 12}, {"text R@1", 0.2}}}};
  InventedRun c{"c", "retrieval"};
  c.final_ = {{"test", {{"images", 12}, {"text R@1", 0.25}}}};
  const std::string page = comparison_html(read(directory, {a, b, c}), "command");
  CHECK(best(row(page, "text R@1")) == Strings{"83.4\u00a0%", "83.4\u00a0%"});
  CHECK(best(row(page, "text median rank")) == Strings{"2"});
  CHECK(best(row(page, "text mean rank")) == Strings{"2.50"});
  CHECK(best(row(page, "image R@5")).empty());                   // all are alike
  CHECK(best(row(page, "image R@1 by objects alone")).empty());  // a control
  CHECK(best(row(page, "images")).empty());
  CHECK(best(row(page, "image R@10")).empty());  // of one run alone
  CHECK(contains(row(page, "image R@10"), ">–<"));
  const std::string control = page.substr(page.find("Control, untrained"));
  CHECK(contains(row(control, "text R@1"), "20.0"));
  CHECK(best(row(control, "text R@1")).empty());
  // From 12 samples a share of one half is known to sqrt(0.5 · 0.5 / 12) = 14.4 %.
  CHECK(contains(page, "From 12 samples alone, a share of them has a standard error of up to 14.4 points"));
}

TEST_CASE("comparison: figures of different numbers of samples have no best") {
  const TemporaryDirectory directory;
  const auto runs = read(
      directory, {vqa("a", {{"questions", 24}, {"accuracy", 0.5}}), vqa("b", {{"questions", 12}, {"accuracy", 0.75}})});
  CHECK(best(row(comparison_html(runs, ""), "accuracy")).empty());
  CHECK(contains(all_remarks(runs), "\"test\" are of different numbers of samples (A a 24, B b 12)"));
}

TEST_CASE("comparison: mean and range of runs that differ in their seed alone") {
  const TemporaryDirectory directory;
  InventedRun other = vqa("other", {{"questions", 4}, {"accuracy", 0.9}}, 3);
  other.change = [](Settings& settings) {
    settings.train.seed = 3;
    settings.optimizer.learning_rate *= 2;
  };
  InventedRun elsewhere = vqa("elsewhere", {{"questions", 4}, {"accuracy", 0.25}}, 4);
  elsewhere.data["captions"] = "41";
  InventedRun unfinished = vqa("unfinished", {}, 5);
  unfinished.final_.clear();
  InventedRun third = vqa("third", {{"questions", 4}, {"accuracy", 0.75}, {"soft_score", 1}}, 2);
  third.change = [](Settings& settings) {
    settings.train.seed = 2;
    settings.train.threads = 7;  // moves no number
  };
  const auto runs =
      read(directory, {vqa("first", {{"questions", 4}, {"accuracy", 0.25}}, 0), other,
                       vqa("second", {{"questions", 4}, {"accuracy", 0.5}}, 1), elsewhere, unfinished, third});
  const auto groups = by_seed(by_task(runs)[0]);
  REQUIRE(groups.size() == 1);
  CHECK(titles_of(groups[0]) == "A first, C second and F third");
  const std::string page = comparison_html(runs, "");
  CHECK(contains(row(page, "accuracy"), "\"mean of A, C, F (min–max)\">50.0\u00a0% (25.0\u00a0%–75.0\u00a0%)"));
  CHECK(contains(row(page, "questions"), "\"mean of A, C, F (min–max)\">4<"));
  CHECK(contains(row(page, "soft score"), "\"mean of A, C, F (min–max)\">–<"));  // one of three has it
  CHECK(!contains(all_remarks(runs), "same seed"));
}

TEST_CASE("comparison: the same settings and the same seed are no mean, but a remark") {
  const TemporaryDirectory directory;
  const NamedFigures figures{{"questions", 4}, {"accuracy", 0.5}};
  const auto twice = read(directory, {vqa("a", figures), vqa("b", figures)});
  CHECK(by_seed(by_task(twice)[0]).empty());
  const auto runs = read(directory, {vqa("a", figures), vqa("b", figures), vqa("c", figures, 1)});
  CHECK(contains(all_remarks(runs), "A a and B b have the same settings and the same seed, 0."));
}

TEST_CASE("comparison: settings that differ are listed, the others counted") {
  const TemporaryDirectory directory;
  InventedRun a{"a"}, b{"b"};
  b.change = [](Settings& settings) {
    settings.optimizer.learning_rate = 0.002;
    settings.train.title = "<i>b";
  };
  const auto runs = read(directory, {a, b});
  const std::string page = comparison_html(runs, "");
  const std::string settings = page.substr(page.find("<section id=\"settings\""));
  CHECK(count(settings, "<th scope=\"row\">") == 2);
  CHECK(contains(row(settings, "optimizer.learning_rate"), ">1e-04</td>"));
  CHECK(contains(row(settings, "optimizer.learning_rate"), ">0.002</td>"));
  CHECK(contains(row(settings, "train.title"), "&lt;i&gt;b"));
  // Two differ, and train.out does not count.
  CHECK(contains(settings, ">" + std::to_string(runs[0].settings.size() - 3) + " other settings are equal"));
  const std::string same = comparison_html(read(directory, {a, InventedRun{"c"}}), "");
  CHECK(contains(same, "The runs have the same settings."));
}

TEST_CASE("comparison: remarks on tasks, data, steps and what is missing") {
  const TemporaryDirectory directory;
  InventedRun a{"a"}, b{"b"}, c{"c"}, d{"d"}, e = vqa("e", {{"accuracy", 0.5}});
  b.data = {{"captions", "24"}, {"caption texts", "fedcba9876543210"}};
  b.change = [](Settings& settings) {
    settings.train.steps = 2000;
    settings.train.batch_size = 8;
  };
  c.data.clear();
  c.metrics = "{\"step\":40,\"loss\":1}\n{\"step\":5\nno row\n\n";
  c.checkpoint = 30;
  d.metrics.clear();
  d.checkpoint = -1;
  const auto runs = read(directory, {a, b, c, d, e});
  const std::string remarks = all_remarks(runs);
  CHECK(
      lacking(remarks,
              {"of different tasks, and are compared within each alone (pretraining: A a, B b, C c and D d; vqa: E e)",
               "B b was trained on other data than A a, which differ in caption texts, captions (24 instead of 40).",
               "On which data C c and D d were trained is not known",
               "different numbers of steps: A a 100, B b 2,000, C c 100, D d 100.",
               "A step has different numbers of samples, and curves are over steps: A a 32, B b 8,",
               "A a is unfinished, at step 100 of 100: it has no final figures yet.",
               "C c is unfinished, at step 40 of 100", "D d is unfinished, at step 0 of 100",
               "C c has logged no evaluation", "D d has logged nothing yet.",
               "c/metrics.jsonl: 2 lines are damaged and left out, the first is line 2."}) == "");
  CHECK(!contains(remarks, "E e is unfinished"));
  CHECK(!contains(remarks, "a/metrics.jsonl"));
  const std::string page = comparison_html(runs, "");
  CHECK(malformed(page) == "");
  CHECK(count(page, "<ul class=\"remarks\">") == 1);
  CHECK(contains(page, "2,000, unfinished"));
  CHECK(contains(page, "Test (vqa)"));
  CHECK(contains(page, "Losses of training, pretraining"));
  // Runs of one task, one data set, as many steps, all finished: nothing to remark.
  InventedRun finished = vqa("f", {{"accuracy", 0.75}}, 1);
  const auto plain = read(directory, {e, finished});
  CHECK(all_remarks(plain) == "");
  CHECK(!contains(comparison_html(plain, ""), "class=\"remarks\""));
}

TEST_CASE("comparison: data that older files tell less of are compared by what both tell") {
  const TemporaryDirectory directory;
  InventedRun a{"a"}, b{"b"};
  b.data = {{"captions", "40"}, {"image files", "0000000000000000"}};
  CHECK(!contains(all_remarks(read(directory, {a, b})), "other data"));
}

TEST_CASE("comparison: curves of runs of different lengths, each with a line of its own") {
  const TemporaryDirectory directory;
  std::vector<InventedRun> runs;
  for (int i = 0; i < 12; ++i) {
    InventedRun& run = runs.emplace_back(InventedRun{"run-" + std::to_string(i)});
    run.metrics.clear();
    for (int step = 1; step <= 10 * (i + 1); ++step)
      run.metrics +=
          "{\"step\":" + std::to_string(step) + ",\"loss\":" + std::to_string(3 + i) + ",\"mlm_loss\":null}\n";
    run.metrics += "{\"step\":" + std::to_string(10 * (i + 1)) +
                   ",\"evaluation\":{\"itm_accuracy_hard\":0.5,\"samples\":8,\"by\":{\"x\":1}}}\n";
  }
  const auto read_runs = read(directory, runs);
  std::set<std::pair<int, Series::Line>> lines;
  for (size_t i = 0; i < read_runs.size(); ++i) {
    const RunLine line = line_of(read_runs[i]);
    lines.insert({line.colour, line.line});
    if (i == 0) continue;
    const RunLine before = line_of(read_runs[i - 1]);
    CHECK(line.colour != before.colour);
    CHECK(line.line != before.line);
  }
  CHECK(lines.size() == 12);
  const std::string page = comparison_html(read_runs, "vilt report --compare run-0 …");
  CHECK(malformed(page) == "");
  for (const std::string& reference : references(page)) FAIL_CHECK(reference);
  CHECK(count(page, "<svg class=\"plot\"") == 2);  // the loss and the accuracy; counts and what is null have none
  CHECK(count(page, "<text class=\"tag ") == 24);
  CHECK(contains(page, "data-x=\"0 120 "));
  CHECK(contains(page, "L run-11 <b>14</b>"));
}

TEST_CASE("comparison: names and texts of files do not become a part of the page") {
  const TemporaryDirectory directory;
  InventedRun a{"<b>\"a'", "vqa"}, b{"b", "vqa"};
  a.metrics = "{\"step\":1,\"x<script>alert(1)</script>_loss\":1}\n{\"step\":1,\"evaluation\":{\"<img src=x>\":1}}\n";
  a.final_ = {{"test<i>", {{"<u>", 0.5}}}, {"test", {{"accuracy, <s>", 0.5}, {"questions", 3}}}};
  a.data = {{"<em>", "1"}};
  b.data = {{"<em>", "2"}};
  const auto runs = read(directory, {a, b});
  const std::string page = comparison_html(runs, "<x>");
  CHECK(malformed(page) == "");
  for (const char* tag : {"<b>\"", "<script>alert", "<img", "<i>", "<u>", "<s>", "<em>", "<x>"}) {
    CAPTURE(tag);
    CHECK(!contains(page, tag));
  }
  CHECK(contains(page, "A &lt;b&gt;&quot;a&#39;"));
}

TEST_CASE("comparison: a page is known again by its head, and no other page is") {
  const TemporaryDirectory directory;
  InventedRun a{"a"}, b{"b"};
  const std::string mark(kComparisonMark);
  b.change = [&](Settings& settings) { settings.train.title = mark; };
  const std::string page = comparison_html(read(directory, {a, b}), mark);
  CHECK(page.find(mark) < 512);
  CHECK(count(page, mark) == 1);
}

TEST_CASE("comparison: folders of one name are told by their paths") {
  const TemporaryDirectory directory;
  const auto runs = read(directory, {InventedRun{"x/run"}, InventedRun{"y/run"}, InventedRun{"z"}});
  CHECK(runs[0].name == (directory.path() / "x/run").string());
  CHECK(runs[1].name == (directory.path() / "y/run").string());
  CHECK(runs[2].title() == "C z");
}

TEST_CASE("comparison: what is no comparison is an error that says why") {
  const TemporaryDirectory directory;
  const auto error = [](const std::vector<std::filesystem::path>& folders) {
    return error_of([&] { read_compared_runs(folders); });
  };
  const auto a = write_run(directory, InventedRun{"a"}), b = write_run(directory, InventedRun{"b"});
  CHECK(contains(error({}), "name two or more"));
  CHECK(contains(error({a}), "one run is compared with nothing; name two or more"));
  CHECK(contains(error(std::vector(13, a)), "13 runs, expected at most 12"));
  CHECK(contains(error({a, b, a.string() + "/../a/"}), "the same run as " + a.string()));
  std::filesystem::create_directory_symlink(a, directory.path() / "link");
  CHECK(contains(error({a, directory.path() / "link"}), "link: the same run as"));
  CHECK(contains(error({a, directory.path() / "none"}), "none: no such directory; expected the folder of a run"));
  CHECK(contains(error({a, a / "settings.toml"}), "settings.toml: no such directory"));
  std::filesystem::create_directory(directory.path() / "empty");
  CHECK(contains(error({directory.path() / "empty", a}), "empty: no run (there is no settings.toml)"));
  directory.write("b/summary.json", "[]");
  CHECK(contains(error({a, b}), "b/summary.json: not a JSON object"));
  std::filesystem::remove(b / "summary.json");
  directory.write("b/checkpoint-100/state.json", "{}");
  CHECK(contains(error({a, b}), "b/checkpoint-100/state.json: "));
  directory.write("b/settings.toml", "[train]\nstep = 3\n");
  CHECK(contains(error({a, b}), "b/settings.toml: unknown setting 'train.step'"));
}

TEST_CASE("comparison: nobody is finished, and nothing is logged") {
  const TemporaryDirectory directory;
  InventedRun a{"a"}, b{"b"};
  a.metrics = b.metrics = "";
  const std::string page = comparison_html(read(directory, {a, b}), "");
  CHECK(malformed(page) == "");
  CHECK(contains(page, "No run is finished, so there are no final figures yet."));
  CHECK(contains(page, "The runs have logged no figures."));
}

}  // namespace tessera::comparison_test
