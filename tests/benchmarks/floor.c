/* The floor: the cost of one write per delivery. Frames each message once and sends it to every client, with one
 * send() each. Stores nothing, numbers nothing, knows no users.
 *
 *   floor <port> */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS 65536

/* The answer to the one key that the load generator offers (RFC 6455, section 1.3). */
static const char UPGRADED[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int clients[MAX_CLIENTS], count, epoll;
static char upgraded[MAX_CLIENTS];

static void drop(int fd) {
    for (int i = 0; i < count; i++)
        if (clients[i] == fd) { clients[i] = clients[--count]; break; }
    close(fd);
}

static void relay(const char *text, size_t size) {
    static char frame[1 << 16];
    size_t head = 2;
    frame[0] = (char)0x81;
    if (size < 126) frame[1] = size;
    else frame[1] = 126, frame[2] = size >> 8, frame[3] = size, head = 4;
    memcpy(frame + head, text, size);
    for (int i = 0; i < count; i++) send(clients[i], frame, head + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_readable(int fd) {
    static char buffer[1 << 16];
    ssize_t size = recv(fd, buffer, sizeof buffer - 1, 0);
    if (size <= 0) { if (size == 0 || errno != EAGAIN) drop(fd); return; }
    if (!upgraded[fd]) {
        send(fd, UPGRADED, sizeof UPGRADED - 1, MSG_NOSIGNAL);
        upgraded[fd] = 1;
        clients[count++] = fd;
        return;
    }
    for (char *f = buffer; f + 6 <= buffer + size;) {
        size_t head = 2, length = f[1] & 127;
        if (length == 126) length = (size_t)(uint8_t)f[2] << 8 | (uint8_t)f[3], head = 4;
        char *text = f + head + 4;
        if (text + length > buffer + size) break; /* such small messages arrive whole */
        for (size_t i = 0; i < length; i++) text[i] ^= f[head + i % 4];
        if ((f[0] & 15) == 8) { drop(fd); return; }
        relay(text, length);
        f = text + length;
    }
}

int main(int argc, char **argv) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit files = {MAX_CLIENTS, MAX_CLIENTS};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0)};
    setrlimit(RLIMIT_NOFILE, &files);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) { on_readable(fd); continue; }
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0 || fd >= MAX_CLIENTS) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            upgraded[fd] = 0;
            struct epoll_event client = {.events = EPOLLIN, .data.fd = fd};
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &client);
        }
    }
}
