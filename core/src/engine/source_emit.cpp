// From what was read to what is sent. Frames are put together as late as possible: the policy picks the class of the
// next frame only when credit allows one, so a live change waits behind no more than what is in flight.
#include <algorithm>

#include "engine/sink_credit.h"
#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr std::uint64_t item_cost = 64;
constexpr std::uint64_t operation_cost = 96; ///< what a record takes on the wire, about
constexpr std::uint64_t xattr_cost = 16;
constexpr std::uint64_t header_bound = 2u << 20; ///< of a frame's records: half of what a receiver accepts (wire/codec.h)
constexpr std::uint64_t smallest_quantum = 4u << 10;
constexpr std::uint64_t largest_frame = 1u << 20;
constexpr std::size_t items_in_a_frame = 512;
constexpr std::uint32_t single_frames_before_bulk = 3; ///< of the live class, while both wait

std::uint64_t cost_of(const std::vector<Operation>& operations, std::size_t payload) {
  std::uint64_t cost = item_cost + payload;
  for (const Operation& operation : operations) {
    cost += operation_cost + operation.name.size() + operation.target.size();
    for (const Xattr& xattr : operation.attributes.xattrs) cost += xattr_cost + xattr.name.size() + xattr.value.size();
  }
  return cost;
}

bool is_directory(OperationKind kind) noexcept {
  return kind == OperationKind::make_directory || kind == OperationKind::move_directory;
}

} // namespace

SourceEngine::Lane& SourceEngine::lane_of(const Item& item) {
  if (!item.live) return backlog_lane_;
  return item.kind == Item::Kind::look ? live_lane_ : live_bulk_lane_;
}

void SourceEngine::push_item(Item item) {
  if (item.kind != Item::Kind::listing) item.cost = cost_of(item.operations, item.payload.size());
  Lane& lane = lane_of(item);
  lane.bytes += item.cost;
  lane.items.push_back(std::move(item));
}

/// Single changes first, but bulk never starves.
SourceEngine::Lane& SourceEngine::choose_live_lane() {
  if (live_bulk_lane_.items.empty()) return live_lane_;
  if (!live_lane_.items.empty() && ++live_frames_in_a_row_ <= single_frames_before_bulk) return live_lane_;
  live_frames_in_a_row_ = 0;
  return live_bulk_lane_;
}

/// Where the next frame comes from; nullptr: there is nothing to send.
SourceEngine::Lane* SourceEngine::choose_lane(Time now, std::uint64_t& quantum) {
  const bool backlog = !backlog_lane_.items.empty() && !paused_backlog_ && !(stopping_ && !draining_);
  const bool live = !live_lane_.items.empty() || !live_bulk_lane_.items.empty();
  if (!live && !backlog) return nullptr;
  PolicyView view;
  for (const Lane* lane : {&live_lane_, &live_bulk_lane_}) {
    if (lane->items.empty()) continue;
    view.live.items += lane->items.size();
    view.live.bytes += lane->bytes;
    view.live.oldest_age = std::max(view.live.oldest_age, now - lane->items.front().since);
  }
  if (backlog) view.backlog = {backlog_lane_.items.size(), backlog_lane_.bytes, now - backlog_lane_.items.front().since};
  view.delivery_rate = stream_.delivery_rate();
  view.credit = stream_.credit();
  view.since_backlog_frame = now - last_backlog_frame_;
  const PolicyChoice choice = policy_.choose(view);
  quantum = std::clamp(choice.quantum, smallest_quantum, largest_frame);
  const bool take_live = live && (choice.work == WorkClass::live || !backlog);
  return take_live ? &choose_live_lane() : &backlog_lane_;
}

void SourceEngine::emit(Time now) {
  if (settings_.bandwidth > 0 && now > bandwidth_time_) {
    const double burst = static_cast<double>(settings_.bandwidth) / 10;
    bandwidth_tokens_ += std::chrono::duration<double>(now - bandwidth_time_).count() * static_cast<double>(settings_.bandwidth);
    bandwidth_tokens_ = std::min(bandwidth_tokens_, burst);
    bandwidth_time_ = now;
  }
  while (session_state_ == Session::ready && !paused_all_ && !farewell_sent_ && stream_.credit() > 0 &&
         (settings_.bandwidth == 0 || bandwidth_tokens_ >= 0) && emit_frame(now)) {}
}

