// Owns the clock that tells where the time of a call goes, by stage.
#pragma once

#include <array>
#include <chrono>

namespace vq {

enum class Stage { encode, codes, words, output, rest };
constexpr int kStages = 5;

/// Adds up the seconds of stages that follow each other or lie in each other, of which
/// the inner one has the time. It stands still until it is started.
class StageClock {
 public:
  using Times = std::array<double, kStages>;

  void start() {
    times_ = {};
    runs_ = true;
    stage_ = Stage::rest;
    since_ = now();
  }

  Times stop() {
    enter(Stage::rest);
    runs_ = false;
    return times_;
  }

  /// Returns the stage before.
  Stage enter(Stage stage) {
    const Stage before = stage_;
    if (runs_) {
      const double time = now();
      times_[static_cast<int>(stage_)] += time - since_;
      since_ = time;
      stage_ = stage;
    }
    return before;
  }

 private:
  static double now() {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(time).count();
  }

  Times times_{};
  bool runs_ = false;
  Stage stage_ = Stage::rest;
  double since_ = 0.0;
};

/// Counts a scope as one stage.
class InStage {
 public:
  InStage(StageClock& clock, Stage stage) : clock_(clock), before_(clock.enter(stage)) {}
  ~InStage() { clock_.enter(before_); }
  InStage(const InStage&) = delete;
  InStage& operator=(const InStage&) = delete;

 private:
  StageClock& clock_;
  Stage before_;
};

}  // namespace vq
