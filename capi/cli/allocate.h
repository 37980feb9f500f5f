/* Memory whose size is checked. */
#ifndef SIPO_CLI_ALLOCATE_H_
#define SIPO_CLI_ALLOCATE_H_

#include <stddef.h>

/* Room for count items of `size` bytes, at least one byte; NULL when it is too much. */
void* allocate(size_t count, size_t size);

/* The same zeroed. */
void* allocate_zeroed(size_t count, size_t size);

/* Grows `items` (or shrinks it); NULL and `items` as it was when it is too much. */
void* reallocate(void* items, size_t count, size_t size);

/* Says that there is no memory for `what` and returns the exit code. */
int report_no_memory(const char* command, const char* what);

#endif /* SIPO_CLI_ALLOCATE_H_ */
