// The arithmetic around the kernel's queue: barriers, the fill alarm, and the list of watches in fdinfo.
#include <catch2/catch.hpp>
#include <cerrno>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "watch-inotify/barrier_queue.h"
#include "watch-inotify/kernel_limits.h"
#include "watch-inotify/kernel_watches.h"
#include "watch-inotify/queue_alarm.h"

using namespace osync::inotify;

TEST_CASE("inotify barriers: due when what was queued has been read") {
  BarrierQueue queue;
  std::deque<BarrierQueue::Barrier> due;
  queue.count_read(100);
  REQUIRE(queue.request(1, 64));
  queue.take_read(due);
  CHECK(due.empty());
  queue.count_read(32);
  REQUIRE(queue.request(2, 48)); // 16 more were queued behind it
  queue.take_read(due);
  CHECK(due.empty());
  queue.count_read(32);
  queue.take_read(due);
  REQUIRE(due.size() == 1);
  CHECK(due[0].token == 1);
  CHECK(due[0].position == 164);
  queue.count_read(1000);
  queue.take_read(due);
  REQUIRE(due.size() == 2);
  CHECK(due[1].token == 2);
  CHECK(due[1].position == 180);
}

TEST_CASE("inotify barriers: nothing queued is due at once, an empty queue releases all") {
  BarrierQueue queue;
  std::deque<BarrierQueue::Barrier> due;
  REQUIRE(queue.request(1, 0));
  queue.take_read(due);
  CHECK(due.size() == 1);
  REQUIRE(queue.request(2, 5000));
  queue.take_all(due);
  REQUIRE(due.size() == 2);
  CHECK(due[1].position == 0); // due at what was read, not at what was promised
}

TEST_CASE("inotify barriers: too many are refused, not forgotten") {
  BarrierQueue queue;
  for (std::uint64_t i = 0; i < BarrierQueue::max_waiting; ++i) REQUIRE(queue.request(i, 16));
  CHECK_FALSE(queue.request(9, 16));
  queue.count_read(16);
  std::deque<BarrierQueue::Barrier> due;
  queue.take_read(due);
  CHECK(due.size() == BarrierQueue::max_waiting);
  CHECK(queue.request(9, 16));
}

TEST_CASE("inotify alarm: once above the threshold, again only after falling under half of it") {
  QueueAlarm alarm(50);
  const auto at = [&](std::uint64_t events) { return alarm.update(events * 40, 1000, 4000, 100); };
  CHECK_FALSE(at(499));
  CHECK(at(500));
  CHECK(alarm.fill_percent() == 50);
  CHECK_FALSE(at(900));
  CHECK_FALSE(at(250));
  CHECK_FALSE(at(999));
  CHECK_FALSE(at(249));
  CHECK(at(1500));
  CHECK(alarm.fill_percent() == 100);
}

TEST_CASE("inotify alarm: a guess before anything was read, silence where the capacity is unknown") {
  QueueAlarm alarm(75);
  CHECK_FALSE(alarm.update(1u << 30, 0, 0, 0));
  CHECK_FALSE(alarm.update(32 * 700, 1000, 0, 0));
  CHECK(alarm.update(32 * 760, 1000, 0, 0));
}

TEST_CASE("inotify fdinfo: descriptors are found however the text is cut") {
  const std::string text = "pos:\t0\nflags:\t02004000\nmnt_id:\t15\nino:\t1040\n"
                           "inotify wd:1f ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8\n"
                           "inotify wd:2 ino:a111 sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8\n"
                           "inotify wd: ino:a112\n"
                           "inotify wd:7fffffff ino:6b149\n"
                           "inotify wd:80000000 ino:out-of-range\n"
                           "fanotify wd:3\n"
                           "inotify wd:5 cut off in the mid";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    FdinfoParser parser;
    for (std::size_t at = 0; at < text.size(); at += piece)
      parser.feed(std::string_view(text).substr(at, piece));
    REQUIRE(parser.descriptors() == std::vector<std::int32_t>{0x1f, 2, 0x7fffffff});
  }
}

TEST_CASE("inotify fdinfo: long and random lines keep the parser small and right") {
  FdinfoParser parser;
  std::mt19937 random(3);
  for (unsigned i = 0; i < 2000; ++i) {
    std::string noise(random() % 200, 'x');
    for (char& byte : noise) byte = static_cast<char>(32 + random() % 90);
    parser.feed(noise);
  }
  parser.feed("\ninotify wd:a\n");
  CHECK(parser.descriptors() == std::vector<std::int32_t>{10});
}

TEST_CASE("inotify limits: messages name the setting, its value and the way out") {
  const KernelLimits limits = KernelLimits::read();
  CHECK(limits.queued_events > 0);
  CHECK(limits.watches > 0);
  CHECK(limits.watches <= limits.user_watches);
  const osync::Status full = watch_failure(ENOSPC, 42);
  CHECK(full.code() == osync::Code::limit);
  const std::string message(full.message());
  CHECK(message.find("fs.inotify.max_user_watches") != std::string::npos);
  CHECK(message.find(std::to_string(limits.user_watches)) != std::string::npos);
  CHECK(message.find("sysctl -w") != std::string::npos);
  CHECK(message.find("42") != std::string::npos);
  CHECK(watch_failure(EACCES, 0).code() == osync::Code::denied);
  CHECK(watch_failure(ENOENT, 0).code() == osync::Code::unsupported);
  CHECK(init_failure(EMFILE).code() == osync::Code::limit);
  CHECK(overflow_message(3, 16384).find("fs.inotify.max_queued_events") != std::string::npos);
}
