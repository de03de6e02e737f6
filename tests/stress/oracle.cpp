#include "stress/oracle.h"

#include "stress/hands.h"
#include "support/compare_trees.h"
#include "support/process.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <sys/stat.h>

namespace osync::stress {
namespace {

/// Contents too (-c); the folder beyond PATH_MAX is none of rsync's.
std::vector<std::string> asked_of_rsync(const std::string& source, const std::string& replica) {
  const test::Finished finished = test::run({{"rsync", "-naHAXc", "--delete", "-i", "--exclude=/.osync",
                                              "--exclude=/" + deep_folder, source + "/", replica + "/"}},
                                            test::seconds(300));
  std::vector<std::string> lines;
  std::istringstream text(finished.out + finished.err);
  for (std::string line; std::getline(text, line);)
    if (lines.size() < 20) lines.push_back("rsync: " + line);
  if (finished.exit_code != 0) lines.push_back("rsync: exit code " + std::to_string(finished.exit_code));
  return lines;
}

bool is_of_rsync(const std::string& line) { return line.rfind("rsync: ", 0) == 0; }

std::string path_in(const std::string& line) { return line.substr(0, line.find(": ")); }

/// The bytes that an escaped path stands for.
std::string unescaped(const std::string& text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.compare(at, 2, "\\x") == 0 && at + 3 < text.size()) {
      bytes.push_back(static_cast<char>(std::stoi(text.substr(at + 2, 2), nullptr, 16)));
      at += 3;
    } else
      bytes.push_back(text[at]);
  }
  return bytes;
}

std::string status_of(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return "absent";
  char text[256];
  std::snprintf(text, sizeof text,
                "inode %lu links %lu mode %o size %ld blocks %ld mtime %ld.%09ld ctime %ld.%09ld",
                status.st_ino, status.st_nlink, status.st_mode, status.st_size, status.st_blocks,
                status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
  return text;
}

} // namespace

std::vector<std::string> compare(const std::string& source, const std::string& replica) {
  std::vector<std::string> lines = test::compare_trees(source, replica);
  const auto further = asked_of_rsync(source, replica);
  lines.insert(lines.end(), further.begin(), further.end());
  return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

std::set<std::string> traces(const std::string& source, const std::vector<std::string>& lines) {
  std::set<std::string> names;
  for (const std::string& line : lines) {
    const auto parts = components(path_in(line));
    if (is_of_rsync(line) || parts.empty()) continue;
    names.insert(parts.back());
    struct stat status {};
    if (lstat((source + "/" + unescaped(path_in(line))).c_str(), &status) == 0)
      names.insert("#" + std::to_string(status.st_ino));
  }
  return names;
}

std::string details(const std::string& source, const std::string& replica,
                    const std::vector<std::string>& lines) {
  std::set<std::string> paths;
  for (const std::string& line : lines)
    if (!is_of_rsync(line) && paths.size() < 10) paths.insert(path_in(line));
  std::string text;
  for (const std::string& path : paths) {
    const std::string raw = unescaped(path);
    text += "  " + path + "\n    source:  " + status_of(source + "/" + raw) +
            "\n    replica: " + status_of(replica + "/" + raw) + "\n";
  }
  return text;
}

} // namespace osync::stress
