#include "stress/writer.h"

#include "stress/operations.h"

#include <algorithm>
#include <chrono>

namespace osync::stress {
namespace {

const std::vector<Operation>& all_operations() {
  static const std::vector<Operation> all = [] {
    std::vector<Operation> joined;
    for (const auto* part : {&content_operations(), &name_operations(), &attribute_operations(),
                             &type_operations(), &tree_operations()})
      joined.insert(joined.end(), part->begin(), part->end());
    return joined;
  }();
  return all;
}

const Operation& chosen(test::Random& random) {
  static const std::uint64_t total = [] {
    std::uint64_t sum = 0;
    for (const Operation& operation : all_operations()) sum += operation.weight;
    return sum;
  }();
  std::uint64_t left = random.below(total);
  for (const Operation& operation : all_operations()) {
    if (left < operation.weight) return operation;
    left -= operation.weight;
  }
  return all_operations().back();
}

constexpr Operation removal = {"rm -r", 0, [](Hands& hands) {
                                 const auto entry = hands.directory();
                                 return entry ? remove_recursively(hands, *entry) : nothing_there;
                               }};

} // namespace

Writer::Writer(Shared& shared, unsigned number, std::uint64_t seed, const Settings& settings)
    : shared_(shared), settings_(settings), hands_(shared, number, seed), thread_([this] { work(); }) {}

void Writer::work() {
  using Clock = std::chrono::steady_clock;
  try {
    auto next = Clock::now();
    while (!ending_) {
      step();
      if (settings_.rate == 0) continue;
      next += std::chrono::microseconds(1'000'000 / settings_.rate);
      std::this_thread::sleep_until(next); // the pace of the churn; nothing waits for it
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void Writer::step() {
  const bool full = shared_.entries > shared_.most && hands_.random.one_in(8);
  const Operation& operation = full ? removal : chosen(hands_.random);
  const auto& without = settings_.without;
  if (std::find(without.begin(), without.end(), operation.name) != without.end()) return;
  int error = 0;
  if (operation.alone) {
    const std::unique_lock alone(shared_.border);
    error = operation.run(hands_);
  } else {
    const std::shared_lock together(shared_.border);
    error = operation.run(hands_);
  }
  Count& count = counts_[operation.name];
  ++(error == 0 ? count.done : error == nothing_there ? count.idle : count.refused);
}

Counts Writer::finish() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
  if (failure_) std::rethrow_exception(failure_);
  hands_.held_files.resize(hands_.held_files.size() / 2);
  return counts_;
}

Writer::~Writer() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

} // namespace osync::stress
