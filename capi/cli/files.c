/* Whole files. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocate.h"
#include "interrupt.h"
#include "report.h"

/* The most that is read of a file: 2^28 tokens, or more text than is worth tokenising at once. */
static const size_t largest_file = (size_t)1 << 30;

static int report_file(const char* command, const char* verb, const char* path) {
    return report_failure(command, "cannot %s %s: %s", verb, path, strerror(errno));
}

/* Reads to the end of `fd`. */
static int read_all(const char* command, int fd, const char* path, char** data, size_t* size) {
    size_t capacity = (size_t)1 << 16;
    size_t filled = 0;
    char* bytes = allocate(capacity, 1);
    int code = bytes == NULL ? report_no_memory(command, path) : exit_ok;
    while (code == exit_ok) {
        const ssize_t got = read(fd, bytes + filled, capacity - filled);
        if (interrupted()) code = report_cancelled(command);
        if (got < 0 && code == exit_ok) code = report_file(command, "read", path);
        if (got <= 0) break;
        filled += (size_t)got;
        if (filled < capacity) continue;
        char* more = capacity > largest_file ? NULL : reallocate(bytes, 2 * capacity, 1);
        if (more == NULL) {
            code = report_failure(command, "%s is larger than %zu MiB or than memory", path,
                                  largest_file >> 20);
            break;
        }
        bytes = more;
        capacity *= 2;
    }
    if (code != exit_ok) {
        free(bytes);
        return code;
    }
    *data = bytes;
    *size = filled;
    return exit_ok;
}

int file_read(const char* command, const char* path, char** data, size_t* size) {
    if (strcmp(path, "-") == 0) {
        return read_all(command, STDIN_FILENO, "standard input", data, size);
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return report_file(command, "open", path);
    const int code = read_all(command, fd, path, data, size);
    close(fd);
    return code;
}

int file_read_ids(const char* command, const char* path, int32_t** ids, size_t* count) {
    char* data = NULL;
    size_t size = 0;
    const int code = file_read(command, path, &data, &size);
    if (code != exit_ok) return code;
    const size_t found = size / 4;
    int32_t* numbers = allocate(found, sizeof *numbers);
    if (numbers == NULL || found == 0 || size % 4 != 0) {
        free(numbers);
        free(data);
        if (numbers == NULL) return report_no_memory(command, path);
        return report_failure(command, "%s has %zu bytes, which are no 32-bit token ids", path,
                              size);
    }
    const unsigned char* bytes = (const unsigned char*)data;
    for (size_t i = 0; i < found; ++i, bytes += 4) {
        const uint32_t word = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                              (uint32_t)bytes[3] << 24;
        memcpy(&numbers[i], &word, sizeof word);
    }
    free(data);
    *ids = numbers;
    *count = found;
    return exit_ok;
}

static int write_all(int fd, const unsigned char* data, size_t size) {
    while (size > 0) {
        const ssize_t written = write(fd, data, size);
        if (written < 0 && errno != EINTR) return 0;
        if (written < 0) continue;
        data += written;
        size -= (size_t)written;
    }
    return 1;
}

/* Writes `size` bytes into the newly opened `fd` and closes it. */
static int fill_file(int fd, const unsigned char* data, size_t size) {
    struct stat about;
    int done = write_all(fd, data, size);
    if (done && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) done = fsync(fd) == 0;
    const int error = errno;
    if (close(fd) != 0) return 0;
    errno = error;
    return done;
}

/* What is no plain file (a device, a pipe, a link such as /dev/stdout) is written to as it is:
 * replacing it would be a surprise. */
static int write_in_place(const char* command, const char* path, const unsigned char* data,
                          size_t size) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || !fill_file(fd, data, size)) return report_file(command, "write", path);
    return exit_ok;
}

/* Writes beside `path` and then takes its place. */
static int write_and_rename(const char* command, const char* path, const unsigned char* data,
                            size_t size) {
    const size_t room = strlen(path) + 32;
    char* beside = allocate(room, 1);
    if (beside == NULL) return report_no_memory(command, path);
    snprintf(beside, room, "%s.%ld.tmp", path, (long)getpid());
    int code = exit_ok;
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        code = report_file(command, "write", path);
    } else if (!fill_file(fd, data, size) || rename(beside, path) != 0) {
        code = report_file(command, "write", path);
        unlink(beside);
    }
    free(beside);
    return code;
}

static int write_file(const char* command, const char* path, const unsigned char* data,
                      size_t size) {
    struct stat about;
    const int plain = lstat(path, &about) != 0 || S_ISREG(about.st_mode);
    return (plain ? write_and_rename : write_in_place)(command, path, data, size);
}

/* Writes 32-bit numbers, whose bits are in `words`, as little-endian. */
static int write_words(const char* command, const char* path, const void* words, size_t count) {
    if (path == NULL) return exit_ok;
    unsigned char* bytes = allocate(count, 4);
    if (bytes == NULL) return report_no_memory(command, path);
    for (size_t i = 0; i < count; ++i) {
        uint32_t word = 0;
        memcpy(&word, (const unsigned char*)words + 4 * i, sizeof word);
        for (unsigned byte = 0; byte < 4; ++byte) {
            bytes[4 * i + byte] = (unsigned char)(word >> (8 * byte) & 0xFF);
        }
    }
    const int code = write_file(command, path, bytes, 4 * count);
    free(bytes);
    return code;
}

int file_write_reals(const char* command, const char* path, const float* values, size_t count) {
    return write_words(command, path, values, count);
}

int file_write_integers(const char* command, const char* path, const int32_t* values,
                        size_t count) {
    return write_words(command, path, values, count);
}

int file_write_bytes(const char* command, const char* path, const char* bytes, size_t size) {
    if (path == NULL) return exit_ok;
    return write_file(command, path, (const unsigned char*)bytes, size);
}

int folder_make(const char* command, const char* path) {
    struct stat about;
    if (mkdir(path, 0777) == 0) return exit_ok;
    if (errno == EEXIST && stat(path, &about) == 0 && S_ISDIR(about.st_mode)) return exit_ok;
    return report_file(command, "make the folder", path);
}

int text_file_begin(const char* command, TextFile* file) {
    file->bytes = NULL;
    file->size = 0;
    file->out = open_memstream(&file->bytes, &file->size);
    return file->out == NULL ? report_no_memory(command, "a file") : exit_ok;
}

int text_file_finish(const char* command, TextFile* file, const char* path, int code) {
    const int failed = ferror(file->out);
    const int incomplete = fclose(file->out) != 0 || failed;
    if (incomplete && code == exit_ok) code = report_no_memory(command, path);
    if (code == exit_ok) code = file_write_bytes(command, path, file->bytes, file->size);
    free(file->bytes);
    return code;
}
