// lg.c - a load generator for proxy benchmarks: closed or open loop, plain or SSE, one thread, epoll, loopback only.
//   build: gcc -O2 -o lg lg.c
//   ./lg -u http://127.0.0.1:PORT/path [-c conns] [-d seconds] [-n max requests] [-b body file] [-H 'K: V']... [-l
//   label]
//        [-R rate/s: open loop, latency counted from the planned start] [-x k: hang up after k SSE chunks] [-S bytes/s:
//        slow reader per connection]
//        [-N: new connection per request] [-1: one request per connection then hold it] [-w warm-up seconds not
//        counted] [-P: stop reading after headers (stalled client)]
// Prints one JSON line. SSE chunks are recognised by "ts":<ns>, which gives the per-chunk latency; chunked framing is
// decoded.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
typedef struct {
  uint32_t *v;
  size_t n, cap;
} vec;  // units of 100 ns
static void add(vec *a, int64_t ns) {
  if (a->n >= 20000000) return;
  if (a->n == a->cap) a->v = realloc(a->v, (a->cap = a->cap ? a->cap * 2 : 65536) * 4);
  ns /= 100;
  a->v[a->n++] = ns < 0 ? 0 : ns > 0xffffffffLL ? 0xffffffffu : ns;
}
static int cmp(const void *a, const void *b) {
  uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b;
  return x < y ? -1 : x > y;
}
static double pct(vec *a, double p) {
  if (!a->n) return -1;
  size_t i = p * (a->n - 1) + 0.5;
  return a->v[i] / 10000.0;
}
typedef struct conn {
  int fd, st, dead;
  size_t off;
  int64_t t0, next_read;
  int64_t tfirst;
  char hb[8192];
  int hl;
  int status;
  int chunked, close;
  long clen, got;
  int cst;
  long cleft;
  int nch;
  int m;
  uint64_t num;
  int idle;
  int reused;
  int hold;
} conn;  // st 0 connecting 1 writing 2 reading-headers 3 body 4 idle
static char *req;
static size_t reqlen;
static struct sockaddr_in addr;
static int ep;
static int64_t wstart, tend;
static vec L, T, K;
static long reqs, errs, non2, started, maxn = -1, chunks, bytes, disc, stale, connerr;
static int hang = -1, newc, onesho, stall;
static double rate, slow;
static conn *cs;
static int nc = 1;
static conn **idleq;
static int nidle;
static int64_t next_start;
static long backlog;
static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}
static void ev(conn *c, int op, uint32_t e) {
  struct epoll_event v = {.events = e, .data.ptr = c};
  epoll_ctl(ep, op, c->fd, &v);
}
static void openc(conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
  if (stall || slow > 0) {
    int rb = 65536;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &rb, 4);
  }
  c->reused = 0;
  if (connect(c->fd, (void *)&addr, sizeof addr) && errno != EINPROGRESS) {
    connerr++;
  }
  c->st = 0;
  ev(c, EPOLL_CTL_ADD, EPOLLOUT);
}
static void closec(conn *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}
static void begin(conn *c, int64_t t0) {
  c->t0 = t0;
  c->tfirst = 0;
  c->off = 0;
  c->hl = 0;
  c->status = 0;
  c->nch = 0;
  c->m = 0;
  c->num = 0;
  c->got = 0;
  c->cst = 0;
  c->idle = 0;
  started++;
  if (c->fd < 0)
    openc(c);
  else {
    c->st = 1;
    c->reused = 1;
    ev(c, EPOLL_CTL_MOD, EPOLLOUT | EPOLLIN);
  }
}
static void next(conn *c) {
  if (maxn >= 0 && started >= maxn) {
    c->st = 4;
    c->idle = 1;
    if (c->fd >= 0) ev(c, EPOLL_CTL_MOD, 0);
    return;
  }
  int64_t n = now();
  if (n >= tend) {
    c->st = 4;
    c->idle = 1;
    return;
  }
  if (rate > 0) {
    c->idle = 1;
    c->st = 4;
    if (c->fd >= 0) ev(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
    idleq[nidle++] = c;
    return;
  }
  begin(c, n);
}
static void done(conn *c, int ok) {
  int64_t n = now();
  if (c->t0 >= wstart) {
    if (ok) {
      reqs++;
      add(&L, n - c->t0);
      if (c->status < 200 || c->status > 299) non2++;
    } else
      errs++;
  }
  if (!ok || c->close || newc) closec(c);
  if (onesho) {
    c->st = 4;
    c->idle = 1;
    return;
  }
  next(c);
}
static const char TS[] = "\"ts\":";
static int scan(conn *c, const char *p, size_t n, int64_t t) {  // finds "ts":digits across reads; returns 1 to hang up
  for (size_t i = 0; i < n; i++) {
    char ch = p[i];
    if (c->m < 5) {
      if (ch == TS[c->m]) {
        if (++c->m == 5) c->num = 0;
      } else {
        c->m = ch == '"';
        if (!c->m) {
          const char *q = memchr(p + i, '"', n - i);
          if (!q) return 0;
          i = q - p - 1;
        }
      }
    } else {
      if (ch >= '0' && ch <= '9')
        c->num = c->num * 10 + ch - '0';
      else {
        c->m = 0;
        c->nch++;
        if (c->t0 >= wstart) {
          chunks++;
          add(&K, t - (int64_t)c->num);
        }
        if (hang >= 0 && c->nch >= hang) return 1;
      }
    }
  }
  return 0;
}
static int body(conn *c, char *p, ssize_t n, int64_t t) {  // 0 more, 1 complete, 2 hang up, -1 bad
  if (c->chunked) {
    char *e = p + n;
    while (p < e) {
      switch (c->cst) {
        case 0:
          c->cleft = 0;
          c->cst = 1; /* fallthrough */
        case 1: {
          char h = *p++;
          if (h >= '0' && h <= '9')
            c->cleft = c->cleft * 16 + h - '0';
          else if ((h | 32) >= 'a' && (h | 32) <= 'f')
            c->cleft = c->cleft * 16 + (h | 32) - 'a' + 10;
          else if (h == '\n')
            c->cst = c->cleft ? 2 : 4;
          break;
        }
        case 2: {
          ssize_t k = e - p < c->cleft ? e - p : c->cleft;
          c->got += k;
          if (scan(c, p, k, t)) return 2;
          p += k;
          c->cleft -= k;
          if (!c->cleft) c->cst = 3;
          break;
        }
        case 3:
          if (*p++ == '\n') c->cst = 0;
          break;
        case 4:
          if (*p++ == '\n') return 1;
          break;
      }
    }
    return 0;
  }
  c->got += n;
  if (scan(c, p, n, t)) return 2;
  if (c->clen >= 0 && c->got >= c->clen) return 1;
  return 0;
}
int main(int argc, char **argv) {
  char *url = NULL, *bf = NULL, *label = "", hdr[4096] = "";
  double dur = 3, warm = 0;
  int o;
  while ((o = getopt(argc, argv, "u:c:d:n:b:H:l:R:x:S:N1w:P")) > 0) switch (o) {
      case 'u':
        url = optarg;
        break;
      case 'c':
        nc = atoi(optarg);
        break;
      case 'd':
        dur = atof(optarg);
        break;
      case 'n':
        maxn = atol(optarg);
        break;
      case 'b':
        bf = optarg;
        break;
      case 'H':
        strcat(hdr, optarg);
        strcat(hdr, "\r\n");
        break;
      case 'l':
        label = optarg;
        break;
      case 'R':
        rate = atof(optarg);
        break;
      case 'x':
        hang = atoi(optarg);
        break;
      case 'S':
        slow = atof(optarg);
        break;
      case 'N':
        newc = 1;
        break;
      case '1':
        onesho = 1;
        break;
      case 'w':
        warm = atof(optarg);
        break;
      case 'P':
        stall = 1;
        break;
    }
  if (!url || strncmp(url, "http://127.0.0.1:", 17)) {
    fprintf(stderr, "-u http://127.0.0.1:PORT/... only\n");
    return 1;
  }
  if (dur > 120) dur = 120;
  struct rlimit rl = {20000, 20000};
  setrlimit(RLIMIT_NOFILE, &rl);
  signal(SIGPIPE, SIG_IGN);
  int port = atoi(url + 17);
  char *path = strchr(url + 17, '/');
  if (!path) path = "/";
  char *bd = NULL;
  long bl = 0;
  if (bf) {
    FILE *f = fopen(bf, "rb");
    if (!f) {
      perror(bf);
      return 1;
    }
    fseek(f, 0, SEEK_END);
    bl = ftell(f);
    rewind(f);
    bd = malloc(bl);
    fread(bd, 1, bl, f);
    fclose(f);
  }
  req = malloc(bl + 8192);
  reqlen = bf ? sprintf(req,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nAccept: "
                        "*/*\r\nUser-Agent: lg/1\r\n%sContent-Length: %ld\r\n\r\n",
                        path, port, hdr, bl)
              : sprintf(req, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, hdr);
  if (bd) {
    memcpy(req + reqlen, bd, bl);
    reqlen += bl;
  }
  addr =
      (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  ep = epoll_create1(0);
  cs = calloc(nc, sizeof *cs);
  idleq = calloc(nc + 1, sizeof *idleq);
  int64_t s = now();
  wstart = s + warm * 1e9;
  tend = wstart + dur * 1e9;
  struct rusage r0;
  getrusage(RUSAGE_SELF, &r0);
  next_start = s;
  for (int i = 0; i < nc; i++) {
    cs[i].fd = -1;
    if (rate > 0) {
      cs[i].st = 4;
      idleq[nidle++] = &cs[i];
    } else if (maxn < 0 || started < maxn)
      begin(&cs[i], now());
    else
      cs[i].idle = 1;
  }
  static struct epoll_event evs[1024];
  static char buf[1 << 18];
  int64_t hard = tend + (onesho ? 0 : 20) * 1000000000LL;
  for (;;) {
    int64_t n = now();
    if (n >= hard) break;
    if (n >= tend && rate > 0 && !onesho) {
      int busy = 0;
      for (int i = 0; i < nc; i++) busy |= cs[i].st < 4;
      if (!busy) break;
    }
    if (rate <= 0) {
      int busy = 0;
      for (int i = 0; i < nc && !busy; i++) busy |= !cs[i].idle;
      if (!busy) {
        if (!onesho || n >= tend) break;
      }
      if (n >= tend && hang < 0 && !stall && slow <= 0) { /* let what runs finish */
      } else if (n >= tend)
        break;
    }
    int64_t to = 50000000;
    if (rate > 0 && n < tend) {
      while (next_start <= n && (maxn < 0 || started < maxn)) {
        if (!nidle) {
          backlog++;
          break;
        }
        begin(idleq[--nidle], next_start);
        next_start += 1e9 / rate;
      }
      if (next_start - n < to) to = next_start - n;
      if (to < 0) to = nidle ? 0 : 1000000;
    }
    if (slow > 0) {
      for (int i = 0; i < nc; i++) {
        conn *c = &cs[i];
        if (c->fd >= 0 && c->st >= 2 && c->st < 4 && c->next_read && c->next_read <= n) {
          c->next_read = 0;
          ev(c, EPOLL_CTL_MOD, EPOLLIN);
        }
      }
      if (to > 5000000) to = 5000000;
    }
    struct timespec ts = {0, to};
    int k = epoll_pwait2(ep, evs, 1024, &ts, NULL);
    if (k < 0) continue;
    for (int i = 0; i < k; i++) {
      conn *c = evs[i].data.ptr;
      if (c->fd < 0) continue;
      uint32_t e = evs[i].events;
      if (c->st == 4) {
        if (e & (EPOLLHUP | EPOLLERR | EPOLLRDHUP | EPOLLIN)) {
          closec(c);
          disc++;
        }
        continue;
      }
      if (c->st == 0) {
        int er = 0;
        socklen_t sl = sizeof er;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &er, &sl);
        if (er) {
          connerr++;
          done(c, 0);
          continue;
        }
        c->st = 1;
        ev(c, EPOLL_CTL_MOD, EPOLLOUT | EPOLLIN);
      }
      if (c->st == 1 && (e & EPOLLOUT)) {
        while (c->off < reqlen) {
          ssize_t w = send(c->fd, req + c->off, reqlen - c->off, 0);
          if (w < 0) break;
          c->off += w;
        }
        if (c->off < reqlen) {
          if (errno != EAGAIN) {
            if (c->reused) {
              stale++;
              int64_t t0 = c->t0;
              closec(c);
              started--;
              begin(c, t0);
            } else
              done(c, 0);
          }
          continue;
        }
        c->st = 2;
        ev(c, EPOLL_CTL_MOD, EPOLLIN);
        continue;
      }
      if (e & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        size_t want = sizeof buf;
        if (slow > 0) {
          want = slow / 20 < 1 ? 1 : slow / 20;
          if (want > sizeof buf) want = sizeof buf;
        }
        ssize_t r = recv(c->fd, buf, want, 0);
        int64_t t = now();
        if (r < 0 && errno == EAGAIN) continue;
        if (r <= 0) {
          if (c->reused && c->st <= 2 && !c->hl) {
            stale++;
            int64_t t0 = c->t0;
            closec(c);
            started--;
            begin(c, t0);
            continue;
          }
          if (c->st == 3 && c->clen < 0 && !c->chunked && r == 0) {
            c->close = 1;
            done(c, 1);
          } else
            done(c, 0);
          continue;
        }
        bytes += r;
        char *p = buf;
        if (slow > 0) {
          c->next_read = t + 50000000;
          ev(c, EPOLL_CTL_MOD, 0);
        }
        if (c->st <= 2) {
          int room = sizeof c->hb - 1 - c->hl, take = r < room ? r : room;
          memcpy(c->hb + c->hl, buf, take);
          c->hl += take;
          c->hb[c->hl] = 0;
          char *he = strstr(c->hb, "\r\n\r\n");
          if (!he) continue;
          int hdrlen = he - c->hb + 4;
          if (!c->tfirst) c->tfirst = 0;
          int used = hdrlen - (c->hl - take);
          p = buf + used;
          r -= used;
          c->status = atoi(c->hb + 9);
          c->st = 3;
          *he = 0;
          char *v = strcasestr(c->hb, "\ncontent-length:");
          c->clen = v ? atol(v + 16) : -1;
          v = strcasestr(c->hb, "\ntransfer-encoding:");
          c->chunked = v && strcasestr(v, "chunked");
          c->close = strcasestr(c->hb, "\nconnection: close") != NULL;
          c->cst = 0;
          if (stall) {
            ev(c, EPOLL_CTL_MOD, 0);
            continue;
          }
        }
        if (r > 0 && !c->tfirst) {
          c->tfirst = t;
          if (c->t0 >= wstart) add(&T, t - c->t0);
        }
        int b = (r > 0 || c->clen == 0) ? (c->clen == 0 ? 1 : body(c, p, r, t)) : 0;
        if (b == 1)
          done(c, 1);
        else if (b == 2) {
          if (c->t0 >= wstart) reqs++;
          closec(c);
          disc++;
          next(c);
        } else if (b < 0)
          done(c, 0);
      }
    }
  }
  double el = (now() < tend ? now() - wstart : tend - wstart) / 1e9;
  struct rusage r1;
  getrusage(RUSAGE_SELF, &r1);
  double cpu = (r1.ru_utime.tv_sec - r0.ru_utime.tv_sec + r1.ru_stime.tv_sec - r0.ru_stime.tv_sec) +
               (r1.ru_utime.tv_usec - r0.ru_utime.tv_usec + r1.ru_stime.tv_usec - r0.ru_stime.tv_usec) / 1e6;
  qsort(L.v, L.n, 4, cmp);
  qsort(T.v, T.n, 4, cmp);
  qsort(K.v, K.n, 4, cmp);
  long pend = 0;
  for (int i = 0; i < nc; i++) pend += cs[i].st < 4 && cs[i].fd >= 0;
  printf(
      "{\"label\":\"%s\",\"conns\":%d,\"secs\":%.3f,\"reqs\":%ld,\"rps\":%.1f,\"errs\":%ld,\"non2xx\":%ld,\"connerr\":%"
      "ld,\"stale\":%ld,\"disc\":%ld,\"pending\":%ld,\"bytes\":%ld,\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,\"max\":%.4f,"
      "\"ttft50\":%.4f,\"ttft99\":%.4f,\"chunks\":%ld,\"cps\":%.0f,\"ck50\":%.4f,\"ck90\":%.4f,\"ck99\":%.4f,\"late\":%"
      "ld,\"lgcpu\":%.3f}\n",
      label, nc, el, reqs, reqs / el, errs, non2, connerr, stale, disc, pend, bytes, pct(&L, .5), pct(&L, .9),
      pct(&L, .99), pct(&L, 1), pct(&T, .5), pct(&T, .99), chunks, chunks / el, pct(&K, .5), pct(&K, .9), pct(&K, .99),
      backlog, cpu);
  return 0;
}
