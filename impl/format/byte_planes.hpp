// Byte planes: the bytes of an array of elements sorted by their place in the element. The upper
// byte of bf16 weights holds most of the exponent and packs well; the lower one is noise, and apart
// it does no harm.
#pragma once

#include <cstddef>
#include <span>

namespace sipo {

// `elements` and `planes` have the same size, a multiple of `element_bytes`, which is 2 or 4.
void split_planes(std::span<const std::byte> elements, std::size_t element_bytes,
                  std::span<std::byte> planes);
void merge_planes(std::span<const std::byte> planes, std::size_t element_bytes,
                  std::span<std::byte> elements);

}  // namespace sipo
