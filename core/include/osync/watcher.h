// A watcher reports where something may have changed below the source root.
//
// Change events are hints to look again, never instructions. An event names a directory by identity and an entry in
// it; everything else is for scheduling only. Events come at least once, without order between objects, and may be
// merged; a watcher that is unsure says `rescan`. It never swallows an overflow.
//
// Threads: the engine pulls with next_batch() from one thread. watch(), unwatch(), request_barrier(), queue_report()
// and wake() may be called from any thread at any time between start() and destruction (a watch must be set by the
// thread that is about to list the directory, between opening and listing; a hop to another thread there costs more
// than the watch itself).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "osync/status.h"
#include "osync/types.h"

namespace osync {

struct WatchEvent {
  enum class Kind : std::uint8_t {
    entry,      ///< look at `name` in `directory`; an empty name means the directory itself
    rescan,     ///< anything in `directory` may have changed (below it too if `recursive`); an invalid directory
                ///< means everything (overflow)
    watch_lost, ///< `directory` is no longer watched (deleted, unmounted, limit): its watch state is cleared
    root_gone,  ///< the root itself was deleted, moved or unmounted
    barrier,    ///< every change that had returned to its caller before request_barrier(token) has been delivered
  };
  /// Scheduling hints; never evidence.
  enum Hint : std::uint8_t {
    content = 1,     ///< bytes were written
    attributes = 2,  ///< mode, owner, times, xattrs
    existence = 4,   ///< created, deleted, moved
    is_directory = 8,
    closed = 16,     ///< a writer closed it
  };

  Kind kind = Kind::entry;
  std::uint8_t hints = 0;
  bool recursive = false;
  ObjectId directory;
  std::string name;
  std::uint64_t token = 0; ///< of a barrier; of a move: the same non-zero value on both of its ends
};

/// The queue report of DESIGN section 2: how full the kernel's queue and the plugin's own are.
struct WatchQueueReport {
  std::uint64_t queued_bytes = 0;    ///< unread in the kernel now
  std::uint64_t capacity_events = 0; ///< the kernel's limit; 0 where there is none
  std::uint64_t events = 0;          ///< delivered since start
  std::uint64_t overflows = 0;
  std::uint64_t watches = 0;
  std::uint64_t watch_limit = 0; ///< 0: none
};

class Watcher {
 public:
  virtual ~Watcher() = default;

  /// Whether each directory wants a watch() of its own before it is listed. Constant.
  [[nodiscard]] virtual bool needs_directory_watches() const noexcept = 0;

  /// Begins to report. `root_fd` is the open source root (kept open by the caller until destruction), `root` its
  /// identity. Errors: unsupported or denied, with what the file system or the kernel lacks.
  virtual Status start(int root_fd, const ObjectId& root) noexcept = 0;

  /// Reports changes of the entries of the directory open at `directory_fd` from now on, as `directory`. Watching a
  /// directory again is no error (it has perhaps moved). Code::limit: the kernel's limit is reached, earlier watches
  /// live on; the engine polls such directories. Any thread.
  virtual Status watch(int directory_fd, const ObjectId& directory) noexcept = 0;

  /// Ends the watch of `directory`, if any. Any thread.
  virtual void unwatch(const ObjectId& directory) noexcept = 0;

  /// Waits at most `timeout` for events and appends them to `events`; returns ok also when there are none. Errors:
  /// closed after wake(). Puller's thread only.
  virtual Status next_batch(std::chrono::milliseconds timeout, std::vector<WatchEvent>& events) noexcept = 0;

  /// Asks for a barrier event with `token`. Being empty is no barrier: what is queued when this is called is counted
  /// and read past first. Any thread.
  virtual Status request_barrier(std::uint64_t token) noexcept = 0;

  /// Ends a next_batch() that waits, now or the next one, with Code::closed. Any thread; the only call besides
  /// destruction after the engine has begun to stop.
  virtual void wake() noexcept = 0;

  /// A snapshot; cheap. Any thread.
  [[nodiscard]] virtual WatchQueueReport queue_report() noexcept = 0;
};

} // namespace osync
