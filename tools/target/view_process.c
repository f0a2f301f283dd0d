#include "target/view_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int view_pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
}

static void close_span(unsigned first, unsigned last)
{
    if (first <= last && syscall(SYS_close_range, first, last, 0) != 0) {
        /* A kernel before 5.9: descriptors beyond this are not made by us. */
        for (unsigned fd = first; fd <= last && fd < 65536; fd++) {
            close((int)fd);
        }
    }
}

void view_close_others(const int *kept, size_t count)
{
    unsigned next = 3;
    for (;;) {
        unsigned lowest = UINT_MAX; /* of those kept, from next on */
        for (size_t i = 0; i < count; i++) {
            if (kept[i] >= 0 && (unsigned)kept[i] >= next && (unsigned)kept[i] < lowest) {
                lowest = (unsigned)kept[i];
            }
        }
        if (lowest == UINT_MAX) {
            close_span(next, UINT_MAX);
            return;
        }
        if (lowest > next) {
            close_span(next, lowest - 1);
        }
        next = lowest + 1;
    }
}

union control {
    char bytes[CMSG_SPACE(sizeof(int) * VIEW_LAYERS_MAX)];
    struct cmsghdr align;
};

int view_send(int socket, const void *data, size_t size_bytes, const int *fds, size_t fd_count)
{
    union control control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size_bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        /* The C libraries do not agree on the type of these two lengths. */
        message.msg_controllen = (__typeof__(message.msg_controllen))CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = (__typeof__(header->cmsg_len))CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size_bytes ? 0 : -1;
}

ssize_t view_receive(int socket, void *data, size_t size_bytes, int *fds, size_t *fd_count)
{
    union control control;
    struct iovec part = {.iov_base = data, .iov_len = size_bytes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    size_t room = fd_count == NULL ? 0 : *fd_count;
    if (fd_count != NULL) {
        *fd_count = 0;
    }
    ssize_t got;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (fd_count != NULL && *fd_count < room) {
                fds[(*fd_count)++] = fd;
            } else {
                close(fd);
            }
        }
    }
    return got;
}
