#include "vilt/ranking/ranking.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>

#include "tensor/parallel.h"

namespace tessera {
namespace {

constexpr int64_t kTilePictures = 64, kTileTextTokens = 16'384;
// Of a batch: enough rows for the matrix products, few enough for the cache of one core.
constexpr int64_t kBatchTokens = 2048, kMostPairs = 64;

struct TextBlock {
  std::vector<int64_t> texts;  // by length
  int64_t tokens = 0, longest = 0;
};

std::vector<TextBlock> text_blocks(const std::vector<std::vector<int64_t>>& texts) {
  std::vector<TextBlock> blocks;
  for (size_t t = 0; t < texts.size(); ++t) {
    const auto length = static_cast<int64_t>(texts[t].size());
    if (blocks.empty() || blocks.back().tokens + length > kTileTextTokens) blocks.emplace_back();
    TextBlock& block = blocks.back();
    block.texts.push_back(static_cast<int64_t>(t));
    block.tokens += length;
    block.longest = std::max(block.longest, length);
  }
  for (TextBlock& block : blocks)
    std::ranges::stable_sort(block.texts, {}, [&](int64_t t) { return texts[static_cast<size_t>(t)].size(); });
  return blocks;
}

int64_t longest_of(const TokenRows& rows) {
  int64_t longest = 0;
  for (size_t i = 1; i < rows.marks.size(); ++i) longest = std::max(longest, rows.marks[i] - rows.marks[i - 1]);
  return longest;
}

// How long what is left will take. Time is proportional to tokens; what pictures have is known of those that were
// opened.
class Clock {
 public:
  int64_t pairs_left = 0, text_tokens_left = 0;

  void opened(const TokenRows& pictures) {
    picture_tokens_ += pictures.marks.back();
    pictures_ += static_cast<int64_t>(pictures.marks.size()) - 1;
  }
  void batch_done(int64_t tokens) {
    now_ = Time::now();
    if (++batches_ <= thread_count())
      begin_ = now_;
    else
      tokens_ += tokens;
  }
  std::optional<double> seconds_left() const {
    if (tokens_ == 0) return {};
    const double left = static_cast<double>(text_tokens_left) +
                        static_cast<double>(pairs_left * picture_tokens_) / static_cast<double>(pictures_);
    return std::chrono::duration<double>(now_ - begin_).count() * left / static_cast<double>(tokens_);
  }

 private:
  using Time = std::chrono::steady_clock;
  int64_t picture_tokens_ = 0, pictures_ = 0, batches_ = 0, tokens_ = 0;
  Time::time_point begin_, now_;
};

// Pairs of a block of pictures with a block of texts: by their numbers in the task, and by their places in the blocks.
struct Tile {
  std::vector<Pair> pairs, places;
};

class Ranking {
 public:
  Ranking(const PairScorer& scorer, const RankingTask& task, const PairsScored& scored, const RankingOptions& options)
      : scorer_(scorer), task_(task), scored_(scored), options_(options), blocks_(text_blocks(task.texts)) {}

  bool run() {
    for (int64_t picture = 0; picture < task_.pictures; ++picture) {
      read_known(picture, 1);
      for (const TextBlock& block : blocks_)
        for (const Pair& pair : tile_of(picture, 1, block).pairs) {
          if (is_known(pair, picture)) continue;
          ++clock_.pairs_left;
          clock_.text_tokens_left += length_of(pair);
        }
    }
    tell();
    for (int64_t first = 0; first < task_.pictures && !stopped_; first += kTilePictures)
      rank_pictures(first, std::min(kTilePictures, task_.pictures - first));
    return !stopped_;
  }

 private:
  int64_t length_of(const Pair& pair) const {
    return static_cast<int64_t>(task_.texts[static_cast<size_t>(pair.text)].size());
  }
  bool is_chosen(int64_t picture, int64_t text) const {
    return task_.chosen.empty() || std::ranges::binary_search(task_.chosen[static_cast<size_t>(picture)], text);
  }

  // Of `count` pictures from `first` on; what follows asks about these.
  void read_known(int64_t first, int64_t count) {
    known_.clear();
    for (int64_t i = 0; i < count && options_.known; ++i) known_.push_back(options_.known(first + i));
  }
  bool is_known(const Pair& pair, int64_t first) const {
    return !known_.empty() &&
           !std::isnan(known_[static_cast<size_t>(pair.picture - first)][static_cast<size_t>(pair.text)]);
  }
  bool are_known(std::span<const Pair> pairs, int64_t first) const {
    return std::ranges::all_of(pairs, [&](const Pair& pair) { return is_known(pair, first); });
  }

