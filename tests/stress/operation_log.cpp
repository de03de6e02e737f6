#include "stress/operation_log.h"

#include <algorithm>
#include <cstdio>
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
  const auto passed =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_);
  line.text = std::to_string(passed.count()) + " " + line.text;
  const std::lock_guard lock(mutex_);
  lines_.push_back(std::move(line));
}

void OperationLog::add(unsigned writer, const std::string& what, const std::vector<std::string>& paths,
                       const std::string& result) {
  Line line;
  line.text = "w" + std::to_string(writer) + " " + what;
  for (const std::string& path : paths) {
    line.paths.push_back(escaped(path));
    line.text += " \"" + line.paths.back() + "\"";
  }
  line.text += " " + result;
  append(std::move(line));
}

void OperationLog::mark(const std::string& what) { append({"-- " + what, {}}); }

std::string OperationLog::about(const std::set<std::string>& names) const {
  const auto concerns = [&](const Line& line) {
    if (line.paths.empty()) return true;
    return std::any_of(line.paths.begin(), line.paths.end(), [&](const std::string& path) {
      const auto parts = components(path);
      return std::any_of(parts.begin(), parts.end(),
                         [&](const auto& part) { return names.count(part) != 0; });
    });
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
