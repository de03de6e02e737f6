// Plays views to the policy and compares its choices. Exit code 0: all as expected.
#include <cstdio>
#include <string>

#include "alternate_policy.h"

namespace {

/// The choices for `count` frames as letters: l for live, b for backlog.
std::string choices(AlternatePolicy& policy, const osync::PolicyView& view, int count) {
  std::string letters;
  for (int i = 0; i < count; ++i) letters += policy.choose(view).work == osync::WorkClass::live ? 'l' : 'b';
  return letters;
}

bool expect(const char* what, const std::string& found, const std::string& expected) {
  if (found == expected) return true;
  std::fprintf(stderr, "%s: found %s, expected %s\n", what, found.c_str(), expected.c_str());
  return false;
}

} // namespace

int main() {
  osync::PolicyView both;
  both.live.items = 5;
  both.backlog.items = 5;
  osync::PolicyView live_only = both;
  live_only.backlog.items = 0;
  osync::PolicyView backlog_only = both;
  backlog_only.live.items = 0;

  bool good = true;
  AlternatePolicy policy(3, 4096);
  good &= expect("both waiting", choices(policy, both, 9), "lllblllbl");
  good &= expect("no backlog", choices(policy, live_only, 4), "llll");
  good &= expect("backlog comes back", choices(policy, both, 2), "bl");
  good &= expect("no live changes", choices(policy, backlog_only, 3), "bbb");
  good &= expect("quantum", std::to_string(policy.choose(both).quantum), "4096");
  return good ? 0 : 1;
}
