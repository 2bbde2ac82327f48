/* Stands between a process and the C library, by LD_PRELOAD, for the files of one folder.
 *
 * A journal gets everything that the process does to them, in one order for all threads and for all
 * processes that share it. It also gets every HTTP answer, and everything on standard output, before
 * it leaves. From the journal disk.py makes what a disk could hold after a power loss at any point.
 * A few bytes of shared memory make calls fail while the process runs (shim.py).
 *
 * FAULTS_FOLDER    the folder, as an absolute path without a slash at its end
 * FAULTS_JOURNAL   the journal, which is appended to (journal.py reads it)
 * FAULTS_CONTROL   a file of sizeof(struct control) bytes
 * FAULTS_PROCESS   of several processes, the number of this one: 0 for the first
 *
 * Not seen: writes through mapped memory (SQLite's -shm files, which no crash outlives), and system
 * calls without the C library. The tests notice either: an answer that the journal lacks, or a
 * database that differs from what the journal gives.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, CLOSE, UNLINK, RENAME, MKDIR, ANSWER };
enum flag { CREATED = 1, TRUNCATED = 2 };

/* What may fail: `calls` in control. */
enum call { FAIL_OPEN = 1, FAIL_WRITE = 2, FAIL_SYNC = 4, FAIL_TRUNCATE = 8, FAIL_UNLINK = 16 };

struct record {
    uint8_t kind, flags;
    uint16_t path_length;
    int32_t fd, result;
    int64_t offset;
    uint32_t data_length;
} __attribute__((packed));

struct control {
    uint32_t calls; /* a sum of enum call; 0: nothing fails */
    int32_t error;       /* an errno; -1: a write takes half of its bytes */
    uint32_t skip;       /* so many go well first */
    uint32_t times;      /* so many fail then */
    uint32_t hits;       /* so many have failed */
    char name[108];      /* of the file; empty: any */
};

#define FDS 65536 /* of a process; the journal numbers those of the next one behind them */
#define SHORT (-1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static size_t folder_length;
static int journal = -1;
static int first_fd; /* what the journal adds to a descriptor of this process */
static volatile struct control *control;
static char *paths[FDS]; /* relative to the folder, of what is open in it */

