#include "io/config_fields.h"

#include <limits>
#include <utility>

#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

bool is_whole_number(const json& value) {
  constexpr auto kLargest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  return value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > kLargest);
}

}  // namespace

ConfigFields::ConfigFields(const json& object, std::string origin, std::string place)
    : object_(object), origin_(std::move(origin)), place_(std::move(place)) {
  check(object.is_object(), origin_, ": ",
        place_.empty() ? std::string() : "field '" + place_.substr(0, place_.size() - 1) + "' is ",
        "not a JSON object");
}

bool ConfigFields::given(const char* name) const {
  const auto found = object_.find(name);
  return found != object_.end() && !found->is_null();
}

template <class T>
void ConfigFields::read_as(const char* name, T& value, bool (*fits)(const json&), const char* expected) const {
  if (!given(name)) return;
  const json& field = object_.at(name);
  check(fits(field), origin_, ": field '", place_, name, "' has the value ", field.dump(), ", expected ", expected);
  value = field.get<T>();
}

void ConfigFields::read(const char* name, int64_t& value) const {
  read_as(name, value, is_whole_number, "a whole number below 2^63");
}
void ConfigFields::read(const char* name, double& value) const {
  read_as(
      name, value, [](const json& field) { return field.is_number(); }, "a number");
}
void ConfigFields::read(const char* name, bool& value) const {
  read_as(
      name, value, [](const json& field) { return field.is_boolean(); }, "true or false");
}
void ConfigFields::read(const char* name, std::string& value) const {
  read_as(
      name, value, [](const json& field) { return field.is_string(); }, "a string");
}

}  // namespace tessera
