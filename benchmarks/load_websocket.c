/* A load generator for WebSocket echo servers that believes no reply it has not compared.
 *
 * One thread, one epoll; each connection is a closed loop, as in load.c.  After the handshake of RFC 6455 it sends text
 * messages of equal size, each in one frame with a key of its own, and must get the same text back, unmasked, in one frame.
 * Two rings of `in-flight` messages hold what is sent and what must come; a stamp (connection, message number) is written anew
 * into both for each message, so a reply that belongs to another message or connection, or an older one, is seen.
 *
 * Output: one line of JSON.  Exit: 0 done, 1 a wrong reply, 2 usage, 3 the connection or the system failed.
 */
#define _GNU_SOURCE
#define NAME "load_websocket"
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define STAMP 16                 /* bytes: 5 digits of connection, 11 of message number, 6 bits each */
#define KEY 4                    /* bytes of a mask */

struct connection {
    int fd;
    uint32_t id;
    bool wants_out;              /* the kernel took only a part; EPOLLOUT is armed */
    uint64_t issued;             /* messages in the ring so far */
    uint64_t answered;           /* messages whose last byte has come back */
    uint64_t sent;               /* bytes of the stream that the kernel took */
    uint64_t received;           /* bytes of the stream that came back and were right */
    uint64_t random;             /* where the next key comes from */
    char *out_ring, *in_ring;    /* what is sent, and what must come back */
    uint64_t *issued_at;         /* ns, per slot */
};

static struct {
    uint32_t connections, in_flight;
    size_t size;                 /* of a payload */
    double warm_up, seconds;
    struct sockaddr_storage address;
    socklen_t address_length;
} options = {.connections = 50, .in_flight = 1, .size = 1024, .warm_up = 0.2, .seconds = 1.0};

static size_t prefix;            /* bytes in front of the payload of a server's frame; a client's has KEY more */
static size_t out_wire, in_wire; /* bytes of one message, there and back */
static int poller;
static char read_buffer[READ_SIZE];

/* --- messages --------------------------------------------------------------------------------------------------------- */

static char digit(uint64_t bits) {
    return (char)('0' + (bits & 63)); /* '0' … 'o': printable, never a newline */
}

static void put_header(char *at, bool masked) {
    at[0] = (char)0x81; /* FIN, text */
    if (options.size < 126)
        at[1] = (char)options.size;
    else if (options.size < 65536) {
        uint16_t length = htons((uint16_t)options.size);
        at[1] = 126;
        memcpy(at + 2, &length, 2);
    } else {
        at[1] = 127;
        for (int byte = 0; byte < 8; byte++)
            at[2 + byte] = (char)((uint64_t)options.size >> (56 - 8 * byte));
    }
    if (masked)
        at[1] |= (char)0x80;
}

static void prepare_rings(struct connection *c) {
    c->random = seed_of(c->id);
    c->out_ring = malloc(out_wire * options.in_flight);
    c->in_ring = malloc(in_wire * options.in_flight);
    c->issued_at = calloc(options.in_flight, sizeof(uint64_t));
    if (c->out_ring == NULL || c->in_ring == NULL || c->issued_at == NULL)
        fail(TROUBLE, "out of memory for %u connections", options.connections);
    for (size_t at = 0; at < in_wire * options.in_flight; at++)
        c->in_ring[at] = digit(next_random(&c->random));
    for (uint32_t slot = 0; slot < options.in_flight; slot++) {
        put_header(c->out_ring + slot * out_wire, true);
        put_header(c->in_ring + slot * in_wire, false);
    }
}

static void issue(struct connection *c, uint64_t now) {
    uint32_t slot = (uint32_t)(c->issued % options.in_flight), key = (uint32_t)next_random(&c->random);
    char stamp[STAMP], *payload = c->in_ring + slot * in_wire + prefix, *masked = c->out_ring + slot * out_wire + prefix + KEY;
    for (int at = 0; at < 5; at++)
        stamp[at] = digit((uint64_t)c->id >> (6 * at));
    for (int at = 5; at < STAMP; at++)
        stamp[at] = digit(c->issued >> (6 * (at - 5)));
    for (size_t at = 0; at + STAMP <= options.size; at += STAMP_EVERY)
        memcpy(payload + at, stamp, STAMP);
    char keys[KEY];
    memcpy(keys, &key, KEY);
    memcpy(masked - KEY, keys, KEY);
    for (size_t at = 0; at < options.size; at++)
        masked[at] = payload[at] ^ keys[at & 3];
    c->issued_at[slot] = now;
    c->issued++;
    in_air++;
}

