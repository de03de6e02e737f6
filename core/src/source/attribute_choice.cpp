#include "source/attribute_choice.h"

#include <string_view>

namespace osync::source {
namespace {

using engine::EntryRead;

constexpr std::uint32_t set_id_bits = 06000;
constexpr std::string_view capabilities = "security.capability"; ///< a program's rights in another form (capabilities(7))

bool is_device(FileType type) noexcept {
  return type == FileType::character_device || type == FileType::block_device;
}

/// On directories these bits give no rights, but say to whom new entries belong.
bool is_program(FileType type) noexcept { return type != FileType::directory; }

void reduce(Attributes& attributes, const AttributeChoice& choice) {
  const bool rights = choice.owners && choice.setuid;
  if (!choice.owners) attributes.uid = attributes.gid = keep_owner;
  if (!rights && is_program(attributes.type)) attributes.mode &= ~set_id_bits;
  if (choice.xattrs == AttributeChoice::Xattrs::none) {
    attributes.has_xattrs = false;
    attributes.xattrs.clear();
    return;
  }
  std::erase_if(attributes.xattrs, [&](const Xattr& xattr) {
    return (choice.xattrs == AttributeChoice::Xattrs::user && !xattr.name.starts_with("user.")) ||
           (!rights && xattr.name == capabilities);
  });
}

/// A look that finds a device finds nothing: what the replica has under its name goes, and a scan says nothing of it.
void hide(EntryRead& entry) {
  EntryRead absent;
  absent.outcome = EntryRead::Outcome::absent;
  absent.operation.name = std::move(entry.operation.name);
  entry = std::move(absent);
}

} // namespace

void reduce(engine::SourceJobResult& result, const AttributeChoice& choice) {
  if (choice.all()) return;
  if (auto* read = std::get_if<engine::ReadResult>(&result)) {
    reduce(read->directory_attributes, choice);
    for (EntryRead& entry : read->entries) {
      if (!choice.devices && is_device(entry.operation.attributes.type)) hide(entry);
      else reduce(entry.operation.attributes, choice);
    }
  } else if (auto* list = std::get_if<engine::ListResult>(&result)) {
    reduce(list->directory_attributes, choice);
    if (!choice.devices)
      std::erase_if(list->entries,
                    [](const engine::ListedEntry& entry) { return is_device(entry.attributes.type); });
    for (engine::ListedEntry& entry : list->entries) reduce(entry.attributes, choice);
  } else if (auto* file = std::get_if<engine::FileOpened>(&result)) {
    reduce(file->attributes, choice);
  }
}

} // namespace osync::source
