#include "privileges.h"

#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace osync::sink_fs {

namespace {

/// The number after "Key:\t" in a line of /proc/self/status; false where the line is another one.
bool parse_field(std::string_view line, std::string_view key, int base, std::uint64_t& value) {
  if (!line.starts_with(key)) return false;
  line.remove_prefix(key.size());
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return std::from_chars(line.data(), line.data() + line.size(), value, base).ec == std::errc();
}

} // namespace

Privileges Privileges::read() {
  Privileges found;
  found.uid = geteuid();
  found.gid = getegid();
  if (const int count = getgroups(0, nullptr); count > 0) {
    found.groups.resize(static_cast<std::size_t>(count));
    found.groups.resize(static_cast<std::size_t>(std::max(0, getgroups(count, found.groups.data()))));
  }
  found.groups.push_back(found.gid);
  std::sort(found.groups.begin(), found.groups.end());

  std::uint64_t capabilities = found.uid == 0 ? ~std::uint64_t{0} : 0; // without /proc the best guess
  std::uint64_t mask = 0777;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::uint64_t value = 0;
    if (parse_field(line, "Umask:", 8, value)) mask = value;
    if (parse_field(line, "CapEff:", 16, value)) capabilities = value;
  }
  found.umask = static_cast<mode_t>(mask);
  const auto has = [&](int capability) { return ((capabilities >> capability) & 1) != 0; };
  found.chown = has(CAP_CHOWN);
  found.override_permissions = has(CAP_DAC_OVERRIDE);
  found.make_devices = has(CAP_MKNOD);
  found.administrator = has(CAP_SYS_ADMIN);
  return found;
}

bool Privileges::may_set_group(gid_t group) const noexcept {
  return chown || std::binary_search(groups.begin(), groups.end(), group);
}

} // namespace osync::sink_fs
