#include "io/torch_tensors.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "io/half.h"
#include "io/printable.h"
#include "tensor/error.h"

static_assert(std::endian::native == std::endian::little, "torch's storages are little-endian");

namespace tessera {

using Id = Pickle::Id;
using Kind = Pickle::Kind;

struct TorchTensors::Call {
  Id callee, arguments;
};

// Of a tensor in its storage, in elements.
struct TorchTensors::Layout {
  Id storage;
  int64_t offset;
  Shape shape, strides;
  int64_t numel;

  bool is_contiguous() const {
    int64_t expected = 1;
    for (int i = shape.dim() - 1; i >= 0; --i) {
      if (shape[i] != 1 && strides[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }
};

struct TorchTensors::StorageType {
  enum class Conversion { none, half, int32, boolean } conversion;
  int64_t bytes;  // of one element in the file
  DType dtype;    // of ours
};

template <class... Parts>
void TorchTensors::refuse(const std::string& entry, const Parts&... parts) const {
  fail(archive_.path(), ": entry ", printable(entry), " ", parts...);
}

bool TorchTensors::is_global(Id id, std::string_view module, std::string_view name) const {
  if (pickle_.kind(id) != Kind::global) return false;
  const auto names = pickle_.children(id);
  return pickle_.text(names[0]) == module && pickle_.text(names[1]) == name;
}

TorchTensors::Call TorchTensors::call_of(Id id) const {
  const auto children = pickle_.children(id);
  return {children[0], children[1]};
}

bool TorchTensors::is_tensor(Id id) const {
  if (pickle_.kind(id) != Kind::object) return false;
  const Id callee = call_of(id).callee;
  for (const char* name :
       {"_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter", "_rebuild_parameter_with_state"})
    if (is_global(callee, "torch._utils", name)) return true;
  return is_global(callee, "torch._tensor", "_rebuild_from_type_v2");
}

// Peels what torch wraps around the call that rebuilds the tensor itself:
//   _rebuild_parameter(tensor, requires_grad, hooks)
//   _rebuild_parameter_with_state(tensor, requires_grad, hooks, state)
//   _rebuild_from_type_v2(function, type, arguments, state)
TorchTensors::Call TorchTensors::rebuild_call(Id id, const std::string& entry) const {
  constexpr int kMaxWrappers = 4;
  Call call = call_of(id);
  for (int i = 0; i < kMaxWrappers; ++i) {
    const auto arguments = pickle_.children(call.arguments);
    if (is_global(call.callee, "torch._tensor", "_rebuild_from_type_v2")) {
      if (arguments.size() != 4 || pickle_.kind(arguments[2]) != Kind::tuple)
        refuse(entry, "has wrong arguments of _rebuild_from_type_v2");
      call = {arguments[0], arguments[2]};
    } else if (is_global(call.callee, "torch._utils", "_rebuild_parameter") ||
               is_global(call.callee, "torch._utils", "_rebuild_parameter_with_state")) {
      if (arguments.empty() || !is_tensor(arguments[0])) refuse(entry, "is a parameter without a tensor");
      call = call_of(arguments[0]);
    } else {
      break;
    }
  }
  return call;
}

int64_t TorchTensors::count_of(Id id, const char* what, const std::string& entry) const {
  if (pickle_.kind(id) != Kind::integer || pickle_.integer(id) < 0)
    refuse(entry, "has ", describe(pickle_, id), " as ", what, ", expected a count");
  return pickle_.integer(id);
}

Shape TorchTensors::counts_of(Id id, const char* what, const std::string& entry) const {
  const auto items = pickle_.children(id);
  if (pickle_.kind(id) != Kind::tuple || items.size() > Shape::kMaxDims)
    refuse(entry, "has ", describe(pickle_, id), " as ", what, ", expected a tuple of at most ", Shape::kMaxDims);
  Shape counts;
  for (const Id item : items) counts.push_back(count_of(item, what, entry));
  return counts;
}

//   _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
//   _rebuild_tensor(storage, offset, size, stride)
TorchTensors::Layout TorchTensors::layout_of(const Call& call, const std::string& entry) const {
  const bool second = is_global(call.callee, "torch._utils", "_rebuild_tensor_v2");
  if (!second && !is_global(call.callee, "torch._utils", "_rebuild_tensor"))
    refuse(entry, "is rebuilt by ", describe(pickle_, call.callee), ", expected a plain tensor");
  const auto arguments = pickle_.children(call.arguments);
  if (second ? arguments.size() < 6 || arguments.size() > 7 : arguments.size() != 4)
    refuse(entry, "is rebuilt from ", arguments.size(), " arguments, expected ", second ? "6 or 7" : "4");
  // The metadata say whether the elements are to be negated or conjugated; they never are in a weight file.
  if (arguments.size() == 7 && pickle_.kind(arguments[6]) != Kind::none && !pickle_.children(arguments[6]).empty())
    refuse(entry, "is a negated or conjugated view, which is not supported");
  Layout layout{arguments[0], count_of(arguments[1], "offset", entry), counts_of(arguments[2], "shape", entry),
                counts_of(arguments[3], "strides", entry), 1};
  if (layout.shape.dim() != layout.strides.dim())
    refuse(entry, "has shape ", layout.shape, ", but strides ", layout.strides);
  int64_t positive = 1;  // the product without zeros: strides are made of it
  for (const int64_t size : layout.shape)
    if (__builtin_mul_overflow(positive, std::max<int64_t>(size, 1), &positive))
      refuse(entry, "has shape ", layout.shape, ", which has too many elements");
  for (const int64_t size : layout.shape) layout.numel *= size;
  // A stride that is never walked may be any number, and adding it would overflow.
  for (int i = 0; i < layout.shape.dim(); ++i)
    if (layout.shape[i] == 1) layout.strides[i] = 0;
  return layout;
}

// Every element must lie in the storage, and there must not be more of them than the storage has.
void TorchTensors::check_extent(const Layout& layout, int64_t elements, const std::string& entry) const {
  if (layout.numel > elements)
    refuse(entry, "has shape ", layout.shape, ", more elements than its storage's ", elements);
  if (layout.numel == 0) return;
  int64_t last = layout.offset;
  bool fits = true;
  for (int i = 0; i < layout.shape.dim(); ++i) {
    int64_t distance = 0;
    fits = fits && !__builtin_mul_overflow(layout.shape[i] - 1, layout.strides[i], &distance) &&
           !__builtin_add_overflow(last, distance, &last);
  }
  if (!fits || last >= elements)
    refuse(entry, "has shape ", layout.shape, ", strides ", layout.strides, " and offset ", layout.offset,
           ", which reach beyond its storage's ", elements, " elements");
}

namespace {

// Reads `count` elements of type From in pieces and stores convert(element).
template <class From, class To, class Convert>
void read_converted(ZipArchive::Stream& from, To* to, int64_t count, Convert convert) {
  constexpr int64_t kPiece = 65536;
  std::vector<From> piece(static_cast<size_t>(std::min(count, kPiece)));
  for (int64_t done = 0; done < count;) {
    const int64_t now = std::min(count - done, kPiece);
    from.read(piece.data(), static_cast<uint64_t>(now) * sizeof(From));
    for (int64_t i = 0; i < now; ++i) to[done + i] = convert(piece[static_cast<size_t>(i)]);
    done += now;
  }
}

}  // namespace

Tensor TorchTensors::read_storage(const StorageType& type, const std::string& key, int64_t elements,
                                  const std::string& entry) {
  using Conversion = StorageType::Conversion;
  const ZipMember* member = archive_.find(folder_ + "data/" + key);
  if (!member) refuse(entry, "needs storage ", printable(key), ", which is not in the archive");
  if (!member->stored) refuse(entry, "has a compressed storage ", printable(key), "; torch stores them uncompressed");
  int64_t needed = 0;
  if (__builtin_mul_overflow(elements, type.bytes, &needed) || static_cast<uint64_t>(needed) > member->size)
    refuse(entry, "needs storage ", printable(key), " of ", elements, " elements of ", type.bytes,
           " bytes, but it has ", member->size, " bytes");
  // Members of an archive can be made to overlap, so that many large ones take little room.
  storage_bytes_ += member->size;
  if (storage_bytes_ > archive_.bytes()) refuse(entry, "brings the storages to more bytes than the file has");

  Tensor values = Tensor::empty({elements}, type.dtype);
  ZipArchive::Stream stream = archive_.open(*member);
  if (type.conversion == Conversion::half) {
    read_converted<uint16_t>(stream, values.mutable_data<float>(), elements, half_to_float);
  } else if (type.conversion == Conversion::int32) {
    read_converted<int32_t>(stream, values.mutable_data<int64_t>(), elements, [](int32_t v) { return int64_t{v}; });
  } else {
    dispatch_any(type.dtype, [&](auto tag) {
      stream.read(values.mutable_data<decltype(tag)>(), static_cast<uint64_t>(values.bytes()));
    });
  }
  if (type.conversion == Conversion::boolean) {
    const uint8_t* flags = values.data<uint8_t>();
    const uint8_t* bad = std::find_if(flags, flags + elements, [](uint8_t flag) { return flag > 1; });
    if (bad != flags + elements) refuse(entry, "holds ", int{*bad}, " in a bool storage, expected 0 or 1");
  }
  if (static_cast<uint64_t>(needed) == member->size) stream.finish();
  return values;
}

// The identification is ("storage", type, key, location, number of elements).
const TorchTensors::Loaded& TorchTensors::storage(Id id, const std::string& entry) {
  using Conversion = StorageType::Conversion;
  static const std::map<std::string, StorageType, std::less<>> kTypes = {
      {"torch.FloatStorage", {Conversion::none, 4, DType::f32}},
      {"torch.DoubleStorage", {Conversion::none, 8, DType::f64}},
      {"torch.HalfStorage", {Conversion::half, 2, DType::f32}},
      {"torch.BFloat16Storage", {Conversion::none, 2, DType::bf16}},
      {"torch.LongStorage", {Conversion::none, 8, DType::i64}},
      {"torch.IntStorage", {Conversion::int32, 4, DType::i64}},
      {"torch.ByteStorage", {Conversion::none, 1, DType::u8}},
      {"torch.BoolStorage", {Conversion::boolean, 1, DType::u8}},
  };
  constexpr size_t kMaxKeyBytes = 64;  // torch's are decimal numbers
  if (pickle_.kind(id) != Kind::persistent) refuse(entry, "has ", describe(pickle_, id), " as its storage");
  const Id identification = pickle_.children(id)[0];
  const auto parts = pickle_.children(identification);
  if (pickle_.kind(identification) != Kind::tuple || parts.size() != 5 || pickle_.kind(parts[0]) != Kind::string ||
      pickle_.text(parts[0]) != "storage" || pickle_.kind(parts[1]) != Kind::global ||
      pickle_.kind(parts[2]) != Kind::string || pickle_.text(parts[2]).size() > kMaxKeyBytes)
    refuse(entry, "has a storage that is not identified as torch does it");
  const std::string type_name = pickle_.global_name(parts[1]);
  const auto type = kTypes.find(type_name);
  if (type == kTypes.end()) refuse(entry, "is of ", type_name, ", which is not supported");
  if (type->second.conversion != Conversion::none) converted_[entry] = type_name.substr(type_name.find('.') + 1);
  const std::string key(pickle_.text(parts[2]));
  const int64_t elements = count_of(parts[4], "storage size", entry);

  const auto known = storages_.find(key);
  if (known == storages_.end())
    return storages_.emplace(key, Loaded{type_name, elements, read_storage(type->second, key, elements, entry)})
        .first->second;
  if (known->second.type != type_name || known->second.elements != elements)
    refuse(entry, "has storage ", printable(key), " as ", elements, " elements of ", type_name, ", another tensor as ",
           known->second.elements, " of ", known->second.type);
  return known->second;
}

Tensor TorchTensors::copy_strided(const Loaded& storage, const Layout& layout, const std::string& entry) {
  copied_bytes_ += static_cast<uint64_t>(layout.numel * size_of(storage.values.dtype()));
  // Each storage may be copied once even if its elements became twice as wide.
  if (copied_bytes_ > 2 * archive_.bytes()) refuse(entry, "is one of too many strided views of the same storages");
  Tensor out = Tensor::empty(layout.shape, storage.values.dtype());
  dispatch_any(out.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = storage.values.data<T>();
    T* to = out.mutable_data<T>();
    Shape index = layout.shape;
    std::fill(index.begin(), index.end(), 0);
    int64_t position = layout.offset;
    for (int64_t i = 0; i < layout.numel; ++i) {
      to[i] = from[position];
      for (int d = layout.shape.dim() - 1; d >= 0; --d) {
        position += layout.strides[d];
        if (++index[d] < layout.shape[d]) break;
        position -= layout.strides[d] * layout.shape[d];
        index[d] = 0;
      }
    }
  });
  return out;
}

Tensor TorchTensors::load(Id id, const std::string& entry) {
  const Layout layout = layout_of(rebuild_call(id, entry), entry);
  const Loaded& loaded = storage(layout.storage, entry);
  check_extent(layout, loaded.elements, entry);
  if (layout.numel == 0) return Tensor::empty(layout.shape, loaded.values.dtype());
  if (layout.is_contiguous()) return loaded.values.narrow(0, layout.offset, layout.numel).view(layout.shape);
  return copy_strided(loaded, layout, entry);
}

}  // namespace tessera
