// The tensors of a torch file: what the pickle says of them, and their elements from the archive (io/torch_file.h).
#pragma once

#include <map>
#include <string>

#include "io/pickle.h"
#include "io/zip_archive.h"
#include "tensor/tensor.h"

namespace tessera {

class TorchTensors {
 public:
  // `folder` is the archive's, "NAME/". Both arguments must outlive this object.
  TorchTensors(const Pickle& pickle, const ZipArchive& archive, const std::string& folder)
      : pickle_(pickle), archive_(archive), folder_(folder) {}

  // True of an object made by one of the functions that rebuild a tensor.
  bool is_tensor(Pickle::Id id) const;
  // The tensor, contiguous; `entry` is its name, for messages. A storage is read once.
  Tensor load(Pickle::Id id, const std::string& entry);

  // Entries loaded so far whose storage has a type that became another → that type ("HalfStorage").
  const std::map<std::string, std::string>& converted() const { return converted_; }

 private:
  struct Call;
  struct Layout;
  struct StorageType;
  struct Loaded {
    std::string type;
    int64_t elements;
    Tensor values;
  };

  template <class... Parts>
  [[noreturn]] void refuse(const std::string& entry, const Parts&... parts) const;
  bool is_global(Pickle::Id id, std::string_view module, std::string_view name) const;
  Call call_of(Pickle::Id id) const;
  Call rebuild_call(Pickle::Id id, const std::string& entry) const;
  Layout layout_of(const Call& call, const std::string& entry) const;
  int64_t count_of(Pickle::Id id, const char* what, const std::string& entry) const;
  Shape counts_of(Pickle::Id id, const char* what, const std::string& entry) const;
  void check_extent(const Layout& layout, int64_t elements, const std::string& entry) const;
  const Loaded& storage(Pickle::Id id, const std::string& entry);
  Tensor read_storage(const StorageType& type, const std::string& key, int64_t elements, const std::string& entry);
  Tensor copy_strided(const Loaded& storage, const Layout& layout, const std::string& entry);

  const Pickle& pickle_;
  const ZipArchive& archive_;
  const std::string folder_;
  std::map<std::string, Loaded> storages_;        // by key
  std::map<std::string, std::string> converted_;  // entry → the type of its storage, where ours is another
  uint64_t storage_bytes_ = 0, copied_bytes_ = 0;
};

}  // namespace tessera
