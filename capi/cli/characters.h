/* Characters of UTF-8 and what kind they are. The kinds are those of Unicode for what texts in Latin, Greek
 * and Cyrillic letters consist of; letters of other scripts are letters without cases. */
#ifndef SIPO_CLI_CHARACTERS_H_
#define SIPO_CLI_CHARACTERS_H_

#include <stddef.h>
#include <stdint.h>

/* The bytes of the character that a text of `length` (1 or more) begins with; 0 when it begins with none. */
size_t character_read(const char* text, size_t length, uint32_t* character);

/* The character at `text`, which is not the end, and its bytes. A byte that begins none counts as U+FFFD. */
size_t character_at(const char* text, uint32_t* character);

/* Writes a character; its bytes, 1 to 4. */
size_t character_write(uint32_t character, char* text);

int character_is_blank(uint32_t character);
/* Punctuation of ASCII. */
int character_is_mark(uint32_t character);
/* Letters, digits and the underscore. */
int character_is_word(uint32_t character);
uint32_t character_lower(uint32_t character);

#endif /* SIPO_CLI_CHARACTERS_H_ */
