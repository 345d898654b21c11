/* A server that sends each WebSocket message back, and answers every other request with a small text.
 *
 * Prints the port at 127.0.0.1 that it listens on, and serves until standard input ends. Made to cost little: one
 * thread, one read and one write for what has come on a connection. Frames are taken as the generator makes them,
 * masked with zeros, so that a message reads the same with and without its mask; others end the connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 1 << 18, EVENTS = 256, MASK = 4 };

/* Every client here sends the key of RFC 6455, section 1.3; this is the answer to it. */
static const char SWITCH[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static const char SMALL[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\na small answer\n";

struct connection {
    int fd, switched;
    size_t used, have; /* what lies in `data` between them is the beginning of a frame */
    size_t from, to;   /* what lies between them is an answer on its way; nothing is read before it is gone */
    char data[ROOM];
};

static int ready;

/* The length of the frame at `data`, and of its head; 0 if it is not whole, -1 if it is not as expected. */
static ssize_t frame(const char *data, size_t have, size_t *head) {
    const unsigned char *byte = (const unsigned char *)data;
    if (have < 2)
        return 0;
    size_t length = byte[1] & 127, more = length == 126 ? 2 : length == 127 ? 8 : 0;
    *head = 2 + more + MASK;
    if (have < *head)
        return 0;
    if (more)
        length = 0;
    for (size_t at = 2; at < 2 + more; at++)
        length = length << 8 | byte[at];
    if (!(byte[1] & 128) || memcmp(data + *head - MASK, "\0\0\0\0", MASK) || *head + length > ROOM)
        return -1;
    return have < *head + length ? 0 : (ssize_t)(*head + length);
}

/* Make answers of the whole frames: the same without their masks, one behind the other. Returns -1 for bad ones. */
static int answer(struct connection *it) {
    size_t head;
    ssize_t length;
    it->used = 0;
    it->from = it->to = MASK;
    while ((length = frame(it->data + it->used, it->have - it->used, &head)) > 0) {
        char *whole = it->data + it->used, *out = it->data + it->to;
        whole[1] &= 127;
        memmove(out, whole, head - MASK);
        if (out + head - MASK != whole + head)
            memmove(out + head - MASK, whole + head, (size_t)length - head);
        it->to += (size_t)length - MASK;
        it->used += (size_t)length;
    }
    return (int)length;
}

/* Write what is left of an answer; when all is gone, make room for more. Returns -1 if the connection broke. */
static int flush(struct connection *it) {
    while (it->from < it->to) {
        ssize_t sent = send(it->fd, it->data + it->from, it->to - it->from, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        it->from += (size_t)sent;
    }
    memmove(it->data, it->data + it->used, it->have - it->used);
    it->have -= it->used;
    it->used = 0;
    return 0;
}

/* Answer a request, which is no more than a head. Returns -1 if the connection is to be closed. */
static int greet(struct connection *it) {
    if (it->have < 4 || memcmp(it->data + it->have - 4, "\r\n\r\n", 4))
        return it->have < ROOM ? 0 : -1;
    it->data[it->have - 1] = 0;
    it->switched = strcasestr(it->data, "\r\nSec-WebSocket-Key:") != NULL;
    it->have = 0;
    ssize_t length = (ssize_t)(it->switched ? sizeof SWITCH : sizeof SMALL) - 1;
    return send(it->fd, it->switched ? SWITCH : SMALL, (size_t)length, MSG_NOSIGNAL) == length ? 0 : -1;
}

/* Read what has come, and answer it. Returns -1 at the end of the connection. */
static int serve(struct connection *it, unsigned events) {
    int waited = it->from < it->to;
    if (waited && flush(it))
        return -1;
    if (it->from == it->to && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t got = read(it->fd, it->data + it->have, ROOM - it->have);
        if (got <= 0)
            return got < 0 && errno == EAGAIN ? 0 : -1;
        it->have += (size_t)got;
        if (!it->switched)
            return greet(it);
        if (answer(it) || flush(it))
            return -1;
    }
    int waits = it->from < it->to;
    if (waits != waited) {
        struct epoll_event wanted = {.events = waits ? EPOLLOUT : EPOLLIN, .data.ptr = it};
        epoll_ctl(ready, EPOLL_CTL_MOD, it->fd, &wanted);
    }
    return 0;
}

static void add(int fd, void *what) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = what};
    epoll_ctl(ready, EPOLL_CTL_ADD, fd, &wanted);
}

int main(void) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int listening = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (bind(listening, (struct sockaddr *)&own, size) || listen(listening, 2048))
        return 1;
    getsockname(listening, (struct sockaddr *)&own, &size);
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    ready = epoll_create1(0);
    add(listening, NULL);
    add(STDIN_FILENO, &ready);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(ready, events, EVENTS, -1);
        for (int each = 0; each < count; each++) {
            struct connection *it = events[each].data.ptr;
            if (events[each].data.ptr == &ready)
                return 0;
            if (it == NULL) {
                it = calloc(1, sizeof *it);
                it->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
                setsockopt(it->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                add(it->fd, it);
            } else if (serve(it, events[each].events)) {
                close(it->fd);
                free(it);
            }
        }
    }
}
