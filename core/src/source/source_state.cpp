#include "source/source_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/escape.h"
#include "base/uuid.h"

namespace osync::source {
namespace {

constexpr const char* file_name = "source-state";
constexpr const char* first_line = "osync source state 1";

} // namespace

SourceState::~SourceState() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

Status SourceState::open(const std::string& directory) {
  directory_ = directory;
  if (!writes_) return read();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Status::from_errno(error.value(), "making the state directory", directory);
  if (chmod(directory.c_str(), 0700) != 0) return Status::from_errno(errno, "chmod 0700 of the state directory", directory);
  const std::string lock = directory + "/lock";
  lock_fd_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock_fd_ < 0) return Status::from_errno(errno, "opening the state directory's lock", lock);
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0)
    return {Code::conflict, "another osync is running this pipeline (its state directory is locked); stop it first, or "
                            "give this one another --state-dir",
            directory, errno};
  return read();
}

Status SourceState::read() {
  const std::string path = directory_ + "/" + file_name;
  std::ifstream file(path);
  if (!file) {
    if (errno != ENOENT) return Status::from_errno(errno, "reading the source's state", path);
    memory_.source = random_uuid();
    is_new_ = true;
    return save();
  }
  const Status corrupt(Code::corrupt, "the source's state cannot be understood; delete the file to start with a "
                                      "comparison by content (the sink then wants --take-over)",
                       path);
  std::string line;
  if (!std::getline(file, line) || line != first_line) return corrupt;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    std::string text;
    if (key == "source") {
      words >> text;
      const Result<Uuid> uuid = parse_uuid(text);
      if (!uuid.ok()) return corrupt;
      memory_.source = uuid.value();
    } else if (key == "file_system") {
      words >> memory_.file_system;
    } else if (key == "had_entries") {
      words >> memory_.had_entries;
    } else if (key == "mount") {
      std::uint64_t id = 0;
      words >> text >> id;
      memory_.mounts[from_base64(text)] = id;
    } else if (key == "replica") {
      std::string name;
      ReplicaMemory replica;
      words >> name >> text >> replica.since.seconds >> replica.since.nanoseconds >> replica.entries;
      const Result<Uuid> uuid = parse_uuid(text);
      if (!uuid.ok()) return corrupt;
      replica.replica = uuid.value();
      memory_.replicas[name] = replica;
    } else {
      return corrupt;
    }
    if (words.fail()) return corrupt;
  }
  return memory_.source == Uuid{} ? corrupt : Status();
}

Status SourceState::save() {
  if (!writes_) return {};
  std::ostringstream text;
  text << first_line << "\nsource " << to_text(memory_.source) << "\nfile_system " << memory_.file_system
       << "\nhad_entries " << memory_.had_entries << '\n';
  for (const auto& [path, id] : memory_.mounts) // a path may hold any byte
    text << "mount " << base64(path) << ' ' << id << '\n';
  for (const auto& [name, replica] : memory_.replicas)
    text << "replica " << name << ' ' << to_text(replica.replica) << ' ' << replica.since.seconds << ' '
         << replica.since.nanoseconds << ' ' << replica.entries << '\n';
  const std::string path = directory_ + "/" + file_name, temporary = path + ".new", content = text.str();
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Status::from_errno(errno, "writing the source's state", temporary);
  const bool written = write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!written) return Status::from_errno(error, "writing the source's state", temporary);
  if (rename(temporary.c_str(), path.c_str()) != 0) return Status::from_errno(errno, "replacing the source's state", path);
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return Status::from_errno(errno, "opening the state directory", directory_);
  const bool synced = fsync(directory) == 0;
  const int sync_error = errno;
  close(directory);
  return synced ? Status() : Status::from_errno(sync_error, "fsync of the state directory", directory_);
}

} // namespace osync::source
