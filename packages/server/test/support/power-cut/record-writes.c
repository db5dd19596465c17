/*
 * Records what a process and its children do to the files below a directory: a library that is loaded before the C
 * library (LD_PRELOAD) and wraps its calls. Each one that succeeded is appended to a journal outside of the directory
 * in one write, so that processes can be killed at any moment: what they had done is in it, in order.
 *
 * RECORD_DIRECTORY is the directory, RECORD_JOURNAL the journal. journal.ts reads it.
 *
 * Not seen: what C's own buffered files (fopen) write. PostgreSQL uses them for what it does without after a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))

struct header {
  char kind;
  char unused;
  uint16_t path_length;
  uint16_t to_length;
  uint16_t unused_too;
  uint64_t offset;
  uint64_t length;
};

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

static int journal(void) {
  static int descriptor = -1;
  if (descriptor == -1) {
    const char *path = getenv("RECORD_JOURNAL");
    if (path == NULL) return -1;
    int opened = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (opened == -1) abort();
    descriptor = opened;
  }
  return descriptor;
}

static int is_inside(const char *path) {
  const char *directory = getenv("RECORD_DIRECTORY");
  if (directory == NULL) return 0;
  size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* A path as it is from the root; PostgreSQL works in its directory. */
static int absolute(const char *path, char *into) {
  if (path[0] == '/') return snprintf(into, PATH_MAX, "%s", path) < PATH_MAX && is_inside(into);
  char here[PATH_MAX];
  if (getcwd(here, sizeof here) == NULL) return 0;
  return snprintf(into, PATH_MAX, "%s/%s", here, path) < PATH_MAX && is_inside(into);
}

/* The path that an open file has now; none, if it was removed. */
static int path_of(int descriptor, char *into) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, into, PATH_MAX - 1);
  if (length < 0) return 0;
  into[length] = '\0';
  static const char removed[] = " (deleted)";
  size_t tail = sizeof removed - 1;
  if ((size_t)length > tail && strcmp(into + length - tail, removed) == 0) return 0;
  return is_inside(into);
}

static void record(char kind, const char *path, const char *to, uint64_t offset, uint64_t length,
                   const struct iovec *data, int parts) {
  int error = errno;
  struct header header = {kind, 0, (uint16_t)strlen(path), (uint16_t)strlen(to), 0, offset, length};
  struct iovec pieces[3 + parts];
  pieces[0] = (struct iovec){&header, sizeof header};
  pieces[1] = (struct iovec){(void *)path, header.path_length};
  pieces[2] = (struct iovec){(void *)to, header.to_length};
  size_t total = sizeof header + header.path_length + header.to_length;
  /* Of a write, only as much as was taken. */
  size_t left = length;
  for (int part = 0; part < parts; part++) {
    size_t size = data[part].iov_len < left ? data[part].iov_len : left;
    pieces[3 + part] = (struct iovec){data[part].iov_base, size};
    left -= size;
    total += size;
  }
  int descriptor = journal();
  if (descriptor != -1 && syscall(SYS_writev, descriptor, pieces, 3 + parts) != (ssize_t)total) abort();
  errno = error;
}

static void record_path(char kind, const char *path, uint64_t length) {
  char full[PATH_MAX];
  int error = errno;
  if (absolute(path, full)) record(kind, full, "", 0, length, NULL, 0);
  errno = error;
}

static int is_zero(const struct iovec *data, int parts) {
  for (int part = 0; part < parts; part++) {
    const char *bytes = data[part].iov_base;
    size_t size = data[part].iov_len;
    if (size > 0 && (bytes[0] != 0 || memcmp(bytes, bytes + 1, size - 1) != 0)) return 0;
  }
  return 1;
}

static void record_write(int descriptor, const struct iovec *data, int parts, off_t offset, ssize_t written) {
  char path[PATH_MAX];
  int error = errno;
  if (written > 0 && path_of(descriptor, path)) {
    if (is_zero(data, parts)) record('z', path, "", (uint64_t)offset, (uint64_t)written, NULL, 0);
    else record('w', path, "", (uint64_t)offset, (uint64_t)written, data, parts);
  }
  errno = error;
}

/* Opening */

static int record_open(const char *path, int flags, int was_there, int descriptor) {
  if (descriptor == -1) return -1;
  if ((flags & O_CREAT) && !was_there) record_path('c', path, 0);
  else if (flags & O_TRUNC) record_path('t', path, 0);
  return descriptor;
}

