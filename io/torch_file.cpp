#include "io/torch_file.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>

#include "io/file_kind.h"
#include "io/input_file.h"
#include "io/pickle.h"
#include "io/pickle_globals.h"
#include "io/printable.h"
#include "io/script_module.h"
#include "io/torch_state_dict.h"
#include "io/torch_tensors.h"
#include "io/zip_archive.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Id = Pickle::Id;
using Kind = Pickle::Kind;

// Says what a file is that is no zip archive, from its first bytes.
void check_is_zip(std::string_view head, const std::string& path) {
  constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);
  constexpr size_t kTarMagicAt = 257;
  const bool is_tar = head.size() > kTarMagicAt && head.substr(kTarMagicAt).starts_with("ustar");
  check(!head.starts_with(kLegacyMagic) && !is_tar, path,
        ": is in the format that torch wrote before version 1.6, which is not supported; re-save it in Python: "
        "torch.save(torch.load(path, map_location='cpu', weights_only=True), new_path)");
  check(!head.starts_with('\x80'), path, ": is a bare pickle, expected the zip archive that torch.save writes");
  const std::span bytes(reinterpret_cast<const uint8_t*>(head.data()), head.size());
  if (!head.starts_with("PK") && !file_kind(bytes).empty())
    fail(path, ": ",
         wrong_kind(bytes, "the zip archive that torch.save writes (a safetensors file is named .safetensors)"));
}

// The folder inside the archive, "NAME/".
std::string find_folder(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string folder;
  for (const ZipMember& member : archive.members()) {
    if (!member.name.ends_with(kPickle)) continue;
    check(folder.empty(), archive.path(), ": holds more than one data.pkl");
    folder = member.name.substr(0, member.name.size() - kPickle.size() + 1);
  }
  check(!folder.empty(), archive.path(), ": a zip archive without a data.pkl, so not made by torch.save");
  return folder;
}

void check_byte_order(const ZipArchive& archive, const std::string& folder) {
  const ZipMember* member = archive.find(folder + "byteorder");
  if (!member) return;
  const std::vector<uint8_t> bytes = archive.read(*member);
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  check(order == "little", archive.path(), ": byte order is ", printable(order), ", expected 'little'");
}

// Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates) without control characters: names are printed and
// written into other files.
bool is_plain_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
    const unsigned lead = byte(0);
    const size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length == 0 || lead < 0x20 || lead == 0x7f) return false;
    for (size_t k = 1; k < length; ++k)
      if ((byte(k) & 0xc0) != 0x80) return false;
    if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf0 && byte(1) < 0x90) ||
        (lead == 0xf4 && byte(1) > 0x8f))
      return false;
    i += length;
  }
  return true;
}

class Reader {
 public:
  Reader(const ZipArchive& archive, const std::string& folder)
      : path_(archive.path()),
        is_script_(archive.find(folder + "constants.pkl") != nullptr),
        pickle_(parse_pickle(archive.read(*archive.find(folder + "data.pkl")), path_ + ": data.pkl")),
        tensors_(pickle_, archive, folder),
        visited_(pickle_.size(), false) {}

  TorchFile run() {
    file_.path = path_;
    const Id root = pickle_.root();
    if (is_script_module(pickle_, root)) return run_script(root);
    check(!is_script_, path_, ": is a TorchScript program; save the state dict of its module instead");
    check(pickle_.kind(root) == Kind::dict, path_, ": holds ", describe(pickle_, root),
          ", expected a dict of tensors; save the module's state_dict() instead");
    const StateDictPlace place = find_state_dict(pickle_, tensors_, path_);
    const Id state = place.id;
    file_.state_dict = place.path;
    check(pickle_.kind(state) == Kind::dict, path_, ": 'state_dict' is ", describe(pickle_, state),
          ", expected a dict");
    read_state_dict(state);
    file_.converted = tensors_.converted();
    check(!file_.tensors.empty(), path_, ": holds no tensors", keys_of(state));
    if (state != root) describe_outside(root, place.top);
    return std::move(file_);
  }

 private:
  // The attributes of a module and of those in it are the state dict.
  TorchFile run_script(Id root) {
    for (const auto& [name, id] : script_attributes(pickle_, root, path_)) read_entry(name, id);
    check_each_once();
    file_.converted = tensors_.converted();
    check(!file_.tensors.empty(), path_, ": holds a TorchScript module without tensors");
    return std::move(file_);
  }