/* Looked up at the first call: other libraries call some before this one has begun. */
#define REAL(result, name, ...) \
    typedef result name##_type(__VA_ARGS__); \
    static name##_type *real_##name(void) \
    { \
        static name##_type *found; \
        if (found == NULL) \
            found = (name##_type *)dlsym(RTLD_NEXT, #name); \
        return found; \
    }

REAL(int, open, const char *, int, ...)
REAL(int, openat, int, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t)
REAL(ssize_t, send, int, const void *, size_t, int)
REAL(ssize_t, sendmsg, int, const struct msghdr *, int)
REAL(int, ftruncate, int, off_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, unlink, const char *)
REAL(int, rename, const char *, const char *)
REAL(int, mkdir, const char *, mode_t)
REAL(int, close, int)

__attribute__((constructor)) static void begin(void)
{
    const char *journal_path = getenv("FAULTS_JOURNAL"), *control_path = getenv("FAULTS_CONTROL");
    const char *process = getenv("FAULTS_PROCESS");
    folder = getenv("FAULTS_FOLDER");
    if (folder == NULL || journal_path == NULL || control_path == NULL || process == NULL)
        abort();
    first_fd = atoi(process) * FDS;
    folder_length = strlen(folder);
    journal = real_open()(journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int shared = real_open()(control_path, O_RDWR | O_CLOEXEC);
    if (journal < 0 || shared < 0)
        abort();
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    if (control == MAP_FAILED)
        abort();
    real_close()(shared);
}

/* Inside, an operation and its record come before those of any other thread or process. */
static void enter(void)
{
    pthread_mutex_lock(&lock);
    if (flock(journal, LOCK_EX) != 0)
        abort();
}

static void leave(void)
{
    int saved = errno;
    flock(journal, LOCK_UN);
    pthread_mutex_unlock(&lock);
    errno = saved;
}

/* The path relative to the folder, "" for the folder itself; NULL outside it. */
static const char *inside(const char *path)
{
    if (folder == NULL || path == NULL || strncmp(path, folder, folder_length) != 0)
        return NULL;
    if (path[folder_length] == '\0')
        return "";
    if (path[folder_length] != '/')
        return NULL;
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0)
        return NULL;
    return path + folder_length + 1;
}

static const char *path_of(int fd)
{
    return fd >= 0 && fd < FDS ? paths[fd] : NULL;
}

static void append(enum kind kind, int flags, int fd, int result, int64_t offset, const char *path,
                   const struct iovec *data, int parts)
{
    struct iovec all[2 + IOV_MAX];
    size_t data_length = 0;
    size_t path_length = path == NULL ? 0 : strlen(path);
    for (int part = 0; part < parts; part++) {
        all[2 + part] = data[part];
        data_length += data[part].iov_len;
    }
    struct record record = {(uint8_t)kind, (uint8_t)flags, (uint16_t)path_length,
                            fd < 0 ? fd : first_fd + fd, result, offset, (uint32_t)data_length};
    all[0] = (struct iovec){&record, sizeof record};
    all[1] = (struct iovec){(void *)path, path_length};
    if (real_writev()(journal, all, 2 + parts) != (ssize_t)(sizeof record + path_length + data_length))
        abort(); /* better no test than one that saw a part */
}

/* What a call on `path` shall fail with: an errno, SHORT, or 0 for not at all. */
static int fault(enum call call, const char *path)
{
    if (control == NULL || !(control->calls & call))
        return 0;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (control->name[0] != '\0' && strcmp((const char *)control->name, name) != 0)
        return 0;
    if (control->skip > 0) {
        control->skip--;
        return 0;
    }
    if (control->times == 0)
        return 0;
    control->times--;
    control->hits++;
    return control->error;
}

static int fail(int error)
{
    leave();
    errno = error;
    return -1;
}

/* Names */

static int open_inside(const char *path, const char *found, int flags, mode_t mode)
{
    enter();
    int error = fault(FAIL_OPEN, found);
    if (error > 0)
        return fail(error);
    int was_there = access(path, F_OK) == 0;
    int fd = real_open()(path, flags, mode);
    int saved = errno;
    if (fd >= FDS)
        abort();
    if (fd >= 0) {
        free(paths[fd]);
        paths[fd] = strdup(found);
        append(OPEN, (was_there ? 0 : CREATED) | (flags & O_TRUNC ? TRUNCATED : 0), fd, 0, 0, found,
               NULL, 0);
    }
    leave();
    errno = saved;
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    const char *found = inside(path);
    return found == NULL ? real_open()(path, flags, mode) : open_inside(path, found, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open(path, flags | O_LARGEFILE, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    const char *found = inside(path);
    return found == NULL ? real_openat()(at, path, flags, mode) : open_inside(path, found, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return openat(at, path, flags | O_LARGEFILE, mode);
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int close(int fd)
{
    if (path_of(fd) == NULL)
        return real_close()(fd);
    enter();
    free(paths[fd]);
    paths[fd] = NULL;
    append(CLOSE, 0, fd, 0, 0, NULL, NULL, 0);
    int result = real_close()(fd);
    leave();
    return result;
}

int unlink(const char *path)
{
    const char *found = inside(path);
    if (found == NULL)
        return real_unlink()(path);
    enter();
    int error = fault(FAIL_UNLINK, found);
    if (error > 0)
        return fail(error);
    int result = real_unlink()(path);
    int saved = errno;
    if (result == 0)
        append(UNLINK, 0, -1, 0, 0, found, NULL, 0);
    leave();
    errno = saved;
    return result;
}

int rename(const char *from, const char *to)
{
    const char *found = inside(from), *becomes = inside(to);
    if (found == NULL || becomes == NULL)
        return real_rename()(from, to);
    enter();
    int result = real_rename()(from, to);
    int saved = errno;
    struct iovec name = {(void *)becomes, strlen(becomes)};
    if (result == 0)
        append(RENAME, 0, -1, 0, 0, found, &name, 1);
    leave();
    errno = saved;
    return result;
}

int mkdir(const char *path, mode_t mode)
{
    const char *found = inside(path);
    if (found == NULL)
        return real_mkdir()(path, mode);
    enter();
    int result = real_mkdir()(path, mode);
    int saved = errno;
    if (result == 0)
        append(MKDIR, 0, -1, 0, 0, found, NULL, 0);
    leave();
    errno = saved;
    return result;
}

/* Contents */

static ssize_t write_inside(int fd, const void *bytes, size_t length, off_t offset)
{
    enter();
    int error = fault(FAIL_WRITE, paths[fd]);
    if (error > 0)
        return fail(error);
    if (error == SHORT)
        length /= 2;
    ssize_t written = real_pwrite()(fd, bytes, length, offset);
    int saved = errno;
    if (written > 0) {
        struct iovec data = {(void *)bytes, (size_t)written};
        append(WRITE, 0, fd, 0, offset, NULL, &data, 1);
    }
    leave();
    errno = saved;
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    if (path_of(fd) == NULL)
        return real_pwrite()(fd, bytes, length, offset);
    return write_inside(fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t offset)
{
    if (path_of(fd) != NULL)
        abort(); /* SQLite has no use for it */
    return real_pwritev()(fd, data, parts, offset);
}

ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t offset)
{
    return pwritev(fd, data, parts, offset);
}

/* An answer, or a line on standard output: told before it leaves. */
static void tell_answer(int fd, const struct iovec *data, int parts)
{
    int is_http = parts > 0 && data[0].iov_len >= 5 && memcmp(data[0].iov_base, "HTTP/", 5) == 0;
    if (journal < 0 || (!is_http && fd != STDOUT_FILENO))
        return;
    enter();
    append(ANSWER, 0, fd, 0, 0, NULL, data, parts);
    leave();
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    if (path_of(fd) != NULL) {
        ssize_t written = write_inside(fd, bytes, length, lseek(fd, 0, SEEK_CUR));
        if (written > 0)
            lseek(fd, written, SEEK_CUR);
        return written;
    }
    struct iovec data = {(void *)bytes, length};
    tell_answer(fd, &data, 1);
    return real_write()(fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *data, int parts)
{
    if (path_of(fd) != NULL)
        abort();
    tell_answer(fd, data, parts);
    return real_writev()(fd, data, parts);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    struct iovec data = {(void *)bytes, length};
    tell_answer(fd, &data, 1);
    return real_send()(fd, bytes, length, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    tell_answer(fd, message->msg_iov, (int)message->msg_iovlen);
    return real_sendmsg()(fd, message, flags);
}

int ftruncate(int fd, off_t length)
{
    if (path_of(fd) == NULL)
        return real_ftruncate()(fd, length);
    enter();
    int error = fault(FAIL_TRUNCATE, paths[fd]);
    if (error > 0)
        return fail(error);
    int result = real_ftruncate()(fd, length);
    int saved = errno;
    if (result == 0)
        append(TRUNCATE, 0, fd, 0, length, NULL, NULL, 0);
    leave();
    errno = saved;
    return result;
}

int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

/* The other threads go on while one waits for the disk, as they do without a shim. */
static int sync_inside(int fd, int (*sync)(int))
{
    enter();
    append(SYNC_BEGIN, 0, fd, 0, 0, NULL, NULL, 0);
    int error = fault(FAIL_SYNC, paths[fd]);
    leave();
    if (error <= 0 && sync(fd) != 0)
        error = errno;
    enter();
    append(SYNC_END, 0, fd, error > 0 ? error : 0, 0, NULL, NULL, 0);
    if (error > 0)
        return fail(error);
    leave();
    return 0;
}

int fsync(int fd)
{
    return path_of(fd) == NULL ? real_fsync()(fd) : sync_inside(fd, real_fsync());
}

int fdatasync(int fd)
{
    return path_of(fd) == NULL ? real_fdatasync()(fd) : sync_inside(fd, real_fdatasync());
}
