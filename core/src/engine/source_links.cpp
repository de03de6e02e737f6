// Hard links: which names are sent as content and which as links, and the search for names that no event told of.
#include <algorithm>
#include <utility>

#include "engine/source_engine.h"

namespace osync::engine {
namespace {

constexpr Time link_wait = std::chrono::milliseconds(500); ///< in case the name that was waited for never comes
constexpr std::uint32_t searches_at_once = 2;

} // namespace

/// A file with several links, not read yet. Its content is sent through one name; the others follow as links.
void SourceEngine::on_linked(NodeIndex node, EntryRead& read, Item& item, bool from_scan, bool live, Epoch epoch,
                             Time now) {
  const std::string name = read.operation.name;
  const LinkKey key = LinkIndex::key_of(read.id, read.operation.attributes);
  if (const PendingEntry* open = tree_.find_entry(node, name); !from_scan && open != nullptr && open->open_recount)
    return on_recounted(node, name, key, read.operation.attributes, epoch, now);
  forget_link(node, read, epoch, now);
  const bool known = links_.group_of(ref(node), name) != nullptr;
  LinkIndex::Group* group = links_.add(key, read.operation.attributes.inode, ref(node), name);
  if (group != nullptr && live && !known) group->searched_links = 0; // a new link may be to a name that is not known
  const auto read_content = [&] {
    if (group != nullptr) {
      group->content_node = ref(node);
      group->content_name = name;
    }
    if (from_scan) mark_entry(node, name, live, epoch, 0, now, now);
    tree_.entry(node, name).want_content = true;
    if (!from_scan) reopen_entry(node, name, live, epoch, now, now);
  };
  if (group == nullptr) return read_content(); // the index is full: name by name
  const std::size_t self = LinkIndex::position(*group, ref(node), name);
  const PendingEntry* entry = tree_.find_entry(node, name);
  const std::uint8_t hints = entry != nullptr ? entry->hints : std::uint8_t{0};
  const bool content_hinted = (hints & of_the_file) != 0;
  const LinkIndex::Name* leader = leader_of(*group);
  const bool current = leader != nullptr && leader != &group->names[self] && !content_hinted &&
                       LinkIndex::same_version(group->version, read.operation.attributes) &&
                       // A scan may come where events were lost, also those of a change that shows in ctime alone.
                       (!from_scan || group->version.ctime == read.operation.attributes.ctime);
  search_links(*group, read.operation.attributes, epoch);
  if (current) {
    Operation link;
    link.kind = OperationKind::make_link;
    link.name = name;
    link.attributes = read.operation.attributes;
    item.operations.push_back(std::move(link));
    item.notes.push_back({{key.high, key.low}, false});
    return;
  }
  const bool reachable = alive(group->content_node) && !tree_[group->content_node.index].lost &&
                         tree_.placed(group->content_node.index);
  const PendingEntry* content = reachable
                                    ? tree_.find_entry(group->content_node.index, group->content_name)
                                    : nullptr;
  const bool same_name = content != nullptr && content == tree_.find_entry(node, name);
  if (content == nullptr || !content->want_content || same_name) return read_content();
  // The content is on its way through another name, which wakes this one when it is sent.
  if (from_scan) mark_entry(node, name, live, epoch, 0, now, now + link_wait);
  else reopen_entry(node, name, live, epoch, now, now + link_wait);
}

/// How many links the file has now that one of its names is gone.
void SourceEngine::on_recounted(NodeIndex node, const std::string& name, const LinkKey& key, const Attributes& attributes,
                                Epoch epoch, Time now) {
  LinkIndex::Group* group = links_.group_of(ref(node), name);
  const bool same_file = group != nullptr && group == links_.find(key);
  if (same_file) search_links(*group, attributes, epoch);
  else mark_entry(node, name, true, epoch, WatchEvent::existence, now, now); // another file: to be looked at for itself
  close_entry(node, name, now);
}

/// The name through which the group's present content is on the replica, while it still is; nullptr: none.
const LinkIndex::Name* SourceEngine::leader_of(const LinkIndex::Group& group) const {
  if (group.leader == LinkIndex::no_leader) return nullptr;
  const LinkIndex::Name& leader = group.names[group.leader];
  const bool valid = alive(leader.node) && tree_.placed(leader.node.index) &&
                     tree_[leader.node.index].placement == leader.placement;
  return valid ? &leader : nullptr;
}

/// Marks the other names of the group that this one is known in, where a change was reported for this name alone.
void SourceEngine::mark_other_names(NodeIndex node, std::string_view name, bool same_directory, Epoch epoch, Time now) {
  const LinkIndex::Group* group = links_.group_of(ref(node), name);
  if (group == nullptr) return;
  for (const LinkIndex::Name& other : group->names)
    if (alive(other.node) && tree_[other.node.index].placed &&
        (other.node.index != node || (same_directory && other.name != name)))
      mark_entry(other.node.index, other.name, true, epoch, WatchEvent::content, now, now);
}

/// The name is absent now, or another file. What was written through it was reported for it alone (WATCHERS.md): where its
/// `hints` tell of that, the file's other names have to be sent.
void SourceEngine::link_name_lost(NodeIndex node, std::string_view name, std::uint8_t hints, Epoch epoch, Time now) {
  if ((hints & of_the_file) != 0) {
    mark_other_names(node, name, true, epoch, now); // also where it was renamed: perhaps to a place outside of the root
    const bool unknown = (hints & renamed) == 0 && tree_[node].placed; // perhaps one of a group, and not known to be
    if (unknown) need_scan(node, epoch);
  }
  LinkIndex::Group* group = links_.group_of(ref(node), name);
  if (group == nullptr) return;
  note_former_name(tree_[node].id, name, *group);
  const bool complete = group->names.size() >= group->searched_links;
  const bool last = group->names.size() == 1;
  links_.remove(ref(node), name);
  if (complete && !last) recount_links(*group, epoch, now);
}

/// A writer may hold the file open by this name, and its writes will be reported for it.
void SourceEngine::note_former_name(const ObjectId& directory, std::string_view name, const LinkIndex::Group& group) {
  if (group.names.size() < 2) return; // the last name that is known
  former_names_.left(directory, name, group.inode);
  for (const LinkIndex::Name& other : group.names) former_names_.met(group.inode, other.node, other.name);
}

void SourceEngine::links_in_removed_directory(NodeIndex node) {
  links_.for_directory(ref(node), [&](const std::string& name, const LinkIndex::Group& group) {
    note_former_name(tree_[node].id, name, group);
  });
}

void SourceEngine::met_name(std::uint64_t inode, NodeIndex node, std::string_view name) {
  if (!former_names_.empty()) former_names_.met(inode, ref(node), name);
  if (!written_names_.empty()) written_names_.met(inode, ref(node), name);
}

/// Whoever writes through this name and has not closed the file may go on when the name is gone; or has gone on.
void SourceEngine::met_written_name(NodeIndex node, const EntryRead& read) {
  const std::string& name = read.operation.name;
  const PendingEntry* entry = tree_.find_entry(node, name);
  if (entry == nullptr) return;
  const bool absent = read.outcome == EntryRead::Outcome::absent;
  const std::uint64_t inode = absent ? 0 : read.operation.attributes.inode;
  // A file that was renamed is reported under its new name from then on.
  const bool unlinked = (entry->hints & WatchEvent::existence) != 0 && (entry->hints & renamed) == 0;
  if (unlinked) written_name_gone(node, name, inode);
  const bool written = (entry->hints & (WatchEvent::content | WatchEvent::closed)) == WatchEvent::content;
  if (absent || !written || read.operation.attributes.type != FileType::regular) return;
  written_names_.left(tree_[node].id, name, inode);
  written_names_.met(inode, ref(node), name);
}

/// What was written through this name may have another by now, and may be written on.
void SourceEngine::written_name_gone(NodeIndex node, std::string_view name, std::uint64_t present_inode) {
  for (const std::uint64_t inode : written_names_.files_of(tree_[node].id, name)) {
    if (inode == present_inode) continue;
    former_names_.left(tree_[node].id, name, inode);
    for (const FormerNames::Name& other : written_names_.names_of(inode))
      if (other.node.index != node || other.name != name) former_names_.met(inode, other.node, other.name);
  }
}

/// Something was written through a name that has been another file's or nobody's for a while: what the writer holds open is
/// looked at by its other names.
void SourceEngine::wake_names_behind(const WatchEvent& event, Time now) {
  for (const FormerNames::Name& name : former_names_.names_behind(event.directory, event.name))
    if (alive(name.node) && tree_[name.node.index].placed)
      mark_entry(name.node.index, name.name, true, epoch_, WatchEvent::content, now,
                 now + std::max(settings_.settle, hot_files_.delay(name.node, name.name, now)));
}

/// All names of the group seemed to be known, and one is gone: unlinked, or moved on while the new place was counted
/// beside the old one. Only a look at another name can tell whether there is one that is not known.
void SourceEngine::recount_links(LinkIndex::Group& group, Epoch epoch, Time now) {
  group.searched_links = 0;
  for (const LinkIndex::Name& name : group.names) {
    if (!alive(name.node) || !tree_[name.node.index].placed) continue;
    const PendingEntry* known = tree_.find_entry(name.node.index, name.name);
    const bool marked = known != nullptr && known->dirty;
    if (!marked) mark_entry(name.node.index, name.name, true, epoch, 0, now, now);
    if (known == nullptr) tree_.entry(name.node.index, name.name).recount = true;
    return;
  }
}

/// The content of a file with several links has entered the stream through this name: the others become links to it.
void SourceEngine::link_content_sent(NodeIndex node, const std::string& name, const ObjectId& id,
                                     const Attributes& attributes, bool live, Epoch epoch, Time now) {
  const LinkKey key = LinkIndex::key_of(id, attributes);
  LinkIndex::Group* group = links_.add(key, attributes.inode, ref(node), name);
  if (group == nullptr) return;
  search_links(*group, attributes, epoch);
  group->content_node = NodeRef{};
  group->version = attributes;
  group->version.xattrs.clear();
  group->leader = LinkIndex::position(*group, ref(node), name);
  for (std::size_t i = 0; i < group->names.size(); ++i) {
    LinkIndex::Name& other = group->names[i];
    other.on_replica = i == group->leader;
    if (other.on_replica) other.placement = tree_[node].placement;
    if (other.on_replica || !alive(other.node) || !tree_[other.node.index].placed) continue;
    mark_entry(other.node.index, other.name, live, epoch, 0, now, now);
  }
}

/// The replica did not take what was sent of this name. If it was the group's content, the other names may have been
/// linked to what the replica had there before.
void SourceEngine::link_operation_failed(NodeRef node, std::string_view name, Time now) {
  LinkIndex::Group* found = links_.group_of(node, name);
  if (found == nullptr) return;
  LinkIndex::Group& group = *found;
  const std::size_t at = LinkIndex::position(group, node, name);
  group.names[at].on_replica = false;
  if (group.leader != at) return;
  group.leader = LinkIndex::no_leader;
  for (LinkIndex::Name& other : group.names) {
    if (!std::exchange(other.on_replica, false) || !alive(other.node) || !tree_[other.node.index].placed) continue;
    mark_entry(other.node.index, other.name, true, Epoch{0}, WatchEvent::existence, now, now); // every flush waits
  }
}

/// What was read at this name is no name of the group that it is known in, if it is in one.
void SourceEngine::forget_link(NodeIndex node, const EntryRead& read, Epoch epoch, Time now) {
  const Attributes& attributes = read.operation.attributes;
  const LinkIndex::Group* group = links_.group_of(ref(node), read.operation.name);
  if (group == nullptr) return;
  const bool linked = attributes.type != FileType::directory && attributes.links > 1;
  if (linked && links_.find(LinkIndex::key_of(read.id, attributes)) == group) return;
  const PendingEntry* entry = tree_.find_entry(node, read.operation.name);
  const bool written = entry != nullptr && (entry->hints & of_the_file) != 0; // perhaps before it was replaced
  if (written) mark_other_names(node, read.operation.name, true, epoch, now);
  link_name_lost(node, read.operation.name, 0, epoch, now);
}

/// A comparison has met an entry that no look has seen: its name may belong to a group whose content was sent through
/// another name, or no longer to the one that it is known in. A look decides.
void SourceEngine::met_in_listing(NodeIndex node, const ListedEntry& entry, Epoch epoch, Time now) {
  if (links_.names() == 0) return;
  const Attributes& attributes = entry.attributes;
  const bool linked = attributes.type != FileType::directory && attributes.links > 1;
  const LinkIndex::Group* known = links_.group_of(ref(node), entry.name);
  const bool member = known != nullptr && linked && known->inode == attributes.inode;
  if (member) { // the sink cannot tell whether it is linked to the present content, of which it has compared nothing
    const LinkIndex::Name& self = known->names[LinkIndex::position(*known, ref(node), entry.name)];
    if (!self.on_replica || self.placement != tree_[node].placement) mark_entry(node, entry.name, false, epoch, 0, now, now);
    return;
  }
  if (known == nullptr && !(linked && links_.find_inode(attributes.inode) != nullptr)) return;
  if (known != nullptr) {
    const PendingEntry* pending = tree_.find_entry(node, entry.name);
    if (pending != nullptr && (pending->hints & of_the_file) != 0) mark_other_names(node, entry.name, true, epoch, now);
    link_name_lost(node, entry.name, 0, epoch, now);
  }
  mark_entry(node, entry.name, false, epoch, WatchEvent::existence, now, now);
}

// ---- names that no event told of ----------------------------------------------------------------------------------

/// link(2) is reported for the new name only. Where fewer names are known than the file has links, the others are looked
/// for in all directories, once for each number of links (they may be outside the root). The first pass meets most names
/// itself: the search waits for its end, and then looks for those that are still not known.
void SourceEngine::search_links(LinkIndex::Group& group, const Attributes& attributes, Epoch epoch) {
  if (group.names.size() >= attributes.links || group.searched_links >= attributes.links) return;
  group.searched_links = attributes.links;
  if (link_search_.wanted.empty()) {
    link_search_.wanted_epoch = epoch;
    counts_.add(epoch, false);
  } else if (epoch < link_search_.wanted_epoch) {
    counts_.add(epoch, false);
    counts_.remove(link_search_.wanted_epoch, false);
    link_search_.wanted_epoch = epoch;
  }
  link_search_.wanted.insert(attributes.inode);
}

void SourceEngine::hand_out_link_search() {
  LinkSearch& search = link_search_;
  // During the first pass: when nothing else of the backlog is left that was known before.
  const bool may_begin = initial_pass_done_ || counts_.backlog_until(search.wanted_epoch) <= 1;
  if (search.inodes == nullptr && !search.wanted.empty() && may_begin) {
    std::erase_if(search.wanted, [this](std::uint64_t inode) {
      const LinkIndex::Group* group = links_.find_inode(inode);
      return group != nullptr && group->names.size() >= group->searched_links;
    });
    search.inodes = std::make_shared<const std::unordered_set<std::uint64_t>>(std::exchange(search.wanted, {}));
    search.epoch = search.wanted_epoch; // the count passes over to the pass
    if (search.inodes->empty()) return end_link_search();
    tree_.for_all([&](NodeIndex node) {
      if (tree_[node].placed) search.directories.push_back(ref(node));
    });
  }
  std::vector<NodeRef> aside; // read when they have been found again
  while (search.jobs_open < searches_at_once && !search.directories.empty()) {
    const NodeRef node = search.directories.back();
    search.directories.pop_back();
    if (!alive(node) || !tree_[node.index].placed) continue; // its scan will meet the names
    if (!tree_.placed(node.index)) {
      aside.push_back(node);
      continue;
    }
    OpenJob open;
    open.kind = OpenJob::Kind::find_links;
    open.node = node;
    const JobId id = next_job_++;
    jobs_.emplace(id, std::move(open));
    ++search.jobs_open;
    outputs_.jobs.push_back({FindLinksJob{id, {tree_.path(node.index), tree_[node.index].id}, search.inodes}, false});
  }
  search.directories.insert(search.directories.end(), aside.begin(), aside.end());
  end_link_search();
}

void SourceEngine::on_links_found(const OpenJob& job, LinksFound result, Time now) {
  --link_search_.jobs_open;
  if (alive(job.node) && tree_[job.node.index].placed) {
    const NodeIndex node = job.node.index;
    if (!result.status.ok()) need_scan(node, link_search_.epoch); // says what is wrong, and finds the names
    for (const std::string& name : result.names)
      if (const LinkIndex::Group* group = links_.group_of(job.node, name);
          group == nullptr || !link_search_.inodes->contains(group->inode))
        mark_entry(node, name, false, link_search_.epoch, WatchEvent::existence, now, now);
  }
  end_link_search();
}

void SourceEngine::end_link_search() {
  LinkSearch& search = link_search_;
  if (search.inodes == nullptr || search.jobs_open > 0 || !search.directories.empty()) return;
  search.inodes = nullptr;
  counts_.remove(search.epoch, false);
}

} // namespace osync::engine
