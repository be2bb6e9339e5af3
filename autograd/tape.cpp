#include "autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <queue>
#include <unordered_map>
#include <utility>

#include "autograd/finite.h"
#include "tensor/ops/accumulate.h"

namespace tessera {
namespace {

thread_local bool recording = true;

}  // namespace

// The version that a saved tensor had.
struct SeenVersion {
  std::shared_ptr<Root> root;
  uint64_t version = 0;

  explicit SeenVersion(const Tensor& value) : root(value.root()), version(value.version()) {}
  bool unchanged() const { return !root || root->version.load(std::memory_order_relaxed) == version; }
};

class Node {
 public:
  Node(const char* op, std::vector<Variable>& inputs, std::span<const Tensor> outputs, BackwardMany backward)
      : op_(op), number_(next_number()), backward_(std::move(backward)) {
    inputs_.reserve(inputs.size());
    for (const Variable& input : inputs) {
      inputs_.push_back(input.tape());
      seen_inputs_.emplace_back(input.value());
    }
    for (const Tensor& output : outputs) seen_outputs_.emplace_back(output);
    if (finite_checks_enabled()) scope_ = current_scope();
  }

  // A chain of nodes is freed by a loop: a destructor only hands over what it owns, and the outermost one on this
  // thread empties the list.
  ~Node() {
    thread_local std::vector<std::shared_ptr<TapeData>> pending;
    thread_local bool draining = false;
    backward_ = nullptr;
    for (auto& input : inputs_) pending.push_back(std::move(input));
    if (draining) return;
    draining = true;
    while (!pending.empty()) {
      const std::shared_ptr<TapeData> next = std::move(pending.back());
      pending.pop_back();
    }
    draining = false;
  }

  uint64_t number() const { return number_; }
  const char* op() const { return op_; }
  const std::string& scope() const { return scope_; }  // only known while values are checked
  size_t output_count() const { return seen_outputs_.size(); }
  const std::vector<std::shared_ptr<TapeData>>& inputs() const { return inputs_; }

  // Runs the closure and drops it.
  Grads run(std::span<const Tensor> dys, GradSlots slots) {
    check(static_cast<bool>(backward_), "backward: the graph of '", op_,
          "' was freed by an earlier backward; run the forward pass again");
    for (size_t i = 0; i < seen_inputs_.size(); ++i)
      check(seen_inputs_[i].unchanged(), op_, ": input ", i, " was modified after forward");
    for (size_t i = 0; i < seen_outputs_.size(); ++i)
      check(seen_outputs_[i].unchanged(), op_, ": output ", i, " was modified after forward");
    const BackwardMany backward = std::move(backward_);
    backward_ = nullptr;
    return backward(dys, slots);
  }

  // A new variable that stands for output `index`.
  static Variable output(const std::shared_ptr<Node>& node, Tensor value, int index) {
    Variable v(std::move(value));
    v.tape_->requires_grad = true;
    v.tape_->node = node;
    v.tape_->output = index;
    return v;
  }

 private:
  static uint64_t next_number() {
    static std::atomic<uint64_t> counter{0};
    return counter.fetch_add(1);
  }

  const char* op_;
  uint64_t number_;
  std::vector<std::shared_ptr<TapeData>> inputs_;
  std::vector<SeenVersion> seen_inputs_, seen_outputs_;
  BackwardMany backward_;
  std::string scope_;
};

namespace {

// `total` + `grad`, in place where `total` has its memory for itself.
void add_gradient(Tensor& total, const Tensor& grad) {
  if (!total.defined()) {
    total = grad;
    return;
  }
  if (!total.is_unique() || !total.is_contiguous()) total = total.clone();
  ops::accumulate_(total, grad);
}

// One run of backward. All state belongs to the run, so a closure may run another.
class Engine {
 public:
  void seed(const Variable& output, const Tensor& cotangent) {
    check(cotangent.shape() == output.shape() && cotangent.dtype() == output.dtype(), "backward: cotangent is ",
          describe(cotangent), ", expected ", describe(output.value()));
    check(cotangent.device() == output.value().device(), "backward: cotangent is on ", cotangent.device(),
          ", expected ", output.value().device());
    if (output.requires_grad()) arrive("backward", *output.tape(), cotangent);
  }

  void run() {
    while (!queue_.empty()) {
      const std::shared_ptr<Node> node = queue_.top();
      queue_.pop();
      auto entry = arrived_.extract(node.get());
      visit(*node, entry.mapped());
    }
  }

 private:
  struct LowerNumber {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const {
      return a->number() < b->number();
    }
  };

  void visit(Node& node, std::vector<Tensor>& dys) {
    for (Tensor& dy : dys)
      if (dy.defined()) dy = dy.contiguous();
    const auto& inputs = node.inputs();
    std::vector<GradSlot> slots(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      TapeData& input = *inputs[i];
      slots[i].needed = input.requires_grad;
      if (!input.requires_grad || input.node || !input.grad.defined()) continue;
      // A leaf that is an input twice gets its place once: the second gradient is added by the engine.
      if (std::find(inputs.begin(), inputs.begin() + static_cast<ptrdiff_t>(i), inputs[i]) !=
          inputs.begin() + static_cast<ptrdiff_t>(i))
        continue;
      slots[i].target = input.grad;
      slots[i].accumulate = !input.grad_is_stale;
    }
    Grads grads = node.run(dys, slots);
    dys.clear();
    check(grads.size() == inputs.size(), node.op(), ": backward returned ", grads.size(), " gradients for ",
          inputs.size(), " inputs");
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!slots[i].needed) continue;
      if (finite_checks_enabled())
        check_finite(slots[i].written ? slots[i].target : grads[i], node.op(), "gradient of input", i, node.scope());
      if (slots[i].written)
        inputs[i]->grad_is_stale = false;
      else if (grads[i].defined())
        arrive(node.op(), *inputs[i], std::exchange(grads[i], Tensor{}));
    }
  }

