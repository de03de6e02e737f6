// Large files: read as a cursor, staged on the sink piece by piece, published at the end if nothing changed meanwhile.
// Live changes and other backlog go between the pieces.
#include <algorithm>
#include <utility>

#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr std::uint32_t transfers_at_once = 2; ///< of each class
constexpr std::uint32_t smallest_chunk = 64u << 10;
constexpr std::uint64_t read_ahead_of_a_file = 4u << 20;

} // namespace

/// The entry stays open until the file is published or given up.
void SourceEngine::start_transfer(NodeIndex node, const EntryRead& read, bool live, Epoch epoch, Time now) {
  Transfer transfer;
  transfer.node = ref(node);
  transfer.name = read.operation.name;
  transfer.id = read.id;
  transfer.attributes = read.operation.attributes;
  transfer.live = live;
  transfer.epoch = epoch;
  transfer.since = now;
  const std::uint64_t key = next_transfer_++;
  transfer.stage = key;
  transfers_.emplace(key, std::move(transfer));
  transfers_waiting_.push_back(key);
  hand_out_transfers(now);
}

void SourceEngine::hand_out_transfers(Time now) {
  for (auto waiting = transfers_waiting_.begin(); waiting != transfers_waiting_.end();) {
    Transfer& transfer = transfers_.at(*waiting);
    std::uint32_t& open_now = transfer.live ? transfers_open_live_ : transfers_open_backlog_;
    if (open_now >= transfers_at_once) {
      ++waiting;
      continue;
    }
    const std::uint64_t key = *waiting;
    waiting = transfers_waiting_.erase(waiting);
    if (transfer.abandoned || !alive(transfer.node) || !tree_.placed(transfer.node.index)) {
      if (alive(transfer.node)) close_entry(transfer.node.index, transfer.name, now);
      transfers_.erase(key);
      continue;
    }
    ++open_now;
    transfer.started = true;
    const NodeIndex node = transfer.node.index;
    OpenFileJob job{next_job_++, {tree_.path(node), tree_[node].id}, transfer.name};
    OpenJob open;
    open.kind = OpenJob::Kind::open_file;
    open.transfer = key;
    jobs_.emplace(job.id, std::move(open));
    transfer.job_open = true;
    outputs_.jobs.push_back({std::move(job), transfer.live});
  }
  const bool backlog = !paused_backlog_ && !(stopping_ && !draining_);
  for (auto& [key, transfer] : transfers_) {
    if (transfer.file == 0 || transfer.job_open) continue;
    OpenJob open;
    open.transfer = key;
    const JobId id = next_job_++;
    if (transfer.data_ended || transfer.abandoned) {
      open.kind = OpenJob::Kind::close_file;
      outputs_.jobs.push_back({CloseFileJob{id, transfer.file, !transfer.abandoned}, transfer.live});
    } else {
      if (transfer.ready_bytes >= read_ahead_of_a_file || session_state_ != Session::ready || paused_all_ ||
          (!transfer.live && !backlog))
        continue;
      open.kind = OpenJob::Kind::read_file;
      outputs_.jobs.push_back({ReadFileJob{id, transfer.file, transfer.offset, std::max(2 * stream_.piece_bytes(), smallest_chunk)}, transfer.live});
    }
    transfer.job_open = true;
    jobs_.emplace(id, std::move(open));
  }
}

void SourceEngine::on_opened(const OpenJob& job, FileOpened result, Time now) {
  Transfer& transfer = transfers_.at(job.transfer);
  transfer.job_open = false;
  transfer.file = result.file;
  const Attributes seen = std::exchange(transfer.attributes, std::move(result.attributes));
  if (!result.status.ok()) return abandon_transfer(job.transfer, result.status, now);
  // The identity was read by the look. Of a file with several links, another one's would join the wrong group.
  const Attributes& found = transfer.attributes;
  if ((seen.links > 1 || found.links > 1) && (seen.inode != found.inode || seen.links != found.links))
    abandon_transfer(job.transfer, Status(Code::stale, "another file, or with other links, since it was looked at"), now);
}

void SourceEngine::on_chunk(const OpenJob& job, FileChunk result, Time now) {
  Transfer& transfer = transfers_.at(job.transfer);
  transfer.job_open = false;
  if (transfer.abandoned) return;
  if (!result.status.ok()) return abandon_transfer(job.transfer, result.status, now);
  transfer.data_ended = result.end;
  if (result.data.empty()) return;
  transfer.offset = result.offset + result.data.size();
  transfer.ready_bytes += result.data.size();
  Operation data;
  data.kind = OperationKind::stage_data;
  data.stage = transfer.stage;
  data.offset = result.offset;
  data.length = static_cast<std::uint32_t>(result.data.size());
  Item item;
  item.kind = Item::Kind::stage;
  item.live = transfer.live;
  item.node = transfer.node;
  item.transfer = job.transfer;
  item.since = transfer.since;
  item.operations.push_back(std::move(data));
  item.notes.emplace_back();
  item.payload = std::move(result.data);
  push_item(std::move(item));
}

