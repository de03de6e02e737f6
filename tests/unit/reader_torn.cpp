// Files that are written while they are read. The writers race with the reader until the effect was seen, or
// a deadline has passed; what must hold for every single read is checked all the way.
#include "reader_fixture.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "support/wait.h"

namespace osync::source {
namespace {

using engine::EntryRead;
using Outcome = EntryRead::Outcome;

/// Runs `write` over and over in a thread of its own.
class Racer {
 public:
  template <class Write>
  explicit Racer(Write write)
      : thread_([this, write] {
          while (!stop_.load()) write();
        }) {}
  ~Racer() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

} // namespace

TEST_CASE("reader: a file written while it is read is torn, and its size is what was read") {
  test::TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  const std::string content(100'000, 'a');
  test::write_file(directory / "f", content);
  const test::Descriptor file(test::must(::open((directory / "f").c_str(), O_WRONLY | O_CLOEXEC), "open"));
  const bool truncating = GENERATE(false, true);
  std::atomic<bool> failed{false};
  const Racer racer([&] {
    if (truncating && ftruncate(file.get(), 1000) != 0) failed = true;
    if (pwrite(file.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size()))
      failed = true;
  });
  bool torn = false, shortened = false, wrong = false;
  const bool seen = test::wait_until([&] {
    const auto result = on.read(on.ref(), {"f"});
    const EntryRead& entry = result.entries.at(0);
    if (entry.outcome != Outcome::ready && entry.outcome != Outcome::torn)
      return entry.outcome != Outcome::large; // sparse for a moment
    const Operation& operation = entry.operation;
    wrong = wrong || operation.attributes.size != operation.length ||
            operation.payload_offset + operation.length > result.payload.size();
    torn = torn || entry.outcome == Outcome::torn;
    shortened = shortened || operation.length < content.size();
    return wrong || (truncating ? torn && shortened : torn);
  });
  CHECK(seen);
  CHECK(torn);
  CHECK_FALSE(wrong);
  CHECK_FALSE(failed);
}

TEST_CASE("reader: names that are replaced all the time are always found as one or the other") {
  test::TemporaryDirectory directory;
  ReaderOn on(directory.path().string());
  test::write_file(directory / "one", "1");
  test::must(::symlink("target", (directory / "two").c_str()), "symlink");
  const std::string one = directory / "one", two = directory / "two";
  std::atomic<bool> failed{false};
  std::atomic<std::uint64_t> exchanges{0};
  const Racer racer([&] {
    if (renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, two.c_str(), RENAME_EXCHANGE) != 0) failed = true;
    ++exchanges;
  });
  bool files = false, links = false, other = false;
  CHECK(test::wait_until([&] {
    const auto entry = on.read_one("one");
    const auto kind = entry.operation.kind;
    files = files || kind == OperationKind::put_file;
    links = links || (kind == OperationKind::make_symlink && entry.operation.target == "target");
    // The exchange changes the file's ctime: it may be torn, and never anything else.
    other = other || (entry.outcome != Outcome::ready && entry.outcome != Outcome::torn) ||
            (kind != OperationKind::put_file && kind != OperationKind::make_symlink);
    const auto listed = on.list(on.ref(), {});
    for (const auto& one_entry : listed.entries)
      other = other || (one_entry.attributes.type == FileType::symlink && one_entry.target != "target");
    return other || (files && links && exchanges > 1000);
  }));
  CHECK(files);
  CHECK(links);
  CHECK_FALSE(other);
  CHECK_FALSE(failed);
}

} // namespace osync::source
