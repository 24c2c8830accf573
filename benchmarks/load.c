/* A load generator for echo servers that believes no reply it has not compared.
 *
 * One thread, one epoll.  Every connection is a closed loop: at most `in-flight` messages are unanswered; when one read
 * brings k replies, the next k messages go out in one write, as a pipelining client sends them.
 *
 * What a connection sends is one endless stream of messages of equal size; message n is the bytes [n * wire, (n + 1) * wire).
 * An echo server must return exactly that stream, so one ring of `in-flight` messages is both what is sent and what
 * replies are compared with.  The filler of every slot is random and fixed; every 4 KiB a stamp (connection, message
 * number) is written anew for each message, so a reply that belongs to another message or connection, or an older one, is seen.
 *
 *   raw     stamp and filler, nothing around them
 *   frame   4 bytes, big-endian: the size of what follows
 *   line    the last byte is \n (and no other)
 *   churn   like raw, but each message has a connection of its own: connect, send, await the reply, close
 *
 * Churn has no use for epoll.  Connections are awaited in the order in which they were made, which is the order in which a
 * server comes to them; to register each for its one reply would cost the kernel more than to look at the oldest.  Where
 * a server answers out of order, a reply that has overtaken others counts as late as they do.
 *
 * Output: one line of JSON.  Exit: 0 done, 1 a wrong reply, 2 usage, 3 the connection or the system failed.
 */
#define _GNU_SOURCE
#define NAME "load"
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum mode { RAW, FRAME, LINE, CHURN };

#define STAMP 16                 /* bytes: 5 digits of connection, 11 of message number, 6 bits each */
#define PREFIX 4                 /* bytes of the length field */
#define CHURN_SIZE 16384         /* bytes; so many a fresh connection takes at once, and sends in one go */
#define PATIENCE 100             /* ms without news, after which we look at the clock */
#define SOURCES 200              /* 127.0.0.1 … .200 take turns, so that churn does not run out of ports in TIME_WAIT */

struct connection {
    int fd;
    uint32_t id;
    bool wants_out;              /* the kernel took only a part; EPOLLOUT is armed */
    uint64_t issued;             /* messages in the ring so far */
    uint64_t answered;           /* messages whose last byte has come back */
    uint64_t sent;               /* bytes of the stream that the kernel took */
    uint64_t received;           /* bytes of the stream that came back and were right */
    char *ring;
    uint64_t *issued_at;         /* ns, per slot */
};

static struct {
    enum mode mode;
    uint32_t connections, in_flight;
    size_t size;                 /* of a payload */
    double warm_up, seconds;
    struct sockaddr_storage address;
    socklen_t address_length;
} options = {.mode = RAW, .connections = 50, .in_flight = 1, .size = 64, .warm_up = 0.2, .seconds = 1.0};

static size_t wire;              /* bytes of one message as sent */
static size_t ring_size;
static int poller;
static char read_buffer[READ_SIZE];
static uint64_t churned;

/* --- messages --------------------------------------------------------------------------------------------------------- */

static char digit(uint64_t bits) {
    return (char)('0' + (bits & 63)); /* '0' … 'o': printable, never a newline */
}

static void prepare_ring(struct connection *c) {
    uint64_t random = seed_of(c->id);
    if ((c->ring = malloc(ring_size)) == NULL || (c->issued_at = calloc(options.in_flight, sizeof(uint64_t))) == NULL)
        fail(TROUBLE, "out of memory for %u connections", options.connections);
    for (size_t at = 0; at < ring_size; at++)
        c->ring[at] = digit(next_random(&random));
    for (uint32_t slot = 0; slot < options.in_flight; slot++) {
        char *message = c->ring + slot * wire;
        if (options.mode == FRAME) {
            uint32_t length = htonl((uint32_t)options.size);
            memcpy(message, &length, PREFIX);
        } else if (options.mode == LINE)
            message[wire - 1] = '\n';
    }
}