#define OPEN(name)                                                           \
  int name(const char *path, int flags, ...) {                               \
    mode_t mode = 0;                                                         \
    if (flags & (O_CREAT | O_TMPFILE)) {                                     \
      va_list rest;                                                          \
      va_start(rest, flags);                                                 \
      mode = va_arg(rest, mode_t);                                           \
      va_end(rest);                                                          \
    }                                                                        \
    int was_there = access(path, F_OK) == 0;                                 \
    return record_open(path, flags, was_there, REAL(name)(path, flags, mode)); \
  }
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                            \
  FILE *name(const char *path, const char *mode) {             \
    int was_there = access(path, F_OK) == 0;                   \
    FILE *file = REAL(name)(path, mode);                       \
    int flags = mode[0] == 'r' ? 0 : mode[0] == 'w' ? O_CREAT | O_TRUNC : O_CREAT; \
    if (file != NULL) record_open(path, flags, was_there, 0);  \
    return file;                                               \
  }
FOPEN(fopen)
FOPEN(fopen64)

/* Writing */

ssize_t write(int descriptor, const void *bytes, size_t size) {
  struct iovec data = {(void *)bytes, size};
  ssize_t written = REAL(write)(descriptor, bytes, size);
  record_write(descriptor, &data, 1, written > 0 ? lseek(descriptor, 0, SEEK_CUR) - written : 0, written);
  return written;
}

ssize_t writev(int descriptor, const struct iovec *data, int parts) {
  ssize_t written = REAL(writev)(descriptor, data, parts);
  record_write(descriptor, data, parts, written > 0 ? lseek(descriptor, 0, SEEK_CUR) - written : 0, written);
  return written;
}

#define PWRITE(name)                                                                 \
  ssize_t name(int descriptor, const void *bytes, size_t size, off_t offset) {       \
    struct iovec data = {(void *)bytes, size};                                       \
    ssize_t written = REAL(name)(descriptor, bytes, size, offset);                   \
    record_write(descriptor, &data, 1, offset, written);                             \
    return written;                                                                  \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                                \
  ssize_t name(int descriptor, const struct iovec *data, int parts, off_t offset) {  \
    ssize_t written = REAL(name)(descriptor, data, parts, offset);                   \
    record_write(descriptor, data, parts, offset, written);                          \
    return written;                                                                  \
  }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define FTRUNCATE(name)                                                              \
  int name(int descriptor, off_t size) {                                             \
    char path[PATH_MAX];                                                             \
    int result = REAL(name)(descriptor, size);                                       \
    if (result == 0 && path_of(descriptor, path)) record('t', path, "", 0, (uint64_t)size, NULL, 0); \
    return result;                                                                   \
  }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

int truncate(const char *path, off_t size) {
  int result = REAL(truncate)(path, size);
  if (result == 0) record_path('t', path, (uint64_t)size);
  return result;
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  char path[PATH_MAX];
  struct stat before;
  int is_known = fstat(descriptor, &before) == 0 && path_of(descriptor, path);
  int result = REAL(posix_fallocate)(descriptor, offset, size);
  if (result == 0 && is_known && offset + size > before.st_size)
    record('t', path, "", 0, (uint64_t)(offset + size), NULL, 0);
  return result;
}

/* Syncing: the process of the two records tells which of them belong together. */

#define SYNC(name)                                                                   \
  int name(int descriptor) {                                                         \
    char path[PATH_MAX];                                                             \
    int is_known = path_of(descriptor, path);                                        \
    uint64_t process = (uint64_t)syscall(SYS_gettid);                                \
    if (is_known) record('b', path, "", process, 0, NULL, 0);                        \
    int result = REAL(name)(descriptor);                                             \
    if (is_known && result == 0) record('s', path, "", process, 0, NULL, 0);         \
    return result;                                                                   \
  }
SYNC(fsync)
SYNC(fdatasync)

/* Names */

int mkdir(const char *path, mode_t mode) {
  int result = REAL(mkdir)(path, mode);
  if (result == 0) record_path('d', path, 0);
  return result;
}

int unlink(const char *path) {
  int result = REAL(unlink)(path);
  if (result == 0) record_path('x', path, 0);
  return result;
}

int rmdir(const char *path) {
  int result = REAL(rmdir)(path);
  if (result == 0) record_path('x', path, 0);
  return result;
}

int rename(const char *path, const char *target) {
  char from[PATH_MAX], to[PATH_MAX];
  int result = REAL(rename)(path, target);
  if (result == 0 && absolute(path, from) && absolute(target, to)) record('r', from, to, 0, 0, NULL, 0);
  return result;
}
