// Guards the path of an ipc endpoint: libzmq silently removes whatever stands at the path it binds, also the
// socket of a process that is alive, or a file that is no socket at all.
//
// Whoever holds the lock on PATH.lock (flock(2)) owns PATH. The lock goes with the process; the file goes
// with the object. One thread.
#pragma once

#include <string>

#include "osync/status.h"

namespace osync::transport_zmq {

class IpcPath {
 public:
  IpcPath() noexcept = default;
  ~IpcPath() { release(); }
  IpcPath(const IpcPath&) = delete;
  IpcPath& operator=(const IpcPath&) = delete;

  /// Makes the directory (its last component, mode 0700) where it is missing, takes the lock and makes sure
  /// that nobody serves the path. Errors: exists (locked, served, or no socket), denied, not_found and others
  /// of the directory.
  Status claim(const std::string& path);

  /// After binding: the socket is ours to remove, and nobody but this user may connect (mode 0600).
  Status take_over();

  /// Removes the socket, then the lock. Only when libzmq has closed the socket for certain.
  void release() noexcept;

 private:
  Status take_lock();
  Status check_vacant() const;

  std::string path_;
  int lock_ = -1;
  bool bound_ = false;
};

} // namespace osync::transport_zmq
