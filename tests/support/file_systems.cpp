#include "support/file_systems.h"

#include "support/process.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/mount.h>
#include <unistd.h>
#include <utility>

namespace osync::test {
namespace {

bool program_exists(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"})
    if (access((directory + name).c_str(), X_OK) == 0) return true;
  return false;
}

bool kernel_knows(const std::string& type) {
  std::ifstream list("/proc/filesystems");
  for (std::string word; list >> word;)
    if (word == type) return true;
  return false;
}

void must_run(const std::vector<std::string>& argv) {
  const Finished finished = run({argv}, seconds(60));
  if (finished.exit_code != 0) throw std::runtime_error(argv[0] + " failed: " + describe(finished));
}

void must_mount(const char* from, const std::string& target, const char* type, unsigned long flags,
                const char* data) {
  if (mount(from, target.c_str(), type, flags, data) != 0)
    throw std::runtime_error("mount " + target + ": " + std::strerror(errno));
}

/// Whether this process may mount at all (root in a container often may not); tried once, with a tmpfs.
bool may_mount() {
  static const bool answer = [] {
    const TemporaryDirectory directory;
    if (mount("osync-test", directory.path().c_str(), "tmpfs", 0, "size=1m") != 0) return false;
    return umount2(directory.path().c_str(), MNT_DETACH) == 0;
  }();
  return answer;
}

std::vector<std::string> make_command(const std::string& type, const std::string& image) {
  if (type == "ext4") return {"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image};
  if (type == "xfs") return {"mkfs.xfs", "-q", "-f", image};
  if (type == "btrfs") return {"mkfs.btrfs", "-q", "-f", image};
  throw std::runtime_error("no file system type for tests: " + type);
}

} // namespace

std::optional<std::string> file_system_missing(const std::string& type) {
  if (geteuid() != 0) return "needs root (mounts " + type + ")";
  if (!may_mount()) return "this root may not mount (a container?)";
  if (type == "tmpfs" || type == "bind") return std::nullopt;
  if (!program_exists("mkfs." + type)) return "mkfs." + type + " is missing";
  if (access("/dev/loop-control", R_OK | W_OK) != 0) return "there are no loop devices";
  if (!kernel_knows(type)) {
    (void)run({{"modprobe", type}}, seconds(10)); // may be a module that nobody needed yet; asked again below
    if (!kernel_knows(type)) return "the kernel has no " + type;
  }
  return std::nullopt;
}

Mount Mount::tmpfs(const std::string& target, std::uint64_t size) {
  must_mount("osync-test", target, "tmpfs", 0, ("mode=0755,size=" + std::to_string(size)).c_str());
  return Mount(target);
}

Mount Mount::bind(const std::string& from, const std::string& target) {
  must_mount(from.c_str(), target, nullptr, MS_BIND, nullptr);
  return Mount(target);
}

Mount Mount::image(const std::string& image, const std::string& type, const std::string& target) {
  must_run(
      {"mount", "-o", "loop", "-t", type, image, target}); // mount(8) finds a loop device and sets autoclear
  return Mount(target);
}

Mount::Mount(Mount&& other) noexcept : target_(std::exchange(other.target_, std::string())) {}

Mount::~Mount() {
  if (!target_.empty()) (void)umount2(target_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

void Mount::resize(std::uint64_t size) const {
  must_mount("osync-test", target_, "tmpfs", MS_REMOUNT, ("size=" + std::to_string(size)).c_str());
}

bool Mount::unmount() {
  if (umount2(target_.c_str(), UMOUNT_NOFOLLOW) != 0) return false;
  target_.clear();
  return true;
}

FileSystem::FileSystem(const std::string& type, std::uint64_t size) {
  std::filesystem::create_directory(path());
  if (type == "tmpfs") {
    mount_ = std::make_unique<Mount>(Mount::tmpfs(path(), size));
    return;
  }
  const std::string image = directory_ / "image";
  {
    std::ofstream file(image); // must exist before its size can be set
    if (!file) throw std::runtime_error("cannot create " + image);
  }
  std::filesystem::resize_file(image, size);
  must_run(make_command(type, image));
  mount_ = std::make_unique<Mount>(Mount::image(image, type, path()));
}

} // namespace osync::test
