// What the server answers to a request, whatever brings it: the page, what it may ask about, and the questions.
//
//   GET  /                        the page; /page/NAME: its style and scripts
//   GET  /api/abilities           what the checkpoint can do, its sizes, the limits
//   GET  /api/pictures            the names of the folder's pictures
//   GET  /api/examples            the run's test samples
//   GET  /api/picture?name=N      a picture of the folder as it is; ?test=N: a test picture; &small=1: a thumbnail
//   POST /api/answer, fill, match, rank, reason    {"id", "results"}, as `vilt answer --json` and its kin
//   POST /api/look                where words look (looking.h)
//
// Answers are JSON; what is refused is {"error": "…"} with its status.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vilt/serve/examples.h"
#include "vilt/serve/looking.h"

namespace tessera::serve {

struct Call {
  std::string method, path;
  std::map<std::string, std::string> parameters;  // after the ?
  std::string content_type, body;
  std::vector<Part> parts;  // of multipart/form-data
  Batcher::Time latest;     // by when there must be an answer
};

struct Reply {
  int status = 200;
  std::string type = "application/json", body;
  bool keeps = false;  // the browser may keep it for a while
};

struct ApiOptions {
  int64_t batch = 32;
  size_t waiting = 256;  // requests
  PictureLimits pictures;
  std::string name;  // of the model, for people
};

// Safe for several threads.
class Api {
 public:
  using Json = nlohmann::ordered_json;

  // Model and folder must outlive it; the folder may be null.
  Api(const LoadedModel& model, const Folder* folder, Examples examples, const ApiOptions& options);

  // Before a body is read: 404, 405, or 0: the request may go on. `allowed`: the methods of the path.
  int status_before_body(const std::string& method, const std::string& path, std::string& allowed) const;
  Reply handle(const Call& call);
  const Batcher& batcher() const { return worker_.batcher(); }

 private:
  Reply get(const Call& call);
  Reply post(const Call& call);
  Json abilities() const;
  Json example_list() const;

  const LoadedModel& model_;
  const Folder* folder_;
  const ApiOptions options_;
  const std::vector<Example> examples_;
  PictureStore pictures_;
  ModelWorker worker_;
  Looking looking_;
};

// {"error": reason}
std::string error_json(const std::string& reason);

}  // namespace tessera::serve
