#include "conformance/policy_suite.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <vector>

#include "osync/policy.h"
#include "support/random.h"

namespace osync::test {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t largest_quantum = 1u << 20;

bool same(const PolicyChoice& one, const PolicyChoice& other) {
  return one.work == other.work && one.quantum == other.quantum;
}

/// A number of any magnitude up to `bits` bits, the ends included.
std::uint64_t any_magnitude(Random& random, unsigned bits) {
  const std::uint64_t width = random.below(bits + 1);
  return width == 64 ? random.next() : random.next() & ((std::uint64_t{1} << width) - 1);
}

QueueView random_queue(Random& random) {
  QueueView queue;
  if (random.one_in(4)) return queue;
  queue.items = 1 + any_magnitude(random, 40);
  queue.bytes = any_magnitude(random, 63);
  queue.oldest_age = nanoseconds(static_cast<std::int64_t>(any_magnitude(random, 62)));
  return queue;
}

/// Any view with which the engine may ask: at least one class has work.
PolicyView random_view(Random& random) {
  PolicyView view;
  do {
    view.live = random_queue(random);
    view.backlog = random_queue(random);
  } while (view.live.items == 0 && view.backlog.items == 0);
  view.delivery_rate = any_magnitude(random, 64);
  view.credit = any_magnitude(random, 64);
  view.since_backlog_frame = nanoseconds(static_cast<std::int64_t>(any_magnitude(random, 63)));
  return view;
}

/// Why `choice` is not allowed for `view`; nullptr: it is.
const char* objection(const PolicyView& view, const PolicyChoice& choice) {
  if (choice.work != WorkClass::live && choice.work != WorkClass::backlog) return "no class at all";
  const QueueView& named = choice.work == WorkClass::live ? view.live : view.backlog;
  if (named.items == 0) return "an empty class";
  if (choice.quantum < 1 || choice.quantum > largest_quantum) return "a quantum outside 1 B .. 1 MiB";
  return nullptr;
}

void answers_any_view(const PolicySetup& setup) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    LoadedPlugin<Policy> policy(setup.plugin, setup.options);
    LoadedPlugin<Policy> twin(setup.plugin, setup.options);
    for (int i = 0; i < 20000; ++i) {
      const PolicyView view = random_view(random);
      const PolicyChoice choice = policy->choose(view);
      const char* wrong = objection(view, choice);
      if (wrong != nullptr) FAIL("seed " << seed << ", view " << i << ": named " << wrong);
      if (!same(choice, twin->choose(view)))
        FAIL("seed " << seed << ", view " << i << ": the twin chose differently");
    }
  }
}

/// How live changes come in.
enum class Load { none, trickle, bursts, as_fast_as_sent, far_too_fast };

const char* name_of(Load load) {
  switch (load) {
  case Load::none:
    return "none";
  case Load::trickle:
    return "a trickle";
  case Load::bursts:
    return "bursts";
  case Load::as_fast_as_sent:
    return "as fast as they are sent";
  case Load::far_too_fast:
    return "far too fast";
  }
  return "";
}

/// One replica's two queues behind a link of `rate` bytes a second, as the engine shows them to a policy.
/// Items of one class are alike; only the age of the oldest one is kept exactly, by the time when each batch
/// came.
class Simulation {
 public:
  Simulation(std::uint64_t seed, Load load, std::uint64_t rate) : random_(seed), load_(load), rate_(rate) {}

  /// Runs for `duration`; returns what the policy did wrong, nullptr if nothing.
  const char* run(Policy& policy, nanoseconds duration, nanoseconds longest_wait);

  std::uint64_t frames = 0;
  std::uint64_t backlog_frames = 0;
  nanoseconds worst_wait{0};

 private:
  struct Batch {
    nanoseconds came;
    std::uint64_t items;
  };

  void arrive();
  [[nodiscard]] PolicyView view() const;
  void send(const PolicyChoice& choice);
  [[nodiscard]] nanoseconds time_of(std::uint64_t bytes) const {
    return nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(rate_) * 1e9) + 1);
  }

  static constexpr std::uint64_t live_item = 4096;
  static constexpr std::uint64_t backlog_item = 2048;
  static constexpr std::uint64_t most_live = 1u << 20; ///< items; the engine's own bound pushes back

  Random random_;
  const Load load_;
  const std::uint64_t rate_;
  nanoseconds now_{0};
  nanoseconds next_burst_{0};
  nanoseconds backlog_frame_{0}; ///< when the last one was sent
  nanoseconds last_frame_{0};    ///< how long the frame before this one took
  std::deque<Batch> live_;
  std::uint64_t live_items_ = 0;
};

