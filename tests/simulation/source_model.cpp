#include "simulation/source_model.h"

#include <cstdio>
#include <cstdlib>
#include <functional>

namespace osync::test {
namespace {

const char* const names[] = {"a", "b", "c", "d"};

/// OSYNC_TRACE: what is done to the tree, as it is done.
void trace(const char* what, const SourceModel::Handle& directory, const std::string& name, const SourceModel::Handle& object,
           const std::string& more = {}) {
  static const bool tracing = std::getenv("OSYNC_TRACE") != nullptr;
  if (tracing)
    std::printf("%s %lu/%s (%lu) %s\n", what, directory->number, name.c_str(), object->number, more.c_str());
}

} // namespace

SourceModel::SourceModel(std::uint64_t seed) : random_(seed) {
  root_ = make(FileType::directory);
  outside_ = make(FileType::directory);
}

SourceModel::Handle SourceModel::make(FileType type) {
  auto object = std::make_shared<Object>();
  object->type = type;
  object->number = next_number_++;
  object->mode = type == FileType::directory ? 0755 : 0644;
  touch(*object);
  return object;
}

void SourceModel::tell(const Object& directory, const std::string& name, std::uint8_t hints, std::uint64_t token) {
  if (!watched_.contains(directory.number)) return;
  WatchEvent event;
  event.directory = id_of(directory);
  event.name = name;
  event.hints = hints;
  event.token = token;
  queue_.push_back(std::move(event));
}

void SourceModel::collect(const Handle& directory, std::vector<Handle>& directories, std::vector<Place>& entries) const {
  directories.push_back(directory);
  for (const auto& [name, object] : directory->entries) {
    entries.push_back({directory, name});
    if (object->type == FileType::directory) collect(object, directories, entries);
  }
}

void SourceModel::put(const Handle& directory, const std::string& name, const Handle& object) {
  directory->entries[name] = object;
  ++object->names;
  touch(*directory);
}

void SourceModel::take(const Handle& directory, const std::string& name) {
  const auto found = directory->entries.find(name);
  const Handle object = found->second;
  --object->names;
  directory->entries.erase(found);
  touch(*directory);
  leave(object, {directory, name});
}

/// A write is reported for the name that it went through alone (WATCHERS.md). Where that name was never looked at as one
/// of several, and is gone before it could be, no event tells whose other names have changed: only the periodic verify
/// finds it (RULES.md 10 asks for known names). This event stands for it.
void SourceModel::leave(const Handle& object, const Place& from) {
  const bool known = object->looked_at.erase({from.directory->number, from.name}) > 0;
  if (object->type != FileType::regular || object->names == 0 || object->read_mtime == object->mtime || known) return;
  std::vector<Handle> directories;
  std::vector<Place> entries;
  collect(root_, directories, entries);
  for (const Place& place : entries)
    if (place.directory->entries[place.name] == object && (place.directory != from.directory || place.name != from.name))
      return tell(*place.directory, place.name, WatchEvent::content);
}

void SourceModel::forget_looks() {
  std::vector<Handle> directories;
  std::vector<Place> entries;
  collect(root_, directories, entries);
  collect(outside_, directories, entries);
  for (const Place& place : entries) place.directory->entries[place.name]->looked_at.clear();
}

/// A directory that is gone loses its watch, which the kernel reports.
void SourceModel::lost(const Handle& object) {
  if (object->type != FileType::directory || object->names > 0 || !watched_.erase(object->number)) return;
  WatchEvent event;
  event.kind = WatchEvent::Kind::watch_lost;
  event.directory = id_of(*object);
  queue_.push_back(std::move(event));
}

void SourceModel::create(const Handle& directory) {
  const std::string name = names[random_.below(4)];
  if (directory->entries.contains(name)) return;
  const bool is_directory = random_.below(3) == 0;
  const Handle object = make(is_directory ? FileType::directory : FileType::regular);
  if (!is_directory) object->content = "v" + std::to_string(object->mtime) + (random_.one_in(5) ? " large content" : "");
  put(directory, name, object);
  trace("CREATE", directory, name, object);
  tell(*directory, name, static_cast<std::uint8_t>(WatchEvent::existence | (is_directory ? WatchEvent::is_directory : WatchEvent::closed)));
  if (!is_directory || random_.one_in(2)) return;
  const Handle inner = make(FileType::regular); // mkdir -p and the like: populated before anybody looks
  inner->content = "v" + std::to_string(inner->mtime);
  put(object, names[random_.below(4)], inner);
  trace("CREATE", object, object->entries.begin()->first, inner);
  tell(*object, object->entries.begin()->first, WatchEvent::existence | WatchEvent::closed);
}

void SourceModel::write(const Place& place) {
  const Handle& object = place.directory->entries[place.name];
  trace("WRITE", place.directory, place.name, object);
  if (object->type == FileType::directory) {
    object->mode = object->mode == 0755 ? 0750 : 0755;
    tell(*object, "", WatchEvent::attributes);
    tell(*place.directory, place.name, WatchEvent::attributes | WatchEvent::is_directory);
    return;
  }
  touch(*object);
  object->content = "v" + std::to_string(object->mtime) + (random_.one_in(5) ? " large content" : "");
  tell(*place.directory, place.name, WatchEvent::content | (random_.one_in(2) ? WatchEvent::closed : 0));
}

void SourceModel::move(const Place& from, const Handle& directory, const std::string& name) {
  const Handle object = from.directory->entries[from.name];
  for (Handle at = directory; at;) { // not into itself
    if (at == object) return;
    Handle parent;
    std::vector<Handle> directories;
    std::vector<Place> entries;
    collect(root_, directories, entries);
    collect(outside_, directories, entries);
    for (const Place& place : entries)
      if (place.directory->entries[place.name] == at) parent = place.directory;
    at = parent;
  }
  const auto victim = directory->entries.find(name);
  Handle replaced;
  if (victim != directory->entries.end()) {
    replaced = victim->second;
    if (replaced == object) return;
    const bool both = (replaced->type == FileType::directory) == (object->type == FileType::directory);
    if (!both || !replaced->entries.empty()) return;
    take(directory, name);
  }
  trace("MOVE", from.directory, from.name, object, "to " + std::to_string(directory->number) + "/" + name);
  if (directory == outside_ && object->type == FileType::directory) { // as if all of it was removed
    std::vector<Handle> directories;
    std::vector<Place> entries;
    collect(object, directories, entries);
    for (const Place& place : entries) leave(place.directory->entries[place.name], place);
  }
  take(from.directory, from.name);
  put(directory, name, object);
  const std::uint8_t hints = static_cast<std::uint8_t>(
      WatchEvent::existence | (object->type == FileType::directory ? WatchEvent::is_directory : 0));
  const std::uint64_t cookie = next_cookie_++;
  tell(*from.directory, from.name, hints, cookie);
  tell(*directory, name, hints, cookie);
  if (replaced) lost(replaced);
}

void SourceModel::exchange(const Place& a, const Place& b) {
  const Handle x = a.directory->entries[a.name], y = b.directory->entries[b.name];
  if (x->type == FileType::directory || y->type == FileType::directory) {
    if (a.directory != b.directory) return; // siblings cannot be inside each other
  }
  trace("EXCHANGE", a.directory, a.name, x, "with " + std::to_string(b.directory->number) + "/" + b.name);
  x->looked_at.erase({a.directory->number, a.name});
  y->looked_at.erase({b.directory->number, b.name});
  a.directory->entries[a.name] = y;
  b.directory->entries[b.name] = x;
  touch(*a.directory);
  touch(*b.directory);
  for (const Place* place : {&a, &b}) tell(*place->directory, place->name, WatchEvent::existence, next_cookie_);
  ++next_cookie_;
}

void SourceModel::link(const Place& from, const Handle& directory, const std::string& name) {
  const Handle object = from.directory->entries[from.name];
  if (object->type == FileType::directory || directory->entries.contains(name)) return;
  trace("LINK", directory, name, object, "from " + std::to_string(from.directory->number) + "/" + from.name);
  put(directory, name, object);
  tell(*directory, name, WatchEvent::existence);
}

void SourceModel::remove(const Place& place) {
  const Handle object = place.directory->entries[place.name];
  while (!object->entries.empty()) remove({object, object->entries.begin()->first});
  trace("REMOVE", place.directory, place.name, object);
  take(place.directory, place.name);
  const bool directory = object->type == FileType::directory;
  lost(object);
  tell(*place.directory, place.name, static_cast<std::uint8_t>(WatchEvent::existence | (directory ? WatchEvent::is_directory : 0)));
}

void SourceModel::change() {
  std::vector<Handle> directories, outside_directories;
  std::vector<Place> entries, outside_entries;
  collect(root_, directories, entries);
  collect(outside_, outside_directories, outside_entries);
  const auto directory = [&] { return directories[random_.below(directories.size())]; };
  const std::uint64_t kind = random_.below(100);
  if (entries.empty() || (kind < 30 && entries.size() < 40)) return create(directory());
  const Place place = entries[random_.below(entries.size())];
  if (kind < 45) return write(place);
  if (kind < 55) return link(place, directory(), names[random_.below(4)]);
  if (kind < 65) return remove(place);
  if (kind < 70) return exchange(place, entries[random_.below(entries.size())]);
  if (kind < 75) return move(place, outside_, "x" + std::to_string(next_cookie_));
  if (kind < 80 && !outside_->entries.empty())
    return move({outside_, outside_->entries.begin()->first}, directory(), names[random_.below(4)]);
  move(place, directory(), names[random_.below(4)]);
}

std::vector<WatchEvent> SourceModel::events(std::size_t count) {
  std::vector<WatchEvent> taken;
  while (count-- > 0 && !queue_.empty()) {
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return taken;
}

void SourceModel::overflow() {
  trace("OVERFLOW", root_, "", root_);
  std::deque<WatchEvent> kept;
  WatchEvent event;
  event.kind = WatchEvent::Kind::rescan;
  event.recursive = true;
  kept.push_back(event);
  for (WatchEvent& old : queue_)
    if (old.kind == WatchEvent::Kind::barrier) kept.push_back(std::move(old));
  queue_ = std::move(kept);
}

void SourceModel::request_barrier(std::uint64_t token) {
  WatchEvent event;
  event.kind = WatchEvent::Kind::barrier;
  event.token = token;
  queue_.push_back(event);
}

SourceModel::Handle SourceModel::open(const std::string& path) const {
  Handle object = root_;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t slash = std::min(path.find('/', begin), path.size());
    const auto entry = object->entries.find(path.substr(begin, slash - begin));
    if (entry == object->entries.end() || entry->second->type != FileType::directory) return nullptr;
    object = entry->second;
    begin = slash + 1;
  }
  return object;
}

Attributes SourceModel::attributes_of(const Object& object) {
  Attributes attributes;
  attributes.type = object.type;
  attributes.mode = object.mode;
  attributes.mtime = {object.mtime, 0};
  attributes.ctime = attributes.mtime;
  attributes.inode = object.number;
  attributes.links = object.type == FileType::directory ? 2 : object.names;
  attributes.size = object.content.size();
  return attributes;
}

std::string SourceModel::dump() const {
  std::string text;
  std::map<const Object*, int> files;
  const std::function<void(const std::string&, const Object&)> visit = [&](const std::string& path, const Object& object) {
    text += path + " type " + std::to_string(static_cast<int>(object.type)) + " mode " + std::to_string(object.mode) +
            " mtime " + std::to_string(object.mtime) + " \"" + object.content + "\"";
    if (object.type == FileType::regular)
      text += " file " + std::to_string(files.emplace(&object, static_cast<int>(files.size())).first->second);
    text += '\n';
    for (const auto& [name, entry] : object.entries) visit(path + "/" + name, *entry);
  };
  visit(".", *root_);
  return text;
}

// ---- jobs -------------------------------------------------------------------------------------------------------

Status SourceModelJob::open(const engine::DirectoryRef& reference) {
  directory_ = model_->open(reference.path);
  if (!directory_) return {Code::not_found, "no such directory"};
  if (SourceModel::id_of(*directory_) != reference.id) return {Code::stale, "another directory"};
  return {};
}

void SourceModelJob::read_entry(const std::string& name, bool with_linked, bool absent_too, bool count_links) {
  using Outcome = engine::EntryRead::Outcome;
  engine::EntryRead read;
  read.operation.name = name;
  const auto found = directory_->entries.find(name);
  if (found == directory_->entries.end()) {
    read.outcome = Outcome::absent;
    if (absent_too) read_.entries.push_back(std::move(read));
    return;
  }
  SourceModel::Object& object = *found->second;
  if (!count_links) object.read_mtime = object.mtime;
  if (object.names > 1) object.looked_at.emplace(directory_->number, name);
  read.operation.attributes = SourceModel::attributes_of(object);
  read.id = SourceModel::id_of(object);
  if (object.type == FileType::directory) {
    read.operation.kind = OperationKind::make_directory;
  } else if (count_links || (object.names > 1 && !with_linked)) {
    read.outcome = Outcome::linked;
  } else if (object.content.size() >= SourceModel::large) {
    read.outcome = Outcome::large;
  } else {
    read.operation.kind = OperationKind::put_file;
    read.operation.payload_offset = static_cast<std::uint32_t>(payload_.size());
    read.operation.length = static_cast<std::uint32_t>(object.content.size());
    payload_ += object.content;
  }
  read_.entries.push_back(std::move(read));
}

void SourceModelJob::finish_payload() { read_.payload = Buffer::copy_of(payload_); }

bool SourceModelJob::step_read(const engine::ReadJob& job, std::optional<engine::SourceJobResult>& result) {
  read_.id = job.id;
  if (!opened_) {
    opened_ = true;
    read_.status = open(job.directory);
    if (read_.status.ok()) read_.directory_attributes = SourceModel::attributes_of(*directory_);
    if (!read_.status.ok()) result = std::move(read_);
    return !result.has_value() ? false : true;
  }
  if (next_ < job.names.size()) {
    read_entry(job.names[next_++], job.include_linked, true, job.count_links);
    return false;
  }
  finish_payload();
  result = std::move(read_);
  return true;
}

bool SourceModelJob::step_scan(const engine::ScanJob& job, std::optional<engine::SourceJobResult>& result) {
  const bool transfer = job.mode == engine::ScanMode::transfer;
  const auto deliver = [&](Status status, bool end, std::uint64_t cursor) {
    if (transfer) {
      finish_payload();
      read_.id = job.id;
      read_.status = std::move(status);
      read_.end = end;
      read_.cursor = cursor;
      result = std::move(read_);
    } else {
      list_.id = job.id;
      list_.status = std::move(status);
      list_.end = end;
      list_.cursor = cursor;
      result = std::move(list_);
    }
    return true;
  };
  if (!opened_) {
    opened_ = true;
    if (const Status status = open(job.directory); !status.ok()) {
      if (job.cursor != 0) cursors_->directories.erase(job.cursor);
      return deliver(status, true, 0);
    }
    if (job.watch) model_->watch(directory_);
    (transfer ? read_.directory_attributes : list_.directory_attributes) = SourceModel::attributes_of(*directory_);
    if (job.cursor != 0) {
      names_ = std::move(cursors_->directories[job.cursor].second);
      cursors_->directories.erase(job.cursor);
    } else {
      for (const auto& [name, object] : directory_->entries) names_.push_back(name);
    }
    return false;
  }
  constexpr std::size_t piece = 2; // small, so that directories take several pieces
  if (next_ < names_.size() && next_ < piece) {
    const std::string& name = names_[next_++];
    if (transfer) {
      read_entry(name, false, false);
    } else if (const auto found = directory_->entries.find(name); found != directory_->entries.end()) {
      engine::ListedEntry entry;
      entry.name = name;
      entry.attributes = SourceModel::attributes_of(*found->second);
      entry.id = SourceModel::id_of(*found->second);
      entry.has_digest = found->second->type == FileType::regular;
      entry.digest = {std::hash<std::string>{}(found->second->content), found->second->content.size()};
      list_.entries.push_back(std::move(entry));
    }
    return false;
  }
  names_.erase(names_.begin(), names_.begin() + static_cast<std::ptrdiff_t>(next_));
  if (names_.empty()) return deliver({}, true, 0);
  const std::uint64_t cursor = cursors_->next++;
  cursors_->directories[cursor] = {directory_, std::move(names_)};
  return deliver({}, false, cursor);
}

bool SourceModelJob::step_sweep(const engine::SweepJob& job, std::optional<engine::SourceJobResult>& result) {
  if (!opened_) {
    opened_ = true;
    sweep_.id = job.id;
    sweep_.status = open(job.directory);
    if (!sweep_.status.ok()) {
      result = std::move(sweep_);
      return true;
    }
    model_->watch(directory_);
    return false;
  }
  for (const auto& [name, object] : directory_->entries)
    if (object->type == FileType::directory) sweep_.directories.push_back({name, SourceModel::id_of(*object)});
  result = std::move(sweep_);
  return true;
}

void SourceModelJob::step_find_links(const engine::FindLinksJob& job, std::optional<engine::SourceJobResult>& result) {
  engine::LinksFound found;
  found.id = job.id;
  found.status = open(job.directory);
  if (found.status.ok())
    for (const auto& [name, object] : directory_->entries)
      if (job.inodes->contains(object->number)) found.names.push_back(name);
  result = std::move(found);
}

void SourceModelJob::step_file(std::optional<engine::SourceJobResult>& result) {
  if (const auto* job = std::get_if<engine::OpenFileJob>(&job_)) {
    engine::FileOpened opened;
    opened.id = job->id;
    opened.status = open(job->directory);
    if (opened.status.ok()) {
      const auto found = directory_->entries.find(job->name);
      if (found == directory_->entries.end()) opened.status = Status(Code::not_found, "gone");
      else if (found->second->type != FileType::regular) opened.status = Status(Code::stale, "no file");
      else {
        opened.file = cursors_->next++;
        opened.attributes = SourceModel::attributes_of(*found->second);
        cursors_->files[opened.file] = {directory_, found->second, job->name, found->second->content, found->second->mtime};
      }
    }
    result = std::move(opened);
  } else if (const auto* read = std::get_if<engine::ReadFileJob>(&job_)) {
    const std::string& content = cursors_->files[read->file].content;
    const std::string part = content.substr(std::min<std::size_t>(read->offset, content.size()), 5);
    result = engine::FileChunk{read->id, {}, read->offset, Buffer::copy_of(part), read->offset + part.size() >= content.size()};
  } else if (const auto* close = std::get_if<engine::CloseFileJob>(&job_)) {
    const Cursors::File file = cursors_->files[close->file];
    cursors_->files.erase(close->file);
    const auto found = file.directory->entries.find(file.name);
    const bool same = found != file.directory->entries.end() && found->second == file.object && file.object->mtime == file.version;
    result = engine::FileClosed{close->id, close->check && !same ? Status(Code::stale, "changed") : Status(), {}};
  }
}

bool SourceModelJob::step(std::optional<engine::SourceJobResult>& result) {
  if (const auto* scan = std::get_if<engine::ScanJob>(&job_)) return step_scan(*scan, result);
  if (const auto* read = std::get_if<engine::ReadJob>(&job_)) return step_read(*read, result);
  if (const auto* sweep = std::get_if<engine::SweepJob>(&job_)) return step_sweep(*sweep, result);
  if (const auto* close = std::get_if<engine::CloseCursorJob>(&job_)) {
    cursors_->directories.erase(close->cursor);
    return true;
  }
  if (const auto* find = std::get_if<engine::FindLinksJob>(&job_)) step_find_links(*find, result);
  else step_file(result);
  return true;
}

} // namespace osync::test
