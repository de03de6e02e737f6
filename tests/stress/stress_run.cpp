#include "stress/stress_run.h"

#include "stress/figures.h"
#include "stress/inotify_limits.h"
#include "stress/oracle.h"
#include "stress/subject.h"
#include "stress/writer.h"
#include "support/compare_trees.h"
#include "support/file_systems.h"
#include "support/varied_tree.h"
#include "support/wait.h"

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <sys/statvfs.h>

namespace osync::stress {

std::atomic<bool> interrupted{false};

namespace {

namespace fs = std::filesystem;

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings), file_system_(settings.file_system, std::uint64_t{1} << 30),
        workspace_(file_system_.path()) {}

  Outcome go(const std::string& output) {
    prepare();
    Outcome outcome;
    try {
      churn_and_compare(outcome);
    } catch (const std::exception& error) {
      problems_ += std::string("the run broke off: ") + error.what() + "\n";
    }
    outcome.equal = problems_.empty();
    if (!outcome.equal) outcome.failure = problems_ + write_logs(output);
    return outcome;
  }

 private:
  void prepare() {
    shared_.root = workspace_.source();
    shared_.outside = workspace_ / "outside";
    shared_.archive = workspace_ / "archive.tar";
    fs::create_directory(shared_.outside);
    make_tree(shared_.root, settings_.seed, settings_.small_files, settings_.deep);
    shared_.entries = static_cast<long>(test::count_entries(shared_.root));
    make_archive();
  }

  void make_tree(const std::string& at, std::uint64_t seed, unsigned files, bool deep) const {
    const bool short_targets = settings_.file_system == "xfs" || settings_.file_system == "btrfs";
    test::make_varied_tree(at, {.seed = seed,
                                .small_files = files,
                                .wide_files = files,
                                .symlink_target = short_targets ? 1000u : 4000u,
                                .beyond_path_max = deep});
    for (const char* name : {"absolute", "out of the tree", "parent"}) // tar must not find a way out
      fs::remove(at + "/symlinks/" + name);
  }

  /// A varied tree as a tar file, for `untar` to unpack while osync scans.
  void make_archive() const {
    const std::string content = workspace_ / "archive";
    fs::create_directory(content);
    make_tree(content, settings_.seed + 1, 60, false);
    const test::Finished finished = test::run({{"tar", "-C", content, "--sparse", "-cf", shared_.archive,
                                                "names", "links", "small", "sparse", "wide"}});
    if (finished.exit_code != 0) throw std::runtime_error("tar: " + describe(finished));
    test::remove_tree_content(content);
  }

  void start_osync() {
    subject_.emplace(workspace_, settings_);
    shared_.log.mark("osync answers");
  }

  void start_writers() {
    test::Random seeds(settings_.seed);
    for (unsigned number = 0; number < settings_.writers; ++number)
      writers_.push_back(std::make_unique<Writer>(shared_, number, seeds.next(), settings_));
  }

  void churn_and_compare(Outcome& outcome) {
    test::Descriptor others;
    std::optional<LoweredLimit> watches;
    if (settings_.watch_limit == 0)
      others = keep_limit("max_user_watches");
    else
      watches.emplace("max_user_watches", watches_in_use() + settings_.watch_limit);
    std::optional<LoweredLimit> queue; // read by inotify_init, so only while osync starts
    // Before the writers: it waits for its turn among other tests, minutes perhaps.
    if (settings_.queue_limit != 0) queue.emplace("max_queued_events", settings_.queue_limit);
    if (settings_.start == "during") start_writers();
    start_osync();
    queue.reset();
    if (settings_.start == "after") {
      flush("the first sync");
      start_writers();
    }
    (void)test::wait_until([] { return interrupted.load(); }, test::seconds(settings_.seconds));
    Counts counts;
    for (auto& writer : writers_)
      for (const auto& [name, count] : writer->finish()) {
        counts[name].done += count.done;
        counts[name].refused += count.refused;
        counts[name].idle += count.idle;
      }
    shared_.log.mark("the writers have stopped");
    if (interrupted) throw std::runtime_error("interrupted");
    const milliseconds took = flush("the flush");
    outcome.figures =
        operation_figures(counts) + osync_figures(subject_->status(), workspace_.source(), took);
    if (accepted_ != 0)
      outcome.figures += "    held deletions were accepted " + std::to_string(accepted_) + " times\n";
    watches.reset();
    const auto began = std::chrono::steady_clock::now();
    judge();
    outcome.figures += "    comparing " + std::to_string(test::count_entries(workspace_.source())) +
                       " entries and stopping took " + std::to_string(since(began).count()) + " ms\n";
  }

