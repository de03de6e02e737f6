#include "config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <unordered_map>

namespace osync::config {
namespace {

constexpr std::string_view syntax_key = "yaml"; ///< stands for the key in mistakes that concern none

/// Ends the parse after a mistake behind which nothing can be trusted; never leaves this file.
struct Abandoned {};

Place place_of(const std::string& origin, const YAML::Mark& mark) { // yaml-cpp counts from 0, -1 is unknown
  return {origin, static_cast<std::uint32_t>(std::max(mark.line, 0)) + 1,
          static_cast<std::uint32_t>(std::max(mark.column, 0)) + 1};
}

/// Builds the tree from yaml-cpp's events. Its Node class is not used: it keeps duplicate keys, and reads
/// scalars in the manner of YAML 1.1 (010 is 8, on is true).
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string origin, Mistakes& mistakes) : origin_(std::move(origin)), mistakes_(mistakes) {}

  [[nodiscard]] std::shared_ptr<const Node> root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    complete(make(Node::Kind::null, mark, "?"), anchor, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Kind::scalar, mark, tag == "tag:yaml.org,2002:str" ? "?" : tag);
    node->text = value;
    if (value.size() > scalar_bytes_bound) {
      report(mark, path_of_next(), "a value of " + std::to_string(value.size()) + " bytes",
             "at most " + std::to_string(scalar_bytes_bound));
      node->text.clear();
    }
    complete(std::move(node), anchor, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) abandon(mark, "an alias inside of what it stands for", "a tree");
    attach(found->second, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(make(Node::Kind::sequence, mark, tag), anchor, mark);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(make(Node::Kind::mapping, mark, tag), anchor, mark);
  }
  void OnMapEnd() override { end(); }

 private:
  /// A sequence or mapping that has begun and not ended.
  struct Frame {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor;
    YAML::Mark mark;
    std::string path;
    std::shared_ptr<const Node> key; ///< of a mapping, while its value is to come
    YAML::Mark key_mark;
    std::unordered_map<std::string, std::uint32_t> lines; ///< of the keys so far
  };

  std::shared_ptr<Node> make(Node::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    if (++nodes_ > yaml_nodes_bound)
      abandon(mark, "more than " + std::to_string(yaml_nodes_bound) + " values", "a pipeline file");
    if (tag != "?" && tag != "!") report(mark, path_of_next(), "the tag " + quoted(tag), "a plain value");
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->place = place_of(origin_, mark);
    return node;
  }

  void begin(std::shared_ptr<Node> node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (frames_.size() == yaml_depth_bound)
      abandon(mark, "more than " + std::to_string(yaml_depth_bound) + " levels", "a pipeline file");
    std::string path = path_of_next();
    frames_.push_back({std::move(node), anchor, mark, std::move(path), nullptr, {}, {}});
  }

  void end() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    complete(std::move(frame.node), frame.anchor, frame.mark);
  }

  /// Anchors count from here on, not from the node's beginning, so that no node can contain itself.
  void complete(std::shared_ptr<const Node> node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (anchor != 0) anchors_.insert_or_assign(anchor, node);
    attach(std::move(node), mark);
  }

  void attach(std::shared_ptr<const Node> node, const YAML::Mark& mark) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node->kind == Node::Kind::sequence) {
      frame.node->items.push_back(std::move(node));
    } else if (frame.key == nullptr) {
      frame.key = std::move(node);
      frame.key_mark = mark;
    } else {
      add_entry(frame, std::move(node));
    }
  }

  void add_entry(Frame& frame, std::shared_ptr<const Node> value) {
    const std::shared_ptr<const Node> key = std::move(frame.key);
    frame.key = nullptr;
    const std::string path = frame.path.empty() ? key->text : frame.path + "." + key->text;
    if (key->kind != Node::Kind::scalar) {
      report(frame.key_mark, frame.path, describe(*key) + " as a key", "a name");
      return;
    }
    if (key->text == "<<") {
      report(frame.key_mark, path, "a merge key",
             "the keys themselves (aliases stand for whole values only)");
      return;
    }
    const Place place = place_of(origin_, frame.key_mark);
    const auto [first, fresh] = frame.lines.try_emplace(key->text, place.line);
    if (!fresh) {
      report(frame.key_mark, path,
             "the key a second time (first on line " + std::to_string(first->second) + ")", "every key once");
      return;
    }
    frame.node->entries.push_back({key->text, place, std::move(value)});
  }

  /// The full key of the value that comes next.
  [[nodiscard]] std::string path_of_next() const {
    if (frames_.empty()) return {};
    const Frame& frame = frames_.back();
    if (frame.node->kind == Node::Kind::sequence)
      return frame.path + "[" + std::to_string(frame.node->items.size()) + "]";
    if (frame.key == nullptr) return frame.path;
    return frame.path.empty() ? frame.key->text : frame.path + "." + frame.key->text;
  }

  void report(const YAML::Mark& mark, const std::string& path, std::string found, std::string expected) {
    mistakes_.add(place_of(origin_, mark), path.empty() ? std::string(syntax_key) : path, std::move(found),
                  std::move(expected));
  }

  [[noreturn]] void abandon(const YAML::Mark& mark, std::string found, std::string expected) {
    report(mark, {}, std::move(found), std::move(expected));
    throw Abandoned();
  }

  std::string origin_;
  Mistakes& mistakes_;
  std::size_t nodes_ = 0;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, std::shared_ptr<const Node>> anchors_;
  std::shared_ptr<const Node> root_;
};

