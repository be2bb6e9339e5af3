// detector_regions: the regions that bottom-up-attention's rule takes of given ones, and of a detector's, with their
// places, in f64 on the host.
#include "autograd/functions.h"
#include "io/safetensors.h"
#include "models/regions/selection.h"
#include "tests/golden/compare.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

struct RegionsCase {
  SafeTensors file;
  Comparison comparison;

  void compare(const std::string& name, const Tensor& got) { comparison.compare(name, got, file.at(name)); }
  void compare(const std::string& name, const std::vector<int64_t>& got) { compare(name, Tensor::from(got)); }
  void compare(const std::string& name, const Places& got) {
    Tensor matrix = Tensor::empty({got.rows(), got.cols()}, DType::f64);
    mutable_matrix_map<double>(matrix).array() = got;
    compare(name, matrix);
  }
};

// The chosen rows of features, and their mean before them.
void compare_region_features(RegionsCase& golden, const std::string& tag, const Tensor& features,
                             const std::vector<int64_t>& rows) {
  const Variable chosen = gather_rows({Variable(features)}, Tensor::from(rows));
  golden.compare(tag + ".features", chosen.value());
  golden.compare(tag + ".features_with_mean", concatenate({mean(chosen, 0, true), chosen}, 0).value());
}

SelectedRegions compare_selection(RegionsCase& golden, const std::string& tag, const nlohmann::json& settings,
                                  double height, double width) {
  const SelectionRule rule{.confidence = settings.at("conf"),
                           .least = settings.at("min"),
                           .most = settings.at("max"),
                           .nms = settings.at("nms"),
                           .ends = settings.value("plus_one", 0) != 0 ? BoxEnds::behind_pixel : BoxEnds::at_corner};
  const Boxes boxes = boxes_of(golden.file.at(tag + ".boxes"));
  const Tensor prob = golden.file.at(tag + ".prob").to(DType::f64);
  const SelectedRegions got = select_regions(boxes, matrix_map<double>(prob).array(), rule);
  golden.compare(tag + ".max_conf", Tensor::from(got.confidences));
  golden.compare(tag + ".keep", got.rows);
  golden.compare(tag + ".objects", got.objects);
  golden.compare(tag + ".ranked.num_bb", Tensor::from(std::vector<int64_t>{kept_by_confidence(got, rule)}, {}));
  Boxes chosen(static_cast<Eigen::Index>(got.rows.size()), 4);
  for (size_t i = 0; i < got.rows.size(); ++i) chosen.row(static_cast<Eigen::Index>(i)) = boxes.row(got.rows[i]);
  golden.compare(tag + ".loc7", places_of_seven(chosen, height, width));
  golden.compare(tag + ".loc5", places_of_five(chosen, height, width));
  return got;
}

// Those of `detector_fasterrcnn_c4`, whose features and sizes of pictures lie in its own directory.
void compare_of_detector(RegionsCase& golden, const std::filesystem::path& directory, const nlohmann::json& settings) {
  const SafeTensors detector =
      load_safetensors((directory.parent_path() / "detector_fasterrcnn_c4" / "case.safetensors").string());
  const Tensor &sizes = detector.at("image_sizes"), &features = detector.at("roi.features");
  int64_t begin = 0;
  for (int64_t i = 0; i < sizes.size(0); ++i) {
    const std::string tag = text("detector.", i);
    const std::vector<int64_t> size = sizes.select(0, i).to_vector<int64_t>();
    const SelectedRegions got =
        compare_selection(golden, tag, settings, static_cast<double>(size[0]), static_cast<double>(size[1]));
    const auto count = static_cast<int64_t>(got.confidences.size());
    // The reference took them rounded to f32.
    compare_region_features(golden, tag, features.narrow(0, begin, count).to(DType::f32).to(DType::f64), got.rows);
    begin += count;
  }
}

}  // namespace

Outcome run_regions(const std::filesystem::path& directory) {
  RegionsCase golden{load_safetensors((directory / "case.safetensors").string()), Comparison(directory)};
  const nlohmann::json config = read_json(directory / "config.json");
  for (const nlohmann::json& each : config.at("cases")) {
    const std::string tag = each.at("name");
    const SelectedRegions got =
        compare_selection(golden, tag, each, each.at("image")[0].get<double>(), each.at("image")[1].get<double>());
    compare_region_features(golden, tag, golden.file.at(tag + ".roi_features").to(DType::f64), got.rows);
  }
  compare_of_detector(golden, directory, config.at("from_detector"));
  return golden.comparison.outcome();
}

}  // namespace tessera::golden
