#include "stress/figures.h"

#include "support/process.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <sstream>

namespace osync::stress {
namespace {

using nlohmann::json;

/// The first replica of the status; null when there is none.
json first_replica(const std::string& status) {
  const json parsed = json::parse(status, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("replicas") || parsed["replicas"].empty()) return {};
  return parsed["replicas"][0];
}

/// Bytes of data that the tree holds: names of one file count once, holes do not.
std::uint64_t data_bytes(const std::string& root) {
  const test::Finished finished = test::run({{"du", "-s", "-B1", root}});
  return std::strtoull(finished.out.c_str(), nullptr, 10);
}

} // namespace

std::string operation_figures(const Counts& counts) {
  Count total;
  std::string kinds;
  for (const auto& [name, count] : counts) {
    total.done += count.done;
    total.refused += count.refused;
    kinds += (kinds.empty() ? "" : ", ") + name + " " + std::to_string(count.done);
    if (count.refused != 0) kinds += "(-" + std::to_string(count.refused) + ")";
  }
  return "  operations: " + std::to_string(total.done) + " done, " + std::to_string(total.refused) +
         " refused by the kernel (after -)\n    " + kinds + "\n";
}

std::string osync_figures(const std::string& status, const std::string& source,
                          std::chrono::milliseconds flush) {
  const json replica = first_replica(status);
  if (replica.is_null()) return "  osync gave no status\n";
  std::ostringstream text;
  text << "  osync: flush took " << flush.count() << " ms";
  for (const char* part : {"progress", "queue_report", "transfer_report"}) {
    if (!replica.contains(part)) continue;
    text << "\n    " << part << ":";
    for (const auto& [key, value] : replica[part].items())
      if (value.is_number() && value != 0) text << " " << key << " " << value.dump();
  }
  const std::uint64_t sent = replica.value("progress", json::object()).value("bytes_sent", std::uint64_t{0});
  const std::uint64_t held = data_bytes(source);
  text << "\n    sent " << sent << " bytes for a tree that holds " << held
       << " now: " << (sent > held ? sent - held : 0) << " were sent for what changed or went again\n";
  return std::move(text).str();
}

std::string reported_failures(const std::string& status) {
  const json replica = first_replica(status);
  if (replica.is_null()) return "osync gives no status\n";
  if (replica.value("failures", 0) == 0) return {};
  return "osync reports failed paths: " + replica.value("failed_paths", json::array()).dump() + "\n";
}

} // namespace osync::stress
