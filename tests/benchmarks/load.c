/* The load generator: many WebSocket clients in one thread, so that it is never the bottleneck.
 *
 * Reads commands from stdin, one per line, their fields separated by tabs:
 *
 *   server  <host> <port>
 *   socket  <group> <sends: 0|1> <path> <header line> <first frame> <ready> <prefix> <suffix> <after>
 *   connect                               open all sockets; print "ready {...}" when each has received a frame that
 *                                         contains <ready>
 *   come_back <spread s>                  open each socket at a random time within the spread; print "ready {...}" as
 *                                         above. One that is closed with 4003 comes back after its retry_after
 *   closed  <in flight> <warm-up s> <s>   each sender keeps this number of messages in flight
 *   paced   <per second> <warm-up s> <s>  the rate of all senders together, whether or not messages are delivered
 *   hold    <s>                           send nothing
 *
 * A message is <prefix><body><suffix>. Its body has 100 bytes and begins with "~#" and its number. A message is done
 * when every socket of its group has received it. Prints "begin" and "stop" when the measured time begins and ends, and
 * "end {...}" when all messages are done. If frames contain "seq":n, then n must increase by one on each socket; with
 * <after>, this holds for all events, and the first of them must have the seq after it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BODY 100
#define SLOTS (1u << 20)
#define BUFFER (1 << 20)
#define CONNECTING 64
#define BUCKETS 4096

enum state { NEW, OPENING, UPGRADING, GREETING, READY, CLOSED };

struct connection {
    int fd, group, in_flight;
    bool sends;
    enum state state;
    char *path, *header, *first, *ready, *prefix, *suffix, *after;
    char *rest;
    size_t rest_size;
    uint64_t seq, came_ns, due_ns; /* due_ns: when to open the socket, again if it was turned away */
};

struct message {
    uint64_t sent_ns;
    int sender;
    uint32_t missing;
};

static struct connection *connections;
static int count, ready, opening, next_to_open, epoll;
static int *group_size, groups;
static struct message messages[SLOTS];
static uint32_t numbered;
static struct sockaddr_in server;
static char host[64];

static bool measuring;
static int window; /* in flight per sender; 0 when paced */
static uint64_t deliveries, done, closed_early, refused, reset, misordered, doubled, unfinished;
static uint64_t histogram[BUCKETS], slowest_us;

static void die(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

/* Buckets of microseconds: 64 in each octave. */
static int bucket_of(uint64_t us) {
    if (us < 64) return us;
    int octave = 63 - __builtin_clzll(us);
    int bucket = 64 + (octave - 6) * 64 + (int)((us >> (octave - 6)) & 63);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double us_of(int bucket) {
    if (bucket < 64) return bucket;
    int octave = (bucket - 64) / 64 + 6;
    return (double)((64ull + (bucket - 64) % 64) << (octave - 6));
}

static double quantile(double q) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += histogram[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) && seen >= q * total) return us_of(i);
    return 0;
}

static void write_all(struct connection *c, const char *data, size_t size) {
    while (size) {
        ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
        if (n > 0) data += n, size -= n;
        else if (errno == EAGAIN) usleep(50);
        else return; /* recv() will report the error */
    }
}

static void write_frame(struct connection *c, int opcode, const char *text, size_t size) {
    static char frame[BUFFER];
    size_t head = 2;
    frame[0] = 0x80 | opcode;
    if (size < 126) frame[1] = 0x80 | size;
    else frame[1] = 0x80 | 126, frame[2] = size >> 8, frame[3] = size, head = 4;
    memset(frame + head, 0, 4); /* a mask of zeros does not change the text */
    memcpy(frame + head + 4, text, size);
    write_all(c, frame, head + 4 + size);
}

