// Held-out pairs, and what the model says in place of their masked words.
#include <algorithm>
#include <cmath>

#include "data/text/masking.h"
#include "report/html.h"
#include "vilt/report/report_parts.h"

namespace tessera {
namespace {

constexpr int kGuesses = 3;

struct Guess {
  std::string text;
  double probability = 0;
  bool right = false;
};

// Pieces of one word, as far as they fit together.
std::string join_pieces(const Wordpiece& vocabulary, const std::vector<int64_t>& ids) {
  std::string out;
  for (size_t k = 0; k < ids.size(); ++k) {
    const std::string& token = vocabulary.token(ids[k]);
    if (k > 0 && token.starts_with("##"))
      out += token.substr(2);
    else
      out += (k > 0 ? " " : "") + token;
  }
  return out;
}

// The pieces of a word are predicted independently, so a guess at the word is one of each, and its probability the
// product. The best `kGuesses` combinations are among the best `kGuesses` of each piece.
std::vector<Guess> word_guesses(const Wordpiece& vocabulary, const std::vector<std::vector<WordPrediction>>& pieces,
                                const std::vector<int64_t>& wanted) {
  struct Combination {
    std::vector<int64_t> ids;
    double probability = 1;
  };
  std::vector<Combination> best(1);
  for (const std::vector<WordPrediction>& piece : pieces) {
    std::vector<Combination> longer;
    for (const Combination& combination : best) {
      for (const WordPrediction& prediction : piece) {
        longer.push_back(combination);
        longer.back().ids.push_back(prediction.id);
        longer.back().probability *= prediction.probability;
      }
    }
    std::stable_sort(longer.begin(), longer.end(),
                     [](const Combination& a, const Combination& b) { return a.probability > b.probability; });
    if (longer.size() > kGuesses) longer.resize(kGuesses);
    best = std::move(longer);
  }
  std::vector<Guess> out;
  for (const Combination& combination : best)
    out.push_back({join_pieces(vocabulary, combination.ids), combination.probability, combination.ids == wanted});
  return out;
}

std::string guesses_html(const ReportWord& word, const std::vector<Guess>& guesses) {
  const bool right = !guesses.empty() && guesses.front().right;
  std::string out = text("<div class=\"masked ", right ? "right" : "wrong", "\"><div class=\"asked\"><i>",
                         right ? "✓" : "✗", "</i> <b>", escape_html(word.text), "</b>");
  if (!word.kind.empty()) out += " <small>" + escape_html(word.kind) + "</small>";
  out += "</div><ol>";
  for (const Guess& guess : guesses)
    out += text("<li", guess.right ? " class=\"right\"" : "",
                "><span class=\"bar\" style=\"width:", fixed(100 * guess.probability, 1), "%\"></span><span>",
                escape_html(guess.text), "</span><span>", percent(guess.probability), "</span></li>");
  return out + "</ol></div>\n";
}

// "a <mark>red</mark> ring": the words that are masked below.
std::string marked_caption(const std::string& caption, const std::vector<ReportWord>& words) {
  std::string out;
  size_t at = 0;
  for (const ReportWord& word : words) {
    if (word.begin < at) continue;
    out += escape_html(std::string_view(caption).substr(at, word.begin - at)) + "<mark>" + escape_html(word.text) +
           "</mark>";
    at = word.end;
  }
  return out + escape_html(std::string_view(caption).substr(at));
}

double probability(double score) { return 1 / (1 + std::exp(-score)); }

struct Sibling {
  int64_t image = -1;
  std::string difference;
};

Sibling sibling_of(const SampleSource& source, int64_t sentence) {
  const Annotation* annotation = source.dataset().annotation(sentence);
  if (!annotation || !annotation->sibling) return {};
  return {source.dataset().sibling(sentence), annotation->difference.value_or("")};
}

}  // namespace

std::string caption_of(const SampleSource& source, int64_t sentence) {
  return std::string(source.dataset().sentences()[static_cast<size_t>(sentence)].text);
}

std::vector<ReportWord> report_words(const SampleSource& source, int64_t sentence) {
  const TextSample sample = source.text(sentence);
  const std::string caption = caption_of(source, sentence);
  const Encoding pieces = source.vocabulary().encode(caption);
  const Annotation* annotation = source.dataset().annotation(sentence);
  const bool annotated = annotation && annotation->content_words;
  std::vector<ReportWord> words;
  for (size_t t = 1; t + 1 < sample.words.size(); ++t) {
    const int32_t number = sample.words[t];
    if (words.empty() || words.back().word != number) {
      words.push_back({number, "", pieces.begin[t - 1], 0, "", -1, !annotated, false, {}});
      if (annotated) {
        for (const ContentWord& span : *annotation->content_words) {
          const auto inside = words_in_span(pieces, static_cast<size_t>(span.begin), static_cast<size_t>(span.end));
          if (std::find(inside.begin(), inside.end(), number) == inside.end()) continue;
          words.back().content = true;
          words.back().kind = span.kind;
          words.back().object = span.object;
          words.back().head_noun = true;  // until a later word of the same object is found
        }
        if (words.back().head_noun)
          for (size_t i = 0; i + 1 < words.size(); ++i)
            if (words[i].object == words.back().object) words[i].head_noun = false;
      }
    }
    words.back().end = pieces.end[t - 1];
    words.back().tokens.push_back(static_cast<int64_t>(t));
  }
  for (ReportWord& word : words) {
    word.text = caption.substr(word.begin, word.end - word.begin);
    word.head_noun = word.head_noun && word.object >= 0;
  }
  std::erase_if(words, [](const ReportWord& word) { return !word.content; });
  return words;
}

std::string picture_symbol(const std::string& id, const Image& image) {
  return text("<symbol id=\"", id, "\" viewBox=\"0 0 ", image.width, ' ', image.height, "\"><image width=\"",
              image.width, "\" height=\"", image.height, "\" href=\"", png_data_uri(image), "\"/></symbol>\n");
}

std::string picture_html(const std::string& id, const Image& image, const std::string& description) {
  return text("<svg class=\"picture\" viewBox=\"0 0 ", image.width, ' ', image.height, "\" role=\"img\" aria-label=\"",
              escape_html(description), "\"><use href=\"#", id, "\"/></svg>");
}

namespace {

// What an example of the section needs, gathered so that the model is asked once for all.
struct Questions {
  std::vector<std::vector<ReportWord>> words;  // of each pair
  std::vector<Question> masked;                // pair by pair, word by word
  std::vector<std::vector<int64_t>> positions, wanted;
  std::vector<Question> matches;  // own picture, then siblings
  std::vector<Sibling> siblings;
  std::vector<std::shared_ptr<const ResizedImage>> sibling_images;
};

Questions questions_for(const SampleSource& source, const std::vector<ReportPair>& pairs) {
  Questions q;
  for (const ReportPair& pair : pairs) {
    const TextSample sample = source.text(pair.sentence);
    q.words.push_back(report_words(source, pair.sentence));
    for (const ReportWord& word : q.words.back()) {
      const Masking masking = mask_one_word(sample.ids, sample.words, word.word, source.vocabulary());
      q.masked.push_back({masking.ids, {pair.patched}});
      q.positions.push_back(word.tokens);
      q.wanted.emplace_back();
      for (const int64_t token : word.tokens) q.wanted.back().push_back(sample.ids[static_cast<size_t>(token)]);
    }
    q.matches.push_back({sample.ids, {pair.patched}});
  }
  for (const ReportPair& pair : pairs) {
    q.siblings.push_back(sibling_of(source, pair.sentence));
    q.sibling_images.emplace_back();
    if (q.siblings.back().image >= 0 && !can_be_decoded(source, q.siblings.back().image)) q.siblings.back() = {};
    if (q.siblings.back().image < 0) continue;
    q.sibling_images.back() = source.resized(q.siblings.back().image);
    q.matches.push_back({source.text(pair.sentence).ids,
                         {std::make_shared<const PatchedImage>(source.patched(*q.sibling_images.back()))}});
  }
  return q;
}

std::string match_html(const char* name, double score, bool belongs) {
  const double p = probability(score);
  const bool right = (score > 0) == belongs;
  return text("<small class=\"", right ? "right" : "wrong", "\">", name, " <i>", right ? "✓" : "✗", "</i><br/>match ",
              percent(p), "</small>");
}

}  // namespace

std::string words_html(const ReportInputs& inputs, const std::vector<ReportPair>& pairs) {
  if (pairs.empty()) return "";
  const SampleSource& source = inputs.source;
  const Questions q = questions_for(source, pairs);
  const auto predicted = predict_words(inputs.trained, q.masked, q.positions, kGuesses, inputs.context);
  const std::vector<double> scores = match_scores(inputs.trained, q.matches, inputs.context);
  std::string out =
      text("<p class=\"note\">", pairs.size(),
           " held-out pairs, spread evenly over the split, not chosen. Each marked "
           "word is masked alone; below it the ",
           kGuesses,
           " most probable answers, the right one in bold. The "
           "pieces of a word that has several are predicted at once, and its probability is their product.</p>\n"
           "<div class=\"examples\">\n");
  size_t question = 0, sibling_score = pairs.size();
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::string caption = caption_of(source, pairs[i].sentence);
    out += "<article class=\"example\"><div class=\"pictures\"><figure>" +
           picture_html(pairs[i].picture, pairs[i].resized->image, caption) + match_html("picture", scores[i], true) +
           "</figure>";
    if (q.siblings[i].image >= 0) {
      const std::string id = pairs[i].picture + "-sibling";
      out += "<svg class=\"symbols\" aria-hidden=\"true\">" + picture_symbol(id, q.sibling_images[i]->image) +
             "</svg><figure>" + picture_html(id, q.sibling_images[i]->image, "sibling picture") +
             match_html("sibling", scores[sibling_score++], false);
      if (!q.siblings[i].difference.empty())
        out += "<small>differs in " + escape_html(q.siblings[i].difference) + "</small>";
      out += "</figure>";
    }
    out +=
        "</div><div><p class=\"caption\">" + marked_caption(caption, q.words[i]) + "</p>\n<div class=\"masked-words\">";
    for (const ReportWord& word : q.words[i]) {
      out += guesses_html(word, word_guesses(source.vocabulary(), predicted[question], q.wanted[question]));
      ++question;
    }
    out += "</div></div></article>\n";
  }
  return out + "</div>\n";
}

}  // namespace tessera
