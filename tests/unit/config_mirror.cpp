// The pipeline of `osync mirror`, and the directories of a pipeline.
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "config/mirror.h"
#include "config/paths.h"
#include "config/values.h"
#include "support/temporary.h"

using namespace osync;
using namespace osync::config;
namespace fs = std::filesystem;

namespace {

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

MirrorRequest request_of(std::string source, std::string destination) {
  MirrorRequest request;
  request.source = std::move(source);
  request.destination = std::move(destination);
  return request;
}

} // namespace

TEST_CASE("config mirror: two paths make a pipeline") {
  MirrorRequest request = request_of("/srv/photos/", "/backup//photos");
  request.watcher = "inotify";
  request.policy = "policy-weighted";
  request.excludes = {"*.tmp", "!keep.tmp"};
  request.keep_extra = true;
  request.take_over = true;
  const auto made = make_mirror_pipeline(request);
  REQUIRE(made.ok());
  const Pipeline& pipeline = made.value();
  CHECK(pipeline.name == mirror_name("/srv/photos", "/backup/photos"));
  CHECK(pipeline.source.root == "/srv/photos");
  CHECK(pipeline.source.rules.size() == 2);
  CHECK(pipeline.watcher.plugin.text == "watch-inotify");
  CHECK(pipeline.policy.plugin.text == "policy-weighted");
  REQUIRE(pipeline.replicas.size() == 1);
  const Replica& replica = pipeline.replicas.begin()->second;
  CHECK(replica.transport.listen->text == "inproc://" + pipeline.name);
  CHECK(replica.transport.connect->text == replica.transport.listen->text);
  REQUIRE(replica.sink.options.size() == 1);
  CHECK(replica.sink.options[0].name == "root");
  CHECK(replica.sink.options[0].value.text == "/backup/photos");
  CHECK(replica.deletion.extra == false);
  CHECK(replica.take_over);
  CHECK_FALSE(replica.adopt);
}

TEST_CASE("config mirror: relative paths become absolute, and one directory has one name") {
  const osync::test::TemporaryDirectory directory;
  fs::create_directory(directory.path() / "real");
  fs::create_directory_symlink(directory.path() / "real", directory.path() / "link");
  const auto plain = make_mirror_pipeline(request_of(directory / "real", directory / "to"));
  const auto linked = make_mirror_pipeline(request_of(directory / "link", directory / "to"));
  REQUIRE(plain.ok());
  REQUIRE(linked.ok());
  CHECK(plain.value().name == linked.value().name);
  CHECK(linked.value().source.root == directory / "link");
  // "link/.." is the parent of what the link stands for, not the directory that holds the link.
  const auto parent = make_mirror_pipeline(request_of(directory / "link/../x", "to"));
  REQUIRE(parent.ok());
  CHECK(parent.value().source.root == directory / "link/../x");
  CHECK(parent.value().replicas.begin()->second.sink.options[0].value.text ==
        fs::current_path().string() + "/to");
  const auto here = make_mirror_pipeline(request_of(".", "/to"));
  REQUIRE(here.ok());
  CHECK(here.value().source.root == fs::current_path().string());
  const auto colon = make_mirror_pipeline(request_of("./a:b", "/to"));
  REQUIRE(colon.ok());
  CHECK(colon.value().source.root == fs::current_path().string() + "/a:b");
}

TEST_CASE("config mirror: names are readable, valid and stable") {
  CHECK(mirror_name("/srv/photos", "/backup/photos") == "mirror-photos-aca90344");
  CHECK(mirror_name("/srv/photos", "/backup/photos") != mirror_name("/srv/photos", "/backup/photos2"));
  CHECK(mirror_name("/ab", "/c") != mirror_name("/a", "b/c"));
  for (const std::string& source : {std::string("/"), std::string("/\xff \n"), "/" + std::string(255, 'x')})
    CHECK(valid_instance_name(mirror_name(source, "/d")));
}