  Tile tile_of(int64_t first, int64_t count, const TextBlock& block) const {
    Tile tile;
    for (int64_t i = 0; i < count; ++i)
      for (size_t t = 0; t < block.texts.size(); ++t) {
        if (!is_chosen(first + i, block.texts[t])) continue;
        tile.pairs.push_back({first + i, block.texts[t]});
        tile.places.push_back({i, static_cast<int64_t>(t)});
      }
    return tile;
  }

  void rank_pictures(int64_t first, int64_t count) {
    read_known(first, count);
    TokenRows pictures;
    for (const TextBlock& block : blocks_) {
      const Tile tile = tile_of(first, count, block);
      if (are_known(tile.pairs, first)) continue;
      if (pictures.marks.empty()) {
        pictures = open_pictures(first, count);
        clock_.opened(pictures);
      }
      rank_tile(tile, first, block, pictures);
      if (stopped_) return;
    }
  }

  TokenRows open_pictures(int64_t first, int64_t count) const {
    std::vector<std::shared_ptr<const PatchedImage>> opened(static_cast<size_t>(count));
    parallel_chunks(count, [&](int64_t i) { opened[static_cast<size_t>(i)] = task_.picture(first + i); });
    return scorer_.pictures(opened);
  }

  void rank_tile(const Tile& tile, int64_t first, const TextBlock& block, const TokenRows& pictures) {
    std::vector<std::vector<int64_t>> ids;
    for (const int64_t text : block.texts) ids.push_back(task_.texts[static_cast<size_t>(text)]);
    const TokenRows texts = scorer_.texts(ids);
    const auto size =
        static_cast<size_t>(std::clamp<int64_t>(kBatchTokens / (block.longest + longest_of(pictures)), 1, kMostPairs));
    const auto batch = [size](const std::vector<Pair>& of, size_t begin) {
      return std::span(of).subspan(begin, std::min(size, of.size() - begin));
    };
    std::vector<size_t> begins;  // of the batches that are not known
    for (size_t begin = 0; begin < tile.pairs.size(); begin += size)
      if (!are_known(batch(tile.pairs, begin), first)) begins.push_back(begin);
    const auto rank = [&](size_t begin) {
      if (stopped_) return;
      const auto places = batch(tile.places, begin), pairs = batch(tile.pairs, begin);
      const std::vector<double> scores = scorer_.scores(texts, pictures, places);
      const std::lock_guard lock(mutex_);
      scored_(pairs, scores);
      count(pairs, places, first, pictures);
      tell();
      if (options_.stop && options_.stop()) stopped_ = true;
    };
    const auto threads = static_cast<size_t>(thread_count());
    const size_t apart = scorer_.model().vilt.device().kind == Device::cpu ? begins.size() / threads * threads : 0;
    parallel_chunks(static_cast<int64_t>(apart), [&](int64_t i) { rank(begins[static_cast<size_t>(i)]); });
    for (size_t i = apart; i < begins.size(); ++i) rank(begins[i]);
  }

  void count(std::span<const Pair> pairs, std::span<const Pair> places, int64_t first, const TokenRows& pictures) {
    int64_t tokens = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      const auto place = static_cast<size_t>(places[i].picture);
      tokens += length_of(pairs[i]) + pictures.marks[place + 1] - pictures.marks[place];
      if (is_known(pairs[i], first)) continue;
      --clock_.pairs_left;
      clock_.text_tokens_left -= length_of(pairs[i]);
    }
    clock_.batch_done(tokens);
  }

  void tell() const {
    const int64_t of = task_.pairs();
    if (options_.progress) options_.progress({of - clock_.pairs_left, of, clock_.seconds_left()});
  }

  const PairScorer& scorer_;
  const RankingTask& task_;
  const PairsScored& scored_;
  const RankingOptions& options_;
  const std::vector<TextBlock> blocks_;
  std::vector<std::vector<float>> known_;
  Clock clock_;
  std::mutex mutex_;  // of the calls and of the clock
  std::atomic<bool> stopped_{false};
};

}  // namespace

int64_t RankingTask::pairs() const {
  if (chosen.empty()) return pictures * static_cast<int64_t>(texts.size());
  int64_t pairs = 0;
  for (const auto& of_picture : chosen) pairs += static_cast<int64_t>(of_picture.size());
  return pairs;
}

bool rank_pairs(const PairScorer& scorer, const RankingTask& task, const PairsScored& scored,
                const RankingOptions& options) {
  check(task.chosen.empty() || static_cast<int64_t>(task.chosen.size()) == task.pictures,
        "ranking: texts are chosen for ", task.chosen.size(), " of ", task.pictures, " pictures");
  return Ranking(scorer, task, scored, options).run();
}

}  // namespace tessera
