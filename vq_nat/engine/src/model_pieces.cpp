#include "model_pieces.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>

namespace vq {
namespace {

constexpr int kTokensOfPiece = 1024, kSentencesOfPiece = 64;
constexpr std::size_t kKeptBytes = std::size_t{64} << 20;  // of a thread between calls

/// Scratch memory that waits for the next call.
class WorkPool {
 public:
  std::unique_ptr<Work> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return std::make_unique<Work>();
    std::unique_ptr<Work> work = std::move(free_.back());
    free_.pop_back();
    return work;
  }

  void give(std::unique_ptr<Work> work) {
    work->arena.trim(kKeptBytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(std::move(work));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Work>> free_;
};

WorkPool& pool() {
  static WorkPool shared;
  return shared;
}

/// Hands out pieces to threads, and keeps what the first of them throws.
class Queue {
 public:
  Queue(const std::vector<Piece>& pieces, const std::function<void(const Piece&, Work&)>& job)
      : pieces_(pieces), job_(job) {}

  void work() noexcept {
    try {
      std::unique_ptr<Work> work = pool().take();
      for (std::size_t i; (i = next_++) < pieces_.size();) job_(pieces_[i], *work);
      pool().give(std::move(work));
    } catch (...) {
      next_ = pieces_.size();
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  void finish() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const std::vector<Piece>& pieces_;
  const std::function<void(const Piece&, Work&)>& job_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

Piece::Piece(const std::vector<std::vector<int>>& sentences, std::vector<int> members)
    : members_(std::move(members)), starts_{0} {
  for (int i : members_) {
    tokens_.insert(tokens_.end(), sentences[i].begin(), sentences[i].end());
    starts_.push_back(static_cast<int>(tokens_.size()));
  }
}

std::vector<Piece> cut_into_pieces(const std::vector<std::vector<int>>& sentences,
                                   int threads) {
  std::vector<int> order;
  std::int64_t total = 0;  // of as many sentences as there may be
  for (int i = 0; i < static_cast<int>(sentences.size()); ++i) {
    if (sentences[i].empty()) continue;
    order.push_back(i);
    total += static_cast<std::int64_t>(sentences[i].size());
  }
  const auto length = [&](int i) { return static_cast<int>(sentences[i].size()); };
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return length(a) > length(b); });
  const std::int64_t least = (total + kTokensOfPiece - 1) / kTokensOfPiece;
  const std::int64_t wanted = std::max<std::int64_t>({1, threads, least});
  const std::int64_t tokens = (total + wanted - 1) / wanted;  // of pieces of one size
  std::vector<Piece> pieces;
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    int held = 0;
    while (last < order.size() && last - first < kSentencesOfPiece &&
           (last == first || held + length(order[last]) / 2 <= tokens)) {
      held += length(order[last++]);
    }
    pieces.emplace_back(sentences, std::vector<int>(order.begin() + first, order.begin() + last));
  }
  return pieces;
}

void for_each_piece(const std::vector<Piece>& pieces, int threads,
                    const std::function<void(const Piece&, Work&)>& job) {
  Queue queue(pieces, job);
  std::vector<std::thread> others;
  const int count = std::min(threads, static_cast<int>(pieces.size()));
  others.reserve(count);
  try {
    for (int i = 1; i < count; ++i) others.emplace_back([&] { queue.work(); });
  } catch (const std::exception&) {  // no thread or no memory for it: fewer do the same
  }
  queue.work();
  for (std::thread& one : others) one.join();
  queue.finish();
}

}  // namespace vq
