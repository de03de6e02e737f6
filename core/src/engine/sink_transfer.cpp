// SinkEngine: the stream of a session and the jobs that it becomes.
#include "engine/sink_credit.h"
#include "engine/sink_engine.h"

#include <algorithm>
#include <utility>

namespace osync::engine {
namespace {

constexpr std::size_t discards_in_group = 256;

bool uses_stages(const Operation& operation) noexcept {
  return operation.kind == OperationKind::stage_data || operation.kind == OperationKind::publish ||
         operation.kind == OperationKind::discard_stage;
}

bool failed(const GroupResult& result, std::uint32_t index) noexcept {
  return std::any_of(result.failures.begin(), result.failures.end(),
                     [index](const OperationFailure& failure) {
                       return failure.index == index || failure.index == group_failure;
                     });
}

/// What stands for a result that the sink did not give.
GroupResult missing_result() {
  GroupResult result;
  result.failures.push_back({group_failure, Status(Code::internal, "the sink gave no result for a group")});
  return result;
}

} // namespace

// A source may send as long as less than the window is in use, so that one frame may go beyond it.
void SinkEngine::on_frame(Frame frame, Time now) {
  if (frame.session != session_ || session_ == 0 || phase_ == Phase::ending || phase_ == Phase::over)
    return ignore("Frame");
  if (phase_ != Phase::streaming)
    return fail_session({Code::corrupt, "the source sent a frame before the replica was ready"}, now);
  if (progress_.used() > settings_.window)
    return fail_session(
        {Code::corrupt, "the source sent more than its credit: " + std::to_string(progress_.used()) +
                            " bytes are not applied, " + std::to_string(settings_.window) + " were granted"},
        now);
  for (StreamItem& item : frame.items)
    if (Status status = accept_item(std::move(item)); !status.ok())
      return fail_session(std::move(status), now);
}

Status SinkEngine::accept_item(StreamItem item) {
  const std::uint64_t sequence = std::visit([](const auto& value) { return value.sequence; }, item);
  const std::uint64_t expected = progress_.received() + 1;
  if (sequence != expected)
    return {Code::corrupt, "the stream goes on with number " + std::to_string(sequence) + ", expected " +
                               std::to_string(expected)};
  if (auto* group = std::get_if<OperationGroup>(&item)) {
    progress_.receive(credit_cost(*group));
    order_.add(std::make_shared<const OperationGroup>(std::move(*group)));
    return {};
  }
  auto& piece = std::get<ListingPiece>(item);
  progress_.receive(credit_cost(piece));
  std::string directory = piece.directory;
  if (Status status = listings_.accept(std::move(piece)); !status.ok()) return status;
  order_.add_listing(sequence, std::move(directory));
  return {};
}

void SinkEngine::hand_out_work() {
  if (phase_ != Phase::streaming && phase_ != Phase::ending) return;
  const bool want_extras = settings_.delete_extra == DeleteExtra::always ||
                           (settings_.delete_extra == DeleteExtra::unless_adopted && !state_.adopted);
  while (auto work = order_.next()) {
    const SinkJobId id = ++last_job_;
    OpenJob open{generation_, work->id, work->listing, {}};
    if (work->listing != 0) {
      ready_jobs_.emplace_back(listings_.job(work->listing, id, want_extras, settings_.extra_count_bound));
    } else {
      open.groups = work->groups;
      ready_jobs_.emplace_back(ApplyJob{id, std::move(work->groups)});
    }
    jobs_.emplace(id, std::move(open));
  }
}

// Stages are named by numbers that the next session uses again.
void SinkEngine::discard_stages() {
  const bool in_session = phase_ == Phase::streaming || phase_ == Phase::ending || phase_ == Phase::claiming;
  if (stages_.empty() || in_session || !jobs_.empty()) return;
  ApplyJob job;
  job.id = ++last_job_;
  std::shared_ptr<OperationGroup> group;
  for (const std::uint64_t stage : stages_) {
    if (!group || group->operations.size() >= discards_in_group) {
      group = std::make_shared<OperationGroup>();
      job.groups.push_back(group);
    }
    Operation operation;
    operation.kind = OperationKind::discard_stage;
    operation.stage = stage;
    group->operations.push_back(std::move(operation));
  }
  jobs_.emplace(job.id, OpenJob{generation_, 0, 0, job.groups});
  ready_jobs_.emplace_back(std::move(job));
}

std::optional<SinkEngine::OpenJob> SinkEngine::close_job(SinkJobId id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) {
    say(LogLevel::error,
        "a result came for job " + std::to_string(id) + ", which is not in progress: ignored");
    return std::nullopt;
  }
  OpenJob job = std::move(found->second);
  jobs_.erase(found);
  return job;
}

