#include "format/byte_planes.hpp"

#include "base/error.hpp"

namespace sipo {
namespace {

// With the width known to the compiler, these loops become shuffles.
template <std::size_t Width>
void split(const std::byte* __restrict elements, std::size_t count, std::byte* __restrict planes) {
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t p = 0; p < Width; ++p) planes[p * count + i] = elements[i * Width + p];
    }
}

template <std::size_t Width>
void merge(const std::byte* __restrict planes, std::size_t count, std::byte* __restrict elements) {
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t p = 0; p < Width; ++p) elements[i * Width + p] = planes[p * count + i];
    }
}

void check_sizes(std::size_t from, std::size_t to, std::size_t element_bytes) {
    if (from != to || (element_bytes != 2 && element_bytes != 4) || from % element_bytes != 0) {
        fail(Code::internal, "byte planes of ", from, " bytes to ", to, ", ", element_bytes,
             " an element");
    }
}

}  // namespace

void split_planes(std::span<const std::byte> elements, std::size_t element_bytes,
                  std::span<std::byte> planes) {
    check_sizes(elements.size(), planes.size(), element_bytes);
    const std::size_t count = elements.size() / element_bytes;
    if (element_bytes == 2) {
        split<2>(elements.data(), count, planes.data());
    } else {
        split<4>(elements.data(), count, planes.data());
    }
}

void merge_planes(std::span<const std::byte> planes, std::size_t element_bytes,
                  std::span<std::byte> elements) {
    check_sizes(planes.size(), elements.size(), element_bytes);
    const std::size_t count = elements.size() / element_bytes;
    if (element_bytes == 2) {
        merge<2>(planes.data(), count, elements.data());
    } else {
        merge<4>(planes.data(), count, elements.data());
    }
}

}  // namespace sipo
