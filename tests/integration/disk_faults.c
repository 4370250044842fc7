/* Loaded before libc into a program under test: what it writes below DISK_UNDER fails as the file DISK_FAULT says.
 * Its first octet: 'F' the disk is full, 'R' the file system turned read-only, 'S' nothing can be synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static const volatile char *fault;
static const char *under;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_FAULT");
    int fd = path == NULL ? -1 : open(path, O_RDONLY);
    under = getenv("DISK_UNDER");
    if (fd < 0 || under == NULL) return;
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) fault = page;
}

static int below(int fd) {
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, under, strlen(under)) == 0;
}

static int fails(int fd) {
    if (fault == NULL || (*fault != 'F' && *fault != 'R') || !below(fd)) return 0;
    errno = *fault == 'F' ? ENOSPC : EROFS;
    return 1;
}

static int unsynced(int fd) {
    if (fault == NULL || *fault != 'S' || !below(fd)) return 0;
    errno = EIO;
    return 1;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (real == NULL) real = (type (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name)

ssize_t pwrite(int fd, const void *octets, size_t count, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return fails(fd) ? -1 : real(fd, octets, count, at);
}

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return fails(fd) ? -1 : real(fd, octets, count, at);
}

ssize_t write(int fd, const void *octets, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return fails(fd) ? -1 : real(fd, octets, count);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return unsynced(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return unsynced(fd) ? -1 : real(fd);
}