/// Sends one frame of one class; false when there is nothing to send.
bool SourceEngine::emit_frame(Time now) {
  std::uint64_t quantum = 0;
  Lane* lane = choose_lane(now, quantum);
  if (lane == nullptr) return false;
  const bool alone = live_lane_.items.empty() && live_bulk_lane_.items.empty();
  if (alone && stream_.may_gather(lane->bytes)) return false; // an acknowledgement will come, and this be called again
  auto& queue = lane->items;
  Frame frame;
  frame.session = session_;
  std::uint64_t bytes = 0, header = 0;
  while (!queue.empty() && frame.items.size() < items_in_a_frame && header < header_bound &&
         (frame.items.empty() || (bytes + queue.front().cost <= quantum && stream_.credit() > 0))) {
    Item item = std::move(queue.front());
    queue.pop_front();
    lane->bytes -= item.cost;
    Sent sent;
    sent.node = item.node;
    bytes += item.cost;
    if (item.kind == Item::Kind::listing) {
      if (find_scan(item.node, item.scan) == nullptr || !tree_.placed(item.node.index)) continue; // given up
      sent.origin = Sent::Origin::listing;
      item.piece.directory = tree_.path(item.node.index);
      sent.cost = credit_cost(item.piece);
      header += 2 * sent.cost; // records take more on the wire than the credit counts for them
      item.piece.sequence = stream_.sent(std::move(sent), now);
      pieces_.emplace(item.piece.sequence,
                      PieceUnderWay{item.node, item.scan, item.epoch, item.live, find_scan(item.node, item.scan)->doubt,
                                    item.piece.verify, std::move(item.listed_directories), {}});
      frame.items.emplace_back(std::move(item.piece));
      continue;
    }
    OperationGroup group;
    if (!finalize(item, group, sent, now)) continue;
    sent.cost = credit_cost(group); // as the sink counts it
    header += 2 * (sent.cost - group.payload.size());
    group.sequence = stream_.sent(std::move(sent), now);
    if (item.live) live_in_flight_.emplace(group.sequence, item.since);
    frame.items.emplace_back(std::move(group));
  }
  if (lane == &backlog_lane_) last_backlog_frame_ = now;
  if (frame.items.empty()) return true; // all of it was void; there may be more
  bandwidth_tokens_ -= static_cast<double>(bytes);
  figures_.bytes_sent += bytes;
  outputs_.messages.emplace_back(std::move(frame));
  return true;
}

/// Turns an item into a group as of now: its directory may have moved or lost its place since it was read. False: void.
bool SourceEngine::finalize(Item& item, OperationGroup& group, Sent& sent, Time now) {
  if (item.kind == Item::Kind::stage) {
    const auto transfer = transfers_.find(item.transfer);
    if (transfer != transfers_.end()) {
      if (item.operations[0].kind == OperationKind::stage_data) transfer->second.ready_bytes -= item.operations[0].length;
      if (transfer->second.abandoned) return false;
      transfer->second.staged = true;
      sent.names.push_back(transfer->second.name);
      sent.stage = transfer->second.stage;
    } else if (item.operations[0].kind != OperationKind::discard_stage) {
      return false;
    }
    sent.origin = Sent::Origin::stage;
    group.operations = std::move(item.operations);
    group.payload = std::move(item.payload);
    return true;
  }
  if (item.kind == Item::Kind::publish && !transfers_.contains(item.transfer)) return false; // given up
  const bool scan = item.kind == Item::Kind::scan;
  if (!alive(item.node) || !tree_.placed(item.node.index) || (scan && find_scan(item.node, item.scan) == nullptr) ||
      (item.kind == Item::Kind::look && item.placement != tree_[item.node.index].placement)) {
    void_item(item, now);
    return false;
  }
  const NodeIndex node = item.node.index;
  group.directory = tree_.path(node);
  sent.origin = scan ? Sent::Origin::scan : Sent::Origin::entries;
  if (item.directory_attributes) {
    // Readings of one directory's attributes must not enter the stream in another order than they were asked for.
    if (item.job >= tree_[node].attributes_job) {
      tree_[node].attributes_job = item.job;
      group.directory_attributes = std::move(item.directory_attributes);
    } else {
      mark_self(node, epoch_, now);
    }
  }
  finalize_operations(item, group, sent, now);
  group.payload = std::move(item.payload);
  if (item.self) {
    tree_[node].self_open = false;
    counts_.remove(tree_[node].self_open_epoch, true);
    enqueue(node, {}, now);
  }
  if (item.kind == Item::Kind::publish) {
    sent.stage = transfers_.at(item.transfer).stage;
    --(item.live ? transfers_open_live_ : transfers_open_backlog_);
    transfers_.erase(item.transfer);
  }
  const bool empty = group.operations.empty() && !group.directory_attributes;
  if (scan) finish_scan_piece(item.node, item.scan, now);
  return !empty;
}