static void send_message(int sender) {
    struct connection *c = &connections[sender];
    static char text[4096];
    uint32_t number = numbered++;
    struct message *m = &messages[number % SLOTS];
    if (m->missing) unfinished++;
    m->missing = group_size[c->group];
    m->sender = sender;
    int size = snprintf(text, sizeof text, "%s~#%08x", c->prefix, number);
    memset(text + size, 'x', BODY - 10);
    size += BODY - 10;
    size += snprintf(text + size, sizeof text - size, "%s", c->suffix);
    c->in_flight++;
    m->sent_ns = now_ns();
    write_frame(c, 1, text, size);
}

static void count_latency(uint64_t us) {
    histogram[bucket_of(us)]++;
    if (us > slowest_us) slowest_us = us;
}

static void check_seq(struct connection *c, const char *text, size_t size) {
    const char *seq = memmem(text, size < 160 ? size : 160, "\"seq\":", 6);
    if (seq) {
        uint64_t n = strtoull(seq + 6, NULL, 10);
        if ((c->seq || *c->after) && n != c->seq + 1) misordered++;
        c->seq = n;
    }
}

static void on_message(struct connection *c, const char *text, size_t size, uint64_t now) {
    static size_t guess;
    const char *mark = text + guess;
    if (guess + 10 > size || mark[0] != '~' || mark[1] != '#') {
        mark = memmem(text, size, "~#", 2);
        if (!mark || mark + 10 > text + size) return; /* a reply, not a message */
        guess = mark - text;
    }
    uint32_t number = 0;
    for (int i = 2; i < 10; i++) number = number << 4 | ((mark[i] & 15) + (mark[i] > '9' ? 9 : 0));
    check_seq(c, text, size);
    struct message *m = &messages[number % SLOTS];
    if (numbered - number > SLOTS || !m->missing) {
        doubled++;
        return;
    }
    if (measuring) {
        deliveries++;
        count_latency((now - m->sent_ns) / 1000);
    }
    if (--m->missing == 0) {
        struct connection *sender = &connections[m->sender];
        done += measuring;
        sender->in_flight--;
        if (sender->in_flight < window) send_message(m->sender);
    }
}

static void end(struct connection *c) {
    if (c->state == CLOSED) return;
    if (c->state < READY) fprintf(stderr, "a socket was closed before it was ready\n");
    closed_early++;
    c->state = CLOSED;
    close(c->fd);
}

/* Closes a socket that is to come back. */
static void come_later(struct connection *c, double seconds) {
    c->due_ns = now_ns() + seconds * 1e9;
    c->state = NEW;
    close(c->fd);
    opening--;
}

/* Handles a close frame. A socket that was turned away for a while comes back when it was told to. */
static void on_close(struct connection *c, const char *text, size_t size) {
    char reason[124] = "";
    int code = size >= 2 ? (unsigned char)text[0] << 8 | (unsigned char)text[1] : 0;
    if (size > 2) memcpy(reason, text + 2, size - 2 < 123 ? size - 2 : 123);
    if (c->state != GREETING || code != 4003 || !c->due_ns) {
        fprintf(stderr, "closed: %d %s\n", code, reason);
        end(c);
        return;
    }
    const char *seconds = strstr(reason, "retry_after=");
    come_later(c, seconds ? atof(seconds + 12) : drand48());
    refused++;
}

static void become_ready(struct connection *c) {
    c->state = READY;
    ready++;
    opening--;
    if (c->came_ns) count_latency((now_ns() - c->came_ns) / 1000);
}

static size_t parse_frames(struct connection *c, char *data, size_t size) {
    uint64_t now = now_ns();
    size_t at = 0;
    while (size - at >= 2 && c->state >= GREETING && c->state != CLOSED) {
        unsigned char *f = (unsigned char *)data + at;
        size_t head = 2, length = f[1] & 127;
        if (length == 126) head = 4;
        else if (length == 127) head = 10;
        if (size - at < head) break;
        if (head == 4) length = (size_t)f[2] << 8 | f[3];
        else if (head == 10) {
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | f[i];
        }
        if (size - at < head + length) break;
        char *text = data + at + head;
        switch (f[0] & 15) {
        case 8: on_close(c, text, length); break;
        case 9: write_frame(c, 10, text, length); break;
        case 1: case 2:
            if (*c->after && memmem(text, length < 32 ? length : 32, "{\"event\":", 9)) check_seq(c, text, length);
            if (c->state == GREETING && memmem(text, length, c->ready, strlen(c->ready))) become_ready(c);
            else if (c->state == READY) on_message(c, text, length, now);
        }
        at += head + length;
    }
    return at;
}

