// The fields of a configuration's JSON object, by name and type, all optional: a file holds many that are not ours, and
// leaves out what is as usual.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace tessera {

class ConfigFields {
 public:
  // `origin` begins messages; `place` ("text_config.") stands before the names of fields in them.
  ConfigFields(const nlohmann::json& object, std::string origin, std::string place = "");

  bool given(const char* name) const;  // there, and not null
  // Leave `value` as it is where the field is not given; one of another type is an error that names it.
  void read(const char* name, int64_t& value) const;
  void read(const char* name, double& value) const;
  void read(const char* name, bool& value) const;
  void read(const char* name, std::string& value) const;

 private:
  template <class T>
  void read_as(const char* name, T& value, bool (*fits)(const nlohmann::json&), const char* expected) const;

  const nlohmann::json& object_;
  std::string origin_, place_;
};

}  // namespace tessera
