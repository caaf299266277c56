// Any operator by name, through the dispatcher: for the long tail that has no export of its own.
#include "common.h"
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

// kind: 0 none, 1 integer, 2 real, 3 boolean, 4 complex, 5 tensor, 6 integers, 7 tensors, 8 text, 9 device,
// 10 generator, 11 reals, 12 tensors of which some may be absent. i: the value or the length of p.
struct Argument {
  int64_t kind;
  int64_t i;
  double d;
  const void* p;
};

namespace {
c10::TypePtr bare(c10::TypePtr type) {
  if (auto inner = type->cast<c10::OptionalType>()) return inner->getElementType();
  return type;
}

c10::IValue value(const Argument& a, const c10::TypePtr& declared) {
  const auto type = bare(declared)->kind();
  switch (a.kind) {
    case 0: return c10::IValue();
    case 1:
      if (type == c10::TypeKind::FloatType) return static_cast<double>(a.i);
      if (type == c10::TypeKind::ListType) return c10::List<int64_t>({a.i});
      return a.i;
    case 2: return a.d;
    case 3: return a.i != 0;
    case 4: return scalar(Number{4, a.i, a.d});
    case 5: return *static_cast<const Tensor*>(a.p);
    case 6: {
      auto p = static_cast<const int64_t*>(a.p);
      return std::vector<int64_t>(p, p + a.i);
    }
    case 7: return list(static_cast<Tensor* const*>(a.p), static_cast<int32_t>(a.i));
    case 8: return std::string(static_cast<const char*>(a.p), static_cast<size_t>(a.i));
    case 9: return device(static_cast<int32_t>(a.i), static_cast<int32_t>(a.d));
    case 10: return *static_cast<const at::Generator*>(a.p);
    case 11: {
      auto p = static_cast<const double*>(a.p);
      return std::vector<double>(p, p + a.i);
    }
    default: {
      c10::List<optional<Tensor>> r;
      for (int64_t k = 0; k < a.i; k++) r.push_back(maybe_tensor(static_cast<Tensor* const*>(a.p)[k]));
      return r;
    }
  }
}
}  // namespace

// Null: this libtorch has no such operator.
EXPORT const c10::OperatorHandle* lt_find_operator(const char* name, const char* overload) {
  const c10::OperatorHandle* found = nullptr;
  status([&] { found = new c10::OperatorHandle(c10::Dispatcher::singleton().findSchemaOrThrow(name, overload)); });
  return found;
}

// Arguments left out take the schema's defaults. Returns how many tensors came out: up to `room` of them are in out,
// more than that wait for lt_take_list. room -1: results are dropped (in-place operators return their argument).
EXPORT int64_t lt_call_operator(const c10::OperatorHandle* op, const Argument* arguments, int32_t n, Tensor** out, int64_t room) {
  try {
    const auto& declared = op->schema().arguments();
    TORCH_CHECK(static_cast<size_t>(n) <= declared.size(), op->schema().name(), " takes ", declared.size(),
                " arguments, ", n, " were given");
    torch::jit::Stack stack;
    stack.reserve(declared.size());
    for (size_t k = 0; k < declared.size(); k++) {
      if (k < static_cast<size_t>(n)) {
        stack.push_back(value(arguments[k], declared[k].type()));
      } else {
        TORCH_CHECK(declared[k].default_value(), op->schema().name(), " needs its argument ", declared[k].name());
        stack.push_back(*declared[k].default_value());
      }
    }
    op->callBoxed(&stack);
    if (room < 0) return 0;
    std::vector<Tensor> made;
    for (auto& r : stack) {
      if (r.isTensor()) made.push_back(std::move(r).toTensor());
      else if (r.isTensorList()) for (const Tensor& t : r.toTensorVector()) made.push_back(t);
      else TORCH_CHECK(false, op->schema().name(), " returns something that is no tensor");
    }
    const auto count = static_cast<int64_t>(made.size());
    if (count > room) return keep_list(std::move(made));
    for (int64_t k = 0; k < count; k++) out[k] = made[k].defined() ? new Tensor(std::move(made[k])) : nullptr;
    return count;
  } catch (...) {
    remember_current_exception();
    return -1;
  }
}
