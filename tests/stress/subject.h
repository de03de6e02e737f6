// The osync under test: `osync mirror`, or source and sink as two processes.
#pragma once

#include "stress/settings.h"
#include "support/osync_command.h"

#include <memory>
#include <string>

namespace osync::stress {

class Subject {
 public:
  /// Starts it; throws std::runtime_error when it does not answer.
  Subject(const test::Workspace& workspace, const Settings& settings);

  [[nodiscard]] test::Finished flush() const;
  /// `resume --accept-deletions`.
  [[nodiscard]] test::Finished accept_deletions() const;
  /// `status --json` of the source's side; empty when it does not answer.
  [[nodiscard]] std::string status() const;
  /// Says which process is gone; empty when all run.
  [[nodiscard]] std::string not_running();
  /// Ends all; says which one ended with another exit code than 0.
  [[nodiscard]] std::string stop();
  [[nodiscard]] std::string log();

 private:
  [[nodiscard]] test::Running& source() const { return mirror_ ? *mirror_ : *both_->source; }

  std::unique_ptr<test::Running> mirror_;
  std::unique_ptr<test::TwoProcesses> both_;
};

} // namespace osync::stress
