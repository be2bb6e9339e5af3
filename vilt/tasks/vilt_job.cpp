#include "vilt/tasks/vilt_job.h"

#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/run_scores.h"

namespace tessera {

std::vector<std::string> ViltJob::own_files() { return {run_scores("").string()}; }

void ViltJob::read_weights(const std::optional<std::filesystem::path>& checkpoint) {
  if (!checkpoint)
    initial_ = read_initial_weights(settings_, [&](const std::string& line) { log_ << "weights: " << line << "\n"; });
  settings_ = with_initial_sizes(std::move(settings_), checkpoint.value_or(std::filesystem::path()), initial_.get());
}

std::vector<std::string> ViltJob::drop_weights(std::vector<std::string> beginnings,
                                               const std::vector<std::string>& notes) {
  for (const std::string& note : notes) beginnings.push_back("note: " + note);
  const std::string otherwise =
      initial_ ? prepared_otherwise(initial_->preprocessing, sample_options(settings_)) : std::string();
  if (!otherwise.empty()) beginnings.push_back("note: " + otherwise);
  initial_.reset();
  return beginnings;
}

}  // namespace tessera