  using milliseconds = std::chrono::milliseconds;
  milliseconds flush(const std::string& what) {
    const auto began = std::chrono::steady_clock::now();
    test::Finished finished = subject_->flush();
    // Where the kernel could not tell of deletions, because of us, holding many of them is what is promised.
    const bool unreported =
        settings_.accept_deletions || settings_.queue_limit != 0 || settings_.watch_limit != 0;
    for (int round = 0; unreported && round < 5 && test::mentions(finished, "deletions are held"); ++round) {
      (void)subject_->accept_deletions();
      ++accepted_;
      finished = subject_->flush();
    }
    shared_.log.mark(what + " returned " + std::to_string(finished.exit_code));
    if (finished.exit_code != 0) problems_ += what + " failed: " + describe(finished) + "\n" + room();
    return since(began);
  }
  static milliseconds since(std::chrono::steady_clock::time_point began) {
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  }

  void judge() {
    differing_ = compare(workspace_.source(), workspace_.replica());
    problems_ += subject_->not_running() + reported_failures(subject_->status());
    if (!differing_.empty()) {
      problems_ += "source and replica differ after the flush:\n" + text_of(differing_);
      problems_ += details(workspace_.source(), workspace_.replica(), differing_);
      flush("a second flush"); // tells "too early" from "never"
      problems_ += "after a second flush " +
                   std::to_string(compare(workspace_.source(), workspace_.replica()).size()) +
                   " lines differ\n";
    }
    problems_ += subject_->stop();
  }

  /// Tells a file system that is too small from an osync that keeps too much.
  std::string room() const {
    struct statvfs status {};
    if (statvfs(file_system_.path().c_str(), &status) != 0) return "";
    const auto count = [](const std::string& path) { return std::to_string(test::count_entries(path)); };
    return "the file system has " + std::to_string(status.f_bfree * status.f_frsize >> 20) + " MiB and " +
           std::to_string(status.f_ffree) + " inodes left; entries: source " + count(workspace_.source()) +
           ", replica " + count(workspace_.replica()) + ", its .osync " +
           count(workspace_.replica(".osync")) + ", outside " + count(shared_.outside) + "\n";
  }

  std::string write_logs(const std::string& output) {
    const std::string base =
        output + "/stress-" + settings_.file_system + "-" + std::to_string(settings_.seed);
    try {
      test::write_file(base + ".operations", shared_.log.about(traces(workspace_.source(), differing_)));
      test::write_file(base + ".all-operations", shared_.log.all());
      test::write_file(base + ".osync",
                       subject_ ? subject_->status() + "\n" + subject_->log() : std::string());
      test::write_file(base + ".report",
                       "replay: script/stress " + replay_arguments(settings_) + "\n" + problems_);
    } catch (const std::exception& error) {
      return std::string("no logs written: ") + error.what() + "\n";
    }
    return "logs: " + base + ".{report,operations,all-operations,osync}\n";
  }

  const Settings settings_;
  const test::FileSystem file_system_;
  const test::Workspace workspace_;
  Shared shared_;
  std::optional<Subject> subject_;
  std::vector<std::unique_ptr<Writer>> writers_; // go before what they refer to
  unsigned accepted_ = 0;
  std::string problems_;
  std::vector<std::string> differing_;
};

} // namespace

Outcome run(const Settings& settings, const std::string& output) {
  try {
    return Run(settings).go(output);
  } catch (const std::exception& error) {
    return {false, "", std::string("the run could not be set up: ") + error.what() + "\n"};
  }
}

} // namespace osync::stress
