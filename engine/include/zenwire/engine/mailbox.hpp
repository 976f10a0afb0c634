#pragma once

// Mailbox: a lock-free, unbounded, intrusive queue from many threads to one. For cold traffic
// (connections that are handed over, commands), where the node already exists; data goes through
// ByteQueue instead.
//
// Who owns what: a node belongs to its poster until post() returns, then to the box, and after
// take_all() to the taker. Orders: post() releases the node with its compare-exchange, so that what
// was written to the node before is seen by the taker, whose exchange acquires. The nodes come out
// last-in-first-out and take_all() turns them around. There is no ABA problem: nodes are only ever
// taken all at once.

#include <atomic>

namespace zenwire {

template <typename Node>  // has a member `Node* mailbox_next`
class Mailbox {
 public:
  // Any thread. Returns true if the box was empty: the taker may have to be woken.
  bool post(Node& node) noexcept {
    Node* head = head_.load(std::memory_order_relaxed);
    do {
      node.mailbox_next = head;
    } while (!head_.compare_exchange_weak(head, &node, std::memory_order_release,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // Any thread; a guess unless it is the taker's.
  [[nodiscard]] bool has_mail() const noexcept {
    return head_.load(std::memory_order_seq_cst) != nullptr;
  }

  // The taker's thread: the nodes in the order in which they were posted, linked by mailbox_next.
  // One load when empty.
  Node* take_all() noexcept {
    if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    Node* reversed = head_.exchange(nullptr, std::memory_order_acquire);
    Node* ordered = nullptr;
    while (reversed != nullptr) {
      Node* next = reversed->mailbox_next;
      reversed->mailbox_next = ordered;
      ordered = reversed;
      reversed = next;
    }
    return ordered;
  }

 private:
  alignas(64) std::atomic<Node*> head_{nullptr};
};

}  // namespace zenwire
