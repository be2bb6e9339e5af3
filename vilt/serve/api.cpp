#include "vilt/serve/api.h"

#include <algorithm>
#include <cmath>

#include "io/printable.h"
#include "report/heat_map.h"
#include "tensor/error.h"
#include "vilt/serve/page_files.h"
#include "vilt/serve/refusal.h"

namespace tessera::serve {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostNames = 10'000;  // of the folder, that the page is told

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string type_of_file(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

std::string page_name(const std::string& path) {
  if (path == "/") return "page.html";
  return path.starts_with("/page/") ? path.substr(6) : std::string();
}

const PageFile* page_file(const std::string& path) {
  const std::string name = page_name(path);
  for (const PageFile& file : page_files())
    if (file.name == name) return &file;
  return nullptr;
}

bool is_get_path(const std::string& path) {
  return page_file(path) || path == "/api/abilities" || path == "/api/pictures" || path == "/api/examples" ||
         path == "/api/picture";
}

// "answer" of /api/answer, if that is a question.
std::string question_of(const std::string& path) {
  const std::string name = path.starts_with("/api/") ? path.substr(5) : std::string();
  return name == "look" || ask_task(name) ? name : std::string();
}

// The colours of heat maps from level 0 to 1, with how strongly they cover the picture.
Json heat_palette() {
  constexpr int kSteps = 64;
  Json out = Json::array();
  for (int i = 0; i <= kSteps; ++i) {
    const double level = static_cast<double>(i) / kSteps;
    const Colour colour = heat_colour(level);
    out.push_back({colour.red, colour.green, colour.blue, std::lround(255 * heat_opacity(level))});
  }
  return out;
}

}  // namespace

std::string error_json(const std::string& reason) { return dumped({{"error", reason}}); }

Api::Api(const LoadedModel& model, const Folder* folder, Examples examples, const ApiOptions& options)
    : model_(model),
      folder_(folder),
      options_(options),
      examples_(std::move(examples.samples)),
      pictures_(model, options.pictures, folder, std::move(examples.pictures)),
      worker_(model, options.batch, options.waiting),
      looking_(model, worker_, pictures_) {}

int Api::status_before_body(const std::string& method, const std::string& path, std::string& allowed) const {
  const bool get = is_get_path(path), post = !question_of(path).empty();
  if (!get && !post) return 404;
  allowed = get ? "GET, HEAD" : "POST";
  if (get ? method != "GET" && method != "HEAD" : method != "POST") return 405;
  return 0;
}

Reply Api::handle(const Call& call) {
  try {
    return call.method == "POST" ? post(call) : get(call);
  } catch (const Refusal& refusal) {
    return {refusal.status, "application/json", error_json(refusal.what())};
  } catch (const Error& error) {
    return {400, "application/json", error_json(error.what())};
  } catch (const std::bad_alloc&) {
    return {503, "application/json", error_json("out of memory; try again, or with a smaller picture")};
  } catch (const std::exception& error) {
    return {500, "application/json", error_json(error.what())};
  }
}

Reply Api::get(const Call& call) {
  if (const PageFile* file = page_file(call.path)) return {200, type_of_file(file->name), std::string(file->contents)};
  if (call.path == "/api/abilities") return {200, "application/json", dumped(abilities())};
  if (call.path == "/api/examples") return {200, "application/json", dumped(example_list())};
  if (call.path == "/api/pictures") {
    const Folder::List list = folder_ ? folder_->list(kMostNames) : Folder::List{};
    return {200, "application/json", dumped({{"pictures", list.names}, {"whole", list.whole}})};
  }
  const auto parameter = [&](const char* name) {
    const auto found = call.parameters.find(name);
    return found == call.parameters.end() ? std::string() : found->second;
  };
  check(call.parameters.contains("name") != call.parameters.contains("test"), kRequest,
        ": expected either ?name=, a picture of the folder, or ?test=");
  const bool test = call.parameters.contains("test");
  const GivenPicture given{
      test ? GivenPicture::Source::test : GivenPicture::Source::folder, parameter(test ? "test" : "name"), {}};
  PictureStore::File file = parameter("small") == "1" ? pictures_.thumbnail(given) : pictures_.file(given);
  return {200, std::move(file.type), std::move(file.bytes), true};
}

Reply Api::post(const Call& call) {
  const std::string name = question_of(call.path);
  const AskTask* task = ask_task(name);
  if (task && !can_do(*task, model_)) throw Refusal(404, why_not(*task, model_));
  const std::span<const std::string_view> known =
      task ? std::span<const std::string_view>(task->fields) : Looking::fields();
  std::string type = call.content_type.substr(0, call.content_type.find(';'));
  std::transform(type.begin(), type.end(), type.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  while (type.ends_with(' ')) type.pop_back();
  Fields fields;
  if (type == "application/json")
    fields = read_json_fields(call.body, known);
  else if (type == "multipart/form-data")
    fields = read_part_fields(call.parts, known);
  else
    throw Refusal(415, "expected a body of type application/json or multipart/form-data");
  const Json out = task ? worker_.ask(*task, fields, pictures_, call.latest) : looking_.look(fields, call.latest);
  return {200, "application/json", dumped(out) + "\n"};
}

Api::Json Api::abilities() const {
  const ModelConfig& config = model_.config;
  Json tasks = Json::array();
  for (const AskTask& task : ask_tasks())
    if (can_do(task, model_)) tasks.push_back(task.name);
  tasks.push_back("look");
  return {{"model", options_.name},
          {"tasks", std::move(tasks)},
          {"pictures", config.heads.classifier ? config.num_images : 1},
          {"ranks_by_match", !config.heads.rank},
          {"layers", config.num_hidden_layers},
          {"heads", config.num_attention_heads},
          {"hidden_size", config.hidden_size},
          {"parameters", model_.parameters->total()},
          {"labels", config.num_labels()},
          {"tokens", config.max_position_embeddings - 2},
          {"folder", folder_ != nullptr},
          {"examples", examples_.size()},
          {"respects_orientation", options_.pictures.respect_orientation || model_.preprocessing.respect_orientation},
          {"limits",
           {{"picture_bytes", options_.pictures.bytes},
            {"picture_pixels", options_.pictures.pixels},
            {"batch", options_.batch}}},
          {"palette", heat_palette()}};
}

Api::Json Api::example_list() const {
  Json out = Json::array();
  for (const Example& example : examples_)
    out.push_back({{"pictures", example.pictures}, {"text", example.text}, {"answer", example.answer}});
  return {{"examples", std::move(out)}};
}

}  // namespace tessera::serve
