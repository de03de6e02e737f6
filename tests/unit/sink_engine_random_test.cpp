// Random streams: whatever the sink engine does side by side must end as if everything had been done in
// order.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "engine/sink_credit.h"
#include "engine/sink_engine.h"
#include "support/sink_engine_fake.h"

namespace osync::test {
namespace {

using namespace osync::engine;
using namespace std::chrono_literals;

// Everything that can be seen from outside.
struct Outcome {
  std::string tree;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Code> failures;
  std::map<std::uint64_t, std::pair<std::set<std::string>, std::set<std::string>>> answers; ///< wants, extras
  bool operator==(const Outcome&) const = default;
};

// A stream, made up while it is applied in order.
class RandomStream {
 public:
  /// With `cleaning` it begins with a group that removes whatever was there.
  explicit RandomStream(std::uint32_t seed, bool cleaning = false) : random_(seed) {
    if (cleaning) add_cleaning();
    const int length = 30 + pick(20);
    while (static_cast<int>(items.size()) < length) {
      if (pick(6) == 0)
        add_listing();
      else
        add_group();
    }
    expected.tree = replica_.dump();
  }

  std::vector<StreamItem> items;
  Outcome expected;

 private:
  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }
  std::string name() { return std::string(1, static_cast<char>('a' + pick(3))); }
  std::string path() {
    std::string text;
    for (int depth = pick(4); depth > 0; --depth) text += (text.empty() ? "" : "/") + name();
    return text;
  }
  std::string directory() { // mostly one that is there
    std::string found = path();
    for (int tries = 3; tries > 0 && !replica_.open_directory(found).ok(); --tries) found = path();
    return found;
  }
  Attributes attributes(FileType type) {
    std::uint32_t mode = pick(2) == 0 ? 0755 : 0700;
    if (pick(12) == 0) mode = 0600; // nobody passes
    return attributes_of(type, mode, 1 + pick(5));
  }

  Operation operation(const OperationGroup& group) {
    static constexpr OperationKind kinds[] = {
        OperationKind::put_file,       OperationKind::put_file,       OperationKind::make_directory,
        OperationKind::make_directory, OperationKind::make_directory, OperationKind::make_symlink,
        OperationKind::make_special,   OperationKind::make_link,      OperationKind::make_link,
        OperationKind::stage_data,     OperationKind::stage_data,     OperationKind::publish,
        OperationKind::discard_stage,  OperationKind::remove,         OperationKind::set_attributes,
        OperationKind::set_attributes, OperationKind::set_attributes};
    const OperationKind kind = kinds[pick(static_cast<int>(std::size(kinds)))];
    Operation made = operation_of(kind, name(), attributes(FileType::regular));
    switch (kind) {
    case OperationKind::make_directory:
      made.attributes.type = FileType::directory;
      break;
    case OperationKind::make_symlink:
      made.attributes.type = FileType::symlink;
      made.target = path();
      break;
    case OperationKind::make_special:
      made.attributes.type = FileType::fifo;
      break;
    case OperationKind::make_link:
      made.target = path() + "/" + name();
      break;
    case OperationKind::put_file:
      made.length = static_cast<std::uint32_t>(pick(4));
      break;
    case OperationKind::stage_data:
      made.length = 1 + static_cast<std::uint32_t>(pick(3));
      [[fallthrough]];
    case OperationKind::publish:
    case OperationKind::discard_stage:
      made.stage = 1 + static_cast<std::uint64_t>(pick(2));
      if (kind != OperationKind::publish) made.name.clear();
      break;
    case OperationKind::set_attributes:
      describe(group.directory, made);
      break;
    default:
      break;
    }
    if (made.target.starts_with('/')) made.target.erase(0, 1);
    made.payload_offset = static_cast<std::uint32_t>(pick(4));
    return made;
  }

  // A source knows the type and how many names there are.
  void describe(const std::string& directory, Operation& made) {
    const auto opened = replica_.open_directory(directory);
    if (!opened.ok()) return;
    const InspectedEntry found = replica_.inspect(*opened.value(), made.name);
    if (!found.status.ok()) return;
    made.attributes.type = found.attributes.type;
    made.attributes.links = found.attributes.links;
  }

  void add_cleaning() {
    OperationGroup group = group_of("");
    group.sequence = 1;
    for (const char* entry : {"a", "b", "c"})
      group.operations.push_back(operation_of(OperationKind::remove, entry));
    group.directory_attributes = attributes_of(FileType::directory, 0755);
    (void)replica_.apply(group);
    items.emplace_back(std::move(group));
  }

  void add_group() {
    OperationGroup group = group_of(directory());
    group.sequence = items.size() + 1;
    group.payload = Buffer::copy_of(std::string_view("0123456789").substr(static_cast<std::size_t>(pick(3))));
    // Applied one by one, so that each is made up knowing what those before it did.
    for (int count = 1 + pick(3); count > 0; --count) {
      OperationGroup single = group;
      single.operations = {operation(group)};
      group.operations.push_back(single.operations.front());
      record(group, replica_.apply(single), static_cast<std::uint32_t>(group.operations.size() - 1));
    }
    set_directory_attributes(group);
    items.emplace_back(std::move(group));
  }

