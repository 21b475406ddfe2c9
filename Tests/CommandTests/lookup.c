// Looks a name up as programs do, with whatever C library it is built with, and prints its addresses, or why there are
// none: for the tests of qure-dnsproxy.
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **words) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    if (count != 2) return 64;
    int error = getaddrinfo(words[1], "80", &hints, &found);
    if (error != 0) {
        printf("%s\n", gai_strerror(error));
        return 1;
    }
    for (struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address = one->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr
                                                        : (void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr;
        printf("%s\n", inet_ntop(one->ai_family, address, text, sizeof text));
    }
    return 0;
}
