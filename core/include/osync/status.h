// Errors as values. Every function of the SDK that can fail returns a Status or a Result; neither can be ignored.
//
// A Status carries what happened (a small code that callers act on), where (a path), the errno behind it if there
// was one, and a message for people. There is deliberately no std::error_category: its identity is an address and
// differs between shared objects. Copying a Status shares its text; an ok Status is one null pointer.
// Thread-safety: like std::shared_ptr (distinct objects may be used from distinct threads).
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace osync {

/// What callers act on. The order is part of the plugin ABI and of the wire format: append only.
enum class Code : std::uint8_t {
  ok = 0,
  timeout,       ///< nothing happened within the time given
  would_block,   ///< a queue is full now; try again after the queue has moved
  closed,        ///< the object was stopped, or the peer is gone for good
  not_found,     ///< ENOENT below a parent that is still the expected one
  exists,        ///< the name is taken
  stale,         ///< the object at that path is another one than expected
  denied,        ///< EACCES, EPERM
  no_space,      ///< ENOSPC, EDQUOT
  read_only,     ///< EROFS
  name_too_long, ///< ENAMETOOLONG
  unsupported,   ///< the file system or the kernel cannot do this
  invalid,       ///< the caller's or the user's input is wrong
  conflict,      ///< refused for safety (foreign replica, not adopted, locked by another process)
  corrupt,       ///< a checksum or a format does not hold
  limit,         ///< a named bound is reached (descriptors, watches, memory)
  io,            ///< any other error of the operating system
  internal,      ///< a bug: an invariant of osync does not hold
};

/// The code's name as it stands in logs and reports, for example "not_found".
[[nodiscard]] constexpr std::string_view code_name(Code code) noexcept {
  constexpr std::string_view names[] = {"ok",          "timeout",  "would_block", "closed",        "not_found",
                                        "exists",      "stale",    "denied",      "no_space",      "read_only",
                                        "name_too_long", "unsupported", "invalid", "conflict",     "corrupt",
                                        "limit",       "io",       "internal"};
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(names) ? names[index] : "unknown";
}

/// The code that stands for an errno value; Code::io for those without one of their own.
[[nodiscard]] constexpr Code code_of_errno(int error) noexcept {
  switch (error) {
  case 0: return Code::ok;
  case ENOENT:
  case ENOTDIR: return Code::not_found;
  case EEXIST:
  case ENOTEMPTY: return Code::exists;
  case EACCES:
  case EPERM: return Code::denied;
  case ENOSPC:
  case EDQUOT: return Code::no_space;
  case EROFS: return Code::read_only;
  case ENAMETOOLONG: return Code::name_too_long;
  case EOPNOTSUPP:
  case ENOSYS: return Code::unsupported;
  case EINVAL: return Code::invalid;
  case ESTALE: return Code::stale;
  case EMFILE:
  case ENFILE:
  case ENOMEM: return Code::limit;
  case EAGAIN: return Code::would_block;
  default: return Code::io;
  }
}

class [[nodiscard]] Status {
 public:
  /// Success.
  Status() noexcept = default;

  /// A failure. `message` says what was attempted, what was found and what to do; `path` where (raw bytes).
  Status(Code code, std::string message, std::string path = {}, int sys_errno = 0)
      : detail_(std::make_shared<const Detail>(Detail{code, sys_errno, std::move(path), std::move(message)})) {}

  /// A failed system call: `what` names the call and its purpose, for example "openat (read)".
  static Status from_errno(int error, std::string_view what, std::string path = {}) {
    std::string message(what);
    message += ": ";
    message += std::strerror(error); // glibc's strerror is thread-safe (strerror(3), since 2.32)
    return {code_of_errno(error), std::move(message), std::move(path), error};
  }

  [[nodiscard]] bool ok() const noexcept { return detail_ == nullptr; }
  [[nodiscard]] Code code() const noexcept { return detail_ ? detail_->code : Code::ok; }
  [[nodiscard]] int sys_errno() const noexcept { return detail_ ? detail_->sys_errno : 0; }
  [[nodiscard]] std::string_view path() const noexcept { return detail_ ? std::string_view(detail_->path) : ""; }
  [[nodiscard]] std::string_view message() const noexcept {
    return detail_ ? std::string_view(detail_->message) : "ok";
  }

  /// "message: path" with bytes that do not print left as they are; escape before showing (base/escape.h).
  [[nodiscard]] std::string to_string() const {
    std::string text(message());
    if (!path().empty()) text.append(": ").append(path());
    return text;
  }

  /// Says, where it is said, that a failure needs no handling here, and why the caller thinks so.
  void ignore(const char* /*why*/) const noexcept {}

 private:
  struct Detail {
    Code code;
    int sys_errno;
    std::string path;
    std::string message;
  };
  std::shared_ptr<const Detail> detail_;
};

/// A value, or the Status that says why there is none. Reading the absent alternative is a bug (asserted by std::get).
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: implicit by design
  Result(Status status) : content_(std::in_place_index<1>, std::move(status)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const noexcept { return content_.index() == 0; }
  [[nodiscard]] T& value() & { return std::get<0>(content_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(content_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(content_)); }
  [[nodiscard]] T* operator->() { return &std::get<0>(content_); }
  [[nodiscard]] const T* operator->() const { return &std::get<0>(content_); }
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<1>(content_); }

 private:
  std::variant<T, Status> content_;
};

} // namespace osync
