/* Characters of UTF-8. */
#include "characters.h"

#include "args.h"

enum { replacement = 0xFFFD, most_bytes = 4 };

typedef struct {
    uint32_t first;
    uint32_t last;
} Range;

static int is_in(const Range* ranges, size_t count, uint32_t character) {
    for (size_t i = 0; i < count; ++i) {
        if (character >= ranges[i].first && character <= ranges[i].last) return 1;
    }
    return 0;
}

size_t character_read(const char* text, size_t length, uint32_t* character) {
    const unsigned char* bytes = (const unsigned char*)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t count = bytes[0] < 0x80   ? 1
                         : bytes[0] < 0xC0 ? 0
                         : bytes[0] < 0xE0 ? 2
                         : bytes[0] < 0xF0 ? 3
                         : bytes[0] < 0xF8 ? 4
                                           : 0;
    if (count == 0 || count > length) return 0;
    uint32_t value = count == 1 ? bytes[0] : bytes[0] & (0x7FU >> count);
    for (size_t i = 1; i < count; ++i) {
        if ((bytes[i] & 0xC0) != 0x80) return 0;
        value = value << 6 | (bytes[i] & 0x3F);
    }
    if (value < least[count] || value > 0x10FFFF) return 0;
    *character = value;
    return count;
}

size_t character_at(const char* text, uint32_t* character) {
    const size_t count = character_read(text, most_bytes, character); /* none goes over the end */
    if (count == 0) *character = replacement;
    return count == 0 ? 1 : count;
}

size_t character_write(uint32_t character, char* text) {
    static const uint32_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    const size_t count = character < 0x80      ? 1
                         : character < 0x800   ? 2
                         : character < 0x10000 ? 3
                                               : most_bytes;
    for (size_t i = count - 1; i > 0; --i) {
        text[i] = (char)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    text[0] = (char)(leads[count] | character);
    return count;
}

int character_is_blank(uint32_t character) {
    static const Range blanks[] = {
        {0x09, 0x0D},     {0x1C, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
        {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
    return is_in(blanks, COUNT_OF(blanks), character);
}

int character_is_mark(uint32_t character) {
    static const Range marks[] = {{0x21, 0x2F}, {0x3A, 0x40}, {0x5B, 0x60}, {0x7B, 0x7E}};
    return is_in(marks, COUNT_OF(marks), character);
}

int character_is_word(uint32_t character) {
    static const Range others[] = {
        {0x00, 0x2F},     {0x3A, 0x40},     {0x5B, 0x5E},     {0x60, 0x60},      {0x7B, 0xA9},
        {0xAB, 0xB1},     {0xB4, 0xB4},     {0xB6, 0xB8},     {0xBB, 0xBB},      {0xBF, 0xBF},
        {0xD7, 0xD7},     {0xF7, 0xF7},     {0x2C2, 0x2C5},   {0x2D2, 0x2DF},    {0x300, 0x36F},
        {0x375, 0x375},   {0x37E, 0x37E},   {0x384, 0x385},   {0x387, 0x387},    {0x482, 0x489},
        {0x1680, 0x1680}, {0x2000, 0x206F}, {0x207A, 0x207E}, {0x208A, 0x208E},  {0x20A0, 0x20FF},
        {0x2190, 0x245F}, {0x249C, 0x24E9}, {0x2500, 0x2775}, {0x2794, 0x2BFF},  {0x3000, 0x3004},
        {0x3008, 0x3020}, {0x3030, 0x3030}, {0xFE10, 0xFE6F}, {0xFF01, 0xFF0F},  {0xFF1A, 0xFF20},
        {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}};
    return !is_in(others, COUNT_OF(others), character);
}

uint32_t character_lower(uint32_t character) {
    static const struct {
        Range capitals; /* every one, or every second where their step is 1 */
        int32_t step;
    } cases[] = {
        {{0x41, 0x5A}, 32},   {{0xC0, 0xD6}, 32},   {{0xD8, 0xDE}, 32},   {{0x100, 0x12E}, 1},
        {{0x132, 0x136}, 1},  {{0x139, 0x147}, 1},  {{0x14A, 0x176}, 1},  {{0x178, 0x178}, -121},
        {{0x179, 0x17D}, 1},  {{0x386, 0x386}, 38}, {{0x388, 0x38A}, 37}, {{0x38C, 0x38C}, 64},
        {{0x38E, 0x38F}, 63}, {{0x391, 0x3A1}, 32}, {{0x3A3, 0x3AB}, 32}, {{0x400, 0x40F}, 80},
        {{0x410, 0x42F}, 32}, {{0x460, 0x480}, 1},  {{0x48A, 0x4BE}, 1},  {{0x4D0, 0x52E}, 1}};
    for (size_t i = 0; i < COUNT_OF(cases); ++i) {
        const Range* capitals = &cases[i].capitals;
        if (character < capitals->first || character > capitals->last) continue;
        if (cases[i].step == 1 && (character - capitals->first) % 2 != 0) return character;
        return (uint32_t)((int32_t)character + cases[i].step);
    }
    return character;
}