  // Never opens a directory: that is the one thing that does not hold back what is below (apply_order.h).
  void set_directory_attributes(OperationGroup& group) {
    const auto opened = replica_.open_directory(group.directory);
    if (!opened.ok() || pick(2) == 0) return;
    Attributes own = attributes(FileType::directory);
    if ((opened.value()->mode & 0100) == 0 || group.directory.empty()) own.mode = opened.value()->mode;
    group.directory_attributes = own;
    OperationGroup last = group;
    last.operations.clear();
    record(group, replica_.apply(last), 0);
  }

  void record(const OperationGroup& group, const GroupResult& result, std::uint32_t index) {
    for (const OperationFailure& failure : result.failures)
      expected.failures[{group.sequence, failure.index == group_failure ? group_failure : index}] =
          failure.status.code();
  }

  void add_listing() {
    ListingPiece piece;
    piece.sequence = items.size() + 1;
    piece.directory = directory();
    piece.listing = piece.sequence;
    const auto opened = replica_.open_directory(piece.directory);
    for (const char* listed : {"a", "b", "c"}) {
      if (pick(4) == 0) continue;
      ListedEntry entry;
      entry.name = listed;
      entry.attributes = attributes(FileType::regular);
      if (opened.ok() && pick(4) != 0) { // as it is there
        const InspectedEntry found = replica_.inspect(*opened.value(), listed);
        if (found.status.ok()) {
          entry.attributes = found.attributes;
          entry.target = found.target;
        }
      }
      piece.entries.push_back(entry);
    }
    expect_answer(piece);
    items.emplace_back(std::move(piece));
  }

  void expect_answer(const ListingPiece& piece) {
    NameSet seen;
    InspectJob job;
    job.directory = piece.directory;
    job.find_extras = true;
    for (const ListedEntry& entry : piece.entries) {
      seen.add(entry.name);
      job.items.push_back({entry.name, false});
    }
    job.seen = std::make_shared<NameSet>(seen);
    const InspectDone done = replica_.inspect(job);
    auto& [wants, extras] = expected.answers[piece.sequence];
    if (!done.status.ok()) {
      wants.insert("status " + std::string(code_name(done.status.code())));
      return;
    }
    CompareContext context;
    context.capabilities.hard_links = false;
    LinkMap links(0);
    for (std::size_t i = 0; i < piece.entries.size(); ++i)
      if (compare(piece.directory, piece.entries[i], done.entries[i], context, links) != Difference::none)
        wants.insert(piece.entries[i].name);
    for (const InspectDone::Extra& extra : done.extras) extras.insert(extra.name);
  }

  std::mt19937 random_;
  FakeReplica replica_;
};

// Runs a stream through the engine with its jobs interleaved at random.
class RandomRun {
 public:
  RandomRun(std::uint32_t seed, const std::vector<StreamItem>& items, unsigned without_rules = 0)
      : random_(seed), engine_(settings(without_rules), {}, capabilities()) {
    begin_session();
    transfer(items, items.size());
  }

  /// The connection is lost somewhere in the first stream; the second one is another session's.
  RandomRun(std::uint32_t seed, const std::vector<StreamItem>& lost, const std::vector<StreamItem>& items)
      : random_(seed), engine_(settings(0), {}, capabilities()) {
    begin_session();
    transfer(lost, 1 + pick(lost.size()), true);
    engine_.disconnected(now_);
    outcome = Outcome();
    applied = 0;
    begin_session();
    transfer(items, items.size());
  }

  Outcome outcome;
  std::uint64_t applied = 0;
  bool sound = true; ///< no failure was reported late or twice, numbers never went back, sessions did not mix
  std::size_t most_running = 0;

 private:
  std::size_t pick(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
  }

  SinkSettings settings(unsigned without_rules) {
    SinkSettings made;
    static constexpr std::size_t look_ahead[] = {2, 5, 1024};
    static constexpr std::uint32_t chains[] = {1, 4, 256};
    made.order.appliers = static_cast<std::uint32_t>(1 + pick(4));
    made.order.look_ahead = look_ahead[pick(3)];
    made.order.path_nodes = pick(2) == 0 ? 4 : 1000;
    made.order.chain_operations = chains[pick(3)];
    made.without_order_rules = without_rules;
    return made;
  }
  static SinkCapabilities capabilities() {
    SinkCapabilities made;
    made.hard_links = false; // which of two pieces is compared first would make a difference to LinkMap
    return made;
  }

