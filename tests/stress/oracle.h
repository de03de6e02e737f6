// Are source and replica equal? Two answers that must both be yes: the tests' own comparison, and rsync's.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace osync::stress {

/// What differs, one line each; empty when nothing. Both trees must be at rest.
[[nodiscard]] std::vector<std::string> compare(const std::string& source, const std::string& replica);

[[nodiscard]] std::string text_of(const std::vector<std::string>& lines);

/// By what the operations on the paths in lines of compare() are found in the log: their last components, as
/// they are escaped there, and "#INODE" of what stands there in the source.
[[nodiscard]] std::set<std::string> traces(const std::string& source, const std::vector<std::string>& lines);

/// What stat(2) says on both sides about the first few paths that differ.
[[nodiscard]] std::string details(const std::string& source, const std::string& replica,
                                  const std::vector<std::string>& lines);

} // namespace osync::stress
