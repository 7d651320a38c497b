/* A library for LD_PRELOAD that makes one file operation of a process fail: the n-th that changes a folder.

   Counted are calls of libc that create, write, truncate, sync, rename or remove files below the folder, so that what
   SQLite and ONNX Runtime do is counted, too. What happens at the n-th:

   1 kill     the process is killed before the operation
   2 torn     half of a write is done, then the process is killed
   3 ENOSPC   the operation fails, and so does every later one that takes space
   4 EIO      the operation fails, once
   5 EROFS    every operation fails from there on, and no file can be opened for writing, as on a read-only device

   A process is armed by arm_faults(), or by the environment: FAULT_AT (a number), FAULT_KIND (1 to 5), FAULT_FOLDER, and
   FAULT_COUNTER, a file of 8 bytes that the processes of a command share; then a kill ends the whole process group, as
   a power cut does. FAULT_CLOCK is a number of seconds that the clock is wrong by, for every process; set_clock() sets
   it for one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { NONE, KILL, TORN, NO_SPACE, IO_ERROR, READ_ONLY };

static long own_count, *count = &own_count, at;
static enum kind kind;
static int is_hit, kills_group;
static char folder[PATH_MAX];
static time_t clock_offset;

#define REAL(name, type) \
    static __typeof__(type) *real; \
    if (!real) real = (__typeof__(type) *)dlsym(RTLD_NEXT, name)

void arm_faults(long number, int which, const char *where) {
    own_count = 0, count = &own_count, at = number, kind = which, is_hit = 0;
    snprintf(folder, sizeof folder, "%s", where);
}

void set_clock(long seconds) { clock_offset = seconds; }
long count_faults(void) { return *count; }
int was_hit(void) { return is_hit; }

__attribute__((constructor)) static void read_environment(void) {
    const char *text = getenv("FAULT_CLOCK");
    if (text) clock_offset = atol(text);
    if (!(text = getenv("FAULT_FOLDER"))) return;
    arm_faults(atol(getenv("FAULT_AT")), atoi(getenv("FAULT_KIND")), text);
    int handle = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_COUNTER"), O_RDWR);
    long *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    syscall(SYS_close, handle);
    if (shared != MAP_FAILED) count = shared, kills_group = 1;
}

static void die(void) {
    kill(kills_group ? 0 : getpid(), SIGKILL);
    for (;;) pause();
}

static int is_inside(const char *path) {
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int is_handle_inside(int handle) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_inside(path);
}

static int is_path_inside(int base, const char *path) {
    char current[PATH_MAX];
    if (*path == '/') return is_inside(path);
    if (base != AT_FDCWD) return is_handle_inside(base);
    return getcwd(current, sizeof current) && is_inside(current);
}

/* Count an operation; return the number of the error that it has, or 0. `takes_space`: fails on a full device. */
static int meet(int inside, int takes_space) {
    if (kind == NONE || !inside) return 0;
    long number = __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
    if (number == at) is_hit = 1;
    if (number == at && (kind == KILL || kind == TORN)) die();
    if (kind == READ_ONLY && number >= at) return EROFS;
    if (kind == NO_SPACE && (number == at || (number > at && takes_space))) return ENOSPC;
    return number == at && kind == IO_ERROR ? EIO : 0;
}

#define FAIL_IF(error) \
    do { \
        int found = (error); \
        if (found) { errno = found; return -1; } \
    } while (0)

/* Writes. */
#define MEET_WRITE(handle, size, tear) \
    if (kind == TORN && (size) > 1 && is_handle_inside(handle)) { \
        if (__atomic_load_n(count, __ATOMIC_SEQ_CST) + 1 == at) { tear; die(); } \
    } \
    FAIL_IF(meet(is_handle_inside(handle), 1))

ssize_t write(int handle, const void *bytes, size_t size) {
    REAL("write", ssize_t(int, const void *, size_t));
    if (kind == NONE) return real(handle, bytes, size);
    MEET_WRITE(handle, size, real(handle, bytes, size / 2));
    return real(handle, bytes, size);
}

