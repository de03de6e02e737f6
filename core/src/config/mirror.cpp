#include "config/mirror.h"

#include <algorithm>
#include <filesystem>

#include "config/values.h"

namespace osync::config {
namespace {

namespace fs = std::filesystem;

const Place command_line{"mirror", 0, 0};

/// As rsync and scp read it: a colon before the first slash separates a host.
bool names_host(const std::string& path) {
  const std::size_t colon = path.find(':');
  return colon != std::string::npos && colon < path.find('/');
}

/// `text` as an absolute path, without "." and double slashes where nothing but them has to go: "link/.." is
/// the parent of what the link stands for, which only the kernel can tell.
Result<std::string> absolute_path(const char* which, const std::string& text) {
  const std::string name(which);
  if (text.empty()) return Status(Code::invalid, name + " is empty, expected a directory");
  if (names_host(text))
    return Status(Code::invalid,
                  name + " names a host, which is reserved for ssh and not available yet: for a local "
                         "path with a colon write ./ in front, for two hosts use a pipeline file "
                         "(osync source, osync sink)",
                  text);
  std::error_code error;
  const fs::path absolute = fs::absolute(text, error);
  if (error)
    return Status(Code::invalid, name + " cannot be made absolute: " + error.message(), text, error.value());
  const bool has_parents = std::find(absolute.begin(), absolute.end(), "..") != absolute.end();
  std::string path = has_parents ? absolute.string() : absolute.lexically_normal().string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  Mistakes mistakes;
  if (!read_value(OptionType::path, "", {path, "", {}}, mistakes))
    return Status(Code::invalid, name + " is too long, or has a NUL byte", path);
  return path;
}

/// The same directory by its own path, so that it has one name however it is reached. What does not exist
/// stays as it is.
std::string canonical(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

Result<std::string> watcher_plugin(const std::string& name) {
  if (name == "inotify" || name == "fanotify") return "watch-" + name;
  if (valid_plugin_name(name)) return name;
  return Status(Code::invalid, "--watcher: expected auto, inotify, fanotify or the name of a plugin", name);
}

Replica make_replica(const MirrorRequest& request, const std::string& name, const std::string& destination) {
  Replica replica;
  const std::string endpoint = "inproc://" + name;
  replica.transport.key = "transport";
  replica.transport.place = command_line;
  replica.transport.plugin = {default_transport, "transport.plugin", command_line};
  replica.transport.listen = Scalar{endpoint, "transport.listen", command_line};
  replica.transport.connect = Scalar{endpoint, "transport.connect", command_line};
  replica.sink.key = "sink";
  replica.sink.place = command_line;
  replica.sink.plugin = {default_sink, "sink.plugin", command_line};
  replica.sink.options.push_back({"root", {destination, "sink.root", command_line}});
  if (request.keep_extra) replica.deletion.extra = false;
  if (request.delete_extra) replica.deletion.extra = true;
  replica.adopt = request.adopt;
  replica.take_over = request.take_over;
  return replica;
}

} // namespace

std::string mirror_name(const std::string& source, const std::string& destination) {
  constexpr std::size_t readable_bytes = 40;
  std::string name = "mirror-";
  for (const char c : source.substr(source.rfind('/') + 1)) {
    if (name.size() == readable_bytes) break;
    name += valid_instance_name(std::string_view(&c, 1)) ? c : '_';
  }
  std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a, 64 bits (RFC draft-eastlake-fnv), folded to 32
  for (const char c : source + '\0' + destination)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  const auto folded = static_cast<std::uint32_t>(hash ^ hash >> 32);
  if (!name.ends_with('-')) name += '-';
  for (int shift = 28; shift >= 0; shift -= 4) name += "0123456789abcdef"[folded >> shift & 15];
  return name;
}

Result<Pipeline> make_mirror_pipeline(const MirrorRequest& request) {
  auto source = absolute_path("SRC", request.source);
  if (!source.ok()) return source.status();
  auto destination = absolute_path("DST", request.destination);
  if (!destination.ok()) return destination.status();
  auto watcher = watcher_plugin(request.watcher);
  if (!watcher.ok()) return watcher.status();
  if (!valid_plugin_name(request.policy))
    return Status(Code::invalid, "--policy: expected the name of a plugin", request.policy);
  if (request.keep_extra && request.delete_extra)
    return Status(Code::invalid, "--keep-extra and --delete-extra exclude each other");

  Pipeline pipeline;
  for (const std::string& pattern : request.excludes) pipeline.source.rules.push_back({pattern, true});
  if (const auto rules = engine::Rules::parse(pipeline.source.rules); !rules.ok())
    return Status(Code::invalid, "--exclude: " + std::string(rules.status().message()),
                  std::string(rules.status().path()));
  pipeline.origin = command_line.origin;
  pipeline.name = mirror_name(canonical(source.value()), canonical(destination.value()));
  pipeline.source.root = source.value();
  pipeline.source.root_place = command_line;
  pipeline.watcher.key = "watcher";
  pipeline.watcher.place = command_line;
  pipeline.watcher.plugin = {watcher.value(), "watcher.plugin", command_line};
  pipeline.policy.key = "policy";
  pipeline.policy.place = command_line;
  pipeline.policy.plugin = {request.policy, "policy.plugin", command_line};
  pipeline.replicas.emplace(shorthand_replica, make_replica(request, pipeline.name, destination.value()));
  return pipeline;
}

} // namespace osync::config
