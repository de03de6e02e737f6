// Sizes, times and rates: what is read, what is refused, and that formatting is the inverse.
#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <random>

#include "config/units.h"

using namespace osync::config;

TEST_CASE("config units: sizes, times and rates are read") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("0B") == 0);
  CHECK(parse_size("1B") == 1);
  CHECK(parse_size("3KiB") == 3 * 1024);
  CHECK(parse_size("64MiB") == 64LL << 20);
  CHECK(parse_size("5GiB") == 5LL << 30);
  CHECK(parse_duration("0") == 0);
  CHECK(parse_duration("1ms") == 1'000'000);
  CHECK(parse_duration("5s") == 5'000'000'000);
  CHECK(parse_duration("15min") == 900'000'000'000);
  CHECK(parse_duration("2h") == 7'200'000'000'000);
  CHECK(parse_duration("1d") == 86'400'000'000'000);
  CHECK(parse_rate("50MiB/s") == 50LL << 20);
  CHECK(parse_rate("0") == 0);
  CHECK(parse_integer("-12") == -12);
  CHECK(parse_integer("0") == 0);
}

TEST_CASE("config units: what is no quantity is refused") {
  for (const char* text :
       {"", "1", "MiB", "64MB", "64mib", "64 MiB", " 64MiB", "64MiB ", "-1MiB", "+1MiB", "1.5GiB", "010MiB",
        "00", "0x10B", "1_000B", "1e3B", "64MiB/s", "1TiB", "64MiBs"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text));
  }
  for (const char* text : {"", "5", "5S", "5sec", "5m", "1w", "5us", "-5s", "5s/s", "0.5s", "05s"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
  for (const char* text : {"", "1", "5MiB", "/s", "5/s", "0/s", "5MiB/min", "5MiB/s/s"}) {
    INFO(text);
    CHECK_FALSE(parse_rate(text));
  }
  for (const char* text :
       {"", "-", "+1", "010", "-01", "0x1", "1.0", "1e3", " 1", "1 ", "yes", "9223372036854775808"}) {
    INFO(text);
    CHECK_FALSE(parse_integer(text));
  }
}

TEST_CASE("config units: values beyond 64 bits are refused, not wrapped") {
  CHECK(parse_size("8589934591GiB") == 8589934591LL << 30);
  CHECK_FALSE(parse_size("8589934592GiB"));
  CHECK(parse_size("9223372036854775807B") == std::numeric_limits<std::int64_t>::max());
  CHECK_FALSE(parse_size("9223372036854775808B"));
  CHECK_FALSE(parse_size(std::string(10'000, '9') + "B"));
  CHECK(parse_duration("106751d"));
  CHECK_FALSE(parse_duration("106752d"));
}

TEST_CASE("config units: formatting is the inverse of reading") {
  CHECK(format_size(0) == "0B");
  CHECK(format_size(1536) == "1536B");
  CHECK(format_size(64 << 20) == "64MiB");
  CHECK(format_rate(50 << 20) == "50MiB/s");
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(900'000'000'000) == "15min");
  CHECK(format_duration(90'000'000'000) == "90s");
  CHECK(format_duration(1'500'000) == "1.5ms");
  CHECK(format_duration(7) == "0.000007ms");
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const auto value = static_cast<std::int64_t>(random() >> (1 + random() % 62));
    CHECK(parse_size(format_size(value)) == value);
    CHECK(parse_rate(format_rate(value)) == value);
    const std::int64_t milliseconds = value / 1'000'000 * 1'000'000;
    CHECK(parse_duration(format_duration(milliseconds)) == milliseconds);
  }
}
