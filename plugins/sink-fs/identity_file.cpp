#include "identity_file.h"

#include <charconv>
#include <optional>

#include "small_file.h"

namespace osync::sink_fs {

namespace {

constexpr std::string_view heading = "osync-replica ";
constexpr std::string_view version = "1";
constexpr std::string_view identity_path = ".osync/identity";

std::string hexadecimal(const Uuid& uuid) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : uuid) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  Uuid uuid{};
  if (text.size() != 2 * uuid.size()) return {};
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    const std::string_view pair = text.substr(2 * i, 2);
    const auto parsed = std::from_chars(pair.data(), pair.data() + 2, uuid[i], 16);
    if (parsed.ec != std::errc() || parsed.ptr != pair.data() + 2) return {};
  }
  return uuid;
}

/// The value of the next line, which has to be "key value\n"; nothing otherwise.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view key) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(key) || end <= key.size() || text[key.size()] != ' ')
    return {};
  const std::string_view value = text.substr(key.size() + 1, end - key.size() - 1);
  text.remove_prefix(end + 1);
  return value;
}

Status corrupt(std::string_view what) {
  return {Code::corrupt,
          "the replica's identity cannot be read (" + std::string(what) +
              "). Put the file back from a backup; or remove it, after which the replica counts as foreign "
              "content and "
              "is taken again with --adopt and a full comparison",
          std::string(identity_path)};
}

} // namespace

std::string format_identity(const IdentityRecord& record) {
  std::string text(heading);
  text.append(version).append("\nsource ").append(hexadecimal(record.identity.source));
  text.append("\nreplica ").append(hexadecimal(record.identity.replica));
  text.append("\nepoch ").append(std::to_string(record.identity.epoch));
  text.append("\nadopted ").append(record.adopted ? "yes" : "no").append("\n");
  return text;
}

Result<IdentityRecord> parse_identity(std::string_view text) {
  const auto found_version = take_line(text, heading.substr(0, heading.size() - 1));
  if (!found_version) return corrupt("no heading");
  if (*found_version != version)
    return Status(Code::unsupported,
                  "the replica's identity has version " + std::string(*found_version) +
                      ", this osync knows version " + std::string(version) +
                      "; use the osync that wrote it or a newer one",
                  std::string(identity_path));
  IdentityRecord record;
  const auto source = take_line(text, "source");
  const auto replica = take_line(text, "replica");
  const auto epoch = take_line(text, "epoch");
  const auto adopted = take_line(text, "adopted");
  if (!source || !replica || !epoch || !adopted || !text.empty())
    return corrupt("lines are missing or too many");
  const auto source_uuid = parse_uuid(*source);
  const auto replica_uuid = parse_uuid(*replica);
  if (!source_uuid || !replica_uuid) return corrupt("not 32 hexadecimal digits");
  const auto parsed = std::from_chars(epoch->data(), epoch->data() + epoch->size(), record.identity.epoch);
  if (parsed.ec != std::errc() || parsed.ptr != epoch->data() + epoch->size())
    return corrupt("the epoch is no number");
  if (*adopted != "yes" && *adopted != "no") return corrupt("adopted is neither yes nor no");
  record.identity.source = *source_uuid;
  record.identity.replica = *replica_uuid;
  record.adopted = *adopted == "yes";
  return record;
}

Result<IdentityRecord> read_identity(int directory) {
  auto content = read_small_file(directory, identity_name);
  if (content.ok()) return parse_identity(content.value());
  if (content.status().code() == Code::corrupt) return corrupt(content.status().message());
  return content.status();
}

} // namespace osync::sink_fs
