#include "data/sets/other_layouts.h"

namespace tessera {
namespace {

constexpr const char* kVqa = "questions or answers of VQA, which are no captions";

std::string of_list(const FirstRecord& found) {
  if (has_any(found.record, {"conversations"})) return "a list of conversations, as LLaVA's";
  if (has_any(found.record, {"question", "question_id"})) return kVqa;
  if (has_any(found.record, {"imgid"}) && has_any(found.record, {"sentences"}))
    return "the array of Karpathy's splits without the object around it, {\"images\": […]}";
  return {};
}

std::string of_object(const FirstRecord& found) {
  if (has_any(found.record, {"question", "question_id"})) return kVqa;
  if (has_any(found.keys, {"identifier"}) && has_any(found.keys, {"sentence"})) return "NLVR2's JSON lines";
  const auto is_picture = [](const std::string& key) {
    return key.ends_with(".jpg") || key.ends_with(".jpeg") || key.ends_with(".png");
  };
  if (!found.keys.empty() && is_picture(found.keys[0])) return "an object with an entry for each picture";
  return {};
}

}  // namespace

std::string other_layout(const FileBeginning& beginning) {
  if (!beginning.is_json) return {};
  return beginning.json.list ? of_list(beginning.json) : of_object(beginning.json);
}

}  // namespace tessera
