#include "stages.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h> // XXH3_* choose the widest vectors of this CPU: 2.5 times the speed with AVX-512
#endif

#include <array>
#include <cerrno>
#include <new>

#include "errors.h"
#include "small_file.h"

namespace osync::sink_fs {

StageDigest::StageDigest() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_));
}

StageDigest::~StageDigest() { XXH3_freeState(static_cast<XXH3_state_t*>(state_)); }

void StageDigest::add(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  std::array<unsigned char, 8> position{};
  for (unsigned i = 0; i < position.size(); ++i) position[i] = static_cast<unsigned char>(offset >> (8 * i));
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state_), position.data(), position.size());
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state_), data.data(), data.size());
}

Digest StageDigest::value() const noexcept {
  const XXH128_hash_t hash = XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state_));
  return {hash.high64, hash.low64};
}

void Stages::begin(int directory) {
  close();
  directory_ = directory;
}

void Stages::close() noexcept {
  const std::lock_guard lock(mutex_);
  open_.clear();
  stages_.clear();
}

std::size_t Stages::open_files() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

Status Stages::open(Stage& stage, bool create) const {
  const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (create ? O_CREAT | O_EXCL : 0);
  stage.file.reset(openat(directory_, stage.name.c_str(), flags, 0600));
  return stage.file ? Status()
                    : osync::sink_fs::failure(errno, "opening a stage", join(".osync/stage", stage.name));
}

/// The stage, made where it is new, out of the table of idle ones.
Result<Stages::StagePointer> Stages::borrow(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = stages_.find(id);
  if (found != stages_.end()) {
    if (found->second->file) open_.erase(found->second->position);
    return found->second;
  }
  if (stages_.size() >= stage_limit)
    return Status(Code::limit,
                  "more than " + std::to_string(stage_limit) + " stages are open; publish or discard some");
  auto stage = std::make_shared<Stage>();
  stage->name = "s" + std::to_string(id);
  Status opened = open(*stage, true);
  if (!opened.ok()) return opened;
  stages_.emplace(id, stage);
  return stage;
}

/// Back into the table; above the bound the least recently used one is closed.
void Stages::give_back(std::uint64_t id, const StagePointer& stage) {
  const std::lock_guard lock(mutex_);
  if (!stage->file) return;
  stage->position = open_.insert(open_.end(), id);
  if (open_.size() <= open_stage_limit) return;
  stages_.at(open_.front())->file.reset();
  open_.pop_front();
}

void Stages::fail(Stage& stage, Status status) {
  stage.failure = std::move(status);
  stage.file.reset();
  unlinkat(directory_, stage.name.c_str(), 0); // what stays is removed by the next claim
}

Status Stages::write(std::uint64_t id, std::uint64_t offset, std::span<const std::byte> data) {
  if (offset > static_cast<std::uint64_t>(INT64_MAX) - data.size())
    return {Code::invalid, "a stage's data lies beyond the largest possible file"};
  auto borrowed = borrow(id);
  if (!borrowed.ok()) return borrowed.status();
  Stage& stage = *borrowed.value();
  if (stage.failure.ok() && !stage.file)
    if (Status opened = open(stage, false); !opened.ok()) fail(stage, std::move(opened));
  if (stage.failure.ok()) {
    const int error =
        write_fully(stage.file.get(), data.data(), data.size(), static_cast<std::int64_t>(offset));
    if (error == 0)
      stage.digest.add(offset, data);
    else
      fail(stage, osync::sink_fs::failure(error, "writing a stage", join(".osync/stage", stage.name)));
  }
  Status status = stage.failure;
  give_back(id, borrowed.value());
  return status;
}

Result<Stages::Taken> Stages::take(std::uint64_t id, std::uint64_t size, const Digest& digest) {
  if (size > static_cast<std::uint64_t>(INT64_MAX)) {
    discard(id);
    return Status(Code::invalid, "the size of a staged file is beyond the largest possible file");
  }
  auto borrowed = borrow(id);
  if (!borrowed.ok()) return borrowed.status();
  Stage& stage = *borrowed.value();
  {
    const std::lock_guard lock(mutex_);
    stages_.erase(id);
  }
  if (!stage.failure.ok()) return stage.failure;
  if (!stage.file)
    if (Status opened = open(stage, false); !opened.ok()) {
      fail(stage, std::move(opened));
      return stage.failure;
    }
  if (stage.digest.value() != digest) {
    fail(stage,
         {Code::corrupt, "the digest of a staged file differs from the source's; it is not published"});
    return stage.failure;
  }
  if (ftruncate(stage.file.get(), static_cast<off_t>(size)) != 0) {
    fail(stage,
         osync::sink_fs::failure(errno, "setting the size of a stage", join(".osync/stage", stage.name)));
    return stage.failure;
  }
  return Taken{std::move(stage.file), stage.name};
}

void Stages::discard(std::uint64_t id) noexcept {
  StagePointer stage;
  {
    const std::lock_guard lock(mutex_);
    const auto found = stages_.find(id);
    if (found == stages_.end()) return;
    stage = std::move(found->second);
    if (stage->file) open_.erase(stage->position);
    stages_.erase(found);
  }
  unlinkat(directory_, stage->name.c_str(),
           0); // outside of the lock: a large file takes a while; absent where it failed
}

} // namespace osync::sink_fs
