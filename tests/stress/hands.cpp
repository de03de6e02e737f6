#include "stress/hands.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace osync::stress {
namespace {

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

Folder open_folder(int at, const std::string& name) {
  return std::make_shared<test::Descriptor>(openat(at, name.c_str(), directory_flags));
}

bool is_folder_at_top(const dirent& entry) { return deep_folder == entry.d_name; }

} // namespace

Hands::Hands(Shared& shared, unsigned writer, std::uint64_t seed)
    : random(seed), shared_(shared), writer_(writer) {}

Folder Hands::root() { return open_folder(AT_FDCWD, shared_.root); }
Folder Hands::outside() { return open_folder(AT_FDCWD, shared_.outside); }

Folder Hands::walk(const Folder& from) {
  Folder here = from;
  for (int level = 0; level < 12 && !random.one_in(4); ++level) {
    const auto next = any_in(here, DT_DIR);
    if (!next) break;
    const Folder below = open_folder(next->at(), next->name);
    if (!below->valid()) break;
    here = below;
  }
  return here;
}

Folder Hands::folder() {
  Folder& place = places_[random.below(places_.size())];
  struct stat status {};
  const bool gone = !place || fstat(place->get(), &status) != 0 || status.st_nlink == 0;
  if (gone || random.one_in(6)) place = walk(root());
  return place;
}

std::optional<Entry> Hands::any_in(const Folder& folder, unsigned char type) {
  const int again = openat(folder->get(), ".", directory_flags);
  DIR* stream = again < 0 ? nullptr : fdopendir(again);
  if (stream == nullptr) return std::nullopt;
  std::optional<Entry> chosen;
  std::uint64_t seen = 0;
  while (const dirent* entry = readdir(stream)) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    if (is_folder_at_top(*entry) || (type != DT_UNKNOWN && entry->d_type != type)) continue;
    if (random.one_in(++seen)) chosen = Entry{folder, entry->d_name, entry->d_type}; // each is as likely
  }
  closedir(stream);
  return chosen;
}

std::optional<Entry> Hands::any(unsigned char type) {
  for (int attempt = 0; attempt < 4; ++attempt)
    if (auto entry = any_in(folder(), type)) return entry;
  return std::nullopt;
}

std::optional<Entry> Hands::file() { return any(DT_REG); }
std::optional<Entry> Hands::directory() { return any(DT_DIR); }

std::string Hands::new_name() {
  static const std::vector<std::string> strange = {"new\nline",   "\xff\xfe",    "\x01\x02", " ",   "-rf",
                                                   "back\\slash", "caf\xc3\xa9", "\xc3\x28", "...", "*"};
  if (random.one_in(12)) return strange[random.below(strange.size())];
  if (random.one_in(60)) return std::string(255, static_cast<char>(0xe0 + random.below(3)));
  if (random.one_in(60)) { // any bytes at all
    std::string name = random.bytes(1 + random.below(30));
    for (char& letter : name)
      if (letter == '\0' || letter == '/') letter = 'x';
    return name == "." || name == ".." ? "dots" : name;
  }
  return "n" + std::to_string(random.below(48));
}

Entry Hands::new_entry() { return {folder(), new_name(), 0}; }

std::size_t Hands::new_size() {
  if (random.one_in(150)) return random.below(std::uint64_t{3} << 20);
  if (random.one_in(25)) return random.below(600'000);
  if (random.one_in(10)) return 0;
  return random.below(6000);
}

test::Descriptor Hands::open_file(const Entry& entry, int flags) {
  test::Descriptor file(
      openat(entry.at(), entry.name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644));
  struct stat status {};
  if (file.valid() && (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))) {
    file = test::Descriptor();
    errno = ENXIO;
  }
  return file;
}

test::Descriptor Hands::hold(const Entry& entry, bool not_a_symlink) {
  test::Descriptor held(openat(entry.at(), entry.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (not_a_symlink && held.valid() && (fstat(held.get(), &status) != 0 || S_ISLNK(status.st_mode))) {
    held = test::Descriptor();
    errno = ELOOP;
  }
  return held;
}

std::string Hands::reference(const test::Descriptor& held) {
  return "/proc/self/fd/" + std::to_string(held.get());
}

int Hands::write_at(const test::Descriptor& file, off_t offset, std::size_t size) {
  const std::string content = random.bytes(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t wrote =
        pwrite(file.get(), content.data() + done, size - done, offset + static_cast<off_t>(done));
    if (wrote < 0) return errno;
    done += static_cast<std::size_t>(wrote);
  }
  return 0;
}

/// Empty beyond PATH_MAX.
std::string Hands::path_of(int descriptor) {
  std::array<char, 4096> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = readlink(link.c_str(), target.data(), target.size());
  return size < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
}

bool Hands::is_outside(int descriptor) const {
  return path_of(descriptor).rfind(shared_.outside + "/", 0) == 0;
}

/// Relative to the root for what is below it.
std::string Hands::path(const Entry& entry) const {
  std::string folder = path_of(entry.at());
  if (folder.empty()) folder = "(beyond PATH_MAX)";
  if (folder == shared_.root) return entry.name;
  if (folder.rfind(shared_.root + "/", 0) == 0) folder.erase(0, shared_.root.size() + 1);
  return folder + "/" + entry.name;
}

OperationLog::Object Hands::object(const Entry& entry) const {
  struct stat status {};
  const bool there = fstatat(entry.at(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  return {path(entry), there ? status.st_ino : 0};
}

int Hands::did(const char* what, long result, const Entry& entry) {
  const int error = result < 0 ? errno : 0;
  shared_.log.add(writer_, what, {object(entry)}, error == 0 ? "ok" : strerrorname_np(error));
  return error;
}

int Hands::did(const char* what, long result, const Entry& entry, const Entry& other) {
  const int error = result < 0 ? errno : 0;
  shared_.log.add(writer_, what, {object(entry), object(other)}, error == 0 ? "ok" : strerrorname_np(error));
  return error;
}

int Hands::did(const char* what, long result, const test::Descriptor& file) {
  const int error = result < 0 ? errno : 0;
  struct stat status {};
  (void)fstat(file.get(), &status);
  shared_.log.add(writer_, what, {{path_of(file.get()), status.st_ino}},
                  error == 0 ? "ok" : strerrorname_np(error));
  return error;
}

} // namespace osync::stress
