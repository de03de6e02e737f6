#include "config/section.h"

#include "config/values.h"

namespace osync::config {

std::optional<Scalar> scalar_text(Reading& reading, const Node& node, const std::string& key,
                                  const Place& place, std::string_view expected) {
  if (node.kind != Node::Kind::scalar) {
    // yaml-cpp places an empty value at whatever comes next; its key is the better place.
    reading.mistakes.add(node.kind == Node::Kind::null ? place : node.place, key, describe(node),
                         std::string(expected));
    return std::nullopt;
  }
  Scalar scalar{node.text, key, node.place};
  std::optional<std::string> text = expand(scalar, reading.environment, reading.mistakes);
  if (!text) return std::nullopt;
  scalar.text = std::move(*text);
  return scalar;
}

Section::Section(Reading& reading, const Node* node, std::string key, Place place)
    : reading_(reading), node_(node), key_(std::move(key)), place_(std::move(place)) {
  if (node_ == nullptr || node_->kind == Node::Kind::mapping) return;
  if (node_->kind != Node::Kind::null)
    reading_.mistakes.add(node_->place, key_.empty() ? "yaml" : key_, describe(*node_),
                          "a mapping (key: value)");
  node_ = nullptr;
}

std::string Section::key_of(std::string_view name) const {
  return key_.empty() ? std::string(name) : key_ + "." + std::string(name);
}

const Node::Entry* Section::find(std::string_view name) const {
  if (node_ == nullptr) return nullptr;
  for (const Node::Entry& entry : node_->entries)
    if (entry.key == name) return &entry;
  return nullptr;
}

bool Section::has(std::string_view name) const { return find(name) != nullptr; }

const Node* Section::take(std::string_view name) {
  known_.emplace(name);
  const Node::Entry* const entry = find(name);
  return entry == nullptr ? nullptr : entry->value.get();
}

Place Section::place_of(std::string_view name) const {
  const Node::Entry* const entry = find(name);
  return entry == nullptr ? place_ : entry->place;
}

Section Section::section(std::string_view name) {
  const Node* const node = take(name);
  return {reading_, node, key_of(name), place_of(name)};
}

std::optional<Scalar> Section::scalar_of(const Node::Entry& entry, std::string_view expected) {
  return scalar_text(reading_, *entry.value, key_of(entry.key), entry.place, expected);
}

std::optional<Scalar> Section::scalar(std::string_view name, std::string_view expected) {
  known_.emplace(name);
  const Node::Entry* const entry = find(name);
  return entry == nullptr ? std::nullopt : scalar_of(*entry, expected);
}

void Section::boolean(std::string_view name, bool& value) {
  const auto given = scalar(name, expected_value(OptionType::boolean, ""));
  if (!given) return;
  if (const auto read = read_value(OptionType::boolean, "", *given, reading_.mistakes))
    value = std::get<bool>(*read);
}

void Section::number(std::string_view name, OptionType type, std::string_view range, std::int64_t& value) {
  const auto given = scalar(name, expected_value(type, range));
  if (!given) return;
  if (const auto read = read_value(type, range, *given, reading_.mistakes))
    value = std::get<std::int64_t>(*read);
}

void Section::text(std::string_view name, OptionType type, std::string_view range, std::string& value) {
  const auto given = scalar(name, expected_value(type, range));
  if (!given) return;
  if (const auto read = read_value(type, range, *given, reading_.mistakes))
    value = std::get<std::string>(*read);
}

std::vector<RawOption> Section::rest_as_options() {
  std::vector<RawOption> options;
  if (node_ == nullptr) return options;
  for (const Node::Entry& entry : node_->entries) {
    if (known_.contains(entry.key)) continue;
    known_.emplace(entry.key);
    if (auto value = scalar_of(entry, "a single value")) options.push_back({entry.key, std::move(*value)});
  }
  return options;
}

void Section::refuse_rest() {
  if (node_ == nullptr) return;
  const std::vector<std::string_view> names(known_.begin(), known_.end());
  for (const Node::Entry& entry : node_->entries)
    if (!known_.contains(entry.key))
      reading_.mistakes.add(entry.place, key_of(entry.key), "an unknown key",
                            expected_name(entry.key, names));
}

} // namespace osync::config