TEST_CASE("config mirror: what cannot be mirrored is refused") {
  const auto message = [](const MirrorRequest& request) {
    const auto made = make_mirror_pipeline(request);
    REQUIRE_FALSE(made.ok());
    CHECK(made.status().code() == Code::invalid);
    return made.status().to_string();
  };
  CHECK_THAT(message(request_of("host:/a", "/b")),
             Catch::Contains("SRC names a host") && Catch::Contains("ssh"));
  CHECK_THAT(message(request_of("/a", "user@host:b")), Catch::Contains("DST names a host"));
  CHECK_THAT(message(request_of("host:", "/b")), Catch::Contains("names a host"));
  CHECK_THAT(message(request_of("", "/b")), Catch::Contains("SRC is empty"));
  CHECK_THAT(message(request_of("/a", "/" + std::string(5000, 'x'))), Catch::Contains("DST is too long"));
  MirrorRequest request = request_of("/a", "/b");
  request.excludes = {"["};
  CHECK_THAT(message(request), Catch::Contains("--exclude"));
  request = request_of("/a", "/b");
  request.watcher = "../x";
  CHECK_THAT(message(request), Catch::Contains("--watcher"));
  request = request_of("/a", "/b");
  request.policy = "";
  CHECK_THAT(message(request), Catch::Contains("--policy"));
  request = request_of("/a", "/b");
  request.keep_extra = request.delete_extra = true;
  CHECK_THAT(message(request), Catch::Contains("--delete-extra"));
}

TEST_CASE("config paths: defaults follow the user and the XDG specification") {
  const auto empty = environment_of({});
  CHECK(default_state_directory("p", empty, true).value() == "/var/lib/osync/p");
  CHECK(default_runtime_directory("p", empty, true, "/s") == "/run/osync/p");
  CHECK(default_state_directory("p", environment_of({{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}}), false)
            .value() == "/x/osync/p");
  CHECK(default_state_directory("p", environment_of({{"XDG_STATE_HOME", "rel"}, {"HOME", "/h"}}), false)
            .value() == "/h/.local/state/osync/p");
  CHECK(default_state_directory("p", empty, false).status().code() == Code::invalid);
  CHECK(default_runtime_directory("p", environment_of({{"XDG_RUNTIME_DIR", "/r"}}), false, "/s") ==
        "/r/osync/p");
  CHECK(default_runtime_directory("p", empty, false, "/s") == "/s/run");
  CHECK(control_socket("/run/osync/p", "sink").value() == "/run/osync/p/sink.sock");
  CHECK(control_socket("/" + std::string(99, 'x'), "s").ok() == true);
  CHECK(control_socket("/" + std::string(100, 'x'), "s").status().code() == Code::name_too_long);
}

TEST_CASE("config paths: a private directory is nobody else's") {
  const osync::test::TemporaryDirectory directory;
  const std::string path = directory / "a/b/c";
  struct stat found {};
  REQUIRE(make_private_directory(path).ok());
  REQUIRE(stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0700);
  CHECK(make_private_directory(path).ok());
  fs::permissions(path, fs::perms(0750));
  REQUIRE(make_private_directory(path).ok());
  REQUIRE(stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0700);

  fs::permissions(path, fs::perms(0777));
  CHECK(make_private_directory(path).code() == Code::conflict);
  fs::create_directory_symlink(directory.path() / "a", directory.path() / "link");
  CHECK_FALSE(make_private_directory(directory / "link").ok());
  osync::test::write_file(directory / "file", "");
  CHECK_FALSE(make_private_directory(directory / "file").ok());
  CHECK_FALSE(make_private_directory(directory / "file/below").ok());
  if (geteuid() != 0) {
    WARN("skipped: only root can make a directory of another user");
    return;
  }
  fs::create_directory(directory.path() / "other");
  REQUIRE(chown((directory / "other").c_str(), 12345, 12345) == 0);
  CHECK(make_private_directory(directory / "other").code() == Code::denied);
}
