#include "loader/shared_object.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace osync::loader {
namespace {

#if defined(__x86_64__)
constexpr auto this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr auto this_machine = EM_AARCH64;
#else
constexpr auto this_machine = EM_NONE; // the dynamic linker decides
#endif

Status corrupt(const std::string& path, const std::string& found, const std::string& expected) {
  return {Code::corrupt, "found " + found + ", expected " + expected + ": build or copy the plugin again",
          path};
}

/// Reads exactly `size` bytes at `offset`; a shorter file is corrupt.
Status read_exactly(int descriptor, void* data, std::size_t size, std::uint64_t offset,
                    const std::string& path) {
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()))
    return corrupt(path, "program headers outside of the file", "a shared object");
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = pread(descriptor, static_cast<std::byte*>(data) + done, size - done,
                              static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::from_errno(errno, "pread (plugin)", path);
    if (got == 0) return corrupt(path, "a file that ends within its headers", "a shared object");
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Status check_header(const ElfW(Ehdr) & header, const std::string& path) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return corrupt(path, "no ELF file", "a shared object");
  constexpr unsigned char own_class = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  if (header.e_ident[EI_CLASS] != own_class || (this_machine != EM_NONE && header.e_machine != this_machine))
    return corrupt(path, "an ELF file for another machine (" + std::to_string(header.e_machine) + ")",
                   "one for this machine (" + std::to_string(this_machine) + ")");
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(ElfW(Phdr)))
    return corrupt(path, "an ELF file that is no shared object", "a shared object");
  return {};
}

Status check_open_file(int descriptor, const std::string& path) {
  struct stat found {};
  if (fstat(descriptor, &found) != 0) return Status::from_errno(errno, "fstat (plugin)", path);
  if (!S_ISREG(found.st_mode)) return Status(Code::invalid, "found no regular file, expected a plugin", path);
  ElfW(Ehdr) header{};
  if (Status status = read_exactly(descriptor, &header, sizeof header, 0, path); !status.ok()) return status;
  if (Status status = check_header(header, path); !status.ok()) return status;
  std::vector<ElfW(Phdr)> segments(header.e_phnum); // at most 65,535
  if (Status status = read_exactly(descriptor, segments.data(), segments.size() * sizeof(ElfW(Phdr)),
                                   header.e_phoff, path);
      !status.ok())
    return status;
  const auto size = static_cast<std::uint64_t>(found.st_size);
  for (const ElfW(Phdr) & segment : segments)
    if (segment.p_type == PT_LOAD && (segment.p_filesz > size || segment.p_offset > size - segment.p_filesz))
      return corrupt(path, "a file cut short at " + std::to_string(size) + " bytes", "all of its segments");
  return {};
}

} // namespace

Status check_shared_object(const std::string& path) {
  // Without O_NONBLOCK opening a FIFO would wait for a writer.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return Status::from_errno(errno, "open (plugin)", path);
  Status status = check_open_file(descriptor, path);
  close(descriptor);
  return status;
}

} // namespace osync::loader
