// load_template DIRECTORY NAME: loads a policy plugin as osync does, makes an object with its default
// options, and asks it for a choice. Exit code 0: all of that worked.
#include <cstdio>
#include <string>

#include "config/stages.h"
#include "loader/plugin_loader.h"
#include "loader/plugin_object.h"
#include "osync/policy.h"

namespace {

class StandardError final : public osync::Logger {
 public:
  void log(osync::LogLevel, std::string_view message) noexcept override {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
  }
  [[nodiscard]] bool enabled(osync::LogLevel) const noexcept override { return true; }
};

int fail(const std::string& message) {
  std::fprintf(stderr, "load_template: %s\n", message.c_str());
  return 1;
}

} // namespace

int main(int count, char** arguments) {
  if (count != 3) return fail("expected DIRECTORY NAME");
  const osync::loader::PluginLoader loader({arguments[1]});
  const auto plugin = loader.find(arguments[2], osync::PluginKind::policy);
  if (!plugin.ok()) return fail(plugin.status().to_string());
  const osync::PluginDescriptor& descriptor = *plugin.value().descriptor;
  osync::config::Mistakes mistakes;
  const osync::OptionValues options =
      osync::config::validate_options({descriptor.options, descriptor.option_count}, {}, mistakes);
  if (!mistakes.empty()) return fail(mistakes.to_string());
  StandardError logger;
  auto policy =
      osync::loader::PluginObject<osync::Policy>::create(descriptor, {&logger, &options, "template"});
  if (!policy.ok()) return fail(policy.status().to_string());
  osync::PolicyView view;
  view.live.items = 1;
  const osync::PolicyChoice choice = policy.value()->choose(view);
  if (choice.work != osync::WorkClass::live || choice.quantum != 256 * 1024)
    return fail("an unexpected choice");
  return 0;
}
