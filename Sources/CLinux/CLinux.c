// The out-of-line half of CLinux.h: what needs _GNU_SOURCE, raw system calls, or must run after fork.
#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int qure_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int qure_effective_capabilities(uint64_t *capabilities) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    *capabilities = (uint64_t)data[0].effective | (uint64_t)data[1].effective << 32;
    return 0;
}

int qure_enter_network(int descriptor) { return setns(descriptor, CLONE_NEWNET); }

void qure_close_in_background(int descriptor) {
    struct io_uring_params parameters = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 1u, &parameters);
    if (ring >= 0) {
        (void)syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &descriptor, 1u);
        close(ring);
    }
    close(descriptor);
}

#define MOST_DESCRIPTORS 253  // SCM_MAX_FD of the kernel

ssize_t qure_receive_descriptors(int socket, void *buffer, size_t length, int *descriptors, size_t capacity,
                                 size_t *count) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = buffer, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    *count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t present = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < present; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(c) + i * sizeof(int), sizeof descriptor);
            if (*count < capacity) descriptors[(*count)++] = descriptor;
            else close(descriptor);
        }
    }
    return received;
}

ssize_t qure_send_descriptor(int socket, const void *bytes, size_t length, int descriptor) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

int qure_pipe_cloexec(int descriptors[2]) { return pipe2(descriptors, O_CLOEXEC); }

// The kernel has acted on a request by the time sendto returns.
static void send_to_kernel(int protocol, const unsigned char *messages, size_t length) {
    if (length == 0) return;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    (void)sendto(fd, messages, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
    close(fd);
}

static void guard(int pipe_end, const struct qure_guard_orders *orders) {
    // A terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the guard outlives them,
    // because it leaves by itself as soon as its parent has.
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_NAME, "qure-guard");
    // Everything of the parent's but the pipe: a pipe to a neighbour in a pipeline that stayed open here
    // would hide the parent's death from it.
    if (dup2(pipe_end, 0) != 0) _exit(71);
    syscall(SYS_close_range, 1u, ~0u, 0u);
    char byte;
    while (read(0, &byte, 1) < 0 && errno == EINTR);
    send_to_kernel(NETLINK_ROUTE, orders->route, orders->route_length);
    send_to_kernel(NETLINK_NETFILTER, orders->filter, orders->filter_length);
    _exit(0);
}

pid_t qure_fork_guard(int pipe_end, const struct qure_guard_orders *orders) {
    pid_t child = fork();
    if (child == 0) guard(pipe_end, orders);
    return child;
}

static void become_command(const char *command, char *const environment[], int output) {
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct sched_param ordinary = {0};
    if (sched_getscheduler(0) != SCHED_OTHER) sched_setscheduler(0, SCHED_OTHER, &ordinary);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(output, 1) < 0 || dup2(nothing, 0) < 0) _exit(127);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    char *const words[] = {"sh", "-c", (char *)command, NULL};
    execve("/bin/sh", words, environment);
    _exit(127);
}

pid_t qure_fork_command(const char *command, char *const environment[], int output) {
    pid_t child = fork();
    if (child == 0) become_command(command, environment, output);
    // Both sides do it, so that the group is there whoever runs first.
    if (child > 0) setpgid(child, child);
    return child;
}
