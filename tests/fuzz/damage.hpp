// Ways to damage binary files, always the same ones, and how many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace sipo {

// What SIPO_TEST_MUTATIONS says, for long runs; else `usual`.
inline int mutation_count(int usual) {
    const char* const text = std::getenv("SIPO_TEST_MUTATIONS");
    return text == nullptr ? usual : std::atoi(text);
}

// A number that lies at or just beyond what a size or an offset may be.
inline std::uint64_t awkward_number(std::mt19937_64& random) {
    switch (random() % 4) {
        case 0: return random() % 300;
        case 1: return ~std::uint64_t{0} - random() % 300;
        case 2: return std::uint64_t{1} << (random() % 64);
        default: return random() >> (random() % 64);
    }
}

// One to `most` flipped bits from `begin` on.
inline void flip_bits(std::vector<std::byte>& bytes, std::size_t begin, std::size_t most,
                      std::mt19937_64& random) {
    for (std::size_t flips = 1 + random() % most; flips > 0; --flips) {
        const std::size_t at = begin + random() % (bytes.size() - begin);
        bytes[at] ^= std::byte(1U << (random() % 8));
    }
}

// A number of 1, 2, 4 or 8 bytes, in its place as counted from `begin`, becomes an extreme one.
inline void put_extreme_number(std::vector<std::byte>& bytes, std::size_t begin,
                               std::mt19937_64& random) {
    constexpr std::uint64_t extremes[] = {0,
                                          1,
                                          64,
                                          0x7f,
                                          0xff,
                                          4096,
                                          1U << 22,
                                          0x7fffffff,
                                          0x80000000,
                                          0xffffffff,
                                          1ULL << 60,
                                          0x7fffffffffffffff,
                                          0x8000000000000000,
                                          ~std::uint64_t{0} - 63,
                                          ~std::uint64_t{0}};
    const std::size_t width = std::size_t{1} << (random() % 4);
    const std::size_t room = bytes.size() - begin - width;
    const std::size_t at = begin + random() % room / width * width;
    std::memcpy(bytes.data() + at, &extremes[random() % std::size(extremes)], width);
}

// One to three changes of the bytes in [begin, end): bits, bytes, numbers of any width, pieces
// repeated, cut out or moved, and at times the whole rest of the file.
inline std::string damaged_bytes(std::string bytes, std::size_t begin, std::size_t end,
                                 std::mt19937_64& random) {
    end = std::min(end, bytes.size());
    for (std::size_t change = 1 + random() % 3; change > 0 && begin < end; --change) {
        const std::size_t at = begin + random() % (end - begin);
        const std::size_t room = bytes.size() - at;
        switch (random() % 8) {
            case 0:
            case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8))); break;
            case 2: bytes[at] = static_cast<char>(random()); break;
            case 3:
            case 4: {
                const std::uint64_t number = awkward_number(random);
                const std::size_t width = std::size_t{1} << (random() % 4);
                std::memcpy(bytes.data() + at, &number, std::min(width, room));
                break;
            }
            case 5:
                bytes.insert(at, bytes.substr(begin + random() % (end - begin), random() % 40));
                break;
            case 6: bytes.erase(at, random() % 20); break;
            default:
                if (random() % 8 == 0) bytes.resize(at);
        }
        end = std::min(end, bytes.size());
    }
    return bytes;
}

}  // namespace sipo
