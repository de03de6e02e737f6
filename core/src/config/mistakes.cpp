#include "config/mistakes.h"

#include <algorithm>
#include <tuple>

#include "base/escape.h"

namespace osync::config {
namespace {

constexpr std::size_t shown_bytes = 64; ///< of a wrong value

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours that turn `a` into
/// `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

} // namespace

std::string Mistake::to_string() const {
  std::string text = escape_path(place.origin);
  if (place.line > 0) text += ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
  return text + ": " + escape_path(key) + ": found " + found + ", expected " + expected;
}

void Mistakes::add(Place place, std::string key, std::string found, std::string expected) {
  if (mistakes_.size() == bound) {
    ++dropped_;
    return;
  }
  mistakes_.push_back({std::move(place), std::move(key), std::move(found), std::move(expected)});
}

void Mistakes::add(const Scalar& scalar, std::string expected) {
  add(scalar.place, scalar.key, quoted(scalar.text), std::move(expected));
}

std::string Mistakes::to_string() const {
  std::vector<const Mistake*> sorted;
  for (const Mistake& mistake : mistakes_) sorted.push_back(&mistake);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Mistake* a, const Mistake* b) {
    return std::tie(a->place.line, a->place.column) < std::tie(b->place.line, b->place.column);
  });
  std::string text;
  for (const Mistake* mistake : sorted) text += mistake->to_string() + "\n";
  if (dropped_ > 0) text += "... and " + std::to_string(dropped_) + " more mistakes\n";
  return text;
}

std::string quoted(std::string_view text) {
  std::string shown = "\"" + escape_path(text.substr(0, shown_bytes)) + "\"";
  if (text.size() > shown_bytes) shown += "... (" + std::to_string(text.size()) + " bytes)";
  return shown;
}

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  // More than a third wrong is another word; names longer than any key are not compared at all.
  constexpr std::size_t longest = 64;
  if (name.size() > longest) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string expected_name(std::string_view name, std::span<const std::string_view> candidates) {
  if (const std::string_view best = nearest(name, candidates); !best.empty()) return std::string(best);
  if (candidates.empty()) return "nothing here";
  std::string text = candidates.size() == 1 ? "" : "one of ";
  for (const std::string_view candidate : candidates)
    text.append(candidate.data() == candidates.front().data() ? "" : ", ").append(candidate);
  return text;
}

} // namespace osync::config