static void on_readable(struct connection *c) {
    static char buffer[BUFFER];
    size_t size = c->rest_size;
    if (size) memcpy(buffer, c->rest, size), free(c->rest), c->rest = NULL, c->rest_size = 0;
    ssize_t n = recv(c->fd, buffer + size, sizeof buffer - size - 1, 0);
    if (n < 0 && errno == ECONNRESET && c->state == UPGRADING && c->came_ns) {
        come_later(c, drand48()); /* the server has not accepted it: the kernel's queue was full */
        reset++;
        return;
    }
    if (n == 0 || (n < 0 && errno != EAGAIN)) { end(c); return; }
    if (n > 0) size += n;
    size_t at = 0;
    if (c->state == UPGRADING) {
        buffer[size] = 0;
        char *body = strstr(buffer, "\r\n\r\n");
        if (body) {
            if (!strstr(buffer, " 101 ")) { fprintf(stderr, "refused: %.60s\n", buffer); end(c); return; }
            at = body + 4 - buffer;
            c->state = GREETING;
            c->seq = strtoull(c->after, NULL, 10);
            if (*c->first) write_frame(c, 1, c->first, strlen(c->first));
            if (!*c->ready) become_ready(c);
        }
    }
    if (c->state >= GREETING) at += parse_frames(c, buffer + at, size - at);
    if (c->state == CLOSED || c->state == NEW || at == size) return;
    c->rest_size = size - at;
    c->rest = malloc(c->rest_size);
    memcpy(c->rest, buffer + at, c->rest_size);
}

static void open_socket(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) die("connect");
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
    c->state = OPENING;
    opening++;
}

static void on_open(struct connection *c) {
    char request[4096];
    int size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s\r\n",
        c->path, host, ntohs(server.sin_port), c->header, *c->header ? "\r\n" : "");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
    c->state = UPGRADING;
    write_all(c, request, size);
}

/* Handles the events of one epoll_wait() with this timeout; -1 waits without one. */
static void turn(int timeout_ms) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll, events, 256, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (c->state == OPENING) on_open(c);
        else if (c->state != CLOSED && c->state != NEW) on_readable(c);
    }
}

static void run_until(uint64_t end_ns, double per_s) {
    static int turn_of;
    uint64_t next_ns = now_ns();
    for (;;) {
        uint64_t now = now_ns();
        if (now >= end_ns) return;
        if (per_s > 0 && now >= next_ns) {
            do turn_of = (turn_of + 1) % count; while (!connections[turn_of].sends);
            send_message(turn_of);
            next_ns += 1e9 / per_s;
            continue;
        }
        turn(0); /* does not sleep: the kernel would count the wake-up as the server's work */
    }
}

static void measure(int in_flight, double per_s, double warm_up_s, double seconds) {
    window = in_flight;
    deliveries = done = slowest_us = 0;
    memset(histogram, 0, sizeof histogram);
    for (int i = 0; i < count; i++)
        while (connections[i].sends && connections[i].state == READY && connections[i].in_flight < window)
            send_message(i);
    run_until(now_ns() + warm_up_s * 1e9, per_s);
    measuring = true;
    puts("begin"), fflush(stdout);
    uint64_t begun = now_ns();
    run_until(begun + seconds * 1e9, per_s);
    double took = (now_ns() - begun) / 1e9;
    measuring = false;
    window = 0;
    puts("stop"), fflush(stdout);
    printf("end {\"deliveries\": %lu, \"messages\": %lu, \"seconds\": %.6f, \"p50_us\": %.0f, \"p99_us\": %.0f, "
           "\"max_us\": %lu, ", deliveries, done, took, quantile(0.5), quantile(0.99), slowest_us);
    for (uint64_t patience = now_ns() + 10000000000u; now_ns() < patience;) {
        int waiting = 0;
        for (int i = 0; i < count; i++) waiting += connections[i].in_flight;
        if (!waiting) break;
        turn(10);
    }
    for (int i = 0; i < count; i++) unfinished += connections[i].in_flight, connections[i].in_flight = 0;
    printf("\"lost\": %lu, \"doubled\": %lu, \"misordered\": %lu, \"closed\": %lu}\n",
           unfinished, doubled, misordered, closed_early);
}

