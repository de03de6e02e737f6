// What is wrong with a configuration: every mistake with its place, collected so that all are shown at once.
// Plain values; distinct objects may be used from distinct threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace osync::config {

/// Where a value stands. Lines and columns count from 1, columns in bytes; line 0: not from a file (the
/// command line).
struct Place {
  std::string origin; ///< the file as the user named it, or for example "--set"
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

/// One piece of text from the configuration together with its place and the full name of its key, for example
/// "replicas.mirror1.sink.root".
struct Scalar {
  std::string text;
  std::string key;
  Place place;
};

struct Mistake {
  Place place;
  std::string key;
  std::string found;
  std::string expected;
  /// "file:line:column: key: found X, expected Y", bytes that do not print escaped.
  [[nodiscard]] std::string to_string() const;
};

class Mistakes {
 public:
  static constexpr std::size_t bound = 1000; ///< mistakes kept; further ones are only counted

  void add(Place place, std::string key, std::string found, std::string expected);
  /// The value of `scalar` is not what is expected.
  void add(const Scalar& scalar, std::string expected);

  [[nodiscard]] bool empty() const noexcept { return mistakes_.empty(); }
  [[nodiscard]] const std::vector<Mistake>& all() const noexcept { return mistakes_; }
  /// One line a mistake in the order of the file, each with its newline.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<Mistake> mistakes_;
  std::size_t dropped_ = 0;
};

/// `text` in quotation marks, escaped, and cut where it is longer than a line of a terminal.
[[nodiscard]] std::string quoted(std::string_view text);

/// The candidate that `name` was most likely meant to be, or nothing where none is close.
[[nodiscard]] std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

/// What to say is expected instead of an unknown `name`: the nearest candidate, or all of them.
[[nodiscard]] std::string expected_name(std::string_view name, std::span<const std::string_view> candidates);

} // namespace osync::config
