// The engine's time: nanoseconds since an arbitrary start, always given from outside. The engine holds no clock.
#pragma once

#include <chrono>

namespace osync::engine {

using Time = std::chrono::nanoseconds;

} // namespace osync::engine
