// The tree under test, and the harness around it. The checks are in watcher_changes.cpp,
// watcher_directories.cpp and watcher_threads.cpp.
#include "watcher_suite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace osync::test {

OpenFile::OpenFile(const std::filesystem::path& path, int flags, unsigned mode)
    : fd_(open(path.c_str(), flags | O_CLOEXEC, mode)) {
  if (fd_ < 0) throw std::runtime_error("open " + path.string() + ": " + std::strerror(errno));
}

void OpenFile::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

namespace {

const std::filesystem::path& made(const std::filesystem::path& root,
                                  const std::vector<std::string>& directories) {
  std::filesystem::create_directory(root);
  for (const std::string& directory : directories) std::filesystem::create_directories(root / directory);
  return root;
}

} // namespace

WatchedTree::WatchedTree(const WatcherKit& kit, const std::vector<std::string>& directories)
    : kit_(kit), root_(made(place_.path() / "root", directories), O_RDONLY | O_DIRECTORY),
      plugin_(kit.plugin, kit.options) {
  if (const Status status = plugin_->start(root_.fd(), identify(root_.fd())); !status.ok())
    throw std::runtime_error("start: " + status.to_string());
  watch("");
}

std::filesystem::path WatchedTree::path(const std::string& name) const {
  return name.empty() ? place_.path() / "root" : place_.path() / "root" / name;
}

std::filesystem::path WatchedTree::outside(const std::string& name) const { return place_.path() / name; }

ObjectId WatchedTree::identify(int fd) const {
  if (kit_.identify) return kit_.identify(fd);
  struct statx info;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &info) != 0)
    throw std::runtime_error(std::string("statx: ") + std::strerror(errno));
  const auto born =
      static_cast<std::uint64_t>(info.stx_btime.tv_sec) * 1'000'000'000u + info.stx_btime.tv_nsec;
  return {(static_cast<std::uint64_t>(info.stx_dev_minor) << 32) ^ born, info.stx_ino};
}

ObjectId WatchedTree::id(const std::string& directory) const {
  return identify(OpenFile(path(directory), O_RDONLY | O_DIRECTORY).fd());
}

void WatchedTree::watch(const std::string& directory) {
  if (!plugin_->needs_directory_watches()) return;
  {
    const OpenFile open(path(directory), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (const Status status = plugin_->watch(open.fd(), identify(open.fd())); !status.ok())
      throw std::runtime_error("watch " + directory + ": " + status.to_string());
  }
  for (const auto& entry : std::filesystem::directory_iterator(path(directory)))
    if (entry.is_directory() && !entry.is_symlink())
      watch((directory.empty() ? "" : directory + "/") + entry.path().filename().string());
}

WatchEvents WatchedTree::drain() {
  const std::uint64_t token = next_token_++;
  if (const Status status = plugin_->request_barrier(token); !status.ok())
    throw std::runtime_error("request_barrier: " + status.to_string());
  return pull_until(token);
}

WatchEvents WatchedTree::pull_until(std::uint64_t token) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  WatchEvents events;
  WatchEvents batch;
  batch.swap(carried_);
  while (true) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].kind == WatchEvent::Kind::barrier && batch[i].token == token) {
        carried_.assign(batch.begin() + static_cast<std::ptrdiff_t>(i) + 1, batch.end());
        return events;
      }
      events.push_back(batch[i]);
    }
    batch.clear();
    if (std::chrono::steady_clock::now() >= deadline) break;
    if (const Status status = plugin_->next_batch(std::chrono::milliseconds(200), batch); !status.ok())
      throw std::runtime_error("next_batch: " + status.to_string());
  }
  throw std::runtime_error("no barrier within 20 seconds");
}

bool WatchedTree::shows(const WatchEvents& events, const ObjectId& directory, std::string_view name,
                        unsigned hints) {
  unsigned seen = 0;
  bool found = false;
  for (const WatchEvent& event : events) {
    if (event.kind == WatchEvent::Kind::rescan && !event.directory.valid()) return true;
    if (event.kind != WatchEvent::Kind::entry || event.directory != directory || event.name != name) continue;
    found = true;
    seen |= event.hints;
  }
  return found && (seen & hints) == hints;
}

std::size_t WatchedTree::count(const WatchEvents& events, WatchEvent::Kind kind) {
  std::size_t found = 0;
  for (const WatchEvent& event : events) found += event.kind == kind ? 1 : 0;
  return found;
}

std::string describe(const WatchEvents& events) {
  static constexpr const char* kinds[] = {"entry", "rescan", "watch_lost", "root_gone", "barrier"};
  std::string text = std::to_string(events.size()) + " events:";
  for (std::size_t i = 0; i < events.size() && i < 40; ++i)
    text.append("\n  ")
        .append(kinds[static_cast<std::size_t>(events[i].kind)])
        .append(" in " + std::to_string(events[i].directory.low))
        .append(" '" + events[i].name + "' hints " + std::to_string(events[i].hints))
        .append(" token " + std::to_string(events[i].token));
  return text;
}

} // namespace osync::test
