// `osync verify`: comparing all of the replica while the tree is in use, without writing to it.
//
// A comparison of a tree in use finds much that is no difference: changes that are on their way, and those that came
// between listing a directory and comparing it. So it is a suspicion at first. Verify waits (as flush does) until everything
// reported before is durable, compares all directories, waits again, and compares those with suspects once more. What is
// found in two rounds, and of which nothing was reported until the barrier after the second, is a difference. What changes
// in every round is said to be changing. Only with `repair` is anything sent: the differences are marked like everything
// else that may differ.
#include <algorithm>

#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr std::uint32_t rounds_bound = 6;
constexpr std::size_t suspects_bound = 100'000;

} // namespace

void SourceEngine::verify(std::uint64_t token, bool checksum, bool repair, Time now) {
  verifies_waiting_.push_back({token, checksum, repair});
  begin_verify(now);
}

void SourceEngine::begin_verify(Time now) {
  if (verify_.step != Verify::Step::none || verifies_waiting_.empty()) return;
  verify_ = Verify{};
  verify_.request = verifies_waiting_.front();
  verifies_waiting_.pop_front();
  verify_.step = Verify::Step::settle;
  add_fence(Fence::Kind::verify, 0, now);
}

/// Everything reported before is durable: the next round begins, or with a repair, all is done.
void SourceEngine::verify_settled(Time now) {
  if (verify_.step == Verify::Step::repair) return end_verify(now);
  if (verify_.step != Verify::Step::settle) return;
  if (verify_.round > 0 && !judge_round(now)) return;
  ++verify_.round;
  verify_.step = Verify::Step::compare;
  verify_.found.clear();
  if (verify_.round == 1) {
    tree_.for_all([&](NodeIndex node) {
      if (tree_[node].placed) verify_.directories.push_back(ref(node));
    });
    return;
  }
  const NodeRef* last = nullptr;
  for (const auto& [suspect, what] : verify_.suspects) {
    if (last != nullptr && last->index == suspect.node.index) continue;
    verify_.directories.push_back(suspect.node);
    last = &suspect.node;
  }
}

void SourceEngine::hand_out_verify(Time now) {
  if (verify_.step != Verify::Step::compare) return;
  std::vector<NodeRef> later;
  while (session_state_ == Session::ready && !paused_all_ && !verify_.directories.empty() &&
         verify_.scans_open < settings_.workers && scans_open_ < 2 * settings_.workers) {
    const NodeRef node = verify_.directories.back();
    verify_.directories.pop_back();
    if (!alive(node) || !tree_[node.index].placed) continue; // it will be compared for itself
    if (tree_[node.index].scan_open || tree_[node.index].scan_needed || !tree_.placed(node.index)) {
      later.push_back(node);
      continue;
    }
    start_verify_scan(node.index);
  }
  verify_.directories.insert(verify_.directories.end(), later.begin(), later.end());
  if (verify_.directories.empty() && verify_.scans_open == 0) end_round(now);
}

void SourceEngine::start_verify_scan(NodeIndex node) {
  Node& self = tree_[node];
  Scan scan;
  scan.node = ref(node);
  scan.mode = ScanMode::compare;
  scan.verify = true;
  scan.id = next_scan_++;
  scan.epoch = epoch_;
  counts_.add(scan.epoch, false);
  self.scan_open = true;
  self.overrides.reset();
  if (self.entries)
    for (const auto& [name, entry] : *self.entries)
      if (entry.open || entry.dirty) override_scan(self, name);
  ++verify_.scans_open;
  continue_scan(scans_[node] = std::move(scan));
}

/// `name` is being looked at while the directory is scanned.
void SourceEngine::override_scan(Node& node, const std::string& name) {
  if (!node.overrides) node.overrides = std::make_unique<std::set<std::string, std::less<>>>();
  node.overrides->insert(name);
}

void SourceEngine::suspect(NodeIndex node, const std::string& name, Difference difference) {
  const Verify::Suspect key{ref(node), name};
  if (verify_.round > 1 && !verify_.suspects.contains(key)) return; // a change since
  if (verify_.found.size() >= suspects_bound) {
    ++verify_.report.unlisted;
    return;
  }
  const PendingEntry* entry = tree_.find_entry(node, name);
  const auto& overrides = tree_[node].overrides;
  const NodeIndex child = tree_.child(node, name);
  const bool child_changes = child != no_node && (tree_[child].entries != nullptr || tree_[child].self_dirty || tree_[child].self_open);
  const bool changing = entry != nullptr || child_changes || (overrides && overrides->contains(name));
  verify_.found[key] = {difference, changing};
}

