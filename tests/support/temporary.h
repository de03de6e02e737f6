// A directory that is gone when the test ends, also when it fails.
#pragma once

#include <filesystem>
#include <string>

namespace osync::test {

class TemporaryDirectory {
 public:
  /// Makes an empty directory below `parent`, or below /dev/shm (memory: quick, and with xattrs and ns times).
  explicit TemporaryDirectory(const std::string& parent = "/dev/shm");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// Makes `path` hold exactly `content`, with all parents. Throws std::runtime_error when it cannot.
void write_file(const std::filesystem::path& path, const std::string& content);

/// The whole content of `path`. Throws std::runtime_error when it cannot be read.
std::string read_file(const std::filesystem::path& path);

} // namespace osync::test
