/* A generator of WebSocket messages: load PORT PATH SIZE CONNECTIONS DEPTH SECONDS, printing the messages per second.
 *
 * On each of CONNECTIONS connections DEPTH messages of SIZE bytes are under way: for each that comes back whole another
 * is sent. What comes back must be frames of just that length. Ends with status 1 and a line that says why if not.
 * Where SIZE is 0, messages are GET requests, one under way on each connection, and what comes back must be answers as
 * long as the first one.
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
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, EVENTS = 256, MASK = 4, MOST_HEAD = 12 };

struct connection {
    int fd, waits;   /* waits for room to write */
    size_t at;       /* how much of the frame that is coming has come */
    size_t unsent;   /* how much of the messages that are due is not written yet */
};

static char *messages;                    /* as many as may be under way at once, one behind the other, masked with zeros */
static char head[MOST_HEAD], room[ROOM];  /* head: how all must begin that comes back */
static char request[1024];
static size_t head_size, size, frame_out, frame_in;
static long counted;
static int ready;

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Prepare the frames that are sent and how those are expected that come back. */
static void prepare_frames(size_t depth) {
    size_t more = size < 126 ? 0 : size < 65536 ? 2 : 8;
    head[0] = (char)0x82;
    head[1] = (char)(more == 0 ? size : more == 2 ? 126 : 127);
    for (size_t at = 0; at < more; at++)
        head[2 + at] = (char)(size >> 8 * (more - 1 - at));
    head_size = 2 + more;
    frame_in = head_size + size;
    frame_out = frame_in + MASK;
    messages = malloc(frame_out * depth);
    memset(messages, 'x', frame_out * depth);
    for (char *each = messages; each < messages + frame_out * depth; each += frame_out) {
        memcpy(each, head, head_size);
        memset(each + head_size, 0, MASK);
        each[1] |= (char)128;
    }
}

/* Open a connection, ask for PATH, leave the head of the answer in `room`. Returns the connection. */
static int ask(int port, const char *path, const char *more) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t have = 0;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&there, sizeof there))
        fail("a connection was refused");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, more);
    if (write(fd, request, (size_t)length) != length)
        fail("a request could not be written");
    for (; have < 4 || memcmp(room + have - 4, "\r\n\r\n", 4); have++)
        if (have == ROOM - 1 || read(fd, room + have, 1) != 1)
            fail("a request was not answered");
    room[have] = 0;
    return fd;
}

static int open_websocket(int port, const char *path) {
    int fd = ask(port, path, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (strncmp(room, "HTTP/1.1 101", 12))
        fail("a WebSocket was refused");
    return fd;
}

/* Open a connection for requests, prepare what is sent on it and how it is answered. */
static int open_plain(int port, const char *path) {
    int fd = ask(port, path, "");
    const char *named = strcasestr(room, "\r\nContent-Length:");
    size_t length = named ? strtoul(named + 17, NULL, 10) : 0;
    frame_in = strlen(room) + length;
    memcpy(head, "HTTP/1.1 200", head_size = 12);
    if (!named || memcmp(room, head, head_size) || recv(fd, room, length, MSG_WAITALL) != (ssize_t)length)
        fail("a request was not answered with 200 and a length");
    frame_out = strlen(request);
    messages = request;
    return fd;
}

/* Write what is due. All messages are alike, so what is left of them is the end of as many. */
static void flush(struct connection *it) {
    const char *end = messages + (it->unsent + frame_out - 1) / frame_out * frame_out;
    ssize_t sent = send(it->fd, end - it->unsent, it->unsent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN)
        fail("a WebSocket was closed under load");
    it->unsent -= sent > 0 ? (size_t)sent : 0;
    int waits = it->unsent > 0;
    if (waits != it->waits) {
        struct epoll_event wanted = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = it};
        epoll_ctl(ready, EPOLL_CTL_MOD, it->fd, &wanted);
        it->waits = waits;
    }
}

/* Read what has come: count the messages that are whole, and let another follow for each. */
static void take(struct connection *it) {
    ssize_t got = recv(it->fd, room, ROOM, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("a WebSocket was closed under load");
    for (size_t at = 0; at < (size_t)got;) {
        size_t left = (size_t)got - at, step = frame_in - it->at;
        if (it->at < head_size) {
            step = head_size - it->at < left ? head_size - it->at : left;
            if (memcmp(room + at, head + it->at, step))
                fail("a message came back with another length");
        }
        step = step < left ? step : left;
        at += step;
        it->at += step;
        if (it->at == frame_in) {
            it->at = 0;
            it->unsent += frame_out;
            counted++;
        }
    }
}

int main(int count, char **words) {
    if (count != 7)
        fail("load PORT PATH SIZE CONNECTIONS DEPTH SECONDS");
    int connections = atoi(words[4]);
    size_t depth = (size_t)atol(words[5]);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    size = (size_t)atol(words[3]);
    if (size)
        prepare_frames(depth);
    else
        depth = 1;
    ready = epoll_create1(0);
    for (struct connection *it = all; it < all + connections; it++) {
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = it};
        it->fd = size ? open_websocket(atoi(words[1]), words[2]) : open_plain(atoi(words[1]), words[2]);
        epoll_ctl(ready, EPOLL_CTL_ADD, it->fd, &wanted);
    }
    double begin = now(), seconds = atof(words[6]), end;
    for (struct connection *it = all; it < all + connections; it++) {
        it->unsent = frame_out * depth;
        flush(it);
    }
    while ((end = now()) < begin + seconds) {
        struct epoll_event events[EVENTS];
        int number = epoll_wait(ready, events, EVENTS, 1000);
        for (int each = 0; each < number; each++) {
            struct connection *it = events[each].data.ptr;
            if (events[each].events & ~(unsigned)EPOLLOUT)
                take(it);
            if (it->unsent)
                flush(it);
        }
    }
    printf("%.1f\n", (double)counted / (end - begin));
    return 0;
}