void SourceEngine::on_verify_answer(NodeIndex node, const ListingAnswer& answer) {
  for (const ListingAnswer::Want& want : answer.wants) suspect(node, want.name, want.difference);
  if (!settings_.delete_extra.value_or(!sink_.adopted)) return;
  for (const ListingAnswer::Extra& extra : answer.extras)
    if (settings_.delete_excluded || !rules_.excludes(tree_.path(node, extra.name), extra.directory))
      suspect(node, extra.name, Difference::none);
}

/// One side cannot list the directory. Where the replica has none, the directory above has told so.
void SourceEngine::not_verified(NodeRef node, const Status& status, Time now) {
  if (status.code() != Code::not_found) verify_.report.failed.push_back({tree_.path(node.index), status});
  close_scan(node.index, true, now);
}

/// A scan of it was given up: its directory moved, or the session ended.
void SourceEngine::verify_scan_closed(NodeRef node, bool complete) {
  --verify_.scans_open;
  if (!complete) verify_.directories.push_back(node);
}

/// All is compared. Changes from before the comparison may still be on their way to be told.
void SourceEngine::end_round(Time now) {
  verify_.step = Verify::Step::settle;
  add_fence(Fence::Kind::verify, 0, now);
}

/// News about an entry: what a comparison under way says of it says nothing.
void SourceEngine::unsettle_suspect(NodeIndex node, std::string_view name) {
  if (verify_.found.empty()) return;
  const auto unsettle = [this](NodeIndex directory, std::string_view entry) {
    const auto found = verify_.found.find({ref(directory), std::string(entry)});
    if (found != verify_.found.end()) found->second.changing = true;
  };
  unsettle(node, name);
  if (tree_[node].parent != no_node) unsettle(tree_[node].parent, tree_[node].name); // its times change with its entries
}

/// What was found in the round before. False: that was the last one.
bool SourceEngine::judge_round(Time now) {
  const bool first = verify_.round == 1;
  verify_.suspects.clear();
  for (const auto& [key, what] : verify_.found) {
    if (!first && !what.changing && alive(key.node)) verify_.confirmed[key] = what.difference;
    else verify_.suspects.insert_or_assign(key, what);
  }
  if (!verify_.suspects.empty() && verify_.round < rounds_bound) return true;
  for (const auto& [key, what] : verify_.suspects)
    if (alive(key.node)) verify_.report.changing.push_back(tree_.path(key.node.index, key.name));
  conclude_verify(now);
  return false;
}

void SourceEngine::conclude_verify(Time now) {
  verify_.report.token = verify_.request.token;
  for (const auto& [key, difference] : verify_.confirmed) {
    if (!alive(key.node)) continue;
    verify_.report.differences.push_back({tree_.path(key.node.index, key.name), difference});
    if (!verify_.request.repair || !tree_[key.node.index].placed) continue;
    mark_entry(key.node.index, key.name, false, epoch_, 0, now, now);
    tree_.entry(key.node.index, key.name).want_content = true;
    if (const NodeIndex child = tree_.child(key.node.index, key.name); child != no_node && tree_[child].placed)
      mark_self(child, epoch_, now);
  }
  if (!verify_.request.repair || verify_.report.differences.empty()) return end_verify(now);
  verify_.step = Verify::Step::repair;
  add_fence(Fence::Kind::verify, 0, now);
}

void SourceEngine::end_verify(Time now) {
  outputs_.verified.push_back(std::move(verify_.report));
  verify_ = Verify{};
  begin_verify(now);
}

// ---- the periodic pass ------------------------------------------------------------------------------------------------

/// What no event tells of (stores through mmap, writers on other hosts) is found by comparing everything now and then, when
/// nothing else is left of the backlog. What changed since the pass before began is compared by content.
void SourceEngine::verify_periodically(Time now) {
  if (settings_.verify_every == Time(0) || session_state_ != Session::ready || !initial_pass_done_) return;
  if (counts_.backlog() > 0 || paused_backlog_ || stopping_) return;
  if (periodic_pass_) {
    periodic_pass_ = false;
    pass_since_ = next_pass_since_;
    say(LogLevel::info, "the periodic comparison is done");
  }
  if (last_pass_ == Time(0)) last_pass_ = now; // the initial pass has just ended
  if (now - last_pass_ < settings_.verify_every) return;
  last_pass_ = now;
  periodic_pass_ = true;
  next_pass_since_ = settings_.since;
  say(LogLevel::info, "the periodic comparison begins");
  tree_.for_all([&](NodeIndex node) {
    if (tree_[node].placed) rescan(node);
  });
}

} // namespace osync::engine