  void arrive(const char* op, TapeData& to, Tensor grad) {
    check(grad.dtype() == to.dtype, op, ": gradient has dtype ", grad.dtype(), ", expected ", to.dtype);
    if (!(grad.shape() == to.shape)) grad = ops::sum_to(grad, to.shape);
    if (!to.node) {
      arrive_at_leaf(to, grad);
      return;
    }
    auto [entry, is_new] = arrived_.try_emplace(to.node.get());
    if (is_new) {
      entry->second.resize(to.node->output_count());
      queue_.push(to.node);
    }
    add_gradient(entry->second[static_cast<size_t>(to.output)], grad);
  }

  static void arrive_at_leaf(TapeData& leaf, const Tensor& grad) {
    if (!leaf.grad.defined()) {
      leaf.grad = grad.is_unique() && grad.is_contiguous() ? grad : grad.clone();
    } else if (leaf.grad_is_stale) {
      leaf.grad.copy_(grad);
      leaf.grad_is_stale = false;
    } else {
      ops::accumulate_(leaf.grad, grad);
    }
  }

  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, LowerNumber> queue_;
  std::unordered_map<Node*, std::vector<Tensor>> arrived_;
};

}  // namespace

std::vector<Variable> record_many(const char* op, std::vector<Tensor> values, std::vector<Variable> inputs,
                                  BackwardMany backward) {
  check(static_cast<bool>(backward), op, ": recorded without a backward closure");
  if (finite_checks_enabled())
    for (size_t i = 0; i < values.size(); ++i) check_finite(values[i], op, "output", i, current_scope());
  bool needed = false;
  for (const Variable& input : inputs) needed |= input.requires_grad();
  std::vector<Variable> outputs;
  outputs.reserve(values.size());
  if (!recording || !needed) {
    for (Tensor& value : values) outputs.emplace_back(std::move(value));
    return outputs;
  }
  const auto node = std::make_shared<Node>(op, inputs, values, std::move(backward));
  for (size_t i = 0; i < values.size(); ++i)
    outputs.push_back(Node::output(node, std::move(values[i]), static_cast<int>(i)));
  return outputs;
}

Variable record(const char* op, Tensor value, std::vector<Variable> inputs, Backward backward) {
  check(static_cast<bool>(backward), op, ": recorded without a backward closure");
  std::vector<Tensor> values;
  values.push_back(std::move(value));
  return std::move(record_many(op, std::move(values), std::move(inputs),
                               [backward = std::move(backward)](std::span<const Tensor> dys, GradSlots slots) {
                                 return backward(dys[0], slots);
                               })[0]);
}

void backward(std::span<const Variable> outputs, std::span<const Tensor> cotangents) {
  check(outputs.size() == cotangents.size(), "backward: ", outputs.size(), " outputs and ", cotangents.size(),
        " cotangents");
  const NoGrad guard;
  Engine engine;
  for (size_t i = 0; i < outputs.size(); ++i) engine.seed(outputs[i], cotangents[i]);
  engine.run();
}

bool grad_enabled() { return recording; }
NoGrad::NoGrad() : before_(std::exchange(recording, false)) {}
NoGrad::~NoGrad() { recording = before_; }
EnableGrad::EnableGrad() : before_(std::exchange(recording, true)) {}
EnableGrad::~EnableGrad() { recording = before_; }

std::vector<Variable> checkpoint(std::function<std::vector<Variable>(std::span<const Variable>)> f,
                                 std::vector<Variable> inputs, std::vector<Variable> parameters) {
  std::vector<Tensor> values, saved;
  {
    const NoGrad guard;
    for (const Variable& output : f(inputs)) values.push_back(output.value());
  }
  std::vector<bool> needs;
  for (const Variable& input : inputs) {
    saved.push_back(input.value());
    needs.push_back(input.requires_grad());
  }
  std::vector<Variable> all = std::move(inputs);
  all.insert(all.end(), parameters.begin(), parameters.end());
  return record_many("checkpoint", std::move(values), std::move(all),
                     [f = std::move(f), saved, needs](std::span<const Tensor> dys, GradSlots slots) -> Grads {
                       const EnableGrad guard;
                       std::vector<Variable> leaves;
                       for (size_t i = 0; i < saved.size(); ++i) leaves.emplace_back(saved[i], needs[i]);
                       const std::vector<Variable> outputs = f(leaves);
                       std::vector<Variable> reached;
                       std::vector<Tensor> cotangents;
                       for (size_t i = 0; i < outputs.size(); ++i) {
                         if (!dys[i].defined() || !outputs[i].requires_grad()) continue;
                         reached.push_back(outputs[i]);
                         cotangents.push_back(dys[i]);
                       }
                       backward(reached, cotangents);
                       Grads grads(slots.size());
                       for (size_t i = 0; i < leaves.size(); ++i) grads[i] = leaves[i].grad();
                       return grads;  // those of the parameters have gone to their own places
                     });
}

}  // namespace tessera