static void issue(struct connection *c, uint64_t now) {
    uint32_t slot = (uint32_t)(c->issued % options.in_flight);
    char stamp[STAMP], *payload = c->ring + slot * wire + (options.mode == FRAME ? PREFIX : 0);
    for (int at = 0; at < 5; at++)
        stamp[at] = digit((uint64_t)c->id >> (6 * at));
    for (int at = 5; at < STAMP; at++)
        stamp[at] = digit(c->issued >> (6 * (at - 5)));
    size_t room = options.mode == LINE ? options.size - 1 : options.size;
    for (size_t at = 0; at + STAMP <= room; at += STAMP_EVERY)
        memcpy(payload + at, stamp, STAMP);
    c->issued_at[slot] = now;
    c->issued++;
    in_air++;
}

/* --- connections ------------------------------------------------------------------------------------------------------ */

static void open_connection(struct connection *c) {
    int on = 1, family = options.address.ss_family;
    if ((c->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
        fail(TROUBLE, "socket: %s", strerror(errno));
    if (family != AF_UNIX && options.mode != CHURN) /* there, nothing is unacknowledged that the message could wait for */
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options.mode == CHURN && family == AF_INET) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        uint32_t host = ntohl(((struct sockaddr_in *)&options.address)->sin_addr.s_addr);
        if (host >> 24 == 127) {
            source.sin_addr.s_addr = htonl(0x7F000001u + (uint32_t)(churned++ % SOURCES));
            setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
            if (bind(c->fd, (struct sockaddr *)&source, sizeof source) < 0)
                fail(TROUBLE, "bind: %s", strerror(errno));
        }
    }
    /* Blocking: a local handshake is done by the kernel, without the server's help, while its backlog has room. */
    if (connect(c->fd, (struct sockaddr *)&options.address, options.address_length) < 0)
        fail(TROUBLE, "connect: %s", strerror(errno));
}

static void watch(struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail(TROUBLE, "epoll_ctl: %s", strerror(errno));
    c->wants_out = false;
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
    while (c->sent < c->issued * wire) {
        size_t from = c->sent % ring_size, left = c->issued * wire - c->sent;
        size_t straight = left < ring_size - from ? left : ring_size - from;
        struct iovec parts[2] = {{c->ring + from, straight}, {c->ring, left - straight}};
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
    watch_output(c, c->sent < c->issued * wire);
}

static void check(struct connection *c, const char *data, size_t length) {
    if (c->received + length > c->sent)
        fail(WRONG_REPLY, "connection %u: %zu bytes more than were sent", c->id, (size_t)(c->received + length - c->sent));
    while (length > 0) {
        size_t from = c->received % ring_size;
        size_t part = length < ring_size - from ? length : ring_size - from;
        if (memcmp(c->ring + from, data, part) != 0) {
            size_t at = 0;
            while (c->ring[from + at] == data[at])
                at++;
            uint64_t position = c->received + at;
            size_t shown = part - at < 40 ? part - at : 40;
            fail(WRONG_REPLY, "connection %u, message %llu, byte %llu of %zu: expected '%.*s', got '%.*s'", c->id,
                 (unsigned long long)(position / wire), (unsigned long long)(position % wire), wire, (int)shown,
                 c->ring + from + at, (int)shown, data + at);
        }
        c->received += part, data += part, length -= part;
    }
}

static void count_answers(struct connection *c, uint64_t now) {
    bool inside = now >= counted_from && now < counted_to;
    for (uint64_t complete = c->received / wire; c->answered < complete; c->answered++) {
        total++, in_air--;
        if (inside)
            record(now - c->issued_at[c->answered % options.in_flight]);
    }
}

/* Take what has come; says whether that completes a message. */
static bool receive(struct connection *c) {
    ssize_t length = recv(c->fd, read_buffer, READ_SIZE, MSG_DONTWAIT);
    if (length < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return false;
        fail(TROUBLE, "recv on connection %u: %s", c->id, strerror(errno));
    }
    if (length == 0)
        fail(TROUBLE, "connection %u: closed by the server after %llu messages", c->id, (unsigned long long)c->answered);
    uint64_t now = now_ns(), before = c->answered;
    last_progress = now;
    reads++;
    check(c, read_buffer, (size_t)length);
    count_answers(c, now);
    return c->answered > before;
}

static void converse(struct connection *c) {
    if (!receive(c) || !issuing)
        return;
    uint64_t now = last_progress;
    while (c->issued - c->answered < options.in_flight)
        issue(c, now);
    send_issued(c);
}

/* --- what keeps the server busy --------------------------------------------------------------------------------------- */

static void converse_until_the_end(void) {
    while (issuing || in_air > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, PATIENCE);
        if (ready < 0 && errno != EINTR)
            fail(TROUBLE, "epoll_wait: %s", strerror(errno));
        for (int at = 0; at < ready; at++) {
            struct connection *c = events[at].data.ptr;
            if (events[at].events & EPOLLOUT)
                send_issued(c);
            if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                converse(c);
        }
        go_on_or_give_up();
    }
}

