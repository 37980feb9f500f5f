// Objects that are costly to make, lent to whichever thread asks and kept for the next.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sipo {

template <typename Object>
class LendingPool {
public:
    class Loan {
    public:
        Loan(LendingPool& pool, std::unique_ptr<Object> object)
            : pool_(pool), object_(std::move(object)) {}
        ~Loan() { pool_.take_back(std::move(object_)); }
        Loan(const Loan&) = delete;
        Loan& operator=(const Loan&) = delete;
        Object* operator->() const { return object_.get(); }

    private:
        LendingPool& pool_;
        std::unique_ptr<Object> object_;
    };

    [[nodiscard]] Loan borrow() {
        const std::lock_guard lock(mutex_);
        // Room for the return is made here, so that returning cannot fail.
        free_.reserve(++lent_ + free_.size());
        if (free_.empty()) return Loan(*this, std::make_unique<Object>());
        auto object = std::move(free_.back());
        free_.pop_back();
        return Loan(*this, std::move(object));
    }

private:
    void take_back(std::unique_ptr<Object> object) noexcept {
        const std::lock_guard lock(mutex_);
        --lent_;
        free_.push_back(std::move(object));
    }

    std::mutex mutex_;
    std::size_t lent_ = 0;
    std::vector<std::unique_ptr<Object>> free_;
};

}  // namespace sipo