/// Moves those operations that still hold into the group, and does what follows from each being in the stream.
void SourceEngine::finalize_operations(Item& item, OperationGroup& group, Sent& sent, Time now) {
  const NodeIndex node = item.node.index;
  const bool scan = item.kind == Item::Kind::scan;
  for (std::size_t i = 0; i < item.operations.size(); ++i) {
    Operation& operation = item.operations[i];
    const auto* overrides = tree_[node].overrides.get();
    const bool overridden = scan && overrides != nullptr && overrides->contains(operation.name);
    // A look was begun after the scan read this, or one begun before may still be sent: the entry is read once more.
    if (overridden || !finalize_operation(item, i, group, sent, now)) {
      mark_entry(node, operation.name, item.live, item.epoch, 0, now, now);
      if (!scan) close_entry(node, operation.name, now);
      continue;
    }
    sent.names.push_back(operation.name);
    after_operation(item, i, now);
    if (const ObjectId& id = item.notes[i].id; is_directory(operation.kind)) {
      const NodeIndex child = tree_.find(id);
      if (tree_[child].parent == node) // its own scan may begin now
        placed_directory(child, item.notes[i].fresh, item.epoch, item.notes[i].arrived, now);
    }
    group.operations.push_back(std::move(operation));
  }
}

/// Completes one operation as of now, and vacates its name where the stream has a directory there that is elsewhere now, or
/// gone. False: what it was read for does not hold any more.
bool SourceEngine::finalize_operation(Item& item, std::size_t index, OperationGroup& group, Sent& sent, Time now) {
  const NodeIndex node = item.node.index;
  Operation& operation = item.operations[index];
  Note& note = item.notes[index];
  if (operation.kind == OperationKind::make_link) {
    const LinkIndex::Group* links = links_.find({note.id.high, note.id.low});
    const LinkIndex::Name* leader = links != nullptr ? leader_of(*links) : nullptr;
    if (leader == nullptr || (leader->node.index == node && leader->name == operation.name)) return false;
    operation.target = tree_.path(leader->node.index, leader->name);
  }
  if (is_directory(operation.kind)) return finalize_directory(item, index, group, sent, now);
  const std::uint64_t limbo = vacate(node, operation.name, now);
  if (limbo == 0) return true;
  if (operation.kind == OperationKind::remove) operation.stage = limbo;
  else put_aside(operation.name, limbo, group, sent);
  return true;
}

