#include <catch2/catch.hpp>

#include "engine/sink_listings.h"
#include "support/sink_engine_fake.h"

namespace osync::test {
namespace {

using namespace osync::engine;

ListedEntry listed(std::string name) {
  ListedEntry entry;
  entry.name = std::move(name);
  entry.attributes = attributes_of(FileType::regular);
  return entry;
}

ListingPiece piece(std::uint64_t sequence, std::uint64_t listing, std::string directory, bool first,
                   bool last, std::vector<std::string> names) {
  ListingPiece made;
  made.sequence = sequence;
  made.listing = listing;
  made.directory = std::move(directory);
  made.first = first;
  made.last = last;
  for (std::string& name : names) made.entries.push_back(listed(std::move(name)));
  return made;
}

InspectedEntry same() {
  InspectedEntry found;
  found.attributes = attributes_of(FileType::regular);
  return found;
}

InspectedEntry absent() {
  InspectedEntry found;
  found.status = Status(Code::not_found, "absent");
  return found;
}

InspectDone done(std::vector<InspectedEntry> entries) {
  InspectDone made;
  made.entries = std::move(entries);
  return made;
}

struct Fixture {
  SinkListings listings{SinkListings::Limits{3, 10, 4}};
  CompareContext context;
  LinkMap links{100};
  std::vector<ListingAnswer> answer(std::uint64_t sequence, InspectDone result) {
    return listings.answer(9, sequence, std::move(result), context, links);
  }
};

} // namespace

TEST_CASE("a listing in pieces ends with what the replica has beyond all of them", "[sink_engine]") {
  Fixture fixture;
  SinkListings& listings = fixture.listings;
  ListingPiece first = piece(1, 5, "d", true, false, {"a", "b"});
  first.entries[1].has_digest = true;
  REQUIRE(listings.accept(first).ok());
  ListingPiece second = piece(2, 5, "d", false, true, {"c", "mount"});
  second.entries[1].mount = true;
  REQUIRE(listings.accept(second).ok());
  CHECK(listings.listings() == 0);

  const InspectJob early = listings.job(1, 11, true, 77);
  CHECK(early.directory == "d");
  REQUIRE(early.items.size() == 2);
  CHECK(early.items[0].name == "a");
  CHECK_FALSE(early.items[0].want_digest);
  CHECK(early.items[1].want_digest);
  CHECK_FALSE(early.find_extras);

  const InspectJob late = listings.job(2, 12, true, 77);
  REQUIRE(late.items.size() == 1); // a mount is not compared
  REQUIRE(late.find_extras);
  CHECK(late.count_bound == 77);
  for (const char* name : {"a", "b", "c", "mount"}) CHECK(late.seen->contains(name));
  CHECK_FALSE(late.seen->contains("beyond"));
  CHECK_FALSE(listings.job(2, 12, false, 77).find_extras);

  const auto answers = fixture.answer(1, done({absent(), same()}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].session == 9);
  CHECK(answers[0].sequence == 1);
  CHECK(answers[0].last);
  CHECK(answers[0].status.ok());
  REQUIRE(answers[0].wants.size() == 1);
  CHECK(answers[0].wants[0].name == "a");
  CHECK(answers[0].wants[0].absent);

  InspectedEntry other = same();
  other.attributes.size = 5;
  InspectDone result = done({other});
  result.extras.push_back({"beyond", true, 12});
  const auto last = fixture.answer(2, std::move(result));
  REQUIRE(last.size() == 1);
  REQUIRE(last[0].wants.size() == 1);
  CHECK_FALSE(last[0].wants[0].absent);
  REQUIRE(last[0].extras.size() == 1);
  CHECK(last[0].extras[0].name == "beyond");
  CHECK(last[0].extras[0].directory);
  CHECK(last[0].extras[0].entries == 12);
  CHECK(listings.pieces() == 0);
}

TEST_CASE("answers come in parts of a bounded size", "[sink_engine]") {
  Fixture fixture;
  REQUIRE(fixture.listings.accept(piece(1, 5, "d", true, true, {"a", "b", "c"})).ok());
  InspectDone result = done({absent(), absent(), absent()});
  for (int i = 0; i < 6; ++i) result.extras.push_back({"x" + std::to_string(i), false, 1});
  const auto answers = fixture.answer(1, std::move(result));
  REQUIRE(answers.size() == 3);
  std::size_t names = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    CHECK(answers[i].wants.size() + answers[i].extras.size() <= 4);
    CHECK(answers[i].last == (i == 2));
    CHECK(answers[i].sequence == 1);
    names += answers[i].wants.size() + answers[i].extras.size();
  }
  CHECK(names == 9);
}

TEST_CASE("an error of the directory is the answer", "[sink_engine]") {
  Fixture fixture;
  REQUIRE(fixture.listings.accept(piece(1, 5, "d", true, true, {"a"})).ok());
  InspectDone result;
  result.status = Status(Code::not_found, "no such directory");
  const auto answers = fixture.answer(1, std::move(result));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].status.code() == Code::not_found);
  CHECK(answers[0].wants.empty());
  CHECK(answers[0].last);
}

TEST_CASE("a sink that tells about too few entries is not believed", "[sink_engine]") {
  Fixture fixture;
  REQUIRE(fixture.listings.accept(piece(1, 5, "d", true, true, {"a", "b"})).ok());
  const auto answers = fixture.answer(1, done({same()}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].status.code() == Code::internal);
}

TEST_CASE("pieces that contradict each other are refused", "[sink_engine]") {
  Fixture fixture;
  REQUIRE(fixture.listings.accept(piece(1, 5, "d", true, false, {"a"})).ok());
  CHECK(fixture.listings.accept(piece(2, 5, "d", true, false, {"b"})).code() == Code::corrupt);
  CHECK(fixture.listings.accept(piece(2, 5, "e", false, false, {"b"})).code() == Code::corrupt);
}

TEST_CASE("a listing that was given up makes room for the next one of its directory", "[sink_engine]") {
  Fixture fixture;
  REQUIRE(fixture.listings.accept(piece(1, 5, "d", true, false, {"a"})).ok());
  REQUIRE(fixture.listings.accept(piece(2, 6, "d", true, true, {"b"})).ok());
  CHECK(fixture.listings.listings() == 0);
  CHECK_FALSE(fixture.listings.job(2, 1, true, 1).seen->contains("a"));
}

TEST_CASE("a listing that had to be forgotten yields wants and no extras", "[sink_engine]") {
  Fixture fixture;
  SECTION("too many listings") {
    for (std::uint64_t i = 1; i <= 4; ++i)
      REQUIRE(fixture.listings.accept(piece(i, i, "d" + std::to_string(i), true, false, {"a"})).ok());
    CHECK(fixture.listings.listings() == 3);
  }
  SECTION("too many names") {
    REQUIRE(fixture.listings.accept(piece(1, 1, "d1", true, false, {"a", "b", "c", "d", "e", "f"})).ok());
    REQUIRE(fixture.listings.accept(piece(2, 2, "d2", true, false, {"a", "b", "c", "d", "e", "f"})).ok());
    CHECK(fixture.listings.listings() == 1);
  }
  REQUIRE(fixture.listings.accept(piece(5, 1, "d1", false, true, {"z"})).ok());
  CHECK_FALSE(fixture.listings.job(5, 1, true, 1).find_extras);
  const auto answers = fixture.answer(5, done({absent()}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].status.code() == Code::limit);
  CHECK(answers[0].wants.size() == 1);
}

} // namespace osync::test
