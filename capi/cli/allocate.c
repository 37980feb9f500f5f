/* Memory whose size is checked. */
#include "allocate.h"

#include <stdint.h>
#include <stdlib.h>

#include "report.h"

/* Bytes of an array, at least 1, or 0 when they do not fit. */
static size_t array_bytes(size_t count, size_t size) {
    if (count == 0 || size == 0) return 1;
    return count > PTRDIFF_MAX / size ? 0 : count * size;
}

void* allocate(size_t count, size_t size) {
    const size_t bytes = array_bytes(count, size);
    return bytes == 0 ? NULL : malloc(bytes);
}

void* allocate_zeroed(size_t count, size_t size) {
    const size_t bytes = array_bytes(count, size);
    return bytes == 0 ? NULL : calloc(bytes, 1);
}

void* reallocate(void* items, size_t count, size_t size) {
    const size_t bytes = array_bytes(count, size);
    return bytes == 0 ? NULL : realloc(items, bytes);
}

int report_no_memory(const char* command, const char* what) {
    return report_failure(command, "not enough memory for %s", what);
}