void SinkEngine::on_applied(ApplyDone done, Time now) {
  const std::optional<OpenJob> job = close_job(done.id);
  if (!job) return;
  if (job->work == 0) return on_stages_discarded(done);
  const bool current = job->generation == generation_;
  done.results.resize(std::min(done.results.size(), job->groups.size()));
  while (done.results.size() < job->groups.size()) done.results.push_back(missing_result());
  for (std::size_t i = 0; i < job->groups.size(); ++i) {
    on_group_applied(*job->groups[i], done.results[i], current);
    unsynced_bytes_ += credit_cost(*job->groups[i]);
    item_completed(now);
  }
  if (!order_.done(job->work)) say(LogLevel::error, "a work was handed out that the order does not know");
}

void SinkEngine::on_group_applied(const OperationGroup& group, const GroupResult& result, bool current) {
  ++counters_.groups;
  counters_.operations += group.operations.size();
  counters_.entries += result.entries_changed;
  counters_.operations_failed += result.failures.size();
  const std::uint64_t bytes = failed(result, group_failure) ? 0 : group.payload.size();
  counters_.bytes += bytes;
  if (!failed(result, group_failure))
    for (std::uint32_t i = 0; i < group.operations.size(); ++i) {
      const Operation& operation = group.operations[i];
      if ((operation.kind != OperationKind::remove && !operation.possibly_torn) || failed(result, i)) continue;
      if (operation.kind == OperationKind::remove) ++counters_.removals;
      else ++counters_.possibly_torn;
    }
  track_stages(group, result);
  for (const OperationFailure& failure : result.failures) {
    const auto code = static_cast<std::size_t>(failure.status.code());
    ++counters_.failures_by_code[std::min(code, SinkCounters::codes - 1)];
    if (current) failures_.push_back({group.sequence, failure.index, failure.status});
  }
  if (!current) return;
  session_figures_.entries_applied += result.entries_changed;
  session_figures_.bytes_applied += bytes;
  session_figures_.operations_failed += result.failures.size();
  progress_.finish(group.sequence);
  report_changed_ = true;
}

void SinkEngine::on_stages_discarded(const ApplyDone& done) {
  std::size_t left = 0;
  for (const GroupResult& result : done.results) left += result.failures.size();
  if (left > 0)
    say(LogLevel::warning, std::to_string(left) +
                               " stages of the session before could not be removed; they take up " +
                               "space until the sink is started again");
  stages_.clear();
}

// A stage that was written to, in part or with an error, is there until it is published or discarded.
void SinkEngine::track_stages(const OperationGroup& group, const GroupResult& result) {
  for (std::uint32_t index = 0; index < group.operations.size(); ++index) {
    const Operation& operation = group.operations[index];
    if (!uses_stages(operation)) continue;
    if (operation.kind == OperationKind::stage_data)
      stages_.insert(operation.stage);
    else if (!failed(result, index))
      stages_.erase(operation.stage);
  }
}

void SinkEngine::on_inspected(InspectDone done, Time now) {
  const std::optional<OpenJob> job = close_job(done.id);
  if (!job) return;
  if (job->generation == generation_) {
    ++counters_.listing_pieces;
    counters_.entries_compared += done.entries.size();
    for (ListingAnswer& answer :
         listings_.answer(session_, job->listing, std::move(done), compare_, links_)) {
      counters_.wants += answer.wants.size();
      counters_.extras += answer.extras.size();
      if (registered_) messages_.emplace_back(std::move(answer));
    }
    progress_.finish(job->listing);
    report_changed_ = true;
  }
  item_completed(now);
  if (!order_.done(job->work)) say(LogLevel::error, "a work was handed out that the order does not know");
}

void SinkEngine::item_completed(Time now) {
  ++completed_;
  if (!unsynced_since_) unsynced_since_ = now;
}

} // namespace osync::engine