static char *field(char **line) {
    char *text = strsep(line, "\t");
    return text ? text : "";
}

static void add_socket(char *line) {
    static int room;
    if (count == room) connections = realloc(connections, (room = room * 2 + 64) * sizeof *connections);
    struct connection *c = &connections[count++];
    memset(c, 0, sizeof *c);
    c->group = atoi(field(&line));
    c->sends = atoi(field(&line));
    char **fields[] = {&c->path, &c->header, &c->first, &c->ready, &c->prefix, &c->suffix, &c->after};
    for (int i = 0; i < 7; i++) *fields[i] = strdup(field(&line));
    if (c->group >= groups) {
        group_size = realloc(group_size, (c->group + 1) * sizeof *group_size);
        while (groups <= c->group) group_size[groups++] = 0;
    }
    group_size[c->group]++;
}

static void print_ready(uint64_t begun) {
    if (closed_early) exit(1);
    printf("ready {\"sockets\": %d, \"seconds\": %.3f, \"p50_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %lu, "
           "\"refused\": %lu, \"reset\": %lu, \"misordered\": %lu}\n",
           ready, (now_ns() - begun) / 1e9, quantile(0.5), quantile(0.99), slowest_us, refused, reset, misordered);
}

static void connect_all(void) {
    uint64_t begun = now_ns();
    while (ready < count && !closed_early) {
        while (opening < CONNECTING && next_to_open < count) open_socket(&connections[next_to_open++]);
        turn(1000);
    }
    print_ready(begun);
}

static void come_back(double spread_s) {
    uint64_t begun = now_ns(), looked = 0;
    for (int i = 0; i < count; i++) connections[i].came_ns = connections[i].due_ns = begun + drand48() * spread_s * 1e9;
    while (ready < count && !closed_early) {
        uint64_t now = now_ns();
        if (now - looked > 2000000) {
            for (int i = 0; i < count; i++)
                if (connections[i].state == NEW && connections[i].due_ns <= now) open_socket(&connections[i]);
            looked = now;
        }
        turn(2);
    }
    print_ready(begun);
}

int main(void) {
    static char text[1 << 16];
    struct rlimit files = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_NOFILE, &files);
    epoll = epoll_create1(0);
    while (fgets(text, sizeof text, stdin)) {
        text[strcspn(text, "\n")] = 0;
        char *line = text, *command = field(&line);
        if (!strcmp(command, "server")) {
            snprintf(host, sizeof host, "%s", field(&line));
            server.sin_family = AF_INET;
            inet_pton(AF_INET, host, &server.sin_addr);
            server.sin_port = htons(atoi(field(&line)));
        } else if (!strcmp(command, "socket")) {
            add_socket(line);
        } else if (!strcmp(command, "connect")) {
            connect_all();
        } else if (!strcmp(command, "come_back")) {
            come_back(atof(field(&line)));
        } else {
            double first = atof(field(&line)), warm_up_s = atof(field(&line)), seconds = atof(field(&line));
            if (!strcmp(command, "closed")) measure(first, 0, warm_up_s, seconds);
            else if (!strcmp(command, "paced")) measure(0, first, warm_up_s, seconds);
            else if (!strcmp(command, "hold")) run_until(now_ns() + first * 1e9, 0), puts("end {}");
        }
        fflush(stdout);
    }
    return 0;
}
