// mock.c - a fast OpenAI-like upstream for proxy benchmarks. One thread, epoll, HTTP/1.1 keep-alive, loopback only.
//   build: gcc -O2 -o mock mock.c        run: ./mock -p 9000 [-U /tmp/mock.sock] [-T max_seconds]
// The answer is chosen by the request: body containing "stream":true (first or last 600 bytes) -> SSE, else a JSON of r
// bytes. Per-request knobs, from header `x-mock: k=v,k=v` or from the path `/m/k=v,k=v/v1/chat/completions`:
//   t=ms before the first byte (float)   d=ms between chunks (float)   n=number of chunks   s=payload bytes per chunk
//   b=chunks per write()                 r=bytes of the non-stream body   e=status code      z=1 gzip header lie (no
//   body change) x=1 after the n chunks close the socket with no end of stream (a dying upstream); x=2 the same with a
//   reset h=1 send the headers at once and wait t before the first chunk (default: headers wait too)
// GET /__stats gives counters as JSON, GET /__reset zeroes them. Each SSE chunk carries "ts":<CLOCK_MONOTONIC ns at
// write>.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
typedef struct {
  double t, d;
  long n, s, b, r, e, h, x;
} cfg;
typedef struct conn {
  int fd, heap_i, streaming, want_out, dead;  // heap_i -1: no timer
  char *in;
  size_t in_len, in_cap, hdr_end, need;
  int chunked;
  char *out;
  size_t out_len, out_off, out_cap;
  int64_t when;
  cfg c;
  long left;
  int stage;
  long sent_chunks;
} conn;
static struct {
  long conns, open, max_open, reqs, streams, done, aborts, abort_chunks, auth_ok, model_ok, chunks, active, max_active;
  long long in_bytes, out_bytes;
  long bad_body;
} S;
static conn **heap;
static int heap_n, heap_cap;
static int ep;
static cfg DEF = {0, 0, 50, 20, 1, 600, 200, 0, 0};
static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}
static void hset(int i, conn *c) {
  heap[i] = c;
  c->heap_i = i;
}
static void hup(int i) {
  conn *c = heap[i];
  while (i && heap[(i - 1) / 2]->when > c->when) {
    hset(i, heap[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  hset(i, c);
}
static void hdown(int i) {
  conn *c = heap[i];
  for (;;) {
    int k = 2 * i + 1;
    if (k >= heap_n) break;
    if (k + 1 < heap_n && heap[k + 1]->when < heap[k]->when) k++;
    if (heap[k]->when >= c->when) break;
    hset(i, heap[k]);
    i = k;
  }
  hset(i, c);
}
static void timer_add(conn *c, int64_t when) {
  c->when = when;
  if (c->heap_i >= 0) {
    int i = c->heap_i;
    hup(i);
    hdown(c->heap_i);
    return;
  }
  if (heap_n == heap_cap) heap = realloc(heap, (heap_cap = heap_cap ? heap_cap * 2 : 1024) * sizeof *heap);
  heap[heap_n] = c;
  c->heap_i = heap_n;
  hup(heap_n++);
}
static void timer_del(conn *c) {
  int i = c->heap_i;
  if (i < 0) return;
  c->heap_i = -1;
  heap_n--;
  if (i == heap_n) return;
  conn *l = heap[heap_n];
  hset(i, l);
  hup(i);
  hdown(l->heap_i);
}
static void upd(conn *c, int out) {
  if (c->want_out == out) return;
  c->want_out = out;
  struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | (out ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}
static void kill_conn(conn *c) {
  if (c->dead) return;
  c->dead = 1;
  timer_del(c);
  if (c->streaming) {
    S.aborts++;
    S.abort_chunks += c->sent_chunks;
    S.active--;
  }
  close(c->fd);
  S.open--;
}
static void put(conn *c, const char *p, size_t n) {
  if (c->out_off == c->out_len) c->out_off = c->out_len = 0;
  if (c->out_len + n > c->out_cap) {
    c->out_cap = (c->out_len + n) * 2;
    c->out = realloc(c->out, c->out_cap);
  }
  memcpy(c->out + c->out_len, p, n);
  c->out_len += n;
}
static int flush_out(conn *c) {  // 1 = all sent, 0 = blocked, -1 = dead
  while (c->out_off < c->out_len) {
    ssize_t k = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);
    if (k < 0) {
      if (errno == EAGAIN) {
        upd(c, 1);
        return 0;
      }
      kill_conn(c);
      return -1;
    }
    c->out_off += k;
    S.out_bytes += k;
  }
  c->out_off = c->out_len = 0;
  upd(c, 0);
  return 1;
}
static char pay[1 << 20];
static void put_chunk(conn *c, const char *p, size_t n) {
  char h[16];
  int k = sprintf(h, "%zx\r\n", n);
  put(c, h, k);
  put(c, p, n);
  put(c, "\r\n", 2);
}
static void one_chunk(conn *c) {
  char b[512];
  static char *big;
  static size_t cap;
  int k = sprintf(b,
                  "data: "
                  "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":"
                  "\"up-model\",\"ts\":%lld,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
                  (long long)now());
  size_t need = k + c->c.s + 64;
  if (need > cap) big = realloc(big, cap = need * 2);
  memcpy(big, b, k);
  memcpy(big + k, pay, c->c.s);
  k += c->c.s;
  k += sprintf(big + k, "\"},\"finish_reason\":%s}]}\n\n", c->left == 1 ? "\"stop\"" : "null");
  put_chunk(c, big, k);
  S.chunks++;
  c->sent_chunks++;
}
static void process(conn *c);
static const char SH[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nx-request-id: "
    "req_mock\r\nTransfer-Encoding: chunked\r\n\r\n";
static void step(conn *c) {  // advance a stream; called when nothing is pending and the time has come
  for (int guard = 0; guard < 64; guard++) {
    if (c->stage == 0) {
      put(c, SH, sizeof SH - 1);
      c->stage = 1;
      if (c->c.h) {
        if (flush_out(c) <= 0) {
          if (!c->dead) timer_add(c, now() + (int64_t)(c->c.t * 1e6));
          return;
        }
        timer_add(c, now() + (int64_t)(c->c.t * 1e6));
        return;
      }
    }
    for (long i = 0; i < c->c.b && c->left > 0; i++, c->left--) one_chunk(c);
    if (c->left == 0 && c->c.x) {
      flush_out(c);
      if (!c->dead) {
        c->streaming = 0;
        S.active--;
        if (c->c.x == 2) {
          struct linger lg = {1, 0};
          setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
        }
        kill_conn(c);
      }
      return;
    }
    if (c->left == 0) {
      static const char U[] =
          "data: "
          "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"up-"
          "model\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":50,\"total_tokens\":61}}"
          "\n\ndata: [DONE]\n\n";
      put_chunk(c, U, sizeof U - 1);
      put(c, "0\r\n\r\n", 5);
      c->streaming = 0;
      S.active--;
      S.done++;
      timer_del(c);
      int f = flush_out(c);
      if (f == 1 && c->in_len) process(c);
      return;
    }
    int f = flush_out(c);
    if (f < 0) return;
    if (f == 0) {
      timer_del(c);
      return;
    }  // resumed by EPOLLOUT
    if (c->c.d > 0) {
      int64_t nx = c->when + (int64_t)(c->c.d * 1e6), n = now();
      timer_add(c, nx < n - 1000000000LL ? n : nx);
      return;
    }
  }
  timer_add(c, now());
}
static void parse_cfg(cfg *c, const char *p, const char *e) {
  while (p + 2 < e && p[1] == '=') {
    double v = strtod(p + 2, NULL);
    switch (*p) {
      case 't':
        c->t = v;
        break;
      case 'd':
        c->d = v;
        break;
      case 'n':
        c->n = v;
        break;
      case 's':
        c->s = v > sizeof pay ? sizeof pay : v;
        break;
      case 'b':
        c->b = v;
        break;
      case 'r':
        c->r = v;
        break;
      case 'e':
        c->e = v;
        break;
      case 'h':
        c->h = v;
        break;
      case 'x':
        c->x = v;
        break;
    }
    while (p < e && *p != ',' && *p != '/' && *p != '\r' && *p != ' ') p++;
    if (p >= e || *p != ',') break;
    p++;
  }
}
static char *ci(const char *h, size_t n, const char *k) {
  size_t l = strlen(k);
  for (const char *p = h; p && p + l < h + n;) {
    if (!strncasecmp(p, k, l)) return (char *)p + l;
    p = memchr(p, '\n', n - (p - h));
    if (p) p++;
  }
  return NULL;
}
static void json_resp(conn *c, const char *b, size_t n, int code) {
  char h[256];
  int k = sprintf(
      h, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nx-request-id: req_mock\r\nContent-Length: %zu\r\n\r\n",
      code, code == 200 ? "OK" : "Error", n);
  put(c, h, k);
  put(c, b, n);
}
static void respond(conn *c) {
  c->stage = 0;
  c->sent_chunks = 0;
  if (c->c.n >= 0 && c->streaming) {
    S.streams++;
    if (++S.active > S.max_active) S.max_active = S.active;
    c->left = c->c.n;
    c->when = now();
    if (c->c.t > 0 && !c->c.h)
      timer_add(c, c->when + (int64_t)(c->c.t * 1e6));
    else
      step(c);
  } else {
    static char *b;
    static size_t bl;
    size_t want = c->c.r;
    if (want < 200) want = 200;
    if (bl != want) {
      b = realloc(b, want + 512);
      int k = sprintf(
          b,
          "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"up-model\","
          "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"");
      const char *tail = "\"}}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":50,\"total_tokens\":61}}";
      size_t tl = strlen(tail);
      size_t fill = want > k + tl ? want - k - tl : 1;
      memset(b + k, 'y', fill);
      memcpy(b + k + fill, tail, tl);
      bl = want;
      b[k + fill + tl] = 0;
    }
    json_resp(c, b, strlen(b), c->c.e);
    flush_out(c);
  }
}
static void process(conn *c) {  // parse as many complete requests as are buffered
  while (!c->dead && !c->streaming && c->heap_i < 0 && c->out_off == c->out_len) {
    if (!c->hdr_end) {
      char *e = memmem(c->in, c->in_len, "\r\n\r\n", 4);
      if (!e) return;
      c->hdr_end = e - c->in + 4;
      char *v = ci(c->in, c->hdr_end, "content-length:");
      c->need = c->hdr_end + (v ? strtoul(v, NULL, 10) : 0);
      v = ci(c->in, c->hdr_end, "transfer-encoding:");
      c->chunked = v && memmem(v, 20, "chunked", 7);
      if (ci(c->in, c->hdr_end, "expect: 100")) {
        put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        flush_out(c);
      }
    }
    if (c->chunked) {
      size_t p = c->hdr_end;
      int fin = 0;
      for (;;) {
        char *e = p < c->in_len ? memmem(c->in + p, c->in_len - p, "\r\n", 2) : NULL;
        if (!e) break;
        size_t k = strtoul(c->in + p, NULL, 16);
        size_t nx = (e - c->in) + 2 + k + 2;
        if (nx > c->in_len) break;
        p = nx;
        if (!k) {
          fin = 1;
          break;
        }
      }
      if (!fin) return;
      c->need = p;
    } else if (c->in_len < c->need)
      return;
    char *h = c->in, *b = c->in + c->hdr_end;
    size_t bl = c->need - c->hdr_end;
    S.reqs++;
    S.in_bytes += c->need;
    if (!strncmp(h, "GET /__", 7)) {
      char o[1024];
      if (!strncmp(h + 7, "reset", 5)) {
        long op = S.open, ac = S.active;
        memset(&S, 0, sizeof S);
        S.open = S.max_open = op;
        S.active = S.max_active = ac;
      }
      int k = sprintf(o,
                      "{\"conns\":%ld,\"open\":%ld,\"max_open\":%ld,\"reqs\":%ld,\"streams\":%ld,\"done\":%ld,"
                      "\"aborts\":%ld,\"abort_chunks\":%ld,\"auth_ok\":%ld,\"model_ok\":%ld,\"chunks\":%ld,\"active\":%"
                      "ld,\"max_active\":%ld,\"in_bytes\":%lld,\"out_bytes\":%lld}",
                      S.conns, S.open, S.max_open, S.reqs, S.streams, S.done, S.aborts, S.abort_chunks, S.auth_ok,
                      S.model_ok, S.chunks, S.active, S.max_active, S.in_bytes, S.out_bytes);
      json_resp(c, o, k, 200);
      flush_out(c);
    } else {
      c->c = DEF;
      char *sp = memchr(h, ' ', c->hdr_end);
      if (sp && !strncmp(sp, " /m/", 4)) parse_cfg(&c->c, sp + 4, h + c->hdr_end);
      char *v = ci(h, c->hdr_end, "x-mock:");
      if (v) {
        while (*v == ' ') v++;
        parse_cfg(&c->c, v, h + c->hdr_end);
      }
      v = ci(h, c->hdr_end, "authorization:");
      if (v && memmem(v, 24, "Bearer up-", 10)) S.auth_ok++;
      if (v && memmem(v, 24, "Bearer bad-", 11)) c->c.e = 429;
      size_t w = bl < 600 ? bl : 600;
      if (memmem(b, w, "\"up-model\"", 10) || memmem(b + bl - w, w, "\"up-model\"", 10)) S.model_ok++;
      c->streaming = memmem(b, w, "\"stream\":true", 13) || memmem(b + bl - w, w, "\"stream\":true", 13);
      size_t rest = c->in_len - c->need;
      memmove(c->in, c->in + c->need, rest);
      c->in_len = rest;
      c->hdr_end = c->need = 0;  // consumed before the answer starts
      if (!c->streaming && c->c.t > 0) {
        c->stage = 9;
        timer_add(c, now() + (int64_t)(c->c.t * 1e6));
      } else
        respond(c);
      if (c->dead) return;
      continue;
    }
    size_t rest = c->in_len - c->need;
    memmove(c->in, c->in + c->need, rest);
    c->in_len = rest;
    c->hdr_end = c->need = 0;
  }
}
int main(int argc, char **argv) {
  int port = 9000, o;
  char *ux = NULL;
  long maxs = 7200;
  while ((o = getopt(argc, argv, "p:U:T:")) > 0) {
    if (o == 'p') port = atoi(optarg);
    if (o == 'U') ux = optarg;
    if (o == 'T') maxs = atol(optarg);
  }
  memset(pay, 'x', sizeof pay);
  for (int i = 5; i < (int)sizeof pay; i += 6) pay[i] = ' ';
  signal(SIGPIPE, SIG_IGN);
  ep = epoll_create1(0);
  int one = 1, ls[2], nl = 0;
  {
    int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(l, (void *)&a, sizeof a) || listen(l, 8192)) {
      perror("bind");
      return 1;
    }
    ls[nl++] = l;
  }
  if (ux) {
    unlink(ux);
    int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, ux);
    if (bind(l, (void *)&a, sizeof a) || listen(l, 8192)) {
      perror("bind ux");
      return 1;
    }
    ls[nl++] = l;
  }
  for (int i = 0; i < nl; i++) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = (void *)(intptr_t)(i + 1)};
    epoll_ctl(ep, EPOLL_CTL_ADD, ls[i], &ev);
  }
  int64_t end = now() + maxs * 1000000000LL;
  static struct epoll_event evs[1024];
  conn **dead = NULL;
  int dn = 0, dc = 0;
  for (;;) {
    int64_t n = now();
    if (n > end) return 0;
    int64_t to = heap_n ? heap[0]->when - n : 1000000000LL;
    if (to < 0) to = 0;
    if (to > 1000000000LL) to = 1000000000LL;
    struct timespec ts = {to / 1000000000LL, to % 1000000000LL};
    int k = epoll_pwait2(ep, evs, 1024, &ts, NULL);
    if (k < 0) {
      if (errno == EINTR) continue;
      perror("epoll");
      return 1;
    }
    for (int i = 0; i < k; i++) {
      intptr_t v = (intptr_t)evs[i].data.ptr;
      if (v <= 2) {
        for (;;) {
          int f = accept4(ls[v - 1], NULL, NULL, SOCK_NONBLOCK);
          if (f < 0) break;
          if (v == 1) setsockopt(f, IPPROTO_TCP, TCP_NODELAY, &one, 4);
          conn *c = calloc(1, sizeof *c);
          c->fd = f;
          c->heap_i = -1;
          S.conns++;
          if (++S.open > S.max_open) S.max_open = S.open;
          struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
          epoll_ctl(ep, EPOLL_CTL_ADD, f, &ev);
        }
        continue;
      }
      conn *c = (conn *)v;
      if (c->dead) continue;
      if (evs[i].events & (EPOLLERR | EPOLLHUP)) {
        kill_conn(c);
        goto fin;
      }
      if (evs[i].events & (EPOLLIN | EPOLLRDHUP)) {
        for (;;) {
          if (c->in_cap - c->in_len < 65536) c->in = realloc(c->in, c->in_cap = c->in_cap ? c->in_cap * 2 : 131072);
          size_t room = c->in_cap - c->in_len;
          ssize_t r = recv(c->fd, c->in + c->in_len, room, 0);
          if (r == 0) {
            kill_conn(c);
            break;
          }
          if (r < 0) {
            if (errno != EAGAIN) kill_conn(c);
            break;
          }
          c->in_len += r;
          if ((size_t)r < room) break;
        }
        if (c->dead) goto fin;
        process(c);
        if (c->dead) goto fin;
      }
      if (evs[i].events & EPOLLOUT) {
        int f = flush_out(c);
        if (f == 1) {
          if (c->streaming) {
            if (c->c.d > 0) {
              if (c->heap_i < 0) timer_add(c, now() + (int64_t)(c->c.d * 1e6));
            } else if (c->heap_i < 0)
              step(c);
          } else if (c->heap_i < 0)
            process(c);
        }
      }
    fin:
      if (c->dead) {
        if (dn == dc) dead = realloc(dead, (dc = dc ? dc * 2 : 256) * sizeof *dead);
        dead[dn++] = c;
      }
    }
    n = now();
    for (int g = 0; heap_n && heap[0]->when <= n && g < 4096; g++) {
      conn *c = heap[0];
      if (c->streaming) {
        if (c->out_off < c->out_len) {
          timer_del(c);
          continue;
        }
        int64_t w = c->when;
        step(c);
        if (!c->dead && c->heap_i >= 0 && c->when == w) timer_del(c);
      } else {
        timer_del(c);
        if (c->stage == 9) {
          respond(c);
          if (!c->dead) process(c);
        }
      }
      if (c->dead) {
        if (dn == dc) dead = realloc(dead, (dc = dc ? dc * 2 : 256) * sizeof *dead);
        int dup = 0;
        for (int q = 0; q < dn; q++) dup |= dead[q] == c;
        if (!dup) dead[dn++] = c;
      }
    }
    for (int i = 0; i < dn; i++) {
      free(dead[i]->in);
      free(dead[i]->out);
      free(dead[i]);
    }
    dn = 0;
  }
}