void SourceEngine::on_closed(const OpenJob& job, FileClosed result, Time now) {
  Transfer& transfer = transfers_.at(job.transfer);
  transfer.job_open = false;
  transfer.file = 0;
  if (transfer.abandoned) return abandon_transfer(job.transfer, Status(), now);
  Operation publish;
  if (!result.status.ok()) {
    // Published all the same once the bound is reached, if the bytes at least were all read.
    PendingEntry& entry = tree_.entry(transfer.node.index, transfer.name);
    if (result.status.code() != Code::stale || ++entry.attempts <= settings_.torn_retries || !transfer.data_ended)
      return abandon_transfer(job.transfer, result.status, now);
    entry.attempts = 0;
    publish.possibly_torn = true;
    ++figures_.possibly_torn;
    say(LogLevel::warning, "changes faster than it can be read; the copy is possibly torn: " +
                               tree_.path(transfer.node.index, transfer.name));
  }
  hot_files_.transferred(transfer.node, transfer.name, now);
  publish.kind = OperationKind::publish;
  publish.name = transfer.name;
  publish.stage = transfer.stage;
  publish.attributes = std::move(transfer.attributes);
  publish.digest = result.digest;
  Item item;
  item.kind = Item::Kind::publish;
  item.live = transfer.live;
  item.node = transfer.node;
  item.transfer = job.transfer;
  item.epoch = transfer.epoch;
  item.since = transfer.since;
  Note note;
  if (publish.attributes.links > 1) note.id = transfer.id;
  item.operations.push_back(std::move(publish));
  item.notes.push_back(note);
  push_item(std::move(item));
}

/// Gives the transfer up, as soon as no job is at its file; `status` not ok: the entry is pending again, at once where
/// the file changed or went, later where it failed.
void SourceEngine::abandon_transfer(std::uint64_t key, const Status& status, Time now) {
  Transfer& transfer = transfers_.at(key);
  const bool was_abandoned = transfer.abandoned;
  transfer.abandoned = true;
  if (!was_abandoned && alive(transfer.node)) {
    const NodeIndex node = transfer.node.index;
    const Code code = status.code();
    if (status.ok()) close_entry(node, transfer.name, now);
    else if (code == Code::stale || code == Code::not_found || code == Code::closed) {
      const PendingEntry* entry = tree_.find_entry(node, transfer.name);
      const int doublings = entry == nullptr ? 0 : std::min<int>(entry->attempts, 6);
      reopen_entry(node, transfer.name, transfer.live, transfer.epoch, now,
                   code == Code::stale ? now + std::min(settings_.settle * (1 << doublings), settings_.longest_damping)
                                       : now);
    } else {
      retry_entry(node, transfer.name, transfer.live, transfer.epoch, status, now);
    }
  }
  if (transfer.job_open || transfer.file != 0) return; // goes on when the job is done, or the file is closed
  if (transfer.started) --(transfer.live ? transfers_open_live_ : transfers_open_backlog_);
  else std::erase(transfers_waiting_, key);
  if (transfer.staged) discard_stage(transfer.node, transfer.stage, transfer.live, now);
  transfers_.erase(key);
}

/// What is staged on the replica will not be published. (A session that ends discards all of its stages.)
void SourceEngine::discard_stage(NodeRef node, std::uint64_t stage, bool live, Time now) {
  if (session_state_ != Session::ready) return;
  Operation discard;
  discard.kind = OperationKind::discard_stage;
  discard.stage = stage;
  Item item;
  item.kind = Item::Kind::stage;
  item.live = live;
  item.node = node;
  item.since = now;
  item.operations.push_back(std::move(discard));
  item.notes.emplace_back();
  push_item(std::move(item));
}

/// The directory has lost its place: its large files are found anew by the scan at the new one.
void SourceEngine::abandon_transfers_in(NodeIndex node, Time now) {
  std::vector<std::uint64_t> keys;
  for (const auto& [key, transfer] : transfers_)
    if (transfer.node.index == node && !transfer.abandoned)
      keys.push_back(key);
  for (const std::uint64_t key : keys) abandon_transfer(key, Status(), now);
}

} // namespace osync::engine