/// Refuses bytes that a reader of the file would not see or that yaml-cpp takes for something else (0x04 is
/// its end of file, a NUL its guess at UTF-16).
bool only_text(std::string_view text, const std::string& origin, Mistakes& mistakes) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    mistakes.add({origin, 1, 1}, std::string(syntax_key), "UTF-16", "UTF-8");
    return false;
  }
  Place place{origin, 1, 1};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
      mistakes.add(place, std::string(syntax_key), "the byte " + quoted(std::string_view(&c, 1)), "text");
      return false;
    }
    if (c == '\n') {
      ++place.line;
      place.column = 0;
    }
    ++place.column;
  }
  return true;
}

/// Reports where more than one document stands.
class SecondDocument final : public YAML::EventHandler {
 public:
  [[nodiscard]] const std::optional<YAML::Mark>& start() const { return start_; }
  void OnDocumentStart(const YAML::Mark& mark) override {
    start_ = mark;
    throw Abandoned();
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

 private:
  std::optional<YAML::Mark> start_;
};

} // namespace

std::string describe(const Node& node) {
  switch (node.kind) {
  case Node::Kind::null:
    return "nothing";
  case Node::Kind::scalar:
    return quoted(node.text);
  case Node::Kind::sequence:
    return "a list";
  case Node::Kind::mapping:
    return "a mapping";
  }
  return "nothing";
}

std::shared_ptr<const Node> parse_yaml(std::string_view text, const std::string& origin, Mistakes& mistakes) {
  const std::string key(syntax_key);
  if (text.size() > yaml_bytes_bound) {
    mistakes.add({origin, 1, 1}, key, "more than " + std::to_string(yaml_bytes_bound) + " bytes",
                 "a pipeline file");
    return nullptr;
  }
  if (!only_text(text, origin, mistakes)) return nullptr;
  SecondDocument second;
  // With a line break at the end of the file yaml-cpp 0.7 closes an open quotation mark by itself, and all
  // that was meant to come after it is part of one value. Without one it reports the mistake.
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(origin, mistakes);
    if (!parser.HandleNextDocument(builder) || builder.root() == nullptr) {
      mistakes.add({origin, 1, 1}, key, "an empty file", "a pipeline file");
      return nullptr;
    }
    while (parser.HandleNextDocument(second)) {
    }
    return builder.root();
  } catch (const Abandoned&) {
    if (second.start())
      mistakes.add(place_of(origin, *second.start()), key, "more after the end of the document",
                   "one document");
  } catch (const YAML::Exception& error) {
    mistakes.add(place_of(origin, error.mark), key, quoted(error.msg), "YAML");
  } catch (const std::exception& error) {
    mistakes.add({origin, 1, 1}, key, quoted(error.what()), "YAML");
  }
  return nullptr;
}

} // namespace osync::config
