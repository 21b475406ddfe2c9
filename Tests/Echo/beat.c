// The beat (echo.h): a timer, a wait, a code where one is wanted, a datagram.
#define _GNU_SOURCE
#include "echo.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <nettle/hmac.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum { LENGTH = 170, CODE = 16, BILLION = 1000000000 };

int qure_beat(const char *interface, const char *group, unsigned short port, long milliseconds, int sealed) {
    static unsigned char bytes[LENGTH];
    static struct hmac_sha256_ctx code;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct ip_mreqn link = {.imr_ifindex = (int)if_nametoindex(interface)};
    struct epoll_event event = {.events = EPOLLIN};
    struct itimerspec next = {{0, 0}, {0, 0}};
    int none = 0, descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), poller = epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0 || timer < 0 || poller < 0 || inet_pton(AF_INET, group, &to.sin_addr) != 1) return -1;
    if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &link, sizeof link) != 0) return -1;
    if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, &none, sizeof none) != 0) return -1;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) != 0) return -1;
    hmac_sha256_set_key(&code, 32, bytes);
    clock_gettime(CLOCK_BOOTTIME, &next.it_value);
    for (unsigned long sequence = 0;; sequence++) {
        next.it_value.tv_nsec += milliseconds * 1000000;
        next.it_value.tv_sec += next.it_value.tv_nsec / BILLION;
        next.it_value.tv_nsec %= BILLION;
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
        epoll_wait(poller, &event, 1, -1);
        memcpy(bytes, &sequence, sizeof sequence);
        if (sealed) {
            hmac_sha256_update(&code, LENGTH - CODE, bytes);
            hmac_sha256_digest(&code, CODE, bytes + LENGTH - CODE);
        }
        sendto(descriptor, bytes, LENGTH, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
    }
}