  void begin_session() {
    engine_.connected(now_);
    engine_.received(Welcome{++session_, protocol_version, "", Uuid{1}, 60'000}, now_);
    std::optional<ClaimRequest> request;
    for (collect(); !(request = engine_.claim_request()); collect()) step();
    sound &= running_.empty(); // nobody writes any more who belongs to the session before
    engine_.claimed({}, now_);
    collect();
  }

  void transfer(const std::vector<StreamItem>& items, std::size_t count, bool leave_running = false) {
    std::size_t sent = 0;
    while (sent < count || (!running_.empty() && !leave_running)) {
      now_ += 10us;
      if (sent < count && (running_.empty() || pick(4) == 0))
        send(items, sent, count);
      else
        step();
      collect();
    }
    if (leave_running) return;
    engine_.tick(now_ += 10ms);
    collect();
    outcome.tree = replica_.dump();
  }

  void send(const std::vector<StreamItem>& items, std::size_t& sent, std::size_t end) {
    Frame frame;
    frame.session = session_;
    for (std::size_t count = 1 + pick(8); count > 0 && sent < end; --count)
      frame.items.push_back(items[sent++]);
    engine_.received(std::move(frame), now_);
  }

  void step() {
    const std::size_t chosen = pick(running_.size());
    auto result = running_[chosen].step();
    if (!result) return;
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(chosen));
    engine_.job_done(std::move(*result), now_);
  }

  void collect() {
    for (SinkJob& job : engine_.take_jobs()) running_.emplace_back(replica_, std::move(job));
    most_running = std::max(most_running, running_.size());
    for (const SinkMessage& message : engine_.take_messages()) {
      if (const auto* acknowledge = std::get_if<Acknowledge>(&message))
        on_acknowledge(*acknowledge);
      else if (const auto* answer = std::get_if<ListingAnswer>(&message))
        on_answer(*answer);
    }
  }

  void on_acknowledge(const Acknowledge& message) {
    if (message.session != session_ || message.applied < applied || message.applied > message.received ||
        message.durable > message.applied)
      sound = false;
    for (const WireFailure& failure : message.failures) {
      if (failure.sequence <= applied) sound = false;
      if (!outcome.failures.emplace(std::pair(failure.sequence, failure.index), failure.status.code()).second)
        sound = false;
    }
    applied = message.applied;
  }

  void on_answer(const ListingAnswer& answer) {
    auto& [wants, extras] = outcome.answers[answer.sequence];
    if (!answer.status.ok()) wants.insert("status " + std::string(code_name(answer.status.code())));
    for (const auto& want : answer.wants) wants.insert(want.name);
    for (const auto& extra : answer.extras) extras.insert(extra.name);
  }

  std::mt19937 random_;
  Time now_{1s};
  std::uint64_t session_ = 0;
  FakeReplica replica_;
  SinkEngine engine_;
  std::vector<FakeJob> running_;
};

constexpr std::uint32_t seeds = 2000;

void check(std::uint32_t seed, const RandomRun& run, const RandomStream& stream) {
  if (run.outcome == stream.expected && run.sound && run.applied == stream.items.size()) return;
  CAPTURE(seed);
  CHECK(run.sound);
  CHECK(run.applied == stream.items.size());
  CHECK(run.outcome.failures == stream.expected.failures);
  CHECK(run.outcome.answers == stream.expected.answers);
  REQUIRE(run.outcome.tree == stream.expected.tree);
}

} // namespace

TEST_CASE("random streams end as if they had been applied in order", "[sink_engine]") {
  std::size_t most_running = 0;
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    const RandomStream stream(seed);
    const RandomRun run(seed, stream.items);
    most_running = std::max(most_running, run.most_running);
    check(seed, run, stream);
  }
  CHECK(most_running == 4); // the order does not just put everything into one file
}

TEST_CASE("a random stream after a lost connection ends as if nothing had been before", "[sink_engine]") {
  for (std::uint32_t seed = 1; seed <= seeds / 2; ++seed) {
    const RandomStream lost(seed + 500'000);
    const RandomStream stream(seed, true);
    check(seed, RandomRun(seed, lost.items, stream.items), stream);
  }
}

TEST_CASE("each rule of the order is needed: without it random streams end differently", "[sink_engine]") {
  for (const auto& [rule, name] : std::vector<std::pair<ApplyOrder::Rule, const char*>>{
           {ApplyOrder::same_directory, "same_directory"},
           {ApplyOrder::ancestors, "ancestors"},
           {ApplyOrder::descendants, "descendants"},
           {ApplyOrder::link_targets, "link_targets"},
           {ApplyOrder::stages, "stages"},
           {ApplyOrder::linked_attributes, "linked_attributes"},
           {ApplyOrder::listed_directories, "listed_directories"},
           {ApplyOrder::closed_directories, "closed_directories"}}) {
    std::uint32_t different = 0;
    std::uint32_t tried = 0;
    for (std::uint32_t seed = 1; seed <= seeds && different < 5; ++seed, ++tried) {
      const RandomStream stream(seed);
      different += RandomRun(seed, stream.items, rule).outcome != stream.expected;
    }
    CAPTURE(name, tried);
    CHECK(different > 0);
  }
}

} // namespace osync::test
