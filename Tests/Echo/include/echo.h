// The least that a server can do with a datagram: it comes back, with the bit that says it is an answer. What the proxy
// is measured against: nothing that answers DNS by datagrams can cost less.
#pragma once

// Echoes at a port of the loopback address, by batches, until the process ends. Returns -1 with errno if it cannot.
int qure_echo(unsigned short port);