  void read_state_dict(Id state) {
    const auto items = pickle_.children(state);
    // A few bytes of a pickle make an entry, which takes many times as much memory.
    check(items.size() / 2 <= kMaxEntries, path_, ": the state dict has ", items.size() / 2, " entries, at most ",
          kMaxEntries, " are allowed");
    for (size_t i = 0; i < items.size(); i += 2) {
      check(pickle_.kind(items[i]) == Kind::string, path_, ": the state dict has ", describe(pickle_, items[i]),
            " as a key, expected a string");
      read_entry(std::string(pickle_.text(items[i])), items[i + 1]);
    }
    check_each_once();
    if (pickle_.attributes(state) != Pickle::kNoId) check_inside(pickle_.attributes(state), "_metadata");
  }

  void read_entry(const std::string& name, Id value) {
    check(name.size() <= kMaxNameBytes && is_plain_text(name), path_, ": the state dict has the key ", printable(name),
          ", expected at most ", kMaxNameBytes, " bytes of printable UTF-8");
    check_inside(value, name);
    const bool is_new = tensors_.is_tensor(value) ? file_.tensors.emplace(name, tensors_.load(value, name)).second
                                                  : file_.ignored.emplace(name, describe(pickle_, value)).second;
    check(is_new, path_, ": the state dict has the key ", printable(name), " twice");
  }

  void check_each_once() const {
    for (const auto& item : file_.ignored)
      check(!file_.tensors.count(item.first), path_, ": the state dict has the key ", printable(item.first), " twice");
  }

  // Inside the state dict there may be data alone: no name and no call without a meaning for tensors.
  void check_inside(Id from, const std::string& entry) {
    std::vector<Id> pending{from};
    while (!pending.empty()) {
      const Id id = pending.back();
      pending.pop_back();
      if (visited_[id]) continue;
      visited_[id] = true;
      check_data(id, entry);
      const auto children = pickle_.children(id);
      pending.insert(pending.end(), children.begin(), children.end());
      if (pickle_.attributes(id) != Pickle::kNoId) pending.push_back(pickle_.attributes(id));
    }
  }

  void check_data(Id id, const std::string& entry) const {
    if (pickle_.kind(id) == Kind::global && !is_data(id)) refuse_inside(pickle_.global_name(id), entry);
    if (pickle_.kind(id) != Kind::object) return;
    const Id callee = pickle_.children(id)[0];
    const auto names = pickle_.children(callee);
    if (pickle_.kind(callee) != Kind::global || !is_data_callee(pickle_.text(names[0]), pickle_.text(names[1])))
      refuse_inside(describe(pickle_, id), entry);
  }

  [[noreturn]] void refuse_inside(const std::string& what, const std::string& entry) const {
    fail(path_, ": entry ", printable(entry), " of the state dict holds ", what,
         ", expected tensors, numbers, strings, lists and dicts alone; nothing was run");
  }

  bool is_data(Id global) const {
    const auto names = pickle_.children(global);
    return classify_global(pickle_.text(names[0]), pickle_.text(names[1])) == GlobalKind::data;
  }

  void describe_outside(Id root, Id top) {
    const auto items = pickle_.children(root);
    for (size_t i = 0; i < items.size(); i += 2)
      if (items[i + 1] != top) file_.beside[name_of_key(items[i])] = describe(pickle_, items[i + 1]);
    const Id settings = pickle_.find(root, "hyper_parameters");
    if (settings != Pickle::kNoId) read_settings(settings);
    count_placeholders();
  }

  std::string name_of_key(Id key) const {
    if (pickle_.kind(key) != Kind::string) return describe(pickle_, key);
    const std::string_view name = pickle_.text(key);
    return name.size() <= kMaxNameBytes && is_plain_text(name) ? std::string(name) : printable(name);
  }

  void count_placeholders() {
    std::vector<int64_t> uses(pickle_.size(), 0);
    for (Id id = 0; id < pickle_.size(); ++id) {
      for (const Id child : pickle_.children(id)) ++uses[child];
      if (pickle_.attributes(id) != Pickle::kNoId) ++uses[pickle_.attributes(id)];
    }
    for (Id id = 0; id < pickle_.size(); ++id)
      if (uses[id] > 0 && pickle_.kind(id) == Kind::global && !is_data(id))
        file_.placeholders[pickle_.global_name(id)] += uses[id];
  }

