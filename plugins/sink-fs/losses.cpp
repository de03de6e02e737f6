#include "losses.h"

namespace osync::sink_fs {

namespace {

constexpr std::array<std::string_view, 6> kind_names = {"owner or group",
                                                        "mode",
                                                        "device node",
                                                        "extended attribute",
                                                        "privileged extended attribute",
                                                        "extended attribute that does not fit"};

} // namespace

void Losses::note(Kind kind, std::string_view path, std::string_view detail) {
  const auto index = static_cast<std::size_t>(kind);
  if (counts_[index].fetch_add(1, std::memory_order_relaxed) != 0) return;
  std::string line = "cannot keep the ";
  line.append(kind_names[index]).append(" of ").append(path).append(" (").append(detail);
  line += "); the rest of the entry is kept, and further ones are only counted";
  logger_.warning(line);
}

std::string Losses::summary() const {
  std::string line;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const std::uint64_t count = counts_[i].load(std::memory_order_relaxed);
    if (count == 0) continue;
    line.append(line.empty() ? "not kept: " : ", ")
        .append(kind_names[i])
        .append(": ")
        .append(std::to_string(count));
  }
  return line;
}

} // namespace osync::sink_fs
