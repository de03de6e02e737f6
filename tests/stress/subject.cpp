#include "stress/subject.h"

#include "support/tcp_proxy.h"
#include "support/wait.h"

#include <stdexcept>

namespace osync::stress {
Subject::Subject(const test::Workspace& workspace, const Settings& settings) {
  if (settings.processes == "one") {
    mirror_ = test::Running::mirror(workspace);
    return;
  }
  test::PipelineFile pipeline(workspace);
  if (settings.processes == "tcp") pipeline.over_tcp(test::free_port());
  both_ = std::make_unique<test::TwoProcesses>(workspace, pipeline.write(workspace / "pipeline.yaml"));
  // Until the source is there the sink answers for the file.
  const bool there = test::wait_until(
      [&] {
        return status().find("\"role\":\"source\"") != std::string::npos || !source().process().running();
      },
      test::seconds(30));
  if (!there || !source().process().running())
    throw std::runtime_error("osync source does not answer: " + both_->log());
}

test::Finished Subject::flush() const {
  return source().tell("flush", {"--timeout", "2min"}, test::seconds(130));
}

test::Finished Subject::accept_deletions() const { return source().tell("resume", {"--accept-deletions"}); }

std::string Subject::status() const {
  const test::Finished finished = source().tell("status", {"--json"});
  return finished.exit_code == 0 ? finished.out : std::string();
}

std::string Subject::not_running() {
  std::string text;
  if (!source().process().running()) text += "the source's osync has ended\n";
  if (both_ && !both_->sink->process().running()) text += "the sink's osync has ended\n";
  return text;
}

std::string Subject::stop() {
  std::string text;
  const auto ended = [&](const char* side, int code) {
    if (code != 0)
      text += std::string(side) + " ended with exit code " + std::to_string(code) + ", expected 0\n";
  };
  ended("the source's osync", source().stop());
  if (both_) ended("the sink's osync", both_->sink->stop());
  return text;
}

std::string Subject::log() { return mirror_ ? mirror_->log() : both_->log(); }

} // namespace osync::stress
