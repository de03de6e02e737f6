// A source tree in memory with a reader on it, for the tests of core/src/source.
#pragma once

#include <catch2/catch.hpp>

#include <fcntl.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/rules.h"
#include "engine/source_jobs.h"
#include "osync/logger.h"
#include "osync/watcher.h"
#include "source/object_id.h"
#include "source/reader.h"
#include "source/source_root.h"
#include "support/descriptor.h"
#include "support/skip.h"
#include "support/temporary.h"

namespace osync::source {

class KeepingLogger : public Logger {
 public:
  void log(LogLevel, std::string_view message) noexcept override {
    const std::lock_guard lock(mutex_);
    messages_.emplace_back(message);
  }
  [[nodiscard]] bool enabled(LogLevel) const noexcept override { return true; }
  [[nodiscard]] std::vector<std::string> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

/// Remembers what it was asked to watch; `on_watch` runs inside watch().
class KeepingWatcher : public Watcher {
 public:
  std::vector<ObjectId> watched;
  std::function<Status(int)> on_watch;

  [[nodiscard]] bool needs_directory_watches() const noexcept override { return true; }
  Status start(int, const ObjectId&) noexcept override { return {}; }
  Status watch(int directory_fd, const ObjectId& directory) noexcept override {
    watched.push_back(directory);
    return on_watch ? on_watch(directory_fd) : Status();
  }
  void unwatch(const ObjectId&) noexcept override {}
  Status next_batch(std::chrono::milliseconds, std::vector<WatchEvent>&) noexcept override { return {}; }
  Status request_barrier(std::uint64_t) noexcept override { return {}; }
  void wake() noexcept override {}
  [[nodiscard]] WatchQueueReport queue_report() noexcept override { return {}; }
};

/// A reader on the existing directory `path`.
class ReaderOn {
 public:
  explicit ReaderOn(const std::string& path, bool one_file_system = true, ReaderLimits limits = {},
                    std::vector<engine::Rules::Rule> rules = {})
      : rules_(parsed(rules)), root_(opened(path, one_file_system)), path_(path),
        reader_(*root_, &watcher, rules_, limits, logger) {}

  KeepingLogger logger;
  KeepingWatcher watcher;

  [[nodiscard]] SourceRoot& root() { return *root_; }
  [[nodiscard]] SourceReader& reader() { return reader_; }

  /// The directory as it is now, by its path on the file system (not through the code under test's path
  /// handling).
  [[nodiscard]] engine::DirectoryRef ref(const std::string& path = {}) {
    const test::Descriptor fd(test::must(
        ::open((path.empty() ? path_ : path_ + "/" + path).c_str(), O_PATH | O_CLOEXEC), "open " + path));
    Identity identity;
    REQUIRE(root_->identifier().identify(fd.get(), identity) == 0);
    return {path, identity.id};
  }

  template <class Result, class Job>
  Result run(const Job& job) {
    auto result = reader_.run(job);
    REQUIRE(result.has_value());
    REQUIRE(std::holds_alternative<Result>(*result));
    return std::get<Result>(std::move(*result));
  }

  engine::ReadResult read(const engine::DirectoryRef& directory, std::vector<std::string> names,
                          bool include_linked = false, std::uint32_t max_bytes = 512u << 10) {
    engine::ReadJob job;
    job.id = 7;
    job.directory = directory;
    job.names = std::move(names);
    job.include_linked = include_linked;
    job.max_bytes = max_bytes;
    return run<engine::ReadResult>(job);
  }
  /// Looks at one entry of the root.
  engine::EntryRead read_one(const std::string& name) {
    auto result = read(ref(), {name});
    REQUIRE(result.status.ok());
    REQUIRE(result.entries.size() == 1);
    payload = result.payload;
    return result.entries[0];
  }
  Buffer payload; ///< of the last read_one

  engine::ScanJob scan_job(const engine::DirectoryRef& directory, engine::ScanMode mode) const {
    engine::ScanJob job;
    job.id = 3;
    job.directory = directory;
    job.mode = mode;
    job.since = {std::int64_t{1} << 40, 0}; // nothing is that new: attributes only
    return job;
  }
  /// One listing of a small directory.
  engine::ListResult list(const engine::DirectoryRef& directory,
                          Timestamp since = {std::int64_t{1} << 40, 0}) {
    auto job = scan_job(directory, engine::ScanMode::compare);
    job.since = since;
    return run<engine::ListResult>(job);
  }

 private:
  static engine::Rules parsed(const std::vector<engine::Rules::Rule>& rules) {
    auto result = engine::Rules::parse(rules);
    REQUIRE(result.ok());
    return std::move(result).value();
  }
  static std::unique_ptr<SourceRoot> opened(const std::string& path, bool one_file_system) {
    auto result = SourceRoot::open(path, one_file_system);
    INFO(result.status().to_string());
    REQUIRE(result.ok());
    return std::move(result).value();
  }

  engine::Rules rules_;
  std::unique_ptr<SourceRoot> root_;
  std::string path_;
  SourceReader reader_;
};

inline std::string text_of(const Buffer& buffer, std::size_t offset, std::size_t length) {
  REQUIRE(offset + length <= buffer.size());
  return {reinterpret_cast<const char*>(buffer.data()) + offset, length};
}
inline std::string text_of(const Buffer& payload, const Operation& operation) {
  return text_of(payload, operation.payload_offset, operation.length);
}

template <class Entries>
const auto* find_entry(const Entries& entries, const std::string& name) {
  for (const auto& entry : entries) {
    if constexpr (requires { entry.operation; }) {
      if (entry.operation.name == name) return &entry;
    } else {
      if (entry.name == name) return &entry;
    }
  }
  return static_cast<decltype(&*entries.begin())>(nullptr);
}

} // namespace osync::source