static void send_whole(struct connection *c) {
    if (send(c->fd, c->ring, wire, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)wire)
        fail(TROUBLE, "send on connection %u: %s", c->id, strerror(errno));
    c->sent += wire;
}

static void await_reply(struct connection *c) {
    while (!receive(c)) {
        struct pollfd oldest = {.fd = c->fd, .events = POLLIN};
        if (poll(&oldest, 1, PATIENCE) < 0 && errno != EINTR)
            fail(TROUBLE, "poll: %s", strerror(errno));
        go_on_or_give_up();
    }
}

static void churn_until_the_end(struct connection *connections) {
    for (uint32_t oldest = 0; issuing || in_air > 0; oldest = (oldest + 1) % options.connections) {
        struct connection *c = &connections[oldest];
        await_reply(c);
        close(c->fd);
        go_on_or_give_up();
        if (issuing) {
            issue(c, now_ns());
            open_connection(c);
            send_whole(c);
        }
    }
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
        {"mode", required_argument, NULL, 'm'},    {"target", required_argument, NULL, 't'},
        {"size", required_argument, NULL, 'b'},    {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"in-flight", required_argument, NULL, 'k'},
        {"warm-up", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
    static const char *modes[] = {"raw", "frame", "line", "churn"};
    int which;
    while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (which) {
        case 'm': {
            int mode = 0;
            while (mode < 4 && strcmp(optarg, modes[mode]) != 0)
                mode++;
            if (mode == 4)
                fail(USAGE, "mode is raw, frame, line or churn, not '%s'", optarg);
            options.mode = (enum mode)mode;
            break;
        }
        case 't': resolve(optarg); break;
        case 'b': options.size = strtoul(optarg, NULL, 10); break;
        case 'c': options.connections = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'k': options.in_flight = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'w': options.warm_up = strtod(optarg, NULL); break;
        default: fail(USAGE, "--target HOST:PORT|PATH --mode M --size B --connections N --in-flight K --warm-up S --seconds S");
        }
    }
    if (options.address_length == 0)
        fail(USAGE, "--target is missing");
    if (options.size < STAMP + (options.mode == LINE) || options.connections == 0 || options.in_flight == 0)
        fail(USAGE, "size must be at least %d (lines: one more), connections and in-flight above 0", STAMP);
    if (options.mode == CHURN && options.in_flight != 1)
        fail(USAGE, "churn has one message in flight");
    if (options.mode == CHURN && options.size > CHURN_SIZE)
        fail(USAGE, "churn has messages of at most %d bytes", CHURN_SIZE);
    wire = options.size + (options.mode == FRAME ? PREFIX : 0);
    ring_size = wire * options.in_flight;
}

int main(int argc, char **argv) {
    parse(argc, argv);
    allow_descriptors(options.connections);
    struct connection *connections = calloc(options.connections, sizeof *connections);
    if (connections == NULL || (poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail(TROUBLE, "epoll_create1: %s", strerror(errno));
    for (uint32_t id = 0; id < options.connections; id++) {
        connections[id].id = id;
        prepare_ring(&connections[id]);
        open_connection(&connections[id]);
        if (options.mode != CHURN)
            watch(&connections[id]);
    }
    uint64_t now = start_counting(options.warm_up, options.seconds);
    for (uint32_t id = 0; id < options.connections; id++) {
        for (uint32_t slot = 0; slot < options.in_flight; slot++)
            issue(&connections[id], now);
        if (options.mode == CHURN)
            send_whole(&connections[id]);
        else
            send_issued(&connections[id]);
    }
    if (options.mode == CHURN)
        churn_until_the_end(connections);
    else
        converse_until_the_end();
    print_figures(options.size, options.seconds);
    return 0;
}