  // The scalars of a dict, of an object of a class that extends dict, or of an object's attributes
  // (argparse.Namespace), and of those inside it.
  void read_settings(Id from) {
    constexpr int kMaxDepth = 4;
    struct Place {
      Id id;
      std::string path;
      int depth;
    };
    std::vector<Place> places;  // a bounded number, so that long paths cannot take memory
    std::set<Id> seen;          // each once, so that a large one that is used often cannot take time
    const auto visit = [&](Id id, const std::string& path, int depth) {
      const bool is_place = pickle_.kind(id) == Kind::dict || pickle_.kind(id) == Kind::object;
      if (is_place && depth <= kMaxDepth && places.size() < kMaxSettings && seen.insert(id).second)
        places.push_back({id, path, depth});
    };
    visit(from, "", 0);
    for (size_t at = 0; at < places.size(); ++at) {
      const Place place = places[at];
      const auto items = pickle_.children(place.id);
      const size_t first = pickle_.kind(place.id) == Kind::object ? 2 : 0;              // after callee and arguments
      if (items.size() == first + 1) visit(items[first], place.path, place.depth + 1);  // attributes
      for (size_t i = first; i + 1 < items.size(); i += 2) {
        if (!is_short_text(items[i])) continue;
        const std::string path = place.path + (place.path.empty() ? "" : ".") + std::string(pickle_.text(items[i]));
        const std::string value = scalar(items[i + 1]);
        if (!value.empty() && file_.settings.size() < kMaxSettings) file_.settings[path] = value;
        visit(items[i + 1], path, place.depth + 1);
      }
    }
  }

  bool is_short_text(Id id) const {
    return pickle_.kind(id) == Kind::string && pickle_.text(id).size() <= kMaxSettingBytes &&
           is_plain_text(pickle_.text(id));
  }

  // Empty for what is no scalar.
  std::string scalar(Id id) const {
    switch (pickle_.kind(id)) {
      case Kind::boolean: return pickle_.boolean(id) ? "True" : "False";
      case Kind::integer: return std::to_string(pickle_.integer(id));
      case Kind::real: {
        char digits[32];
        return {digits, std::to_chars(digits, digits + sizeof digits, pickle_.real(id)).ptr};
      }
      case Kind::string: return is_short_text(id) ? std::string(pickle_.text(id)) : "";
      default: return "";
    }
  }

  // For the message about a file whose tensors are somewhere else.
  std::string keys_of(Id dict) const {
    constexpr size_t kShown = 10;
    std::string out;
    const auto items = pickle_.children(dict);
    for (size_t i = 0; i < items.size() && i < 2 * kShown; i += 2)
      out += text(out.empty() ? "; its entries are " : ", ", printable(pickle_.text(items[i])));
    return out + (items.size() > 2 * kShown ? ", ..." : "");
  }

  static constexpr size_t kMaxNameBytes = 1024, kMaxSettingBytes = 256, kMaxSettings = 1000, kMaxEntries = 100'000;

  const std::string path_;
  const bool is_script_;
  const Pickle pickle_;
  TorchTensors tensors_;
  std::vector<bool> visited_;
  TorchFile file_;
};

TorchFile read_archive(const ZipArchive& archive) {
  const std::string folder = find_folder(archive);
  check_byte_order(archive, folder);
  return Reader(archive, folder).run();
}

}  // namespace

TorchFile load_torch_file(const std::string& path) {
  InputFile file(path);
  std::string head(std::min<uint64_t>(file.size(), kFileKindBytes), '\0');
  file.read(head.data(), head.size());
  check_is_zip(head, shown(path));
  return read_archive(ZipArchive(path));
}

TorchFile load_torch_file(std::span<const uint8_t> bytes, const std::string& name) {
  check_is_zip({reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kFileKindBytes)}, name);
  return read_archive(ZipArchive(bytes, name));
}

std::vector<std::string> TorchFile::report() const {
  std::vector<std::string> lines;
  if (!state_dict.empty()) lines.push_back("taken: the tensors of '" + state_dict + "'");
  for (const auto& [name, what] : ignored) lines.push_back("ignored '" + name + "': " + what);
  for (const auto& [name, count] : placeholders) lines.push_back(text("not interpreted: ", name, " × ", count));
  return lines;
}

}  // namespace tessera
