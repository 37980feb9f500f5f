// Products that read their operands some time between where they are asked for and where they are waited for.
#include <utility>

#include "machine.hpp"

namespace emulator {

void ask_product(std::function<void()> product) {
    Products& own = self().products;
    const bool first = own.asked.empty() && own.groups.empty();
    if (first && machine().random() % 2 == 0) {
        product();
    } else {
        own.asked.push_back(std::move(product));
    }
}

void end_products() {
    Products& own = self().products;
    own.groups.push_back(std::exchange(own.asked, {}));
}

void wait_products(std::size_t left) {
    Products& own = self().products;
    for (; own.groups.size() > left; own.groups.pop_front()) {
        for (const auto& product : own.groups.front()) product();
    }
}

}  // namespace emulator
