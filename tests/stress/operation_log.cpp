#include "stress/operation_log.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sstream>

namespace osync::stress {

std::string escaped(const std::string& bytes) {
  std::string text;
  for (const char letter : bytes) {
    if (letter >= ' ' && letter <= '~' && letter != '\\') {
      text.push_back(letter);
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(letter)));
    text += code;
  }
  return text;
}

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream stream(path);
  for (std::string part; std::getline(stream, part, '/');)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

void OperationLog::append(Line line) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  char time[48];
  std::snprintf(time, sizeof time, "%lld.%06ld ", static_cast<long long>(now.tv_sec), now.tv_nsec / 1000);
  line.text.insert(0, time);
  const std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
}

void OperationLog::add(unsigned writer, const std::string& what, const std::vector<Object>& objects,
                       const std::string& result) {
  Line line;
  line.text = "w" + std::to_string(writer) + " " + what;
  for (const Object& object : objects) {
    const std::string path = escaped(object.path);
    const std::string inode = "#" + std::to_string(object.inode);
    line.text += " \"" + path + "\"" + (object.inode == 0 ? "" : " " + inode);
    for (std::string& name : components(path)) line.names.push_back(std::move(name));
    line.names.push_back(inode);
  }
  line.text += " " + result;
  append(std::move(line));
}

void OperationLog::mark(const std::string& what) { append({"-- " + what, {}}); }

std::string OperationLog::about(const std::set<std::string>& names) const {
  const auto concerns = [&](const Line& line) {
    return line.names.empty() || std::any_of(line.names.begin(), line.names.end(),
                                             [&](const auto& name) { return names.count(name) != 0; });
  };
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Line& line : lines_)
    if (concerns(line)) text += line.text + "\n";
  return text;
}

std::string OperationLog::all() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Line& line : lines_) text += line.text + "\n";
  return text;
}

} // namespace osync::stress
