#include "kernel_watches.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

namespace osync::inotify {

namespace {
constexpr std::string_view prefix = "inotify wd:";
constexpr std::size_t kept_of_line = prefix.size() + 16;
constexpr std::size_t piece_bytes = 64u << 10;
} // namespace

void FdinfoParser::take_line() {
  if (line_.starts_with(prefix)) {
    std::int32_t wd = 0;
    const char* begin = line_.data() + prefix.size();
    const auto parsed = std::from_chars(begin, line_.data() + line_.size(), wd, 16);
    if (parsed.ec == std::errc()) descriptors_.push_back(wd);
  }
  line_.clear();
}

void FdinfoParser::feed(std::string_view text) {
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::string_view part = text.substr(0, newline);
    line_.append(part.substr(0, kept_of_line - std::min(kept_of_line, line_.size())));
    if (newline == std::string_view::npos) return;
    take_line();
    text.remove_prefix(newline + 1);
  }
}

Result<std::vector<std::int32_t>> kernel_watches(int inotify_fd) {
  const std::string file = "/proc/self/fdinfo/" + std::to_string(inotify_fd);
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::from_errno(errno, "open (list the kernel's watches)", file);
  const std::unique_ptr<const int, void (*)(const int*)> closer(&fd,
                                                                [](const int* open_fd) { close(*open_fd); });
  const auto piece = std::make_unique<char[]>(piece_bytes);
  FdinfoParser parser;
  while (true) {
    const ssize_t length = read(fd, piece.get(), piece_bytes);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return Status::from_errno(errno, "read (list the kernel's watches)", file);
    if (length == 0) break;
    parser.feed({piece.get(), static_cast<std::size_t>(length)});
  }
  std::vector<std::int32_t> descriptors = std::move(parser.descriptors());
  if (descriptors.empty()) return Status(Code::unsupported, "the kernel lists no inotify watches", file);
  std::ranges::sort(descriptors);
  return descriptors;
}

} // namespace osync::inotify
