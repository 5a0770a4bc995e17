// tracker_load: closed-loop UDP tracker (BEP 15) load generator, loopback only.
// build: gcc -O2 -Wall -o tracker_load tracker_load.c
// usage: tracker_load [options]
//   -h HOST  127.x.y.z only (127.0.0.1)     -p PORT  (6969)
//   -t N     torrents (1)                   -n N     peers per torrent (10000)
//   -S N     sockets (32)                   -w N     requests in flight per socket (8)
//   -d SECS  length of the run (5)          -k N     numwant (50)
//   -f       first announce every peer once -F       do only that
//   -a       a distinct 127.0.x.y source per socket
//   -s PCT   share of seeds (30)            -T MS    count a request as lost after (1000)
//   -P PIDS  report CPU and RSS of these server processes (comma-separated)
//   -m MODE  announce | scrape | connect    -x       print the first reply in hex
//   -r RATE  at most so many requests a second (0: as fast as the answers come)
//   -G FILE  signed announces, each its length (2 bytes, big-endian) and the datagram; sent in place of
//            -q PCT percent of the announces, with the connection and transaction id filled in
//   -H       print the info-hashes in hex and exit (for white-lists and tracker_load.lua)
// Info-hash i is a fixed function of i, so every tool here agrees on them.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#define MAXS 1024
#define MAXW 256
static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}
static uint64_t rs = 88172645463325252ull;
static inline uint64_t rnd(void) {
    rs ^= rs << 13;
    rs ^= rs >> 7;
    rs ^= rs << 17;
    return rs;
}
static void hash_of(uint64_t i, uint8_t *h) {
    uint64_t a = mix(i * 3 + 1), b = mix(i * 3 + 2), c = mix(i * 3 + 3);
    memcpy(h, &a, 8);
    memcpy(h + 8, &b, 8);
    memcpy(h + 16, &c, 4);
}
static inline void p32(uint8_t *p, uint32_t v) {
    p[0] = v >> 24;
    p[1] = v >> 16;
    p[2] = v >> 8;
    p[3] = v;
}
static inline uint32_t g32(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static void p64(uint8_t *p, uint64_t v) {
    p32(p, v >> 32);
    p32(p + 4, v);
}
// log-linear histogram, 64 sub-buckets per octave, ns
#define HB (64 * 40)
static uint64_t hist[HB];
static uint64_t hcount;
static inline int hidx(uint64_t v) {
    if (v < 64)
        return v;
    int e = 63 - __builtin_clzll(v);
    return (e - 5) * 64 + ((v >> (e - 6)) & 63);
}
static inline uint64_t hval(int i) {
    if (i < 64)
        return i;
    int e = i / 64 + 5;
    return (64ull + (i & 63)) << (e - 6);
}
static void hadd(uint64_t v) {
    int i = hidx(v);
    if (i >= HB)
        i = HB - 1;
    hist[i]++;
    hcount++;
}
static double pct(double q) {
    uint64_t c = 0, t = q * hcount;
    for (int i = 0; i < HB; i++) {
        c += hist[i];
        if (c > t)
            return hval(i) / 1e3;
    }
    return 0;
}
typedef struct {
    uint64_t sent;
    uint32_t seq;
    int busy;
} slot;
typedef struct {
    int fd;
    uint8_t cid[8];
    int have;
    slot s[MAXW];
    int free[MAXW];
    int nfree;
    uint64_t cur;
} sock;
static sock *S;
static int nS = 32, W = 8;
static long T = 1, N = 10000;
static int numwant = 50, port = 6969, seedpct = 30, mode = 1;
static char *host = "127.0.0.1";
static uint64_t tmo = 1000000000ull;
static int spread = 0, show = 0, signedpct = 0;
static double rate = 0;
static uint8_t *signed_[65536];
static long nsigned, nextsigned;
static void load_signed(const char *path) {
    FILE *f = fopen(path, "rb");
    uint8_t h[2];
    if (!f) {
        perror(path);
        exit(1);
    }
    while (nsigned < 65536 && fread(h, 1, 2, f) == 2) {
        int n = h[0] << 8 | h[1];
        uint8_t *p = malloc(n + 2);
        memcpy(p, h, 2);
        if (n > 510 || fread(p + 2, 1, n, f) != (size_t)n)
            exit(1);
        signed_[nsigned++] = p;
    }
    fclose(f);
}
static int pids[16], npid;
static void srvstat(double *cpu, double *rss) {
    *cpu = *rss = 0;
    for (int i = 0; i < npid; i++) {
        char p[64], b[2048];
        sprintf(p, "/proc/%d/stat", pids[i]);
        FILE *f = fopen(p, "r");
        if (!f)
            continue;
        size_t n = fread(b, 1, 2047, f);
        b[n] = 0;
        fclose(f);
        char *q = strrchr(b, ')');
        unsigned long u = 0, s = 0;
        long r = 0;
        if (q) {
            unsigned long d;
            sscanf(q + 2,
                   "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %lu %ld",
                   &u, &s, &d, &r);
        }
        *cpu += (u + s) / (double)sysconf(_SC_CLK_TCK);
        *rss += r * 4096.0 / 1048576;
    }
}
static int mkann(sock *s, int si, int slot_, uint8_t *b, uint64_t k, int event) {
    uint64_t ti = k % T, pj = k / T;
    memcpy(b, s->cid, 8);
    uint32_t tid = ((uint32_t)(s->s[slot_].seq & 0xffffff) << 8) | slot_;
    if (mode == 2) {
        p32(b + 8, 2);
        p32(b + 12, tid);
        hash_of(ti, b + 16);
        return 36;
    }
    if (mode == 0) {
        p64(b, 0x41727101980ull);
        p32(b + 8, 0);
        p32(b + 12, tid);
        return 16;
    }
    if (nsigned && event == 0 && (int)(rnd() % 100) < signedpct) {
        uint8_t *r = signed_[nextsigned++ % nsigned];
        int n = r[0] << 8 | r[1];
        memcpy(b + 8, r + 10, n - 8);
        p32(b + 12, tid);
        return n;
    }
    p32(b + 8, 1);
    p32(b + 12, tid);
    hash_of(ti, b + 16);
    memcpy(b + 36, "-TR4000-", 8);
    uint64_t x = mix(k);
    for (int i = 0; i < 12; i++) {
        b[44 + i] = 'a' + x % 26;
        x /= 26;
    }
    int seed = (int)(mix(k ^ 77) % 100) < seedpct;
    p64(b + 56, 1000);
    p64(b + 64, seed ? 0 : 1000000);
    p64(b + 72, 500);
    p32(b + 80, event);
    p32(b + 84, 0);
    p32(b + 88, (uint32_t)k);
    p32(b + 92, numwant);
    uint16_t po = 1024 + pj % 64000;
    b[96] = po >> 8;
    b[97] = po;
    return 98;
}
typedef struct {
    uint64_t ok, err, lost, bad, late, peers, bytes;
} ctr;
static ctr C;
// run phase: seconds>0: random peers; seconds==0: prefill each peer exactly once
static double phase(double secs, int prefill) {
    double paced = 0;
    memset(&C, 0, sizeof C);
    memset(hist, 0, sizeof hist);
    hcount = 0;
    int ep = epoll_create1(0);
    for (int i = 0; i < nS; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(ep, EPOLL_CTL_ADD, S[i].fd, &e);
        S[i].nfree = W;
        for (int j = 0; j < W; j++) {
            S[i].free[j] = j;
            S[i].s[j].busy = 0;
        }
        S[i].cur = i;
    }
    uint64_t total = (uint64_t)T * N;
    static uint8_t ob[MAXW][512], ib[MAXW][4096];
    struct mmsghdr om[MAXW], im[MAXW];
    struct iovec ov[MAXW], iv[MAXW];
    memset(om, 0, sizeof om);
    memset(im, 0, sizeof im);
    for (int i = 0; i < MAXW; i++) {
        ov[i].iov_base = ob[i];
        om[i].msg_hdr.msg_iov = &ov[i];
        om[i].msg_hdr.msg_iovlen = 1;
        iv[i].iov_base = ib[i];
        iv[i].iov_len = 4096;
        im[i].msg_hdr.msg_iov = &iv[i];
        im[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t t0 = now_ns(), end = t0 + (uint64_t)((prefill ? 55 : secs) * 1e9), lastchk = t0;
    int first = 1;
    struct epoll_event ev[MAXS];
    for (;;) {
        uint64_t t = now_ns();
        if (t >= end)
            break;
        int nev;
        if (first) {
            nev = nS;
            for (int i = 0; i < nS; i++) {
                ev[i].data.u32 = i;
            }
            first = 0;
        } else
            nev = epoll_wait(ep, ev, MAXS, rate > 0 ? 1 : 5);
        int didcheck = 0;
        if (t - lastchk > (rate > 0 ? 1000000ull : 50000000ull)) {
            lastchk = t;
            didcheck = 1;
            for (int i = 0; i < nS; i++)
                for (int j = 0; j < W; j++)
                    if (S[i].s[j].busy && t - S[i].s[j].sent > tmo) {
                        S[i].s[j].busy = 0;
                        S[i].free[S[i].nfree++] = j;
                        C.lost++;
                    }
            nev = nS;
            for (int i = 0; i < nS; i++)
                ev[i].data.u32 = i;
        }
        (void)didcheck;
        int active = 0;
        for (int e = 0; e < nev; e++) {
            int si = ev[e].data.u32;
            sock *s = &S[si];
            int r = recvmmsg(s->fd, im, W, MSG_DONTWAIT, 0);
            uint64_t tr = now_ns();
            for (int i = 0; i < r; i++) {
                int L = im[i].msg_len;
                uint8_t *b = ib[i];
                if (L < 8) {
                    C.bad++;
                    continue;
                }
                uint32_t tid = g32(b + 4);
                int sl = tid & 0xff;
                if (sl >= W || !s->s[sl].busy || (s->s[sl].seq & 0xffffff) != tid >> 8) {
                    C.late++;
                    continue;
                }
                s->s[sl].busy = 0;
                s->free[s->nfree++] = sl;
                uint32_t act = g32(b);
                if (show) {
                    show = 0;
                    for (int q = 0; q < L && q < 64; q++)
                        printf("%02x", b[q]);
                    printf(" len=%d\n", L);
                }
                if (act == 3) {
                    C.err++;
                    continue;
                }
                if ((int)act != mode || (mode == 1 && (L < 20 || (L - 20) % 6))) {
                    C.bad++;
                    continue;
                }
                C.ok++;
                C.bytes += L;
                if (mode == 1)
                    C.peers += (L - 20) / 6;
                hadd(tr - s->s[sl].sent);
            }
            int n = 0;
            while (s->nfree > 0) {
                if (!prefill && rate > 0 && paced >= rate * (now_ns() - t0) / 1e9)
                    break;
                paced++;
                uint64_t k;
                if (prefill) {
                    if (s->cur >= total)
                        break;
                    k = s->cur;
                    s->cur += nS;
                } else {
                    uint64_t per = (total - si + nS - 1) / nS;
                    k = (rnd() % per) * nS + si;
                }
                int sl = s->free[--s->nfree];
                s->s[sl].seq++;
                s->s[sl].busy = 1;
                ov[n].iov_len = mkann(s, si, sl, ob[n], k, prefill ? 2 : 0);
                s->s[sl].sent = 0;
                om[n].msg_hdr.msg_flags = sl;
                n++;
            }
            if (n) {
                uint64_t ts = now_ns();
                for (int i = 0; i < n; i++) {
                    uint32_t tid = g32(ob[i] + 12);
                    s->s[tid & 0xff].sent = ts;
                }
                int o = 0;
                while (o < n) {
                    int w = sendmmsg(s->fd, om + o, n - o, 0);
                    if (w < 0) {
                        if (errno == EAGAIN || errno == ECONNREFUSED) {
                            if (errno == ECONNREFUSED)
                                C.bad++;
                            break;
                        }
                        perror("sendmmsg");
                        exit(1);
                    }
                    o += w;
                }
            }
        }
        if (prefill) {
            for (int i = 0; i < nS && !active; i++)
                if (S[i].cur < total || S[i].nfree < W)
                    active = 1;
            if (!active)
                break;
        }
    }
    close(ep);
    return (now_ns() - t0) / 1e9;
}
int main(int c, char **v) {
    int o, fill = 0, only = 0, hex = 0;
    double d = 5;
    while ((o = getopt(c, v, "h:p:t:n:S:w:d:k:fFaP:s:HT:m:xr:G:q:")) != -1)
        switch (o) {
        case 'h':
            host = optarg;
            break;
        case 'p':
            port = atoi(optarg);
            break;
        case 't':
            T = atol(optarg);
            break;
        case 'n':
            N = atol(optarg);
            break;
        case 'S':
            nS = atoi(optarg);
            break;
        case 'w':
            W = atoi(optarg);
            break;
        case 'd':
            d = atof(optarg);
            break;
        case 'k':
            numwant = atoi(optarg);
            break;
        case 'f':
            fill = 1;
            break;
        case 'F':
            fill = only = 1;
            break;
        case 'a':
            spread = 1;
            break;
        case 's':
            seedpct = atoi(optarg);
            break;
        case 'H':
            hex = 1;
            break;
        case 'T':
            tmo = atol(optarg) * 1000000ull;
            break;
        case 'x':
            show = 1;
            break;
        case 'r':
            rate = atof(optarg);
            break;
        case 'G':
            load_signed(optarg);
            break;
        case 'q':
            signedpct = atoi(optarg);
            break;
        case 'm':
            mode = !strcmp(optarg, "scrape") ? 2 : !strcmp(optarg, "connect") ? 0 : 1;
            break;
        case 'P': {
            char *q = strtok(optarg, ",");
            while (q && npid < 16) {
                pids[npid++] = atoi(q);
                q = strtok(0, ",");
            }
            break;
        }
        default:
            return 2;
        }
    if (hex) {
        for (long i = 0; i < T; i++) {
            uint8_t h[20];
            hash_of(i, h);
            for (int j = 0; j < 20; j++)
                printf("%02x", h[j]);
            puts("");
        }
        return 0;
    }
    if (nS > MAXS || W > MAXW || strncmp(host, "127.", 4)) {
        fprintf(stderr, "limits / loopback only\n");
        return 2;
    }
    S = calloc(nS, sizeof *S);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    for (int i = 0; i < nS; i++) {
        S[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        int bsz = 1 << 21;
        setsockopt(S[i].fd, SOL_SOCKET, SO_RCVBUF, &bsz, sizeof bsz);
        if (spread) {
            struct sockaddr_in l = {.sin_family = AF_INET};
            l.sin_addr.s_addr = htonl(0x7f000000u + ((1 + i / 250) << 8) + 1 + i % 250);
            if (bind(S[i].fd, (void *)&l, sizeof l))
                perror("bind");
        }
        if (connect(S[i].fd, (void *)&a, sizeof a)) {
            perror("connect");
            return 1;
        }
    }
    uint64_t t0 = now_ns();
    int left = nS;
    while (left && now_ns() - t0 < 5000000000ull) {
        for (int i = 0; i < nS; i++)
            if (!S[i].have) {
                uint8_t b[16];
                p64(b, 0x41727101980ull);
                p32(b + 8, 0);
                p32(b + 12, 0xC0000000u + i);
                send(S[i].fd, b, 16, 0);
            }
        usleep(30000);
        for (int i = 0; i < nS; i++) {
            uint8_t b[64];
            int L;
            while ((L = recv(S[i].fd, b, 64, MSG_DONTWAIT)) > 0)
                if (L >= 16 && g32(b) == 0 && g32(b + 4) == 0xC0000000u + i && !S[i].have) {
                    memcpy(S[i].cid, b + 8, 8);
                    S[i].have = 1;
                    left--;
                }
        }
    }
    if (left) {
        fprintf(stderr, "connect failed on %d sockets\n", left);
        return 1;
    }
    double c0, r0, c1, r1;
    srvstat(&c0, &r0);
    if (fill) {
        int m = mode;
        mode = 1;
        double s = phase(0, 1);
        mode = m;
        srvstat(&c1, &r1);
        printf("PREFILL peers=%ld ok=%lu err=%lu lost=%lu bad=%lu secs=%.2f rate=%.0f/s cpu_us/req=%.2f "
               "rss_before=%.1fMB rss_after=%.1fMB per100k=%.1fMB\n",
               T * N, C.ok, C.err, C.lost, C.bad, s, C.ok / s, C.ok ? (c1 - c0) * 1e6 / C.ok : 0, r0, r1,
               (r1 - r0) * 1e5 / (T * N));
        fflush(stdout);
    }
    if (only)
        return 0;
    srvstat(&c0, &r0);
    struct rusage ru0, ru1;
    getrusage(RUSAGE_SELF, &ru0);
    double s = phase(d, 0);
    getrusage(RUSAGE_SELF, &ru1);
    srvstat(&c1, &r1);
    double my =
        (ru1.ru_utime.tv_sec - ru0.ru_utime.tv_sec) + (ru1.ru_stime.tv_sec - ru0.ru_stime.tv_sec) +
        ((ru1.ru_utime.tv_usec - ru0.ru_utime.tv_usec) + (ru1.ru_stime.tv_usec - ru0.ru_stime.tv_usec)) / 1e6;
    printf("RUN ok=%lu rate=%.0f/s err=%lu lost=%lu bad=%lu late=%lu p50=%.0fus p90=%.0fus p99=%.0fus "
           "p999=%.0fus peers/reply=%.1f bytes/reply=%.0f srv_cpu=%.0f%% srv_us/req=%.2f gen_cpu=%.0f%% "
           "rss=%.1fMB inflight=%d\n",
           C.ok, C.ok / s, C.err, C.lost, C.bad, C.late, pct(.5), pct(.9), pct(.99), pct(.999),
           C.ok ? C.peers / (double)C.ok : 0, C.ok ? C.bytes / (double)C.ok : 0, (c1 - c0) / s * 100,
           C.ok ? (c1 - c0) * 1e6 / C.ok : 0, my / s * 100, r1, nS * W);
    return 0;
}
