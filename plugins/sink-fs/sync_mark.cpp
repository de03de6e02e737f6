#include "sync_mark.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>

#include "errors.h"
#include "small_file.h"

namespace osync::sink_fs {

namespace {

constexpr std::string_view heading = "osync-sync-mark 1\n";

std::string format_time(const std::optional<Timestamp>& time) {
  if (!time) return "never";
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%lld.%09u", static_cast<long long>(time->seconds),
                time->nanoseconds);
  return text.data();
}

std::string checksum(std::string_view text) {
  std::array<char, 24> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  return digits.data();
}

Timestamp with_margin(Timestamp time) { return {time.seconds - suspect_margin_seconds, time.nanoseconds}; }

} // namespace

std::string format_sync_mark(const SyncMarkRecord& record) {
  std::string text(heading);
  text += "boot " + record.boot.substr(0, 64) + "\nsynced " + format_time(record.synced);
  text += std::string("\nclosed ") + (record.closed ? "yes" : "no");
  text += "\nsuspect " + format_time(record.suspect_since) + "\n";
  text += "check " + checksum(text) + "\n";
  text.resize(sync_mark_size, '\n');
  return text;
}

std::optional<SyncMarkRecord> parse_sync_mark(std::string_view text) {
  const std::size_t check = text.find("check ");
  if (text.size() != sync_mark_size || !text.starts_with(heading) || check == std::string_view::npos)
    return {};
  const std::string body(text.substr(0, check));
  if (text.substr(check + 6, 16) != checksum(body)) return {};
  std::array<char, 72> boot{};
  std::array<char, 8> closed{};
  std::array<char, 48> suspect{};
  long long seconds = 0;
  unsigned nanoseconds = 0;
  const int fields =
      std::sscanf(body.c_str() + heading.size(), "boot %71s synced %lld.%9u closed %7s suspect %47s",
                  boot.data(), &seconds, &nanoseconds, closed.data(), suspect.data());
  if (fields != 5) return {};
  SyncMarkRecord record{boot.data(), {seconds, nanoseconds}, std::string_view(closed.data()) == "yes", {}};
  if (std::string_view(suspect.data()) != "never") {
    if (std::sscanf(suspect.data(), "%lld.%9u", &seconds, &nanoseconds) != 2) return {};
    record.suspect_since = Timestamp{seconds, nanoseconds};
  }
  return record;
}

std::optional<Timestamp> suspect_since(const std::optional<SyncMarkRecord>& record, const std::string& boot) {
  if (!record) return Timestamp{}; // claimed once, and now unreadable: everything
  std::optional<Timestamp> since = record->suspect_since;
  if (!record->closed && (boot.empty() || record->boot != boot)) {
    const Timestamp lost = with_margin(record->synced);
    since = since ? std::min(*since, lost) : lost;
  }
  return since;
}

std::string current_boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  file >> boot;
  return boot;
}

Timestamp current_time() noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)};
}

std::optional<SyncMarkRecord> SyncMark::read(int directory) {
  const auto content = read_small_file(directory, sync_mark_name);
  return content.ok() ? parse_sync_mark(content.value()) : std::nullopt;
}

Status SyncMark::begin(int directory, SyncMarkRecord record) {
  record_ = std::move(record);
  if (record_.boot.empty()) record_.boot = "unknown";
  if (file_) return write(true);
  file_.reset(
      openat(directory, sync_mark_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  struct stat status {};
  if (!file_ || fstat(file_.get(), &status) != 0) return failure(errno, "opening", ".osync/sync-mark");
  // Overwriting in place, so nobody else may hold the file by another name.
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1) {
    file_.reset();
    return {Code::conflict, "not a regular file with one name; remove it", ".osync/sync-mark"};
  }
  if (status.st_size > static_cast<off_t>(sync_mark_size) && ftruncate(file_.get(), sync_mark_size) != 0)
    return failure(errno, "shortening", ".osync/sync-mark");
  if (Status written = write(true); !written.ok()) return written;
  return fsync(directory) == 0 ? Status() : failure(errno, "fsync", ".osync");
}

Status SyncMark::write(bool durably) {
  const std::string text = format_sync_mark(record_);
  int error = write_fully(file_.get(), text.data(), text.size(), 0);
  if (error == 0 && durably && fsync(file_.get()) != 0) error = errno;
  return error == 0 ? Status() : failure(error, "writing", ".osync/sync-mark");
}

Status SyncMark::synced(Timestamp before) {
  record_.synced = before;
  return write(false);
}

Status SyncMark::sync_failed() {
  const Timestamp lost = with_margin(record_.synced);
  record_.suspect_since = record_.suspect_since ? std::min(*record_.suspect_since, lost) : lost;
  return write(true);
}

Status SyncMark::clear_suspicion() {
  record_.suspect_since.reset();
  return write(true);
}

Status SyncMark::closed_cleanly(Timestamp before) {
  record_.synced = before;
  record_.closed = true;
  const Status status = write(true);
  file_.reset();
  return status;
}

} // namespace osync::sink_fs
