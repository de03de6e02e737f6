// The memory that protobuf objects of one message live in: few large blocks, freed at once. (The library's
// default of at most 8 KiB a block costs an allocation every few dozen operations.)
#pragma once

#include <google/protobuf/arena.h>

namespace osync::wire {

[[nodiscard]] inline google::protobuf::ArenaOptions arena_options() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = 4u << 10;
  options.max_block_size = 256u << 10;
  return options;
}

} // namespace osync::wire