bool SourceEngine::finalize_directory(Item& item, std::size_t index, OperationGroup& group, Sent& sent, Time now) {
  const NodeIndex node = item.node.index;
  Operation& operation = item.operations[index];
  Note& note = item.notes[index];
  NodeIndex child = tree_.find(note.id);
  if (child == no_node) child = tree_.add(note.id, now);
  const bool there = tree_[child].parent == node && tree_[child].name == operation.name && child != root_node;
  if (there && tree_[child].placed) return true;
  if (!there && tree_.is_below(node, child)) { // one of two beliefs is out of date: both ends are looked at again
    if (child != root_node && tree_[child].parent != no_node)
      mark_entry(tree_[child].parent, std::string(tree_[child].name), true, epoch_, WatchEvent::existence, now, now);
    return false;
  }
  const NodeIndex former = tree_.child(node, operation.name);
  const bool replaces = former != no_node && former != child && tree_[former].placed;
  const std::uint64_t limbo = there ? 0 : vacate(node, operation.name, now);
  if (limbo != 0) put_aside(operation.name, limbo, group, sent);
  else if (replaces || (note.displaces && !tree_[child].placed)) put_aside(operation.name, 0, group, sent);
  if (replaces || note.displaces) note.fresh = true;
  if (there) return true;
  return settle_directory(child, node, operation, sent, now);
}

/// What the replica has under this name goes, for good or (with a number) until it is taken back.
void SourceEngine::put_aside(const std::string& name, std::uint64_t number, OperationGroup& group, Sent& sent) {
  Operation removal;
  removal.kind = OperationKind::remove;
  removal.name = name;
  removal.stage = number;
  group.operations.push_back(std::move(removal));
  sent.names.push_back(name);
}

void SourceEngine::after_operation(Item& item, std::size_t index, Time now) {
  const NodeIndex node = item.node.index;
  const Operation& operation = item.operations[index];
  Epoch epoch = item.epoch;
  if (item.kind != Item::Kind::scan) {
    if (const PendingEntry* entry = tree_.find_entry(node, operation.name); entry != nullptr && entry->open)
      epoch = entry->open_epoch;
  }
  const ObjectId& id = item.notes[index].id;
  switch (operation.kind) {
  case OperationKind::remove: ++figures_.removals_sent; break;
  case OperationKind::put_file:
  case OperationKind::publish:
  case OperationKind::make_symlink:
  case OperationKind::make_special:
    if (operation.attributes.links > 1) link_content_sent(node, operation.name, id, operation.attributes, item.live, epoch, now);
    ++figures_.entries_sent;
    break;
  case OperationKind::make_link:
    if (LinkIndex::Group* links = links_.find({id.high, id.low}); links != nullptr)
      if (const std::size_t at = LinkIndex::position(*links, item.node, operation.name); at != LinkIndex::no_leader)
      {
        links->names[at].on_replica = true;
        links->names[at].placement = tree_[node].placement;
      }
    ++figures_.entries_sent;
    break;
  default: ++figures_.entries_sent; break;
  }
  item.epoch = epoch;
  if (item.kind != Item::Kind::scan) close_entry(node, operation.name, now);
}

/// The item cannot be sent. Its directory lost its place, and will be scanned when it has one again; or it is put aside, and
/// what was to be sent waits with it.
void SourceEngine::void_item(Item& item, Time now) {
  const bool aside = alive(item.node) && tree_[item.node.index].placed &&
                     (item.kind == Item::Kind::publish || tree_[item.node.index].placement == item.placement);
  if (item.kind == Item::Kind::publish) {
    if (const auto transfer = transfers_.find(item.transfer); transfer != transfers_.end())
      abandon_transfer(item.transfer, aside ? Status(Code::closed, "its directory is being moved") : Status(), now);
  }
  if (!alive(item.node)) return;
  const NodeIndex node = item.node.index;
  if (item.kind == Item::Kind::scan || item.kind == Item::Kind::listing) return; // its scan was given up
  for (const Operation& operation : item.operations) {
    const PendingEntry* entry = tree_.find_entry(node, operation.name);
    if (aside && entry != nullptr && entry->open) reopen_entry(node, operation.name, item.live, entry->open_epoch, now, now);
    else close_entry(node, operation.name, now);
  }
  if (item.self && tree_[node].self_open) {
    if (aside) mark_self(node, tree_[node].self_open_epoch, now);
    tree_[node].self_open = false;
    counts_.remove(tree_[node].self_open_epoch, true);
    enqueue(node, {}, now);
  }
}

} // namespace osync::engine
