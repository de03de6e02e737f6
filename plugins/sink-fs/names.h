// The names that belong to the sink itself inside the replica: `.osync` in the root, and temporaries beside
// their targets where `.osync/stage` is on another file system. Pure.
#pragma once

#include <string_view>

#include "osync/types.h"

namespace osync::sink_fs {

inline constexpr std::string_view private_name = ".osync";
inline constexpr std::string_view beside_prefix = ".osync-stage-";
inline constexpr std::size_t unique_digits = 32;

/// Whether `name` has the shape of a temporary that the sink made beside its target.
[[nodiscard]] constexpr bool is_beside_name(std::string_view name) noexcept {
  if (name.size() != beside_prefix.size() + unique_digits || !name.starts_with(beside_prefix)) return false;
  for (const char c : name.substr(beside_prefix.size()))
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  return true;
}

/// Whether `name` means `.osync`, on a file system that folds case also `.OSYNC` and the like.
[[nodiscard]] constexpr bool is_private_name(std::string_view name, bool case_sensitive) noexcept {
  if (name == private_name) return true;
  if (case_sensitive || name.size() != private_name.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] + ('a' - 'A')) : name[i];
    if (c != private_name[i]) return false;
  }
  return true;
}

/// Whether the relative path is well formed and neither `.osync` nor below it.
[[nodiscard]] constexpr bool usable_path(std::string_view path, bool case_sensitive) noexcept {
  return valid_relative_path(path) && !is_private_name(path.substr(0, path.find('/')), case_sensitive);
}

/// Whether an operation may name this entry of `directory`.
[[nodiscard]] constexpr bool usable_entry(std::string_view directory, std::string_view name,
                                          bool case_sensitive) noexcept {
  return valid_name(name) && !(directory.empty() && is_private_name(name, case_sensitive)) &&
         !is_beside_name(name);
}

} // namespace osync::sink_fs
