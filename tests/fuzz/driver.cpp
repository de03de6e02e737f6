// Runs the fuzzing entry without a fuzzer: on random messages, and on seeded mutations of them. The same seed
// gives the same inputs everywhere, so that what CI finds can be repeated.
//
//   fuzz_wire [--mutations N] [--seed S]      N mutations (20,000) from seed S (1); files as arguments: run
//   just these
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/wire_input.h"
#include "support/random_messages.h"
#include "wire/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

/// Messages small enough to be changed in a place that matters.
std::vector<Input> make_corpus(std::uint64_t seed) {
  constexpr std::size_t wanted = 200;
  constexpr std::size_t longest = 3000;
  osync::test::RandomMessages random(seed);
  std::vector<Input> corpus;
  while (corpus.size() < wanted) {
    const bool from_sink = random.below(3) == 0;
    const osync::Message message = from_sink ? osync::wire::encode(random.sink_message())
                                   : random.below(4) == 0
                                       ? osync::wire::encode(random.source_message())
                                       : osync::wire::encode(osync::engine::SourceMessage(random.frame()));
    Input input = osync::test::input_of_message(message);
    if (input.size() <= longest) corpus.push_back(std::move(input));
  }
  return corpus;
}

class Mutator {
 public:
  Mutator(std::uint64_t seed, const std::vector<Input>& corpus) : random_(seed), corpus_(corpus) {}

  Input next() {
    Input input = corpus_[below(corpus_.size())];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  Input::iterator place(Input& input) {
    return input.begin() + static_cast<std::ptrdiff_t>(below(input.size()));
  }

  void change(Input& input) {
    static constexpr std::uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '/', '.'};
    if (input.empty()) input.push_back(0);
    switch (below(7)) {
    case 0:
      *place(input) ^= static_cast<std::uint8_t>(1u << below(8));
      break;
    case 1:
      *place(input) = static_cast<std::uint8_t>(below(256));
      break;
    case 2:
      *place(input) = edges[below(std::size(edges))];
      break;
    case 3:
      input.insert(place(input), 1 + below(10), edges[below(std::size(edges))]);
      break;
    case 4:
      erase(input);
      break;
    case 5:
      splice(input);
      break;
    default:
      input.resize(1 + below(input.size()));
      break;
    }
  }

  void erase(Input& input) {
    const auto from = place(input);
    const auto most = std::min<std::size_t>(20, static_cast<std::size_t>(input.end() - from));
    input.erase(from, from + static_cast<std::ptrdiff_t>(1 + below(most)));
  }

  /// A piece of another input, in between or instead.
  void splice(Input& input) {
    const Input& other = corpus_[below(corpus_.size())];
    const std::size_t from = below(other.size());
    const std::size_t length = 1 + below(std::min<std::size_t>(200, other.size() - from));
    const auto begin = other.begin() + static_cast<std::ptrdiff_t>(from);
    if (below(2) == 0) {
      input.insert(place(input), begin, begin + static_cast<std::ptrdiff_t>(length));
      return;
    }
    const auto at = place(input);
    const std::size_t room = std::min(length, static_cast<std::size_t>(input.end() - at));
    std::copy_n(begin, room, at);
  }

  std::mt19937_64 random_;
  const std::vector<Input>& corpus_;
};

void run(const Input& input) { LLVMFuzzerTestOneInput(input.data(), input.size()); }

int run_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path);
    return 2;
  }
  run(Input(std::istreambuf_iterator<char>(file), {}));
  return 0;
}

} // namespace

int main(int count, char** arguments) {
  std::uint64_t mutations = 20'000;
  std::uint64_t seed = 1;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--mutations") == 0 && i + 1 < count)
      mutations = std::strtoull(arguments[++i], nullptr, 10);
    else if (std::strcmp(arguments[i], "--seed") == 0 && i + 1 < count)
      seed = std::strtoull(arguments[++i], nullptr, 10);
    else
      return run_file(arguments[i]);
  }
  std::printf("seed %llu, %llu mutations\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(mutations));
  std::fflush(stdout); // the seed must be seen also when an input crashes
  const std::vector<Input> corpus = make_corpus(seed);
  for (const Input& input : corpus) run(input);
  Mutator mutator(seed, corpus);
  std::uint64_t decoded = 0;
  for (std::uint64_t i = 0; i < mutations; ++i) {
    const Input input = mutator.next();
    run(input);
    const osync::Message message = osync::test::message_of_input(input);
    if (osync::wire::decode_sink_message(message).ok() || osync::wire::decode_source_message(message).ok())
      ++decoded;
  }
  std::printf("%llu of them were valid messages\n", static_cast<unsigned long long>(decoded));
  // Were nothing valid, nothing beyond the first checks was reached: the mutations would be worth little.
  return decoded > mutations / 100 ? 0 : 1;
}