/* --- connections ------------------------------------------------------------------------------------------------------ */

/* The handshake, blocking: it is not what is measured. */
static void upgrade(struct connection *c) {
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char answer[4096];
    size_t length = 0;
    if (send(c->fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
        fail(TROUBLE, "send: %s", strerror(errno));
    do { /* byte by byte: what follows the headers is not ours to take */
        if (length == sizeof answer - 1 || recv(c->fd, answer + length, 1, 0) != 1)
            fail(TROUBLE, "connection %u: no answer to the handshake", c->id);
        answer[++length] = 0;
    } while (length < 4 || memcmp(answer + length - 4, "\r\n\r\n", 4) != 0);
    if (strncmp(answer, "HTTP/1.1 101 ", 13) != 0 || strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL)
        fail(WRONG_REPLY, "connection %u: the handshake was answered with '%.60s'", c->id, answer);
}

static void open_connection(struct connection *c) {
    int on = 1, family = options.address.ss_family;
    if ((c->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
        fail(TROUBLE, "socket: %s", strerror(errno));
    if (family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&options.address, options.address_length) < 0)
        fail(TROUBLE, "connect: %s", strerror(errno));
    upgrade(c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail(TROUBLE, "epoll_ctl: %s", strerror(errno));
}

static void watch_output(struct connection *c, bool wanted) {
    if (wanted == c->wants_out)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0)
        fail(TROUBLE, "epoll_ctl: %s", strerror(errno));
    c->wants_out = wanted;
}

static void send_issued(struct connection *c) {
    size_t ring_size = out_wire * options.in_flight;
    while (c->sent < c->issued * out_wire) {
        size_t from = c->sent % ring_size, left = c->issued * out_wire - c->sent;
        size_t straight = left < ring_size - from ? left : ring_size - from;
        struct iovec parts[2] = {{c->out_ring + from, straight}, {c->out_ring, left - straight}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = straight < left ? 2 : 1};
        ssize_t taken = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken < 0) {
            if (errno == EAGAIN || errno == EINTR)
                break;
            fail(TROUBLE, "send on connection %u: %s", c->id, strerror(errno));
        }
        c->sent += (uint64_t)taken;
        if ((size_t)taken < left)
            break;
    }
    watch_output(c, c->sent < c->issued * out_wire);
}

static void check(struct connection *c, const char *data, size_t length) {
    size_t ring_size = in_wire * options.in_flight;
    if (c->received + length > c->sent / out_wire * in_wire)
        fail(WRONG_REPLY, "connection %u: more came than was asked for", c->id);
    while (length > 0) {
        size_t from = c->received % ring_size;
        size_t part = length < ring_size - from ? length : ring_size - from;
        if (memcmp(c->in_ring + from, data, part) != 0) {
            size_t at = 0;
            while (c->in_ring[from + at] == data[at])
                at++;
            uint64_t position = c->received + at;
            size_t shown = part - at < 40 ? part - at : 40;
            fail(WRONG_REPLY, "connection %u, message %llu, byte %llu of %zu: expected '%.*s', got '%.*s'", c->id,
                 (unsigned long long)(position / in_wire), (unsigned long long)(position % in_wire), in_wire, (int)shown,
                 c->in_ring + from + at, (int)shown, data + at);
        }
        c->received += part, data += part, length -= part;
    }
}

static void count_answers(struct connection *c, uint64_t now) {
    bool inside = now >= counted_from && now < counted_to;
    for (uint64_t complete = c->received / in_wire; c->answered < complete; c->answered++) {
        total++, in_air--;
        if (inside)
            record(now - c->issued_at[c->answered % options.in_flight]);
    }
}

static void receive(struct connection *c) {
    ssize_t length = recv(c->fd, read_buffer, READ_SIZE, MSG_DONTWAIT);
    if (length < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        fail(TROUBLE, "recv on connection %u: %s", c->id, strerror(errno));
    }
    if (length == 0)
        fail(TROUBLE, "connection %u: closed by the server after %llu messages", c->id, (unsigned long long)c->answered);
    uint64_t now = now_ns(), before = c->answered;
    last_progress = now;
    reads++;
    check(c, read_buffer, (size_t)length);
    count_answers(c, now);
    if (c->answered == before || !issuing)
        return;
    while (c->issued - c->answered < options.in_flight)
        issue(c, now);
    send_issued(c);
}

/* --- the command line ------------------------------------------------------------------------------------------------- */

static void resolve(const char *target) {
    if (strchr(target, '/') != NULL) {
        struct sockaddr_un *local = (struct sockaddr_un *)&options.address;
        if (strlen(target) >= sizeof local->sun_path)
            fail(USAGE, "path of %zu bytes: at most %zu", strlen(target), sizeof local->sun_path - 1);
        local->sun_family = AF_UNIX;
        strcpy(local->sun_path, target);
        options.address_length = sizeof *local;
        return;
    }
    const char *colon = strrchr(target, ':');
    if (colon == NULL)
        fail(USAGE, "target is host:port or a path with a slash, not '%s'", target);
    char *host = strndup(target, (size_t)(colon - target));
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int problem = getaddrinfo(host, colon + 1, &hints, &found);
    if (problem != 0)
        fail(USAGE, "%s: %s", target, gai_strerror(problem));
    memcpy(&options.address, found->ai_addr, found->ai_addrlen);
    options.address_length = found->ai_addrlen;
    freeaddrinfo(found);
    free(host);
}

static void parse(int argc, char **argv) {
    static const struct option names[] = {
        {"target", required_argument, NULL, 't'},
        {"size", required_argument, NULL, 'b'},    {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"in-flight", required_argument, NULL, 'k'},
        {"warm-up", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    int which;
    while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (which) {
        case 't': resolve(optarg); break;
        case 'b': options.size = strtoul(optarg, NULL, 10); break;
        case 'c': options.connections = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'k': options.in_flight = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'w': options.warm_up = strtod(optarg, NULL); break;
        default: fail(USAGE, "--target HOST:PORT|PATH --size B --connections N --in-flight K --warm-up S --seconds S");
        }
    }
    if (options.address_length == 0)
        fail(USAGE, "--target is missing");
    if (options.size <= STAMP || options.connections == 0 || options.in_flight == 0)
        fail(USAGE, "size must be above %d, connections and in-flight above 0", STAMP);
    prefix = options.size < 126 ? 2 : options.size < 65536 ? 4 : 10;
    in_wire = prefix + options.size;
    out_wire = in_wire + KEY;
}

int main(int argc, char **argv) {
    parse(argc, argv);
    allow_descriptors(options.connections);
    struct connection *connections = calloc(options.connections, sizeof *connections);
    if (connections == NULL || (poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail(TROUBLE, "epoll_create1: %s", strerror(errno));
    for (uint32_t id = 0; id < options.connections; id++) {
        connections[id].id = id;
        prepare_rings(&connections[id]);
        open_connection(&connections[id]);
    }
    uint64_t now = start_counting(options.warm_up, options.seconds);
    for (uint32_t id = 0; id < options.connections; id++) {
        for (uint32_t slot = 0; slot < options.in_flight; slot++)
            issue(&connections[id], now);
        send_issued(&connections[id]);
    }
    while (issuing || in_air > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 100);
        if (ready < 0 && errno != EINTR)
            fail(TROUBLE, "epoll_wait: %s", strerror(errno));
        for (int at = 0; at < ready; at++) {
            struct connection *c = events[at].data.ptr;
            if (events[at].events & EPOLLOUT)
                send_issued(c);
            if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(c);
        }
        go_on_or_give_up();
    }
    print_figures(options.size, options.seconds);
    return 0;
}