#define DEFINE_PWRITE(name) \
    ssize_t name(int handle, const void *bytes, size_t size, off64_t place) { \
        REAL(#name, ssize_t(int, const void *, size_t, off64_t)); \
        MEET_WRITE(handle, size, real(handle, bytes, size / 2, place)); \
        return real(handle, bytes, size, place); \
    }
DEFINE_PWRITE(pwrite)
DEFINE_PWRITE(pwrite64)

ssize_t writev(int handle, const struct iovec *parts, int number) {
    REAL("writev", ssize_t(int, const struct iovec *, int));
    MEET_WRITE(handle, number, real(handle, parts, number / 2));
    return real(handle, parts, number);
}

#define DEFINE_TRUNCATE(name) \
    int name(int handle, off64_t size) { \
        REAL(#name, int(int, off64_t)); \
        FAIL_IF(meet(is_handle_inside(handle), 1)); \
        return real(handle, size); \
    }
DEFINE_TRUNCATE(ftruncate)
DEFINE_TRUNCATE(ftruncate64)

/* Creations. */
static int changes(int flags) {
    return flags & (O_CREAT | O_TRUNC) || (kind == READ_ONLY && flags & (O_WRONLY | O_RDWR));
}

#define DEFINE_OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(#name, int(const char *, int, ...)); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, int); \
        va_end(more); \
        if (changes(flags)) FAIL_IF(meet(is_path_inside(AT_FDCWD, path), 1)); \
        return real(path, flags, mode); \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name) \
    int name(int base, const char *path, int flags, ...) { \
        REAL(#name, int(int, const char *, int, ...)); \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = va_arg(more, int); \
        va_end(more); \
        if (changes(flags)) FAIL_IF(meet(is_path_inside(base, path), 1)); \
        return real(base, path, flags, mode); \
    }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int mkdir(const char *path, mode_t mode) {
    REAL("mkdir", int(const char *, mode_t));
    FAIL_IF(meet(is_path_inside(AT_FDCWD, path), 1));
    return real(path, mode);
}

int mkdirat(int base, const char *path, mode_t mode) {
    REAL("mkdirat", int(int, const char *, mode_t));
    FAIL_IF(meet(is_path_inside(base, path), 1));
    return real(base, path, mode);
}

/* Syncs, renames, removals, changes of modes. */
#define DEFINE_SYNC(name) \
    int name(int handle) { \
        REAL(#name, int(int)); \
        FAIL_IF(meet(is_handle_inside(handle), 0)); \
        return real(handle); \
    }
DEFINE_SYNC(fsync)
DEFINE_SYNC(fdatasync)

int rename(const char *from, const char *to) {
    REAL("rename", int(const char *, const char *));
    FAIL_IF(meet(is_path_inside(AT_FDCWD, to), 0));
    return real(from, to);
}

int renameat(int base, const char *from, int other, const char *to) {
    REAL("renameat", int(int, const char *, int, const char *));
    FAIL_IF(meet(is_path_inside(other, to), 0));
    return real(base, from, other, to);
}

int link(const char *from, const char *to) {
    REAL("link", int(const char *, const char *));
    FAIL_IF(meet(is_path_inside(AT_FDCWD, to), 0));
    return real(from, to);
}

#define DEFINE_REMOVE(name) \
    int name(const char *path) { \
        REAL(#name, int(const char *)); \
        FAIL_IF(meet(is_path_inside(AT_FDCWD, path), 0)); \
        return real(path); \
    }
DEFINE_REMOVE(unlink)
DEFINE_REMOVE(rmdir)

int unlinkat(int base, const char *path, int flags) {
    REAL("unlinkat", int(int, const char *, int));
    FAIL_IF(meet(is_path_inside(base, path), 0));
    return real(base, path, flags);
}

int chmod(const char *path, mode_t mode) {
    REAL("chmod", int(const char *, mode_t));
    FAIL_IF(meet(is_path_inside(AT_FDCWD, path), 0));
    return real(path, mode);
}

/* The clock. */
int clock_gettime(clockid_t which, struct timespec *time) {
    REAL("clock_gettime", int(clockid_t, struct timespec *));
    int result = real(which, time);
    if (!result && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) time->tv_sec += clock_offset;
    return result;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict place, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    place->tv_sec = now.tv_sec;
    place->tv_usec = now.tv_nsec / 1000;
    return 0;
}
