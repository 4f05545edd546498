// An exchange's order book: price levels in two trees, orders queued at each, all of fixed sizes;
// orders come, are cancelled and are matched.
#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

struct Order {
    uint64_t id;
    uint64_t quantity;
    size_t price;
    bool buys;
    Order* next = nullptr;
    Order* previous = nullptr;
};

struct Level {
    Order* first = nullptr;
    Order* last = nullptr;
};

class Book {
public:
    ~Book() {
        for (auto* side : {&buyers_, &sellers_}) {
            for (auto& entry : *side) {
                for (Order* order = entry.second.first; order != nullptr;) {
                    Delete(std::exchange(order, order->next));
                }
            }
        }
    }

    void Add(uint64_t id, bool buys, size_t price, uint64_t quantity) {
        quantity = Match(buys, price, quantity);
        if (quantity == 0) return;
        auto* order = New<Order>(id, quantity, price, buys);
        Level& level = (buys ? buyers_ : sellers_)[price];
        order->previous = level.last;
        (level.last != nullptr ? level.last->next : level.first) = order;
        level.last = order;
        by_id_.emplace(id, order);
    }

    void Cancel(uint64_t id) {
        const auto found = by_id_.find(id);
        if (found != by_id_.end()) Remove(found->second);
    }

    uint64_t checksum() const { return checksum_; }
    size_t size() const { return by_id_.size(); }

private:
    // What is left of `quantity` when all that fits has been traded.
    uint64_t Match(bool buys, size_t price, uint64_t quantity) {
        auto& side = buys ? sellers_ : buyers_;
        while (quantity > 0 && !side.empty()) {
            const auto best = buys ? side.begin() : std::prev(side.end());
            if (buys ? best->first > price : best->first < price) break;
            Order* order = best->second.first;
            const uint64_t traded = std::min(quantity, order->quantity);
            quantity -= traded;
            order->quantity -= traded;
            checksum_ = Mix(checksum_, order->id + traded);
            if (order->quantity == 0) Remove(order);
        }
        return quantity;
    }

    void Remove(Order* order) {
        auto& side = order->buys ? buyers_ : sellers_;
        const auto place = side.find(order->price);
        Level& level = place->second;
        (order->previous != nullptr ? order->previous->next : level.first) = order->next;
        (order->next != nullptr ? order->next->previous : level.last) = order->previous;
        if (level.first == nullptr) side.erase(place);
        by_id_.erase(order->id);
        Delete(order);
    }

    TreeMap<size_t, Level> buyers_;
    TreeMap<size_t, Level> sellers_;
    HashMap<uint64_t, Order*> by_id_;
    uint64_t checksum_ = 0;
};

}  // namespace

uint64_t RunOrders(const Task& task) {
    Random random(task.seed);
    Book book;
    const size_t events = task.Scaled(2'000'000);
    for (size_t id = 0; id < events; ++id) {
        const bool buys = random.Below(2) == 0;
        const size_t distance = random.LogBetween(1, 2'000);
        const size_t middle = 100'000 + id / 1'000;
        book.Add(id, buys, buys ? middle - distance + 4 : middle + distance - 4,
                 random.Between(1, 50));
        // Most orders are cancelled sooner or later; those that are forgotten make the book grow.
        if (random.Below(10) < 7) book.Cancel(id - std::min(id, random.LogBetween(1, 100'000)));
        if (id % 500'000 == 499'999) MarkPeak();
    }
    MarkPeak();
    return Mix(book.checksum(), book.size());
}

}  // namespace bench