void Simulation::arrive() {
  std::uint64_t items = 0;
  switch (load_) {
  case Load::none:
    break;
  case Load::trickle:
    items = random_.one_in(50) ? 1 : 0;
    break;
  case Load::bursts:
    if (now_ >= next_burst_) {
      items = 1 + random_.below(50000);
      next_burst_ = now_ + std::chrono::milliseconds(random_.below(5000));
    }
    break;
  case Load::as_fast_as_sent:
    items = live_items_ < 300 ? 300 : 0;
    break;
  case Load::far_too_fast:
    items = 1000;
    break;
  }
  items = std::min(items, most_live - live_items_);
  if (items == 0) return;
  live_.push_back({now_, items});
  live_items_ += items;
}

PolicyView Simulation::view() const {
  PolicyView view;
  if (live_items_ > 0) view.live = {live_items_, live_items_ * live_item, now_ - live_.front().came};
  view.backlog = {1u << 20, (1u << 20) * backlog_item, now_}; // never ends
  view.delivery_rate = rate_;
  view.credit = std::max<std::uint64_t>(rate_ / 50, 64u << 10);
  view.since_backlog_frame = now_ - backlog_frame_;
  return view;
}

void Simulation::send(const PolicyChoice& choice) {
  const bool backlog = choice.work == WorkClass::backlog;
  const std::uint64_t size = backlog ? backlog_item : live_item;
  std::uint64_t items = std::max<std::uint64_t>(1, choice.quantum / size);
  if (!backlog) {
    items = std::min(items, live_items_);
    live_items_ -= items;
    for (std::uint64_t left = items; left > 0;) {
      const std::uint64_t taken = std::min(left, live_.front().items);
      live_.front().items -= taken;
      left -= taken;
      if (live_.front().items == 0) live_.pop_front();
    }
  } else {
    backlog_frame_ = now_;
    ++backlog_frames;
  }
  last_frame_ = time_of(items * size);
  now_ += last_frame_;
  ++frames;
}

const char* Simulation::run(Policy& policy, nanoseconds duration, nanoseconds longest_wait) {
  while (now_ < duration) {
    arrive();
    const PolicyView asked = view();
    const PolicyChoice choice = policy.choose(asked);
    if (const char* wrong = objection(asked, choice)) return wrong;
    const nanoseconds before = last_frame_;
    const nanoseconds waited = now_ - backlog_frame_;
    worst_wait = std::max(worst_wait, waited);
    send(choice);
    if (waited > longest_wait + before + last_frame_) return "live changes while the backlog starved";
  }
  return nullptr;
}

void never_starves_the_backlog(const PolicySetup& setup) {
  for (const Load load : {Load::none, Load::trickle, Load::bursts, Load::as_fast_as_sent, Load::far_too_fast})
    for (const std::uint64_t rate : {50'000ull, 3'000'000ull, 100'000'000ull}) {
      const std::uint64_t seed = rate + static_cast<std::uint64_t>(load);
      LoadedPlugin<Policy> policy(setup.plugin, setup.options);
      Simulation simulation(seed, load, rate);
      const char* wrong = simulation.run(*policy, std::chrono::hours(1), setup.longest_wait);
      INFO("seed " << seed << ", live changes: " << name_of(load) << ", " << rate << " B/s, worst wait "
                   << simulation.worst_wait.count() << " ns after " << simulation.frames << " frames");
      if (wrong != nullptr) FAIL("named " << wrong);
      REQUIRE(simulation.backlog_frames > 0);
      // Without live changes everything is backlog.
      if (load == Load::none) REQUIRE(simulation.backlog_frames == simulation.frames);
    }
}

} // namespace

void policy_suite(const PolicySetup& setup) {
  SECTION("any view is answered with a class that has work and a quantum within bounds, the same by every "
          "object") {
    answers_any_view(setup);
  }
  SECTION("over a simulated hour the backlog never starves, whatever the live load") {
    never_starves_the_backlog(setup);
  }
}

} // namespace osync::test
