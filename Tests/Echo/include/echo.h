// The least that programs can do that do what ours do: what these are measured against.
#pragma once

// The least that a server can do with a datagram: it comes back, with the bit that says it is an answer. Nothing that
// answers DNS by datagrams can cost less. At a port of the loopback address, by batches, until the process ends.
// Returns -1 with errno if it cannot.
int qure_echo(unsigned short port);

// The least that a master can do: a datagram as long as a heartbeat to an IPv4 group, each so many milliseconds (less
// than a thousand), until the process ends; `sealed`: with a code behind it (HMAC-SHA-256) that is made anew each time;
// `gateway`, an IPv4 address or nothing: it also reads what others say to the group, with a look at their codes, and
// asks for that gateway each second. It says nothing that anybody would believe. Returns -1 with errno if it cannot.
int qure_beat(
    const char *interface, const char *group, unsigned short port, long milliseconds, int sealed, const char *gateway);
